//! Flow records of several nodes: a flow that two nodes saw counts once.
//!
//! Cumulative counts are kept for each flow and node; what is handed on is the growth of the largest of them, as each agent
//! does it for the interfaces of its node. The node of the source decides where it speaks: what the others saw waits for
//! it a little longer than one interval. A record that brings no growth becomes an observation of the record before it; what it
//! says besides counts (a drop, a process) goes with the next record of the flow, or alone in one without counts.
//! Every node's own numbers are kept as observations of flows that several nodes saw.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use ::flow::{Batch, Body, FlowBatch, FlowRecord, Observation};

mod details;
mod flow;
mod held;
mod key;
#[cfg(test)]
mod tests;

use self::flow::{Flow, Outcome};
use held::{Delivery, Held, Place, Waiting};
use key::Key;

const SECOND: u64 = 1_000_000_000;
/// Waiting beyond one interval.
const GRACE: u64 = SECOND / 2;
/// An agent that was silent for so long is not waited for.
const SILENT: u64 = 10 * SECOND;
/// A flow is kept this long after its last record: an agent that was cut off delivers what it has when it is back.
const KEEP: u64 = 300 * SECOND;
/// From this many flows on they are kept for [`KEEP_FEW`] only.
const CROWDED: usize = 131_072;
const KEEP_FEW: u64 = 30 * SECOND;
/// From this many on all are forgotten that nothing waits for, counted.
const FULL: usize = 262_144;
/// Most records that wait.
const MOST_HELD: usize = 50_000;
/// How often idle flows are looked for.
const SWEEP: u64 = 5 * SECOND;

/// All flows seen lately.
#[derive(Debug)]
pub(crate) struct Flows {
    known: hashbrown::HashMap<Key, Flow>,
    nodes: HashMap<Arc<str>, Node>,
    held: Held,
    /// Flows of which something was set aside that no record has taken along yet, and when that is to be told by itself.
    late: VecDeque<(u64, Key)>,
    hold: u64,
    /// Records handed on.
    handed_on: u64,
    unmerged: u64,
    swept: u64,
}

/// A node that has an agent.
#[derive(Clone, Copy, Debug)]
struct Node {
    number: u16,
    heard: u64,
}

/// A batch in the making.
struct Out {
    batch: Batch,
    records: Vec<FlowRecord>,
    observations: Vec<Observation>,
    /// Number of its first record.
    first: u64,
}

impl Out {
    /// What the record of number `of` is seen from here.
    fn index(&self, of: u64) -> Option<i32> {
        i32::try_from(i128::from(of) - i128::from(self.first)).ok()
    }

    fn into_batch(self) -> Batch {
        let Self { mut batch, records, observations, .. } = self;
        batch.body = match (records.is_empty(), observations.is_empty()) {
            (true, true) => Body::None,
            _ => Body::Flows(FlowBatch { records, observations }),
        };
        batch
    }
}

impl Flows {
    /// Records cover `interval` ns.
    pub(crate) fn new(interval: u64) -> Self {
        Self {
            known: hashbrown::HashMap::new(),
            nodes: HashMap::new(),
            held: Held::default(),
            late: VecDeque::new(),
            hold: interval + GRACE,
            handed_on: 0,
            unmerged: 0,
            swept: 0,
        }
    }

    /// Flows that were forgotten before their time.
    pub(crate) fn unmerged(&self) -> u64 {
        self.unmerged
    }

    /// When [`Flows::release`] has something to do.
    pub(crate) fn due(&self) -> Option<u64> {
        if self.held.len() > MOST_HELD {
            return Some(0);
        }
        self.held.due().into_iter().chain(self.late.front().map(|(due, _)| *due)).min()
    }

    /// Takes a batch; returns what of it may go on, and what others need not wait for any more.
    pub(crate) fn push(&mut self, mut batch: Batch, now: u64) -> Vec<Batch> {
        if batch.node.is_empty() {
            return vec![batch];
        }
        self.sweep(now);
        let number = self.hear(&batch.node, now);
        let Body::Flows(flows) = std::mem::replace(&mut batch.body, Body::None) else { return vec![batch] };
        let mut delivery = Delivery {
            due: now + self.hold,
            node: Arc::clone(&batch.node),
            time_ns: batch.time_ns,
            records: Vec::new(),
        };
        let mut out = self.out(batch);
        let mut freed = Vec::new();
        for waiting in with_observations(flows) {
            let key = Key::of(&waiting.0);
            let place = self.held.place(delivery.records.len());
            match key {
                None => hand_on(&mut self.handed_on, &mut out, waiting),
                Some(key) if self.must_wait(&key, number, &waiting.0, &delivery.node, now) => {
                    let flow = self.known.entry(key).or_default();
                    flow.touched = now;
                    flow.held.push(place);
                    delivery.records.push(Some(waiting));
                }
                Some(key) => {
                    self.settle(&key, number, waiting, &mut out, now);
                    self.free(&key, &mut freed, now);
                }
            }
        }
        self.held.push(delivery);
        let mut batches = vec![out.into_batch()];
        batches.extend(self.observe(freed));
        batches
    }

    /// What has waited long enough.
    pub(crate) fn release(&mut self, now: u64) -> Vec<Batch> {
        let mut batches = Vec::new();
        while self.held.len() > MOST_HELD || self.held.due().is_some_and(|due| due <= now) {
            let Some((delivery, id)) = self.held.pop() else { break };
            let number = self.nodes.get(&delivery.node).map_or(u16::MAX, |node| node.number);
            let mut out = self.out(empty(delivery.node, delivery.time_ns));
            for (at, waiting) in delivery.records.into_iter().enumerate() {
                let Some((waiting, key)) = waiting.and_then(|waiting| Some((Key::of(&waiting.0)?, waiting))).map(swap)
                else {
                    continue;
                };
                if let Some(flow) = self.known.get_mut(&key) {
                    flow.held.retain(|place| *place != Place::new(id, at));
                }
                self.settle(&key, number, waiting, &mut out, now);
            }
            batches.push(out.into_batch());
        }
        batches.extend(self.tell(now));
        batches.retain(|batch| !matches!(batch.body, Body::None));
        batches
    }

    /// What was set aside and has found no record that takes it along: a record without counts each.
    fn tell(&mut self, now: u64) -> Vec<Batch> {
        let mut outs: Vec<Out> = Vec::new();
        while let Some((_, key)) = self.late.pop_front_if(|(due, _)| *due <= now) {
            let Some(flow) = self.known.get_mut(&key) else { continue };
            let Some((node, record)) = flow.details.take() else { continue };
            flow.last = Some(self.handed_on);
            if flow.details.is_waiting() {
                self.late.push_front((0, key));
            }
            // One batch for neighbours of one node: records are numbered in the order in which they go.
            if outs.last().is_none_or(|out| out.batch.node != node) {
                let time = record.time_received.unwrap_or_default() * SECOND;
                outs.push(self.out(empty(node, time)));
            }
            if let Some(out) = outs.last_mut() {
                hand_on(&mut self.handed_on, out, (record, Vec::new()));
            }
        }
        outs.into_iter().map(Out::into_batch).collect()
    }

    fn out(&self, batch: Batch) -> Out {
        Out { batch, records: Vec::new(), observations: Vec::new(), first: self.handed_on }
    }

    /// The node's number.
    fn hear(&mut self, node: &Arc<str>, now: u64) -> u16 {
        let number = self.nodes.len() as u16;
        let node = self.nodes.entry(Arc::clone(node)).or_insert(Node { number, heard: now });
        node.heard = now;
        node.number
    }

    /// Whether the node of the source is another one that may still speak, and `record` says what it has not said.
    fn must_wait(&self, key: &Key, number: u16, record: &FlowRecord, node: &Arc<str>, now: u64) -> bool {
        let Some(source) = record.src_k8s_host_name.as_ref().filter(|source| *source != node) else { return false };
        let speaks = self.nodes.get(source).is_some_and(|source| now.saturating_sub(source.heard) < SILENT);
        let is_new = || self.known.get(key).is_none_or(|flow| !flow.held.is_empty() || !flow.covers(number, record));
        speaks && is_new()
    }

    /// Adds a record to its flow: it goes on, or becomes an observation.
    fn settle(&mut self, key: &Key, number: u16, waiting: Waiting, out: &mut Out, now: u64) {
        let (mut record, mut observations) = waiting;
        let is_expected_twice = self.is_between_agents(&record, now);
        let flow = self.known.entry_ref(key).or_default();
        flow.touched = now;
        let own = observation(&record);
        let outcome = flow.add((number, &out.batch.node), &mut record);
        if outcome == Outcome::Waits {
            self.late.push_back((now + self.hold, key.clone()));
        }
        if observations.is_empty() && (is_expected_twice || flow.is_shared()) {
            observations.push(own);
        }
        if outcome == Outcome::On {
            flow.last = Some(self.handed_on);
            hand_on(&mut self.handed_on, out, (record, observations));
        } else if let Some(index) = flow.last.and_then(|last| out.index(last)) {
            out.observations.extend(observations.into_iter().map(|seen| Observation { record: index, ..seen }));
        }
    }

    /// Whether two agents can see the flow; at the beginning not all of them have spoken yet.
    fn is_between_agents(&self, record: &FlowRecord, now: u64) -> bool {
        let (Some(source), Some(destination)) = (&record.src_k8s_host_name, &record.dst_k8s_host_name) else {
            return false;
        };
        let speaks = |node: &Arc<str>| now < SILENT || self.nodes.contains_key(node);
        source != destination && speaks(source) && speaks(destination)
    }

    /// What waits of this flow and says nothing new any more.
    fn free(&mut self, key: &Key, freed: &mut Vec<(Arc<str>, Key, Waiting)>, now: u64) {
        let Some(flow) = self.known.get_mut(key) else { return };
        while let Some(place) = flow.held.first().copied() {
            let Some((node, record)) = self.held.get(place) else { break };
            let (node, number) = (Arc::clone(node), self.nodes.get(node).map_or(u16::MAX, |node| node.number));
            if !flow.covers(number, record) {
                break;
            }
            flow.held.remove(0);
            if let Some((mut record, observations)) = self.held.take(place) {
                let own = observation(&record);
                if flow.add((number, &node), &mut record) == Outcome::Waits {
                    self.late.push_back((now + self.hold, key.clone()));
                }
                let observations = if observations.is_empty() { vec![own] } else { observations };
                freed.push((node, key.clone(), (record, observations)));
            }
        }
    }

    /// Observations of what was freed, a batch for each node.
    fn observe(&mut self, freed: Vec<(Arc<str>, Key, Waiting)>) -> Vec<Batch> {
        let mut outs: Vec<Out> = Vec::new();
        for (node, key, (record, observations)) in freed {
            let at = outs.iter().position(|out| out.batch.node == node).unwrap_or_else(|| {
                let time = record.time_received.unwrap_or_default() * SECOND;
                outs.push(self.out(empty(node, time)));
                outs.len() - 1
            });
            let last = self.known.get(&key).and_then(|flow| flow.last);
            if let Some(index) = last.and_then(|last| outs[at].index(last)) {
                let seen = observations.into_iter().map(|seen| Observation { record: index, ..seen });
                outs[at].observations.extend(seen);
            }
        }
        outs.into_iter().map(Out::into_batch).collect()
    }

    /// Forgets idle flows.
    fn sweep(&mut self, now: u64) {
        if now.saturating_sub(self.swept) < SWEEP && self.known.len() < FULL {
            return;
        }
        self.swept = now;
        let keep = if self.known.len() > CROWDED { KEEP_FEW } else { KEEP };
        self.known.retain(|_, flow| flow.is_waited_for() || now.saturating_sub(flow.touched) < keep);
        if self.known.len() >= FULL {
            let before = self.known.len();
            self.known.retain(|_, flow| flow.is_waited_for());
            self.unmerged += (before - self.known.len()) as u64;
        }
    }
}

fn swap<A, B>((a, b): (A, B)) -> (B, A) {
    (b, a)
}

fn hand_on(count: &mut u64, out: &mut Out, (record, observations): Waiting) {
    let index = out.records.len() as i32;
    out.observations.extend(observations.into_iter().map(|seen| Observation { record: index, ..seen }));
    out.records.push(record);
    *count += 1;
}

/// Every record with its observations.
fn with_observations(flows: FlowBatch) -> Vec<Waiting> {
    let mut waiting: Vec<Waiting> = flows.records.into_iter().map(|record| (record, Vec::new())).collect();
    for seen in flows.observations {
        let record = usize::try_from(seen.record).ok().and_then(|at| waiting.get_mut(at));
        if let Some((_, observations)) = record {
            observations.push(seen);
        }
    }
    waiting
}

/// What the node as a whole counted, at the first interface that the packets crossed.
fn observation(record: &FlowRecord) -> Observation {
    let first = |list: &Option<Arc<[Arc<str>]>>| list.as_deref().and_then(|list| list.first().cloned());
    Observation {
        record: 0,
        node: None,
        netns: record.net_ns.clone().unwrap_or_default(),
        interface: first(&record.interfaces).unwrap_or_default(),
        direction: record.if_directions.as_deref().and_then(|list| list.first().copied()).unwrap_or_default(),
        bytes: record.bytes.unwrap_or_default(),
        packets: record.packets.unwrap_or_default(),
    }
}

fn empty(node: Arc<str>, time_ns: u64) -> Batch {
    Batch::bare(node, time_ns, Body::None)
}
