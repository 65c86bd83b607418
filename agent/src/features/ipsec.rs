//! IPsec (`--enable-ipsec`): which flows associations and policies are about, and whether their packets pass.
//!
//! A record of ESP, AH or ESP in UDP bears the state of the associations between its two addresses; any other that a policy is
//! about bears the state of the association that the policy demands. Policies are law in the kernel: a packet that one is about
//! is transformed or dropped. So `success` says that policy and association are there and nothing failed in this interval, not
//! that each packet was looked at.
//!
//! Owns the reading of lists and changes in each namespace.

mod state;

use std::{
    collections::BTreeMap,
    io, mem,
    sync::Arc,
    time::{Duration, Instant},
};

use flow::{Counters, FlowRecord};

use self::state::State;
use super::{About, Begun, Feature, Start, neighbours::Neighbours};
use crate::{
    netlink::{
        stream::{Groups, Lister, Progress, Scratch},
        xfrm::{self, Object},
    },
    netns::follow::{Follow, Moved},
};

/// Between lists, which also tell failures, at least; more when a list takes long.
const LOOK: Duration = Duration::from_millis(500);
/// Lists may take this part of the time.
const SHARE: u32 = 25;
/// The kernel has its lists at hand: after one look too many the rest is left for later, so that no bug hangs the beginning.
const LOOKS: usize = 100;
/// Datagrams of a list read in one call: about 1,000 associations.
const PIECES: usize = 32;

/// State of the feature.
struct Ipsec {
    namespaces: BTreeMap<u32, Namespace>,
    follow: Follow<Opened>,
    neighbours: Neighbours,
    scratch: Scratch,
    /// Of namespaces that have gone.
    overflows: u64,
    success: Arc<str>,
    error: Arc<str>,
}

/// Sockets in a namespace.
struct Opened {
    changes: Groups,
    lister: Lister,
}

/// What is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Nothing,
    Associations,
    Policies,
}

/// One namespace.
struct Namespace {
    sockets: Opened,
    state: State,
    reading: Reading,
    /// Something changed since the list that is being read was begun.
    again: bool,
    next_list: Instant,
    /// What this list took so far.
    spent: Duration,
    overflows: u64,
}

/// Begins to look.
pub(super) fn begin(start: &mut Start<'_>) -> Begun {
    let why = |error: io::Error| format!("IPsec cannot be seen: {}", reason(&error));
    let open = || Ok(Opened { changes: xfrm::hear()?, lister: xfrm::lister()? });
    let (opened, follow) = Follow::start(&start.config.netns, open).map_err(why)?;
    let mut ipsec = Ipsec {
        namespaces: BTreeMap::new(),
        follow,
        neighbours: Neighbours::new(start.topology.clone()),
        scratch: Scratch::default(),
        overflows: 0,
        success: Arc::from("success"),
        error: Arc::from("error"),
    };
    for (key, opened) in opened {
        let mut namespace = Namespace::new(opened);
        namespace.list_whole(&mut ipsec.scratch).map_err(why)?;
        ipsec.namespaces.insert(key, namespace);
    }
    Ok(Box::new(ipsec))
}

fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EPERM) => "CAP_NET_ADMIN is missing".to_owned(),
        Some(libc::EPROTONOSUPPORT | libc::EOPNOTSUPP | libc::ECONNREFUSED) => {
            "this kernel does not tell its IPsec state by netlink (module xfrm_user)".to_owned()
        }
        _ => error.to_string(),
    }
}

impl Namespace {
    fn new(sockets: Opened) -> Self {
        Self {
            sockets,
            state: State::default(),
            reading: Reading::Nothing,
            again: false,
            next_list: Instant::now(),
            spent: Duration::ZERO,
            overflows: 0,
        }
    }

    /// Reads all there is, at once.
    fn list_whole(&mut self, scratch: &mut Scratch) -> io::Result<()> {
        self.begin_list()?;
        for _ in 0..LOOKS {
            if self.reading != Reading::Nothing {
                self.list(usize::MAX, scratch)?;
            }
        }
        Ok(())
    }

    fn begin_list(&mut self) -> io::Result<()> {
        self.next_list = Instant::now() + LOOK;
        xfrm::begin_associations(&mut self.sockets.lister)?;
        (self.reading, self.again, self.spent) = (Reading::Associations, false, Duration::ZERO);
        Ok(())
    }

    /// Reads on in the list that was begun.
    fn list(&mut self, pieces: usize, scratch: &mut Scratch) -> io::Result<()> {
        let begun = Instant::now();
        let state = &mut self.state;
        let progress = self.sockets.lister.read(pieces, scratch, &mut |kind, body| {
            if let Some(object) = Object::parse(kind, body) {
                state.add(object);
            }
        });
        let reading = mem::replace(&mut self.reading, Reading::Nothing);
        match progress.inspect_err(|_| self.state.discard())? {
            Progress::Going => self.reading = reading,
            Progress::Done(whole) => {
                self.again |= !whole;
                if reading == Reading::Associations {
                    xfrm::begin_policies(&mut self.sockets.lister).inspect_err(|_| self.state.discard())?;
                    self.reading = Reading::Policies;
                } else {
                    self.state.end_list();
                }
            }
        }
        self.spent += begun.elapsed();
        self.next_list = self.next_list.max(Instant::now() + self.spent * SHARE);
        Ok(())
    }

    fn step(&mut self, scratch: &mut Scratch) {
        let mut changed = false;
        let overflows = self.sockets.changes.read(scratch, &mut |_, _| changed = true);
        self.overflows += overflows;
        self.again |= changed || overflows > 0;
        // Errors would be repeated at once; the next look tries again.
        if self.reading != Reading::Nothing {
            let _ = self.list(PIECES, scratch);
        } else if mem::take(&mut self.again) || Instant::now() >= self.next_list {
            let _ = self.begin_list();
        }
    }
}

impl Feature for Ipsec {
    fn collect(&mut self) {
        for moved in self.follow.moved() {
            match moved {
                Moved::Came(key, opened) => drop(self.namespaces.insert(key, Namespace::new(opened))),
                Moved::Gone(key) => {
                    self.overflows += self.namespaces.remove(&key).map_or(0, |gone| gone.overflows);
                }
            }
        }
        self.neighbours.refresh();
        for namespace in self.namespaces.values_mut() {
            namespace.step(&mut self.scratch);
        }
    }

    fn annotate(&mut self, about: &About<'_>, record: &mut FlowRecord) {
        // A pod's packets are transformed in its node's namespace.
        let code = self.neighbours.find(about.netns, |key| self.namespaces.get(&key)?.state.code(about.tuple));
        let Some(code) = code else { return };
        record.ipsec_ret_code = Some(code);
        record.ipsec_status = Some(if code == 0 { &self.success } else { &self.error }.clone());
    }

    fn rest(&mut self, _: &mut dyn FnMut(FlowRecord)) {
        for namespace in self.namespaces.values_mut() {
            namespace.state.end_interval();
        }
    }

    fn count(&self, counters: &mut Counters) {
        counters.event_overflows += self.overflows;
        counters.event_overflows += self.namespaces.values().map(|namespace| namespace.overflows).sum::<u64>();
    }
}
