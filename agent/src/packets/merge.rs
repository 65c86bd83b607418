//! Packets of several rings in the order of their times. Their bytes stay where they were first put.

use std::sync::Arc;

use agent_common::types::{DIR_EGRESS, PacketHead};
use flow::{Drop, Packet, PacketBatch};

use super::frame;
use crate::time::Anchor;

/// No reason has this number.
pub(crate) const NOT_DROPPED: u32 = u32::MAX;

/// A packet that waits for others which may be older.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    time_ns: u64,
    netns: u32,
    ifindex: u32,
    shard: u32,
    /// Why it was dropped; [`NOT_DROPPED`] of all others.
    reason: u32,
    /// All but its time and interface.
    packet: Packet,
}

/// What is known of one ring.
#[derive(Clone, Copy, Debug)]
struct Shard {
    /// Bytes of it that wait.
    held: usize,
    /// Nothing older than this is still in the ring, as far as it was read.
    read_to: u64,
}

/// Gathers packets and makes batches of them.
#[derive(Debug)]
pub(crate) struct Merger {
    data: Vec<u8>,
    waiting: Vec<Waiting>,
    batch: Vec<Packet>,
    /// Of the batch: index and reason of what was dropped.
    drops: Vec<(u32, u32)>,
    shards: Vec<Shard>,
    /// Bytes that may wait of each ring.
    room: usize,
    snaplen: usize,
    anchor: Anchor,
    newest: u64,
    settled: u64,
    late: u64,
}

impl Merger {
    pub(crate) fn new(shards: usize, bytes: usize, snaplen: usize, anchor: Anchor) -> Self {
        Self {
            data: Vec::new(),
            waiting: Vec::new(),
            batch: Vec::new(),
            drops: Vec::new(),
            shards: vec![Shard { held: 0, read_to: u64::MAX }; shards],
            room: bytes / shards.max(1),
            snaplen,
            anchor,
            newest: 0,
            settled: 0,
            late: 0,
        }
    }

    /// Whether more of a ring can be taken; otherwise others have to be settled first.
    pub(crate) fn has_room(&self, shard: usize) -> bool {
        self.shards[shard].held < self.room
    }

    /// The ring was read to its end.
    pub(crate) fn is_empty_now(&mut self, shard: usize) {
        self.shards[shard].read_to = u64::MAX;
    }

    /// Takes over one packet of a ring, and why it was dropped, if it was.
    pub(crate) fn put(&mut self, shard: usize, head: &PacketHead, bytes: &[u8], reason: u32) {
        let offset = self.data.len() as u32;
        let (len, caplen) = frame::append(&mut self.data, head, bytes, self.snaplen);
        self.shards[shard].held += caplen as usize + size_of::<Waiting>();
        self.shards[shard].read_to = head.time_ns;
        let direction = head.kind & DIR_EGRESS;
        let packet = Packet { time_ns: 0, interface: 0, len, caplen, offset, direction, ..Packet::default() };
        let PacketHead { time_ns, netns, ifindex, .. } = *head;
        self.waiting.push(Waiting { time_ns, netns, ifindex, shard: shard as u32, reason, packet });
    }

    /// Makes packets up to `until`, and older than what may still be in a ring, part of the batch. `interface` tells the
    /// number of an interface; how many packets had none and were left out.
    pub(crate) fn settle(&mut self, until: u64, mut interface: impl FnMut(u32, u32) -> Option<u32>) -> u64 {
        let until = self.shards.iter().map(|shard| shard.read_to).fold(until, u64::min);
        self.settled = until;
        // Each ring is nearly in order by itself, which this sort makes use of.
        self.waiting.sort_by_key(|packet| packet.time_ns);
        let settled = self.waiting.partition_point(|packet| packet.time_ns <= until);
        let mut unknown = 0;
        for Waiting { time_ns, netns, ifindex, shard, reason, packet } in self.waiting.drain(..settled) {
            self.shards[shard as usize].held -= packet.caplen as usize + size_of::<Waiting>();
            self.late += u64::from(time_ns < self.newest);
            self.newest = self.newest.max(time_ns);
            match interface(netns, ifindex) {
                Some(interface) => {
                    if reason != NOT_DROPPED {
                        self.drops.push((self.batch.len() as u32, reason));
                    }
                    self.batch.push(Packet { time_ns: self.anchor.wall(time_ns), interface, ..packet });
                }
                None => unknown += 1,
            }
        }
        unknown
    }

    /// Everything up to this time is settled, ns since the epoch; `None` when nothing is left.
    pub(crate) fn settled(&self) -> Option<u64> {
        (self.settled != u64::MAX).then(|| self.anchor.wall(self.settled))
    }

    /// The same, monotonic ns.
    pub(crate) fn settled_to(&self) -> Option<u64> {
        (self.settled != u64::MAX).then_some(self.settled)
    }

    /// Packets that were settled after younger ones, since this was last asked.
    pub(crate) const fn take_late(&mut self) -> u64 {
        std::mem::replace(&mut self.late, 0)
    }

    pub(crate) const fn batch_packets(&self) -> usize {
        self.batch.len()
    }

    pub(crate) const fn batch_bytes(&self) -> usize {
        self.data.len()
    }

    /// Whether anything is there, settled or not.
    pub(crate) const fn holds_packets(&self) -> bool {
        !self.data.is_empty()
    }

    /// The batch, with causes by name. What still waits moves to the beginning of the next one.
    pub(crate) fn take_batch(&mut self, mut cause: impl FnMut(u32) -> Arc<str>) -> PacketBatch {
        let rest = self.waiting.iter().map(|waiting| waiting.packet.caplen as usize).sum();
        // The next batch will be about as large as this one.
        let next = Vec::with_capacity(self.data.len().max(rest));
        let old = std::mem::replace(&mut self.data, next);
        for waiting in &mut self.waiting {
            let start = waiting.packet.offset as usize;
            waiting.packet.offset = self.data.len() as u32;
            self.data.extend_from_slice(&old[start..start + waiting.packet.caplen as usize]);
        }
        let drops = self.drops.drain(..).map(|(packet, reason)| Drop { packet, cause: cause(reason) }).collect();
        PacketBatch { data: old, packets: std::mem::take(&mut self.batch), drops, ..PacketBatch::default() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head(time_ns: u64, ifindex: u32) -> PacketHead {
        PacketHead {
            time_ns,
            netns: 0,
            ifindex,
            len: 8,
            caplen: 8,
            vlan_tci: 0,
            vlan_proto: 0,
            kind: 1,
            l3: 0,
            pad: [0; 2],
        }
    }

    fn name(reason: u32) -> Arc<str> {
        reason.to_string().into()
    }

    fn merger(shards: usize, bytes: usize) -> Merger {
        Merger::new(shards, bytes, usize::MAX, Anchor::at(0))
    }

    fn times(batch: &PacketBatch) -> Vec<u64> {
        batch.packets.iter().map(|packet| packet.time_ns).collect()
    }

    #[test]
    fn a_dropped_packet_stands_among_the_others_and_has_a_cause() {
        let mut merger = merger(2, 1 << 20);
        merger.put(0, &head(10, 1), b"........", NOT_DROPPED);
        merger.put(1, &head(5, 1), b"........", 77);
        merger.put(1, &head(20, 1), b"........", 78);
        (0..2).for_each(|shard| merger.is_empty_now(shard));
        merger.settle(15, |_, ifindex| Some(ifindex));
        let batch = merger.take_batch(name);
        assert_eq!(times(&batch), [5, 10]);
        assert_eq!(batch.drops, [Drop { packet: 0, cause: "77".into() }]);
        merger.settle(u64::MAX, |_, ifindex| Some(ifindex));
        assert_eq!(merger.take_batch(name).drops, [Drop { packet: 0, cause: "78".into() }]);
    }

    #[test]
    fn young_packets_wait_and_keep_their_bytes() {
        let mut merger = merger(2, 1 << 20);
        merger.put(0, &head(10, 1), b"ten.....", NOT_DROPPED);
        merger.put(0, &head(30, 1), b"thirty..", NOT_DROPPED);
        merger.put(1, &head(20, 1), b"twenty..", NOT_DROPPED);
        (0..2).for_each(|shard| merger.is_empty_now(shard));
        merger.settle(25, |_, ifindex| Some(ifindex));
        let first = merger.take_batch(name);
        assert_eq!(times(&first), [10, 20]);
        assert_eq!(first.bytes(&first.packets[1]), b"twenty..");
        merger.settle(u64::MAX, |_, ifindex| Some(ifindex));
        let second = merger.take_batch(name);
        assert_eq!((times(&second), second.bytes(&second.packets[0])), (vec![30], b"thirty..".as_slice()));
        assert_eq!(merger.take_late(), 0);
    }

    #[test]
    fn a_ring_that_was_not_read_to_its_end_holds_the_others_back() {
        let mut merger = merger(2, 2);
        merger.put(0, &head(10, 1), b"........", NOT_DROPPED);
        assert!(!merger.has_room(0));
        merger.put(1, &head(50, 1), b"........", NOT_DROPPED);
        merger.settle(u64::MAX, |_, ifindex| Some(ifindex));
        assert_eq!(times(&merger.take_batch(name)), [10]);
        assert!(merger.has_room(0) && !merger.has_room(1));
    }

    #[test]
    fn packets_of_interfaces_without_a_number_are_told() {
        let mut merger = merger(1, 1 << 20);
        merger.put(0, &head(1, 1), b"........", NOT_DROPPED);
        merger.put(0, &head(2, 2), b"........", NOT_DROPPED);
        merger.is_empty_now(0);
        assert_eq!(merger.settle(9, |_, ifindex| (ifindex == 2).then_some(7)), 1);
        assert_eq!(merger.take_batch(name).packets[0].interface, 7);
    }

    proptest! {
        /// Whatever comes when: everything arrives once, in order, with its own bytes.
        #[test]
        fn everything_arrives_once_and_in_order(gaps in proptest::collection::vec((0usize..3, 0u64..40, any::<bool>()), 1..200)) {
            let mut merger = merger(3, 600);
            let (mut now, mut sent, mut received) = (0, Vec::new(), Vec::new());
            let mut rings = [const { std::collections::VecDeque::new() }; 3];
            for (ring, gap, look) in gaps {
                now += gap;
                rings[ring].push_back(now);
                sent.push(now);
                if look {
                    look_at(&mut merger, &mut rings, now.saturating_sub(20), &mut received);
                }
            }
            while received.len() < sent.len() {
                look_at(&mut merger, &mut rings, u64::MAX, &mut received);
            }
            prop_assert_eq!(merger.take_late(), 0);
            prop_assert_eq!(sent, received);
        }
    }

    fn look_at(merger: &mut Merger, rings: &mut [std::collections::VecDeque<u64>; 3], until: u64, to: &mut Vec<u64>) {
        for (shard, ring) in rings.iter_mut().enumerate() {
            while merger.has_room(shard) {
                let Some(time) = ring.pop_front() else {
                    merger.is_empty_now(shard);
                    break;
                };
                merger.put(shard, &head(time, 1), &time.to_be_bytes(), NOT_DROPPED);
            }
        }
        merger.settle(until, |_, ifindex| Some(ifindex));
        let batch = merger.take_batch(name);
        for packet in &batch.packets {
            assert_eq!(batch.bytes(packet), packet.time_ns.to_be_bytes());
            to.push(packet.time_ns);
        }
    }

    /// Not a proof but a figure: `cargo test --release -p agent -- --ignored --nocapture speed`.
    #[test]
    #[ignore = "a measurement"]
    fn speed_of_merging() {
        let (mut merger, frame, count) = (merger(2, 4 << 20), [7u8; 256], 400_000u64);
        let begun = std::time::Instant::now();
        let mut delivered = 0;
        for time in 0..count {
            let record = PacketHead { caplen: 256, len: 256, ..head(time * 2500, 1) };
            merger.put((time % 2) as usize, &record, &frame, NOT_DROPPED);
            // A look every 4 ms, a batch every 24 ms.
            if time % 1600 == 0 {
                (0..2).for_each(|shard| merger.is_empty_now(shard));
                merger.settle((time * 2500).saturating_sub(10_000_000), |_, _| Some(1));
            }
            if time % 9600 == 0 {
                delivered += merger.take_batch(name).packets.len();
            }
        }
        println!("{delivered} packets of 256 bytes, {} ns each", begun.elapsed().as_nanos() / u128::from(count));
    }
}
