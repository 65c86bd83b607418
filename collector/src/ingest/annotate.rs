//! What packets are given before they are stored or shown: an id, who is at their ends, the Service between those, and to
//! their interfaces the pod that is there.
//!
//! This comes after the merge of nodes, not before: in the order of time a packet on its way to a Service comes before the same
//! packet on its way to a pod, so that it can tell of the Service; the time that merging takes is time in which names come; and what
//! waits for names waits in one line. A packet whose names may still come holds up those after it, for a second at most, or
//! until 16 MiB wait. Without names to ask for there are only ids, and nothing waits. Knows no clock: times are given.

use std::{collections::VecDeque, sync::Arc};

use flow::{Batch, Body, Enrich, Packet};

use super::Now;
use crate::{
    packet::{headers, id},
    queue::Weight as _,
};

mod ends;
mod interfaces;
mod services;

use ends::Ends;
use interfaces::Interfaces;
use services::Services;

const MS: u64 = 1_000_000;
/// Longest wait for names, ns.
const LONGEST: u64 = 1_000 * MS;
/// Time between two questions, ns.
const AGAIN: u64 = 100 * MS;
/// Bytes of batches that wait at most.
const MOST: usize = 16 << 20;

/// No ends are known.
const NOBODY: u32 = u32::MAX;

/// What is known of packets so far.
#[derive(Debug, Default)]
pub(super) struct Annotate {
    interfaces: Interfaces,
    ends: Ends,
    services: Services,
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// Of each packet of the first batch that waits, once it has been looked at: where its ends are in [`Ends`].
    first: Option<Vec<u32>>,
    /// When names were last asked for.
    asked: u64,
}

#[derive(Debug)]
struct Waiting {
    since: u64,
    bytes: usize,
    batch: Batch,
}

impl Annotate {
    /// When [`Annotate::release`] has something to do, ns since the start.
    pub(super) fn due(&self) -> Option<u64> {
        self.waiting.front().map(|first| (self.asked + AGAIN).min(first.since + LONGEST))
    }

    /// Takes note of interfaces that something else than packets announces.
    pub(super) fn learn(&mut self, batch: &Batch) {
        self.interfaces.learn(batch);
    }

    /// Takes a batch of packets, or one with nothing but announcements; returns what may go on.
    pub(super) fn push(&mut self, batch: Batch, enrich: Option<&mut dyn Enrich>, now: Now) -> Vec<Batch> {
        let Some(enrich) = enrich else { return vec![self.numbered(batch)] };
        let bytes = batch.weight();
        self.bytes += bytes;
        self.waiting.push_back(Waiting { since: now.elapsed, bytes, batch });
        self.go_on(enrich, now, false)
    }

    /// What need not wait any longer.
    pub(super) fn release(&mut self, enrich: &mut dyn Enrich, now: Now) -> Vec<Batch> {
        self.go_on(enrich, now, false)
    }

    /// Everything, with the names of now.
    pub(super) fn finish(&mut self, enrich: &mut dyn Enrich, now: Now) -> Vec<Batch> {
        self.go_on(enrich, now, true)
    }

    fn go_on(&mut self, enrich: &mut dyn Enrich, now: Now, all: bool) -> Vec<Batch> {
        let mut batches = Vec::new();
        while let Some(mut first) = self.waiting.pop_front() {
            let slots = self.slots(&mut first.batch, enrich, now);
            let must = all || self.bytes > MOST || now.elapsed.saturating_sub(first.since) >= LONGEST;
            if !must && self.ends.any_open(&slots) {
                self.first = Some(slots);
                self.waiting.push_front(first);
                break;
            }
            self.bytes -= first.bytes;
            self.write(&mut first.batch, &slots, enrich, now);
            batches.push(first.batch);
        }
        batches
    }

    /// The places of the ends of the first batch; asks for names again where they may have come.
    fn slots(&mut self, batch: &mut Batch, enrich: &mut dyn Enrich, now: Now) -> Vec<u32> {
        let Some(slots) = self.first.take() else {
            self.asked = now.elapsed;
            return self.look(batch, enrich, now);
        };
        if now.elapsed.saturating_sub(self.asked) >= AGAIN {
            self.asked = now.elapsed;
            self.ends.ask_again(&slots, self.interfaces.rooms(), enrich, now.wall_ms);
        }
        slots
    }

    /// Ids and nothing else.
    fn numbered(&mut self, mut batch: Batch) -> Batch {
        self.interfaces.learn(&batch);
        let Batch { node, body, .. } = &mut batch;
        if let Body::Packets(packets) = body {
            let of_node = self.interfaces.of_node(node);
            for at in 0..packets.packets.len() {
                let packet = packets.packets[at];
                if packet.id == 0 {
                    let link = of_node.at(packet.interface).link;
                    let frame = headers::read(packets.bytes(&packet), packet.len as usize, link);
                    packets.packets[at].id = frame.map_or(0, |frame| id::of_frame(&frame));
                }
            }
        }
        batch
    }

    /// Gives ids, and finds the ends of each packet.
    fn look(&mut self, batch: &mut Batch, enrich: &mut dyn Enrich, now: Now) -> Vec<u32> {
        self.interfaces.learn(batch);
        let Batch { node, body, .. } = batch;
        let Body::Packets(packets) = body else { return Vec::new() };
        self.ends.make_room();
        let of_node = self.interfaces.of_node(node);
        let mut slots = Vec::with_capacity(packets.packets.len());
        for at in 0..packets.packets.len() {
            let packet = packets.packets[at];
            let here = of_node.at(packet.interface);
            let frame = headers::read(packets.bytes(&packet), packet.len as usize, here.link);
            let told = packets.ends(&packet);
            slots.push(frame.map_or(NOBODY, |frame| self.ends.find(&frame, here.room, packet.time_ns, told)));
            if packet.id == 0 {
                packets.packets[at].id = frame.map_or(0, |frame| id::of_frame(&frame));
            }
        }
        self.ends.name_due(self.interfaces.rooms(), enrich, now.wall_ms);
        slots
    }

    /// Writes into the batch what was found.
    fn write(&mut self, batch: &mut Batch, slots: &[u32], enrich: &mut dyn Enrich, now: Now) {
        if let Body::Packets(packets) = &mut batch.body {
            self.tie(&packets.packets, slots, enrich, now);
            let told = std::mem::take(&mut packets.ends);
            self.ends.begin_batch();
            for (packet, slot) in packets.packets.iter_mut().zip(slots) {
                let nobody = told.get(packet.ends as usize);
                packet.ends = self.ends.place(*slot, nobody, &mut packets.ends);
            }
        }
        self.interfaces.place(batch, enrich);
    }

    /// Packets after translation bear the Service that they bore before it.
    fn tie(&mut self, packets: &[Packet], slots: &[u32], enrich: &mut dyn Enrich, now: Now) {
        for (packet, slot) in packets.iter().zip(slots) {
            if let Some(service) = self.ends.service(*slot) {
                self.services.note(packet, service);
            } else if self.ends.may_be_tied(*slot)
                && let Some(service) = self.services.find(packet)
            {
                self.ends.tie(*slot, service, self.interfaces.rooms(), enrich, (packet.time_ns, now.wall_ms));
            }
        }
    }
}

/// Node and network namespace.
type Room = (Arc<str>, Arc<str>);

#[cfg(test)]
mod tests;
