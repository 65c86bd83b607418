//! Records whose names may still come: a pod's first packets are seen before the cluster tells its address. They wait a
//! moment, are named again, and go on.
//!
//! Records of the same two addresses keep their order. Knows no clock: times are given.

use std::{
    collections::{HashSet, VecDeque},
    net::IpAddr,
    sync::Arc,
};

use flow::{Batch, Body, Enrich, FlowBatch, FlowRecord};

const MS: u64 = 1_000_000;
/// Time between two attempts, ns.
const AGAIN: u64 = 200 * MS;
/// Longest wait, ns, whatever the clocks of agents say.
const LONGEST: u64 = 3_000 * MS;
/// Most records that wait. More go on with the names that are known.
const MOST: usize = 10_000;

/// A moment by two clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// Since the start, ns.
    pub(super) elapsed: u64,
    /// Since the epoch, ms.
    pub(super) wall_ms: u64,
}

/// Two ends of a flow.
type Ends = (Option<IpAddr>, Option<IpAddr>);

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Hold {
    waiting: VecDeque<Waiting>,
    records: usize,
    /// Ends of the records that wait.
    ends: HashSet<Ends>,
    asked: u64,
}

#[derive(Debug)]
struct Waiting {
    since: u64,
    /// Flows and nothing else.
    batch: Batch,
}

impl Hold {
    /// When [`Hold::release`] has something to do, ns since the start.
    pub(super) fn due(&self) -> Option<u64> {
        (!self.waiting.is_empty()).then_some(self.asked + AGAIN)
    }

    /// Takes those records out of a batch whose names may still come.
    pub(super) fn keep(&mut self, batch: &mut Batch, enrich: &dyn Enrich, now: Now) {
        if self.waiting.is_empty() {
            self.asked = now.elapsed;
        }
        self.take_out(batch, now.elapsed, &|record| enrich.pending(record, now.wall_ms));
    }

    /// Names everything again and returns what need not wait any longer.
    pub(super) fn release(&mut self, enrich: &mut dyn Enrich, now: Now) -> Vec<Batch> {
        let mut next = Self { asked: now.elapsed, ..Self::default() };
        let mut released = Vec::new();
        for Waiting { since, mut batch } in std::mem::take(&mut self.waiting) {
            enrich.enrich(&mut batch);
            if now.elapsed.saturating_sub(since) < LONGEST {
                next.take_out(&mut batch, since, &|record| enrich.pending(record, now.wall_ms));
            }
            if !matches!(batch.body, Body::None) {
                released.push(batch);
            }
        }
        *self = next;
        released
    }

    /// Everything, with the names of now.
    pub(super) fn finish(&mut self, enrich: &mut dyn Enrich) -> Vec<Batch> {
        let named = |Waiting { mut batch, .. }| {
            enrich.enrich(&mut batch);
            batch
        };
        std::mem::take(self).waiting.into_iter().map(named).collect()
    }

    fn take_out(&mut self, batch: &mut Batch, since: u64, pending: &dyn Fn(&FlowRecord) -> bool) {
        let Body::Flows(flows) = &mut batch.body else { return };
        let stays = self.staying(flows, pending);
        if !stays.contains(&true) {
            return;
        }
        let kept = split(flows, &stays);
        self.records += kept.records.len();
        if flows.records.is_empty() && flows.observations.is_empty() {
            batch.body = Body::None;
        }
        let batch = of_node(Arc::clone(&batch.node), batch.time_ns, kept);
        self.waiting.push_back(Waiting { since, batch });
    }

    /// Which records wait: whose names may still come, and who comes after one of the same ends; as many as there is room for.
    fn staying(&mut self, flows: &FlowBatch, pending: &dyn Fn(&FlowRecord) -> bool) -> Vec<bool> {
        let mut room = MOST.saturating_sub(self.records);
        let stays = flows.records.iter().map(|record| {
            let ends = (record.src_addr, record.dst_addr);
            let stays = room > 0 && (self.ends.contains(&ends) || pending(record));
            if stays {
                room -= 1;
                self.ends.insert(ends);
            }
            stays
        });
        stays.collect()
    }
}

/// Takes the records that stay out of `flows`, each with its observations.
fn split(flows: &mut FlowBatch, stays: &[bool]) -> FlowBatch {
    let mut parts = [FlowBatch::default(), FlowBatch::default()];
    let mut places = Vec::with_capacity(stays.len());
    for (record, &stays) in std::mem::take(&mut flows.records).into_iter().zip(stays) {
        let part = &mut parts[usize::from(stays)].records;
        places.push((usize::from(stays), part.len() as i32));
        part.push(record);
    }
    for mut seen in std::mem::take(&mut flows.observations) {
        let place = usize::try_from(seen.record).ok().and_then(|at| places.get(at));
        let &(part, record) = place.unwrap_or(&(0, seen.record));
        seen.record = record;
        parts[part].observations.push(seen);
    }
    let [rest, kept] = parts;
    *flows = rest;
    kept
}

fn of_node(node: Arc<str>, time_ns: u64, flows: FlowBatch) -> Batch {
    Batch::bare(node, time_ns, Body::Flows(flows))
}

#[cfg(test)]
mod tests;
