//! Who had one address when. Pure: times come in, answers go out.
//!
//! A pod's address passes to another pod when the first is gone; how exactly that is known differs. Of each holder there are three times: `from`,
//! before which it cannot have had the address; `settled`, at which it had it for certain; `until`, at which it had it no more. Where two
//! pods overlap, the earlier one keeps the address until its end is known or the later one is settled, whichever comes first. That
//! makes the answer independent of the order in which the watches tell.

/// What makes an address somebody's, in the order in which look-ups prefer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// A pod's own address.
    Pod,
    /// An interface on a secondary network, where nothing said which network it is.
    Secondary,
    /// A node's address.
    Node,
    /// An address under which a service is reached.
    Service,
    /// An address by which a node's pods see it, told by a network plugin or guessed.
    Gateway,
}

/// One holder of an address. Times are ms since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tenure {
    /// Number of the object.
    pub(crate) thing: u32,
    /// Number of the network's name; 0 is the primary one.
    pub(crate) network: u32,
    pub(crate) role: Role,
    pub(crate) from: u64,
    pub(crate) settled: u64,
    /// `u64::MAX` while it has it.
    pub(crate) until: u64,
}

/// A packet up to this long after its holder has gone is still named after it, if nobody else has the address: the last words of a connection.
const LATE_MS: u64 = 10_000;
/// A packet up to this long before its holder came is named after it, if nobody else had the address: clocks differ.
const EARLY_MS: u64 = 5_000;

/// All holders of one address.
#[derive(Clone, Debug)]
pub(crate) enum Holders {
    /// The usual case, without a list.
    One(Tenure),
    /// By role, then by time.
    Many(Vec<Tenure>),
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) tenure: Tenure,
    /// Whether it had the address at that time; else it is the nearest guess, and a better one may come.
    pub(crate) certain: bool,
}

impl Holders {
    /// Adds a holder.
    pub(crate) fn add(&mut self, tenure: Tenure) {
        let mut all = self.as_slice().to_vec();
        let place = all.partition_point(|other| order(other) <= order(&tenure));
        all.insert(place, tenure);
        *self = Self::Many(all);
    }

    /// All of them, by role, then by time.
    pub(crate) fn as_slice(&self) -> &[Tenure] {
        match self {
            Self::One(tenure) => std::slice::from_ref(tenure),
            Self::Many(tenures) => tenures,
        }
    }

    /// Ends what `thing` still holds in `role` on `network`; whether it held anything.
    pub(crate) fn end(&mut self, thing: u32, role: Role, network: u32, until: u64) -> bool {
        let tenures = match self {
            Self::One(tenure) => std::slice::from_mut(tenure),
            Self::Many(tenures) => tenures,
        };
        let matches = |tenure: &&mut Tenure| {
            (tenure.thing, tenure.role, tenure.network, tenure.until) == (thing, role, network, u64::MAX)
        };
        tenures.iter_mut().find(matches).map(|tenure| tenure.until = until.max(tenure.from)).is_some()
    }

    /// Forgets what `thing` held until `before`; `None` where nobody is left.
    pub(crate) fn forget(self, thing: u32, before: u64) -> Option<Self> {
        let mut all = match self {
            Self::One(tenure) => vec![tenure],
            Self::Many(tenures) => tenures,
        };
        all.retain(|tenure| tenure.thing != thing || tenure.until > before);
        match *all {
            [] => None,
            [one] => Some(Self::One(one)),
            _ => Some(Self::Many(all)),
        }
    }

    /// Who had it in the time from `start` to `end`, ms since the epoch, both included.
    pub(crate) fn at(&self, start: u64, end: u64) -> Option<Held> {
        match self {
            Self::One(tenure) if tenure.from <= end && start < tenure.until => {
                Some(Held { tenure: *tenure, certain: true })
            }
            Self::One(tenure) => nearest(&[(*tenure, tenure.from, tenure.until)], start, end),
            Self::Many(tenures) => at_many(&effective(tenures), start, end),
        }
    }

    /// As [`Self::at`], but on one network only.
    pub(crate) fn at_on(&self, network: u32, start: u64, end: u64) -> Option<Held> {
        let there = self.as_slice().iter().filter(|tenure| tenure.network == network).copied();
        at_many(&effective(&there.collect::<Vec<_>>()), start, end)
    }

    /// Whether several have it at that time on different secondary networks.
    pub(crate) fn is_ambiguous(&self, start: u64, end: u64) -> bool {
        let Self::Many(tenures) = self else { return false };
        let there = |tenure: &&Tenure| tenure.role == Role::Secondary && tenure.from <= end && start < tenure.until;
        let mut there = tenures.iter().filter(there);
        let first = there.next().map(|tenure| tenure.network);
        there.any(|tenure| Some(tenure.network) != first)
    }

    /// Memory on the heap, bytes.
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::One(_) => 0,
            Self::Many(tenures) => tenures.capacity() * size_of::<Tenure>(),
        }
    }
}

fn order(tenure: &Tenure) -> (Role, u64, u64) {
    (tenure.role, tenure.settled, tenure.from)
}

/// Each holder with the time in which the address was its: pods give way to each other.
fn effective(tenures: &[Tenure]) -> Vec<(Tenure, u64, u64)> {
    let mut all: Vec<(Tenure, u64, u64)> = Vec::with_capacity(tenures.len());
    for (place, tenure) in tenures.iter().enumerate() {
        let next = tenures.get(place + 1).filter(|next| gives_way(tenure, next));
        let until = next.map_or(tenure.until, |next| tenure.until.min(next.settled));
        let before = all.last().filter(|(other, ..)| gives_way(other, tenure)).map_or(0, |(.., until)| *until);
        all.push((*tenure, tenure.from.max(before), until));
    }
    all
}

fn gives_way(first: &Tenure, second: &Tenure) -> bool {
    (first.role, second.role) == (Role::Pod, Role::Pod) && first.thing != second.thing
}

fn at_many(all: &[(Tenure, u64, u64)], start: u64, end: u64) -> Option<Held> {
    let mut best: Option<(Tenure, u64)> = None;
    for (tenure, from, until) in all {
        let overlap = (*until).min(end + 1).saturating_sub((*from).max(start));
        let better = best.is_none_or(|(other, most)| other.role == tenure.role && overlap > most);
        if overlap > 0 && better {
            best = Some((*tenure, overlap));
        }
    }
    best.map(|(tenure, _)| Held { tenure, certain: true }).or_else(|| nearest(all, start, end))
}

/// The holder that went shortly before `start`, else the one that came shortly after `end`.
fn nearest(all: &[(Tenure, u64, u64)], start: u64, end: u64) -> Option<Held> {
    let gone = all.iter().filter(|(_, from, until)| from <= until && *until <= start && start - until <= LATE_MS);
    let coming = all.iter().filter(|(_, from, until)| from < until && *from > end && from - end <= EARLY_MS);
    let found = gone.max_by_key(|(.., until)| *until).or_else(|| coming.min_by_key(|(_, from, _)| *from));
    found.map(|(tenure, ..)| Held { tenure: *tenure, certain: false })
}

#[cfg(test)]
mod tests;
