//! Flow records of packets, as a live capture counts them: one record for each five-tuple and interval, its packets those of the
//! interface and direction that saw most of them, so that a packet seen at several places counts once. What each place saw for
//! itself are the record's observations.
//!
//! A packet counts with the length that the file gives it. Those that were dropped were seen where they were dropped and count as
//! drops only.

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use flow::{Batch, Body, FlowBatch, FlowRecord, Interface, Mac, Observation, Packet, PacketBatch};

use super::Sink;
use crate::{
    decode::{Decoded, decode},
    subset,
};

/// Flows in memory; when there are more, their records are written before the interval is over.
const MOST: usize = 1 << 17;

/// What makes a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    Ip { src: IpAddr, dst: IpAddr, proto: u8, ports: (u16, u16) },
    Other { macs: Option<(Mac, Mac)>, ether_type: Option<u16> },
}

impl Key {
    fn of(decoded: &Decoded<'_>) -> Self {
        match decoded.ip {
            None => Self::Other { macs: decoded.macs, ether_type: decoded.ether_type },
            Some(ip) => {
                let icmp = decoded.icmp().map(|(kind, code)| (u16::from(kind), u16::from(code)));
                let ports = decoded.ports().or(icmp).unwrap_or_default();
                Self::Ip { src: ip.src, dst: ip.dst, proto: ip.proto, ports }
            }
        }
    }
}

/// What one interface saw in one direction.
#[derive(Clone, Copy, Debug)]
struct Count {
    interface: u32,
    direction: u8,
    packets: u64,
    bytes: u64,
}

/// A flow in this interval.
#[derive(Debug)]
struct Flow {
    record: FlowRecord,
    first_ns: u64,
    last_ns: u64,
    counts: Vec<Count>,
    /// The ends that have been taken in.
    ends: Option<Arc<FlowRecord>>,
}

/// Flows of the interval at hand.
#[derive(Debug)]
pub(super) struct Aggregator {
    interval_ns: u64,
    /// When this interval ends.
    end_ns: u64,
    places: HashMap<Key, usize>,
    flows: Vec<Flow>,
    /// Interfaces and their nodes; their numbers here.
    interfaces: Vec<(Arc<str>, Interface)>,
    numbers: HashMap<(Arc<str>, u32), u32>,
}

impl Aggregator {
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            interval_ns: interval.as_nanos() as u64,
            end_ns: 0,
            places: HashMap::new(),
            flows: Vec::new(),
            interfaces: Vec::new(),
            numbers: HashMap::new(),
        }
    }

    /// Counts the packets of a batch; records of intervals that are over go on, and so does what else is in the batch.
    pub(super) fn take(&mut self, batch: &Batch, to: Sink<'_>) {
        for interface in &batch.interfaces {
            self.learn(&batch.node, interface.clone());
        }
        let Body::Packets(packets) = &batch.body else { return };
        for (at, packet) in packets.packets.iter().enumerate() {
            if packet.time_ns >= self.end_ns || self.flows.len() >= MOST {
                self.flush(to);
                self.end_ns = (packet.time_ns / self.interval_ns + 1).saturating_mul(self.interval_ns);
            }
            self.count(&batch.node, packets, at, packet);
        }
    }

    fn learn(&mut self, node: &Arc<str>, interface: Interface) -> u32 {
        let next = self.interfaces.len() as u32;
        let number = *self.numbers.entry((Arc::clone(node), interface.id)).or_insert(next);
        match self.interfaces.get_mut(number as usize) {
            Some((_, known)) => *known = interface,
            None => self.interfaces.push((Arc::clone(node), interface)),
        }
        number
    }

    fn count(&mut self, node: &Arc<str>, packets: &PacketBatch, at: usize, packet: &Packet) {
        let number = match self.numbers.get(&(Arc::clone(node), packet.interface)) {
            Some(number) => *number,
            None => self.learn(node, Interface { id: packet.interface, ..Interface::default() }),
        };
        let link = self.interfaces[number as usize].1.link_type;
        let decoded = decode(packets.bytes(packet), link);
        let next = self.flows.len();
        let place = *self.places.entry(Key::of(&decoded)).or_insert(next);
        if place == next {
            self.flows.push(Flow::new(&decoded, packet));
        }
        let flow = &mut self.flows[place];
        flow.take(packets, packet, &decoded, subset::cause(&packets.drops, at));
        if subset::cause(&packets.drops, at).is_none() {
            flow.count(number, packet);
        }
    }

    /// The records of this interval.
    pub(super) fn flush(&mut self, to: Sink<'_>) {
        self.places.clear();
        if self.flows.is_empty() {
            return;
        }
        let (mut body, mut last_ns) = (FlowBatch::default(), 0);
        for flow in self.flows.drain(..) {
            last_ns = last_ns.max(flow.last_ns);
            let record = body.records.len() as i32;
            if flow.counts.len() > 1 {
                body.observations.extend(flow.counts.iter().map(|count| observation(&self.interfaces, record, count)));
            }
            body.records.push(flow.record(&self.interfaces));
        }
        to(Batch::bare("".into(), last_ns, Body::Flows(body)));
    }
}

fn observation(interfaces: &[(Arc<str>, Interface)], record: i32, count: &Count) -> Observation {
    let (node, interface) = &interfaces[count.interface as usize];
    Observation {
        record,
        node: Some(Arc::clone(node)),
        netns: Arc::clone(&interface.netns),
        interface: Arc::clone(&interface.name),
        direction: count.direction,
        bytes: count.bytes,
        packets: count.packets,
    }
}

impl Flow {
    fn new(decoded: &Decoded<'_>, packet: &Packet) -> Self {
        Self {
            record: decoded.record(),
            first_ns: packet.time_ns,
            last_ns: packet.time_ns,
            counts: Vec::new(),
            ends: None,
        }
    }

    /// What a packet tells of the flow.
    fn take(&mut self, body: &PacketBatch, packet: &Packet, decoded: &Decoded<'_>, cause: Option<&Arc<str>>) {
        self.first_ns = self.first_ns.min(packet.time_ns);
        self.last_ns = self.last_ns.max(packet.time_ns);
        let flags = decoded.flags();
        if let Some(flags) = flags {
            *self.record.flags.get_or_insert(0) |= flags;
        }
        if let Some(ends) = body.ends(packet)
            && self.ends.as_ref().is_none_or(|known| !Arc::ptr_eq(known, ends))
        {
            self.record.absorb(ends);
            self.ends = Some(Arc::clone(ends));
        }
        if let Some(cause) = cause {
            *self.record.pkt_drop_packets.get_or_insert(0) += 1;
            *self.record.pkt_drop_bytes.get_or_insert(0) += u64::from(packet.len);
            self.record.pkt_drop_latest_drop_cause = Some(Arc::clone(cause));
            self.record.pkt_drop_latest_flags = flags.or(self.record.pkt_drop_latest_flags);
        }
    }

    fn count(&mut self, interface: u32, packet: &Packet) {
        let is_same = |count: &&mut Count| count.interface == interface && count.direction == packet.direction;
        let (packets, bytes) = (1, u64::from(packet.len));
        match self.counts.iter_mut().find(is_same) {
            Some(count) => (count.packets, count.bytes) = (count.packets + packets, count.bytes + bytes),
            None => self.counts.push(Count { interface, direction: packet.direction, packets, bytes }),
        }
    }

    fn record(self, interfaces: &[(Arc<str>, Interface)]) -> FlowRecord {
        let most = self.counts.iter().max_by_key(|count| (count.packets, count.bytes));
        let (mut names, mut directions): (Vec<Arc<str>>, Vec<u8>) = (Vec::new(), Vec::new());
        let mut seen: Vec<u32> = Vec::new();
        for count in &self.counts {
            match seen.iter().position(|known| *known == count.interface) {
                Some(at) if directions[at] != count.direction => directions[at] = 3,
                Some(_) => {}
                None => {
                    seen.push(count.interface);
                    names.push(Arc::clone(&interfaces[count.interface as usize].1.name));
                    directions.push(count.direction);
                }
            }
        }
        let spaces = |n: &u32| Arc::clone(&interfaces[*n as usize].1.netns);
        FlowRecord {
            time_flow_start_ms: Some(self.first_ns / 1_000_000),
            time_flow_end_ms: Some(self.last_ns / 1_000_000),
            time_received: Some(self.last_ns / 1_000_000_000),
            net_ns: seen.first().map(spaces),
            interfaces: Some(names.into()).filter(|_| most.is_some()),
            if_directions: Some(directions.into()).filter(|_| most.is_some()),
            packets: most.map(|count| count.packets),
            bytes: most.map(|count| count.bytes),
            ..self.record
        }
    }
}
