//! `--dedup`: one copy of each packet, the first in time.
//!
//! A copy is a packet with the id of one that was seen within the last half second, by the times of the packets, among the last
//! 262,144. That is longer than a packet takes through any cluster, and shorter than what is sent again alike on purpose takes to
//! be sent again (ARP and neighbour discovery ask once a second). What has no id always stays.

use std::{
    collections::VecDeque,
    hash::{BuildHasher as _, RandomState},
};

use flow::{Batch, Body};
use hashbrown::HashMap;

use crate::subset::retain_packets;

/// ns
const WINDOW: u64 = 500_000_000;
/// Ids, 40 bytes each.
const MOST: usize = 262_144;

/// The ids of the latest packets.
#[derive(Debug)]
pub(crate) struct Dedup {
    /// When each was first seen, ns since the epoch.
    seen: HashMap<u64, u64>,
    /// The same in the order in which they came.
    order: VecDeque<(u64, u64)>,
    /// Nodes go into one file; else each keeps its own copy.
    together: bool,
    hasher: RandomState,
}

impl Dedup {
    /// One copy of all nodes `together`, or of each.
    pub(crate) fn new(together: bool) -> Self {
        Self { seen: HashMap::new(), order: VecDeque::new(), together, hasher: RandomState::new() }
    }

    /// Takes copies out of a batch; returns how many.
    pub(crate) fn apply(&mut self, batch: &mut Batch) -> u64 {
        let Body::Packets(packets) = &mut batch.body else { return 0 };
        let file = self.file(batch.recording.as_ref().map(|recording| recording.number), &batch.node);
        let gone =
            retain_packets(packets, |packet, _, _| packet.id == 0 || self.is_first(packet.id ^ file, packet.time_ns));
        if gone > 0 && packets.packets.is_empty() {
            batch.body = Body::None;
        }
        gone
    }

    /// What tells the files apart that the packets go to.
    fn file(&self, recording: Option<u32>, node: &str) -> u64 {
        let node = (!self.together).then_some(node);
        if recording.is_none() && node.is_none() { 0 } else { self.hasher.hash_one((recording, node)) }
    }

    fn is_first(&mut self, id: u64, time_ns: u64) -> bool {
        if let Some(first) = self.seen.get(&id)
            && time_ns.abs_diff(*first) < WINDOW
        {
            return false;
        }
        self.seen.insert(id, time_ns);
        self.order.push_back((id, time_ns));
        self.forget(time_ns);
        true
    }

    fn forget(&mut self, now_ns: u64) {
        let is_old = |(_, time_ns): &(u64, u64)| time_ns + WINDOW <= now_ns;
        while self.order.len() > MOST || self.order.front().is_some_and(is_old) {
            let Some((id, time_ns)) = self.order.pop_front() else { break };
            if self.seen.get(&id) == Some(&time_ns) {
                self.seen.remove(&id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use flow::{Packet, PacketBatch};

    use super::*;

    const MS: u64 = 1_000_000;

    fn batch(node: &str, packets: &[(u64, u64)]) -> Batch {
        let packet = |(id, ms): &(u64, u64)| Packet { id: *id, time_ns: ms * MS, ..Packet::default() };
        let body = PacketBatch { packets: packets.iter().map(packet).collect(), ..PacketBatch::default() };
        Batch::bare(node.into(), 0, Body::Packets(body))
    }

    fn left(dedup: &mut Dedup, node: &str, packets: &[(u64, u64)]) -> Vec<(u64, u64)> {
        let mut batch = batch(node, packets);
        dedup.apply(&mut batch);
        let Body::Packets(body) = &batch.body else { return Vec::new() };
        body.packets.iter().map(|packet| (packet.id, packet.time_ns / MS)).collect()
    }

    #[test]
    fn the_first_stays_and_what_comes_half_a_second_later_is_no_copy() {
        let mut dedup = Dedup::new(true);
        assert_eq!(left(&mut dedup, "a", &[(7, 1000), (7, 1001), (8, 1002), (0, 1002), (0, 1002)]).len(), 4);
        assert_eq!(left(&mut dedup, "b", &[(8, 1003), (7, 1499), (7, 1500), (7, 1600)]), [(7, 1500)]);
        assert_eq!(left(&mut dedup, "b", &[(7, 1700)]), [], "counted from the one that stayed");
    }

    #[test]
    fn memory_is_bounded_in_time_and_number() {
        let mut dedup = Dedup::new(true);
        let many: Vec<_> = (1..=2 * MOST as u64).map(|id| (id, 1000)).collect();
        assert_eq!(left(&mut dedup, "a", &many).len(), many.len());
        assert_eq!((dedup.seen.len(), dedup.order.len()), (MOST, MOST));
        left(&mut dedup, "a", &[(1, 1600)]);
        assert_eq!((dedup.seen.len(), dedup.order.len()), (1, 1));
    }

    #[test]
    fn with_a_file_for_each_node_each_has_its_copy() {
        let mut dedup = Dedup::new(false);
        assert_eq!(left(&mut dedup, "a", &[(7, 1), (7, 2)]).len(), 1);
        assert_eq!(left(&mut dedup, "b", &[(7, 1), (7, 2)]).len(), 1);
    }
}
