//! Associations and policies of one namespace, and what they mean for a flow.
//!
//! Must not know where they come from.

use std::{collections::HashMap, mem, net::IpAddr};

use crate::{
    account::tuple::Tuple,
    netlink::xfrm::{Association, Direction, Failures, Object, Policy, Selector, Template},
};

const UDP: u8 = 17;
const ESP: u8 = 50;
const AH: u8 = 51;

/// What becomes of a flow's packets: 0 when they are transformed, else an errno.
pub(super) type Code = u32;
/// They pass a policy and its association.
const SUCCESS: Code = 0;
/// A policy blocks them.
const BLOCKED: Code = libc::EPERM as Code;
/// A policy demands an association, and there is none.
const NO_ASSOCIATION: Code = libc::ESRCH as Code;
/// Packets of the association were not authentic.
const FORGED: Code = libc::EBADMSG as Code;
/// Packets of the association came twice, or too late for its replay window.
const REPLAYED: Code = libc::ESTALE as Code;

/// The kernel's identity of an association.
type Id = (IpAddr, u32, u8);

/// What a namespace has.
#[derive(Default)]
pub(super) struct State {
    associations: Vec<Association>,
    by_ends: HashMap<(IpAddr, IpAddr), Vec<usize>>,
    /// By priority.
    policies: Vec<Policy>,
    /// Policies for one address each way; meshes of nodes have hundreds.
    exact: HashMap<(IpAddr, IpAddr), Vec<usize>>,
    wide: Vec<usize>,
    /// What went wrong in this interval.
    failed: HashMap<Id, Code>,
    /// As of the last list; none before the first.
    failures: Option<HashMap<Id, Failures>>,
    coming: Vec<Object>,
}

impl State {
    /// Takes in one object of a list that is being read.
    pub(super) fn add(&mut self, object: Object) {
        self.coming.push(object);
    }

    /// What was read is of a list that failed.
    pub(super) fn discard(&mut self) {
        self.coming.clear();
    }

    /// The list is at its end, and is in force from now on.
    pub(super) fn end_list(&mut self) {
        (self.associations, self.policies) = (Vec::new(), Vec::new());
        for object in mem::take(&mut self.coming) {
            match object {
                Object::Association(association) => self.associations.push(association),
                // Which packets have a mark is not known here.
                Object::Policy(policy) if policy.is_bound => {}
                Object::Policy(policy) => self.policies.push(policy),
            }
        }
        self.compare();
        self.by_ends = index(self.associations.iter().map(|of| Some((of.source, of.destination))));
        self.policies.sort_by_key(|policy| policy.priority);
        self.exact = index(self.policies.iter().map(|policy| pair(&policy.selector)));
        let wide = self.policies.iter().enumerate().filter(|(_, policy)| pair(&policy.selector).is_none());
        self.wide = wide.map(|(number, _)| number).collect();
    }

    /// Notes what went wrong since the last list.
    fn compare(&mut self) {
        let before = self.failures.take();
        let mut failures = HashMap::new();
        for association in &self.associations {
            let id = (association.destination, association.spi, association.protocol);
            let now = association.failures;
            // What went wrong before we looked for the first time is not of this interval.
            let was = before.as_ref().map_or(now, |before| before.get(&id).copied().unwrap_or_default());
            if now.forged > was.forged {
                self.failed.insert(id, FORGED);
            } else if now.replayed > was.replayed {
                self.failed.insert(id, REPLAYED);
            }
            failures.insert(id, now);
        }
        self.failures = Some(failures);
    }

    /// An interval has ended: what went wrong in it was told.
    pub(super) fn end_interval(&mut self) {
        self.failed.clear();
    }

    /// What becomes of a flow's packets, as far as associations and policies tell; `None` where none is about them.
    pub(super) fn code(&self, tuple: &Tuple) -> Option<Code> {
        let (source, destination) = tuple.addresses()?;
        let is_through_udp = |of: &Association| tuple.proto == UDP && of.ports == Some(tuple.selector);
        let is_outer = |of: &&Association| (of.ports.is_none() && of.protocol == tuple.proto) || is_through_udp(of);
        let outer = self.between(source, destination).filter(is_outer).map(|of| self.of(of));
        if let Some(code) = outer.max() {
            return Some(code);
        }
        if matches!(tuple.proto, ESP | AH) {
            return self.demands(source, destination, tuple.proto).then_some(NO_ASSOCIATION);
        }
        let directions = [Direction::Out, Direction::Forward, Direction::In];
        directions.iter().filter_map(|direction| self.by_policy(*direction, tuple, source, destination)).max()
    }

    fn between(&self, source: IpAddr, destination: IpAddr) -> impl Iterator<Item = &Association> {
        let numbers = self.by_ends.get(&(source, destination)).into_iter().flatten();
        numbers.filter_map(|number| self.associations.get(*number))
    }

    fn of(&self, association: &Association) -> Code {
        let id = (association.destination, association.spi, association.protocol);
        self.failed.get(&id).copied().unwrap_or(SUCCESS)
    }

    /// Whether any policy demands an association between these two.
    fn demands(&self, source: IpAddr, destination: IpAddr, protocol: u8) -> bool {
        let mut templates = self.policies.iter().flat_map(|policy| &policy.templates);
        templates.any(|template| {
            (template.source, template.destination, template.protocol) == (source, destination, protocol)
        })
    }

    fn by_policy(&self, direction: Direction, tuple: &Tuple, source: IpAddr, destination: IpAddr) -> Option<Code> {
        let takes = |number: &usize| {
            let policy = self.policies.get(*number);
            policy.is_some_and(|policy| {
                policy.direction == direction && takes(&policy.selector, tuple, source, destination)
            })
        };
        let exact = self.exact.get(&(source, destination)).into_iter().flatten().find(|number| takes(number));
        let wide = self.wide.iter().find(|number| takes(number));
        // Numbers are in the order of priority.
        let policy = self.policies.get(*exact.into_iter().chain(wide).min()?)?;
        if policy.blocks {
            return Some(BLOCKED);
        }
        let demanded = policy.templates.iter().filter(|template| !template.is_optional);
        demanded.map(|template| self.by_template(template, source, destination)).max()
    }

    fn by_template(&self, template: &Template, source: IpAddr, destination: IpAddr) -> Code {
        let own = |end: IpAddr, of_packet| if template.is_transport && end.is_unspecified() { of_packet } else { end };
        let ends = (own(template.source, source), own(template.destination, destination));
        let fits = |of: &&Association| {
            of.protocol == template.protocol
                && of.is_transport == template.is_transport
                && (template.reqid == 0 || of.reqid == template.reqid)
        };
        self.between(ends.0, ends.1).filter(fits).map(|of| self.of(of)).max().unwrap_or(NO_ASSOCIATION)
    }
}

fn index<K: Eq + std::hash::Hash>(keys: impl Iterator<Item = Option<K>>) -> HashMap<K, Vec<usize>> {
    let mut index: HashMap<K, Vec<usize>> = HashMap::new();
    for (number, key) in keys.enumerate() {
        if let Some(key) = key {
            index.entry(key).or_default().push(number);
        }
    }
    index
}

/// The two addresses of a selector that has no others.
fn pair(selector: &Selector) -> Option<(IpAddr, IpAddr)> {
    let whole = [selector.source, selector.destination].iter().all(|net| net.prefix_len() == net.max_prefix_len());
    whole.then_some((selector.source.addr(), selector.destination.addr()))
}

fn takes(selector: &Selector, tuple: &Tuple, source: IpAddr, destination: IpAddr) -> bool {
    let masked = |(port, mask): (u16, u16), of: u16| of & mask == port & mask;
    // In ICMP type and code stand for the ports (xfrm_flowi_sport), as in a flow's tuple.
    selector.source.contains(&source)
        && selector.destination.contains(&destination)
        && (selector.protocol == 0 || selector.protocol == tuple.proto)
        && masked(selector.source_port, tuple.selector[0])
        && masked(selector.destination_port, tuple.selector[1])
}

#[cfg(test)]
mod tests;
