//! Drops of the ending interval by flow, until a record takes them.

use std::collections::HashMap;

use agent_common::drops::{DropKey, DropValue, UNKNOWN_NETNS};
use flow::FlowRecord;

use super::{
    reasons::{Reasons, is_vague},
    state,
};
use crate::account::tuple::Tuple;

/// Most flows of one interval: an attack from made-up addresses must not take all memory.
const MOST: usize = 131_072;

/// What was dropped of a flow in one place for one reason.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dropped {
    pub(super) netns: u32,
    pub(super) ifindex: u32,
    reason: u32,
    packets: u64,
    bytes: u64,
    first_ns: u64,
    last_ns: u64,
    flags: u16,
    state: u8,
}

impl Dropped {
    fn new(key: &DropKey, value: &DropValue) -> Self {
        Self {
            netns: key.netns,
            ifindex: key.ifindex,
            reason: key.reason,
            packets: value.packets,
            bytes: value.bytes,
            first_ns: value.first_ns,
            last_ns: value.last_ns,
            flags: key.tcp_flags,
            state: value.state,
        }
    }

    fn is_as(&self, other: &Self) -> bool {
        (self.netns, self.ifindex, self.reason) == (other.netns, other.ifindex, other.reason)
    }

    fn add(&mut self, other: &Self) {
        if other.last_ns >= self.last_ns {
            (self.last_ns, self.flags, self.state) = (other.last_ns, other.flags, other.state);
        }
        self.first_ns = self.first_ns.min(other.first_ns);
        self.packets += other.packets;
        self.bytes += other.bytes;
    }
}

/// All drops that no record has taken.
#[derive(Debug, Default)]
pub(super) struct Pending {
    flows: HashMap<Tuple, Vec<Dropped>, foldhash::fast::RandomState>,
    /// Packets for whose flows there was no room.
    pub(super) lost: u64,
}

impl Pending {
    /// Adds what one CPU counted.
    pub(super) fn add(&mut self, tuple: Tuple, key: &DropKey, value: &DropValue) {
        let new = Dropped::new(key, value);
        if self.flows.len() >= MOST && !self.flows.contains_key(&tuple) {
            self.lost += value.packets;
            return;
        }
        let places = self.flows.entry(tuple).or_default();
        match places.iter_mut().find(|place| place.is_as(&new)) {
            Some(place) => place.add(&new),
            None => places.push(new),
        }
    }

    /// Takes the drops of a flow that happened in namespaces for which `is_there` holds.
    pub(super) fn take(&mut self, tuple: &Tuple, is_there: impl Fn(u32) -> bool) -> Vec<Dropped> {
        if self.flows.is_empty() {
            return Vec::new();
        }
        let Some(places) = self.flows.get_mut(tuple) else { return Vec::new() };
        let taken = places.extract_if(.., |place| place.netns == UNKNOWN_NETNS || is_there(place.netns)).collect();
        if places.is_empty() {
            self.flows.remove(tuple);
        }
        taken
    }

    /// Takes everything, one namespace and device after the other.
    pub(super) fn rest(&mut self) -> impl Iterator<Item = (Tuple, Vec<Dropped>)> {
        self.flows.drain().flat_map(|(tuple, places)| by_place(places).into_iter().map(move |group| (tuple, group)))
    }
}

/// The drops of each namespace and device together.
fn by_place(places: Vec<Dropped>) -> Vec<Vec<Dropped>> {
    let mut groups: Vec<Vec<Dropped>> = Vec::new();
    for place in places {
        let same = |group: &&mut Vec<Dropped>| (group[0].netns, group[0].ifindex) == (place.netns, place.ifindex);
        match groups.iter_mut().find(same) {
            Some(group) => group.push(place),
            None => groups.push(vec![place]),
        }
    }
    groups
}

/// First and last drop.
pub(super) fn times(dropped: &[Dropped]) -> (u64, u64) {
    let first = dropped.iter().map(|place| place.first_ns).min().unwrap_or(0);
    (first, dropped.iter().map(|place| place.last_ns).max().unwrap_or(0))
}

/// Notes drops in a record: the sum, and the latest that has a reason which says something.
pub(super) fn note(dropped: &[Dropped], reasons: &mut Reasons, record: &mut FlowRecord) {
    let latest = dropped.iter().max_by_key(|place| (!is_vague(&reasons.name(place.reason)), place.last_ns));
    let Some(latest) = latest.copied() else { return };
    let sum = |of: fn(&Dropped) -> u64| Some(dropped.iter().map(of).fold(0, u64::saturating_add));
    record.pkt_drop_packets = sum(|place| place.packets);
    record.pkt_drop_bytes = sum(|place| place.bytes);
    record.pkt_drop_latest_drop_cause = Some(reasons.name(latest.reason));
    record.pkt_drop_latest_state = state::name(latest.state);
    record.pkt_drop_latest_flags = Some(latest.flags).filter(|flags| *flags != 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(netns: u32, reason: u32, cpu: u16) -> DropKey {
        let address = [0; 16];
        let (selector, ifindex, tcp_flags) = ([1, 2], 4, 2);
        DropKey {
            src: address,
            dst: address,
            selector,
            netns,
            ifindex,
            reason,
            cpu,
            proto: 6,
            family: 4,
            tcp_flags,
            pad: 0,
        }
    }

    fn value(packets: u64, last_ns: u64, state: u8) -> DropValue {
        DropValue { bytes: packets * (1 << 40), packets, first_ns: last_ns - 1, last_ns, state, pad: [0; 7] }
    }

    fn tuple() -> Tuple {
        Tuple::from(&key(0, 0, 0))
    }

    #[test]
    fn cpus_are_summed_in_64_bits_and_the_latest_says_why() {
        let mut pending = Pending::default();
        pending.add(tuple(), &key(1, 3, 0), &value(1 << 20, 10, 2));
        pending.add(tuple(), &key(1, 3, 1), &value(5, 20, 7));
        pending.add(tuple(), &key(1, 4, 1), &value(1, 15, 1));
        let taken = pending.take(&tuple(), |netns| netns == 1);
        assert_eq!(times(&taken), (9, 20));
        let mut record = FlowRecord::default();
        note(&taken, &mut Reasons::default(), &mut record);
        assert_eq!(record.pkt_drop_packets, Some((1 << 20) + 6));
        assert_eq!(record.pkt_drop_bytes, Some(((1 << 20) + 6) << 40));
        assert_eq!(record.pkt_drop_latest_drop_cause.as_deref(), Some("SKB_DROP_REASON_3"));
        assert_eq!(record.pkt_drop_latest_state.as_deref(), Some("TCP_CLOSE"));
        assert_eq!(record.pkt_drop_latest_flags, Some(2));
    }

    #[test]
    fn a_drop_is_taken_once_and_only_where_it_belongs() {
        let mut pending = Pending::default();
        pending.add(tuple(), &key(1, 3, 0), &value(1, 10, 0));
        pending.add(tuple(), &key(2, 3, 0), &value(2, 10, 0));
        pending.add(tuple(), &key(UNKNOWN_NETNS, 3, 0), &value(4, 10, 0));
        assert_eq!(pending.take(&tuple(), |netns| netns == 1).len(), 2, "its own, and the one of nobody");
        assert!(pending.take(&tuple(), |netns| netns == 1).is_empty());
        assert_eq!(pending.rest().map(|(_, dropped)| dropped[0].packets).collect::<Vec<_>>(), [2]);
        assert_eq!(pending.rest().count(), 0);
    }

    #[test]
    fn a_reason_that_says_nothing_yields_to_one_that_does() {
        let mut pending = Pending::default();
        pending.add(tuple(), &key(1, 3, 0), &value(1, 10, 0));
        pending.add(tuple(), &key(1, 0, 0), &value(1, 20, 0));
        let mut record = FlowRecord::default();
        note(&pending.take(&tuple(), |_| true), &mut Reasons::default(), &mut record);
        assert_eq!(record.pkt_drop_latest_drop_cause.as_deref(), Some("SKB_DROP_REASON_3"));
        assert_eq!(record.pkt_drop_packets, Some(2));
        assert_eq!(record.pkt_drop_latest_state, None);
    }
}
