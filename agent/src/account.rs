//! From what CPUs and interfaces counted to one row for each flow, namespace and interval.
//!
//! Counts are kept cumulative for every point of observation (namespace, interface, direction). Points of one namespace
//! form a group, and so do those at the two ends of a veth pair when the packets pass it. What is reported of a group is
//! the growth of its largest count, so a packet that crosses several interfaces counts once, also when the interval
//! ends between them. Must not know the kernel's maps, records or the clock.

mod group;
pub(crate) mod points;
mod slab;
pub(crate) mod tuple;

use std::hash::BuildHasher as _;

use agent_common::types::FlowValue;
use foldhash::fast::RandomState;
use hashbrown::{HashTable, hash_table::Entry as TableEntry};

pub(crate) use self::group::{Member, Row};
use self::{points::Points, slab::Slab, tuple::Tuple};

/// No further observation.
const NONE: u32 = u32::MAX;
/// A flow is kept this long after its last packet, so that a point that lags behind does not make it count again.
const KEEP_NS: u64 = 5_000_000_000;
/// Fewer flows than this are never a crowd; see [`Table::new`].
const FEW: usize = 16_384;
/// So many times a crowd is too many.
const FULL: usize = 4;

/// A flow: its tuple and the list of its observations.
#[derive(Clone, Copy, Debug)]
struct Flow {
    tuple: Tuple,
    first: u32,
    /// It has counts that were not reported.
    dirty: bool,
    touched_ns: u64,
}

/// What one point counted of one flow since the flow is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    next: u32,
    pub(crate) point: u32,
    packets: u64,
    bytes: u64,
    /// How much of its group's count was reported in the name of this point.
    reported_packets: u64,
    reported_bytes: u64,
    /// Counts when they were last told as this point's own.
    told_packets: u64,
    told_bytes: u64,
    /// First packet ever; what follows from here to `dscp` is of that packet.
    first_ns: u64,
    pub(crate) src_mac: [u8; 6],
    pub(crate) dst_mac: [u8; 6],
    pub(crate) vlan: [u16; 2],
    pub(crate) dscp: u8,
    /// Of this interval; `interval_last` is 0 when there was no packet.
    flags: u16,
    interval_first: u64,
    interval_last: u64,
}

/// All flows that were seen lately.
pub(crate) struct Table {
    index: HashTable<u32>,
    flows: Slab<Flow>,
    seen: Slab<Seen>,
    dirty: Vec<u32>,
    hasher: RandomState,
    pub(crate) points: Points,
    scratch: group::Scratch,
    crowd: usize,
}

impl Table {
    /// From `crowd` flows on they are kept for two intervals only; from four times as many on everything that was reported is
    /// forgotten, which [`Table::expire`] tells. `CaptureConfig::agent_memory` in flow counts on this.
    pub(crate) fn new(crowd: usize) -> Self {
        Self {
            index: HashTable::new(),
            flows: Slab::new(),
            seen: Slab::new(),
            dirty: Vec::new(),
            hasher: RandomState::default(),
            points: Points::default(),
            scratch: group::Scratch::default(),
            crowd: crowd.max(FEW),
        }
    }

    /// How many flows are known.
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether so many flows are known that the interval should end early, to forget them.
    pub(crate) fn is_full(&self) -> bool {
        self.len() >= FULL * self.crowd
    }

    /// Adds what one CPU counted at one point since that was last drained.
    pub(crate) fn add(&mut self, tuple: &Tuple, point: u32, value: &FlowValue, now_ns: u64) {
        let flow = self.flow(tuple);
        let entry = self.flows.get_mut(flow);
        entry.touched_ns = now_ns;
        if !entry.dirty {
            entry.dirty = true;
            self.dirty.push(flow);
        }
        let mut at = entry.first;
        while at != NONE {
            let seen = self.seen.get_mut(at);
            if seen.point == point {
                seen.add(value);
                return;
            }
            at = seen.next;
        }
        entry.first = self.seen.insert(Seen::new(point, entry.first, value));
    }

    /// The slot of a flow, new or known.
    fn flow(&mut self, tuple: &Tuple) -> u32 {
        let Self { index, flows, hasher, .. } = self;
        let hash = hasher.hash_one(tuple);
        let same = |slot: &u32| flows.get(*slot).tuple == *tuple;
        match index.entry(hash, same, |slot| hasher.hash_one(flows.get(*slot).tuple)) {
            TableEntry::Occupied(entry) => *entry.get(),
            TableEntry::Vacant(entry) => {
                let slot = flows.insert(Flow { tuple: *tuple, first: NONE, dirty: false, touched_ns: 0 });
                entry.insert(slot);
                slot
            }
        }
    }

    /// Ends the interval: hands over one row for each group that grew.
    ///
    /// # Errors
    /// The first one of `each`; what was not handed over by then is lost with the capture.
    pub(crate) fn report<E>(&mut self, mut each: impl FnMut(&Row<'_>, &Points) -> Result<(), E>) -> Result<(), E> {
        for slot in std::mem::take(&mut self.dirty) {
            let flow = self.flows.get_mut(slot);
            flow.dirty = false;
            self.scratch.collect(flow.first, &self.seen, &self.points);
            while let Some(row) = self.scratch.next_row(&flow.tuple, &mut self.seen, &mut self.points) {
                each(&row, &self.points)?;
            }
        }
        Ok(())
    }

    /// Forgets flows without packets for a while; how many had to be forgotten before their time. To be called after
    /// [`Table::report`].
    pub(crate) fn expire(&mut self, now_ns: u64, interval_ns: u64) -> usize {
        let keep = if self.len() > self.crowd { 2 * interval_ns } else { KEEP_NS.max(2 * interval_ns) };
        self.forget(|flow| flow.touched_ns.saturating_add(keep) < now_ns);
        let before = self.len();
        if before >= FULL * self.crowd {
            self.forget(|_| true);
        }
        before - self.len()
    }

    fn forget(&mut self, which: impl Fn(&Flow) -> bool) {
        let Self { index, flows, seen, .. } = self;
        index.retain(|slot| {
            let flow = *flows.get(*slot);
            if flow.dirty || !which(&flow) {
                return true;
            }
            let mut at = flow.first;
            while at != NONE {
                let next = seen.get(at).next;
                seen.remove(at);
                at = next;
            }
            flows.remove(*slot);
            false
        });
    }
}

impl Seen {
    fn new(point: u32, next: u32, value: &FlowValue) -> Self {
        Self {
            next,
            point,
            packets: u64::from(value.packets),
            bytes: value.bytes,
            reported_packets: 0,
            reported_bytes: 0,
            told_packets: 0,
            told_bytes: 0,
            first_ns: value.first_ns,
            src_mac: value.src_mac,
            dst_mac: value.dst_mac,
            vlan: value.vlan,
            dscp: value.dscp,
            flags: value.tcp_flags,
            interval_first: value.first_ns,
            interval_last: value.last_ns,
        }
    }

    fn add(&mut self, value: &FlowValue) {
        self.packets += u64::from(value.packets);
        self.bytes += value.bytes;
        self.flags |= value.tcp_flags;
        let fresh = self.interval_last == 0;
        self.interval_first = if fresh { value.first_ns } else { self.interval_first.min(value.first_ns) };
        self.interval_last = self.interval_last.max(value.last_ns);
        if value.first_ns < self.first_ns {
            self.first_ns = value.first_ns;
            self.src_mac = value.src_mac;
            self.dst_mac = value.dst_mac;
            self.vlan = value.vlan;
            self.dscp = value.dscp;
        }
    }
}

#[cfg(test)]
mod tests;
