//! Several inputs in the order of time, each taken to be in that order itself, as mergecap does it.

use std::{collections::HashMap, sync::Arc};

use flow::{Batch, Body, FlowBatch, FlowRecord, Observation};

use super::input::Source;
use crate::{
    open::{OpenError, Opened},
    subset,
};

/// Batches of one input, or parts of those of several.
pub(super) struct Merged {
    lanes: Vec<Lane>,
    /// Numbers of interfaces in what comes out, by input, node and number there.
    interfaces: HashMap<(usize, Arc<str>, u32), u32>,
}

/// One input.
struct Lane {
    batches: Opened,
    /// The batch that is being taken from, and how much of it is gone.
    head: Option<(Batch, usize)>,
    done: bool,
}

impl Merged {
    pub(super) fn new(sources: Vec<Source>) -> Self {
        let lane = |source: Source| Lane { batches: source.batches, head: None, done: false };
        Self { lanes: sources.into_iter().map(lane).collect(), interfaces: HashMap::new() }
    }

    /// The next batch that is to be handed on before anything else, if a lane has one: without data, or an error.
    fn fill(&mut self) -> Option<Result<Batch, OpenError>> {
        for n in 0..self.lanes.len() {
            let lane = &mut self.lanes[n];
            if lane.head.is_some() || lane.done {
                continue;
            }
            let mut batch = match lane.batches.next() {
                Some(Ok(batch)) => batch,
                other => {
                    lane.done = other.is_none();
                    if let Some(error) = other {
                        return Some(error);
                    }
                    continue;
                }
            };
            self.renumber(n, &mut batch);
            let body = std::mem::take(&mut batch.body);
            let announced = batch;
            let has_data = crate::feed::data_count(&body) > 0;
            if has_data {
                let rest =
                    Batch { node: Arc::clone(&announced.node), time_ns: announced.time_ns, body, ..Batch::default() };
                self.lanes[n].head = Some((rest, 0));
            }
            return Some(Ok(announced));
        }
        None
    }

    /// Interfaces of two inputs never bear one number.
    fn renumber(&mut self, lane: usize, batch: &mut Batch) {
        let node = Arc::clone(&batch.node);
        let interfaces = &mut self.interfaces;
        let mut number = |id: u32| {
            let next = interfaces.len() as u32;
            *interfaces.entry((lane, Arc::clone(&node), id)).or_insert(next)
        };
        batch.interfaces.iter_mut().for_each(|interface| interface.id = number(interface.id));
        batch.interface_counts.iter_mut().for_each(|counts| counts.interface = number(counts.interface));
        if let Body::Packets(packets) = &mut batch.body {
            let mut last = None;
            for packet in &mut packets.packets {
                let (old, new) = match last {
                    Some((old, new)) if old == packet.interface => (old, new),
                    _ => (packet.interface, number(packet.interface)),
                };
                last = Some((old, new));
                packet.interface = new;
            }
        }
    }
}

impl Iterator for Merged {
    type Item = Result<Batch, OpenError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let [only] = &mut *self.lanes {
            return only.batches.next();
        }
        if let Some(first) = self.fill() {
            return Some(first);
        }
        let mut times: Vec<(u64, usize)> =
            self.lanes.iter().enumerate().filter_map(|(n, lane)| Some((lane.time()?, n))).collect();
        times.sort_unstable();
        let (_, lane) = *times.first()?;
        let until = times.get(1).map_or(u64::MAX, |(time, _)| *time);
        self.lanes[lane].take(until).map(Ok)
    }
}

impl Lane {
    /// When its next item was.
    fn time(&self) -> Option<u64> {
        self.head.as_ref().and_then(|(batch, at)| time(&batch.body, *at))
    }

    /// What there is up to `until`, one item at least.
    fn take(&mut self, until: u64) -> Option<Batch> {
        let (mut batch, at) = self.head.take()?;
        let mut end = at + 1;
        while time(&batch.body, end).is_some_and(|time| time <= until) {
            end += 1;
        }
        let (node, time_ns) = (Arc::clone(&batch.node), batch.time_ns);
        let body = match &mut batch.body {
            Body::Packets(packets) if at == 0 && end == packets.packets.len() => Body::Packets(std::mem::take(packets)),
            Body::Packets(packets) => Body::Packets(subset::part(packets, at..end)),
            Body::Flows(flows) => Body::Flows(part(flows, at, end)),
            Body::None => Body::None,
        };
        if time(&batch.body, end).is_some() {
            self.head = Some((batch, end));
        }
        Some(Batch::bare(node, time_ns, body))
    }
}

/// Some of the records, taken out, with what was observed of them.
fn part(flows: &mut FlowBatch, start: usize, end: usize) -> FlowBatch {
    let records = flows.records[start..end].iter_mut().map(std::mem::take).collect();
    let (first, last) = (start as i32, end as i32);
    let inside = flows.observations.iter().filter(|seen| (first..last).contains(&seen.record));
    let observations = inside.map(|seen| Observation { record: seen.record - first, ..seen.clone() }).collect();
    FlowBatch { records, observations }
}

/// When item `at` was, ns.
fn time(body: &Body, at: usize) -> Option<u64> {
    match body {
        Body::Packets(packets) => packets.packets.get(at).map(|packet| packet.time_ns),
        Body::Flows(flows) => flows.records.get(at).map(end_of),
        Body::None => None,
    }
}

fn end_of(record: &FlowRecord) -> u64 {
    record.time_flow_end_ms.or(record.time_flow_start_ms).unwrap_or(0).saturating_mul(1_000_000)
}

/// Leaves what was from `from` on and before `to`: packets by their time, records by that of their last packet.
pub(super) fn within(batch: &mut Batch, (from, to): (u64, u64)) {
    if (from, to) == (0, u64::MAX) {
        return;
    }
    let fits = |time: u64| (from..to).contains(&time);
    match &mut batch.body {
        Body::None => {}
        Body::Packets(packets) => drop(subset::retain_packets(packets, |packet, _, _| fits(packet.time_ns))),
        Body::Flows(flows) => {
            let keep: Vec<bool> = flows.records.iter().map(|record| fits(end_of(record))).collect();
            subset::retain_records(flows, &keep, |_| None);
        }
    }
}
