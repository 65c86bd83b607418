//! Sums over everything that came: for the header, also of what no row shows any more.

use std::{collections::HashMap, sync::Arc};

use flow::{Batch, Body, Counters};

use super::meter::Meter;

/// Sums and rates.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Packets on the wire.
    pub packets: u64,
    /// Bytes on the wire.
    pub bytes: u64,
    /// Packets per second, lately.
    pub packet_meter: Meter,
    /// Bytes per second, lately.
    pub byte_meter: Meter,
    /// First and last time in the data, ms since the epoch.
    pub span_ms: Option<(u64, u64)>,
    agents: HashMap<Arc<str>, Counters>,
}

impl Totals {
    /// Takes in a batch that came at `now_ns`.
    pub fn add(&mut self, batch: &Batch, now_ns: u64) {
        self.agents.insert(batch.node.clone(), batch.counters);
        let (packets, bytes) = match &batch.body {
            Body::Flows(flows) => flows.records.iter().fold((0, 0), |(packets, bytes), record| {
                (packets + record.packets.unwrap_or_default(), bytes + record.bytes.unwrap_or_default())
            }),
            Body::Packets(batch) => {
                (batch.packets.len() as u64, batch.packets.iter().map(|packet| u64::from(packet.len)).sum())
            }
            Body::None => (0, 0),
        };
        self.packets += packets;
        self.bytes += bytes;
        self.packet_meter.add(now_ns, packets);
        self.byte_meter.add(now_ns, bytes);
        self.widen(batch);
    }

    fn widen(&mut self, batch: &Batch) {
        let mut see = |start: u64, end: u64| {
            let (first, last) = self.span_ms.unwrap_or((start, end));
            self.span_ms = Some((first.min(start), last.max(end)));
        };
        match &batch.body {
            Body::Flows(flows) => flows.records.iter().for_each(|record| {
                if let (Some(start), Some(end)) = (record.time_flow_start_ms, record.time_flow_end_ms) {
                    see(start, end);
                }
            }),
            Body::Packets(batch) => {
                batch.packets.iter().for_each(|packet| see(packet.time_ns / 1_000_000, packet.time_ns / 1_000_000));
            }
            Body::None => {}
        }
    }

    /// What all agents count, together.
    pub fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        self.agents.values().for_each(|counters| sum.add(counters));
        sum
    }
}
