//! `--conversations`: records of flows become records of conversations, one for each interval.
//!
//! A record of a conversation is a growth, as those of flows are: sums over them are right. Both directions of a connection are in
//! one record if they come together. One agent delivers them together; those of several nodes come up to an interval apart, so that
//! what came first waits for so long. Knows no clock: times are given, ns since any start.

use std::{collections::VecDeque, sync::Arc};

use flow::{Batch, Body, FlowBatch, FlowRecord, Observation};
use hashbrown::HashMap;

use crate::{
    conversation::{self, Client},
    places::Places,
};

const SECOND: u64 = 1_000_000_000;
/// A conversation is known for so long after its last record: who its client is.
const KEEP: u64 = 300 * SECOND;
/// From this many on only those are known of which something waits. What is forgotten is judged anew.
const FULL: usize = 262_144;
/// Most conversations that wait.
const MOST_HELD: usize = 50_000;
/// How often idle ones are looked for.
const SWEEP: u64 = 5 * SECOND;

/// All conversations seen lately.
#[derive(Debug)]
pub(crate) struct Conversations {
    hold: u64,
    known: HashMap<u64, Known>,
    /// Those of which something waits, oldest first, and until when.
    waiting: VecDeque<(u64, u64)>,
    /// Conversation of each record of a flow.
    places: Places<u64>,
    /// Records of conversations handed on.
    handed_on: u64,
    swept: u64,
}

#[derive(Debug)]
struct Known {
    client: Client,
    touched: u64,
    /// Number of its record handed on last.
    last: Option<u64>,
    waits: Option<Box<Waiting>>,
}

/// What came of one conversation since its last record.
#[derive(Debug)]
struct Waiting {
    node: Arc<str>,
    time_ns: u64,
    /// What the first of its two ends sent, and the other.
    sides: [Option<FlowRecord>; 2],
    observations: Vec<Observation>,
}

/// Conversations of one node that go on together: the node, the time of the latest, and each with its number.
type Run = (Arc<str>, u64, Vec<(u64, Waiting)>);

impl Waiting {
    fn into_record(self, id: u64, client_is_first: bool) -> (FlowRecord, Vec<Observation>) {
        let [first, second] = self.sides;
        let sides = if client_is_first { [first, second] } else { [second, first] };
        let mut whole = FlowRecord::default();
        for (side, from_client) in sides.into_iter().zip([true, false]) {
            if let Some(side) = side {
                conversation::fold(&mut whole, conversation::sided(&side, from_client), from_client);
            }
        }
        whole.hash_id = Some(conversation::hash_id(id));
        (whole, self.observations)
    }
}

impl Conversations {
    /// What came waits `hold` ns for the other direction; 0: until the end of its batch.
    pub(crate) fn new(hold: u64) -> Self {
        Self {
            hold,
            known: HashMap::new(),
            waiting: VecDeque::new(),
            places: Places::default(),
            handed_on: 0,
            swept: 0,
        }
    }

    /// When [`Conversations::release`] has something to do.
    pub(super) fn due(&self) -> Option<u64> {
        if self.waiting.len() > MOST_HELD { Some(0) } else { self.waiting.front().map(|(due, _)| *due) }
    }

    /// Takes a batch; returns what may go on, at least what is not data in it.
    pub(super) fn push(&mut self, mut batch: Batch, now: u64) -> Vec<Batch> {
        let Body::Flows(flows) = std::mem::replace(&mut batch.body, Body::None) else { return vec![batch] };
        self.sweep(now);
        let first = self.places.next();
        for record in flows.records {
            self.add(record, &batch, now);
        }
        let late = self.observe(flows.observations, first, &batch.node);
        if self.hold == 0 {
            let ids: Vec<u64> = self.waiting.drain(..).map(|(_, id)| id).collect();
            let taken = ids.into_iter().filter_map(|id| Some((id, self.take(id)?))).collect();
            return vec![self.filled(batch, taken, late)];
        }
        vec![self.filled(batch, Vec::new(), late)]
    }

    /// What has waited long enough.
    pub(super) fn release(&mut self, now: u64) -> Vec<Batch> {
        let mut runs: Vec<Run> = Vec::new();
        while self.waiting.len() > MOST_HELD || self.waiting.front().is_some_and(|(due, _)| *due <= now) {
            let Some((_, id)) = self.waiting.pop_front() else { break };
            let Some(waiting) = self.take(id) else { continue };
            match runs.iter_mut().find(|(node, ..)| *node == waiting.node) {
                Some((_, time_ns, run)) => {
                    *time_ns = (*time_ns).max(waiting.time_ns);
                    run.push((id, waiting));
                }
                None => runs.push((Arc::clone(&waiting.node), waiting.time_ns, vec![(id, waiting)])),
            }
        }
        let batch = |(node, time_ns, run)| self.filled(Batch::bare(node, time_ns, Body::None), run, Vec::new());
        runs.into_iter().map(batch).collect()
    }

    /// Everything that waits.
    pub(super) fn finish(&mut self) -> Vec<Batch> {
        self.release(u64::MAX)
    }

    fn add(&mut self, record: FlowRecord, batch: &Batch, now: u64) {
        let (id, from_first) = conversation::id(&record);
        self.places.push(id);
        let known = self.known.entry(id).or_insert_with(|| Known {
            client: Client::of(&record, from_first),
            touched: now,
            last: None,
            waits: None,
        });
        known.touched = now;
        known.client.learn(&record, from_first);
        let waiting = &mut self.waiting;
        let due = now.saturating_add(self.hold);
        let waits = known.waits.get_or_insert_with(|| {
            waiting.push_back((due, id));
            let (node, time_ns) = (Arc::clone(&batch.node), batch.time_ns);
            Box::new(Waiting { node, time_ns, sides: [None, None], observations: Vec::new() })
        });
        match &mut waits.sides[usize::from(!from_first)] {
            Some(side) => side.absorb(&record),
            side => *side = Some(record),
        }
    }

    /// Gives observations to the conversations of their records; returns those whose record has gone on already, with its number.
    fn observe(&mut self, observations: Vec<Observation>, first: u64, node: &Arc<str>) -> Vec<(u64, Observation)> {
        let mut late = Vec::new();
        for seen in observations {
            let Some(known) = self.places.get(first, seen.record).and_then(|id| self.known.get_mut(&id)) else {
                continue;
            };
            match (&mut known.waits, known.last) {
                (Some(waits), _) => {
                    let by = seen.node.clone().unwrap_or_else(|| Arc::clone(node));
                    waits.observations.push(Observation { node: (by != waits.node).then_some(by), ..seen });
                }
                (None, Some(last)) => late.push((last, seen)),
                (None, None) => {}
            }
        }
        late
    }

    fn take(&mut self, id: u64) -> Option<Waiting> {
        self.known.get_mut(&id)?.waits.take().map(|waiting| *waiting)
    }

    /// `batch` with a record for each of `taken`.
    fn filled(&mut self, mut batch: Batch, taken: Vec<(u64, Waiting)>, late: Vec<(u64, Observation)>) -> Batch {
        let first = self.handed_on;
        let mut body = FlowBatch::default();
        for (id, waiting) in taken {
            let Some(known) = self.known.get_mut(&id) else { continue };
            known.last = Some(self.handed_on);
            self.handed_on += 1;
            let index = body.records.len() as i32;
            let (record, observations) = waiting.into_record(id, known.client.is_first);
            body.records.push(record);
            body.observations.extend(observations.into_iter().map(|seen| Observation { record: index, ..seen }));
        }
        let index = |number: u64| i32::try_from(i128::from(number) - i128::from(first)).ok();
        let late = late.into_iter().filter_map(|(number, seen)| Some(Observation { record: index(number)?, ..seen }));
        body.observations.extend(late);
        if !body.records.is_empty() || !body.observations.is_empty() {
            batch.body = Body::Flows(body);
        }
        batch
    }

    /// Forgets idle ones.
    fn sweep(&mut self, now: u64) {
        if now.saturating_sub(self.swept) < SWEEP && self.known.len() < FULL {
            return;
        }
        self.swept = now;
        self.known.retain(|_, known| known.waits.is_some() || now.saturating_sub(known.touched) < KEEP);
        if self.known.len() >= FULL {
            self.known.retain(|_, known| known.waits.is_some());
        }
    }
}

#[cfg(test)]
mod tests;
