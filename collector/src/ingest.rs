//! The thread that every batch passes first: sequence, counters, names, merging, limits, then on to the consumers.
//!
//! Knows no file format. Waits for the store and for lines on standard output, never for those who look on.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use flow::{Batch, Body, Counters, Enrich, FlowRecord, Packet, Reason, Stop, config::Mode};

use crate::{
    Hub, Origin, Sieve,
    about::now_ns,
    feed::data_count,
    limits::Allowance,
    merge::Merge,
    queue::{Received, Receiver, Sender, Weight},
    recorder::{Judge, Recorder},
    status::Status,
};

mod annotate;
mod conversations;
mod dedup;
mod hold;
mod node;

use annotate::Annotate;
pub(crate) use conversations::Conversations;
pub(crate) use dedup::Dedup;
use hold::{Hold, Now};
use node::Heard;
pub(crate) use node::Node;

/// Sequence of a batch that no agent numbered: words of ours, or announcements given once more.
pub(crate) const UNNUMBERED: u64 = u64::MAX;

impl Weight for Batch {
    fn weight(&self) -> usize {
        let body = match &self.body {
            Body::Flows(batch) => batch.records.len() * size_of::<FlowRecord>(),
            Body::Packets(batch) => batch.data.len() + batch.packets.len() * size_of::<Packet>(),
            Body::None => 0,
        };
        size_of::<Self>() + body
    }
}

impl Weight for Arc<Batch> {
    fn weight(&self) -> usize {
        self.as_ref().weight()
    }
}

/// Where batches go. A consumer that has gone is dropped.
#[derive(Debug)]
pub(crate) struct Outputs {
    pub(crate) store: Option<Sender<Arc<Batch>>>,
    pub(crate) lines: Option<Sender<Arc<Batch>>>,
    pub(crate) hub: Hub,
}

/// What is done to batches on their way.
pub(crate) struct Steps {
    pub(crate) origin: Origin,
    pub(crate) enrich: Option<Box<dyn Enrich>>,
    pub(crate) merge: Merge,
    /// The part of the filter that runs after the kernel.
    pub(crate) after: Option<Sieve>,
    /// `--dedup`
    pub(crate) dedup: Option<Dedup>,
    /// `--conversations`
    pub(crate) conversations: Option<Conversations>,
    pub(crate) allowance: Allowance,
    /// How many collectors of this capture there were before this one.
    pub(crate) life: u64,
    /// What they knew of the nodes.
    pub(crate) nodes: HashMap<Arc<str>, Node>,
    /// Recordings, where this collector decides on them.
    pub(crate) recorder: Option<Recorder>,
    /// What of its trigger flows decide.
    pub(crate) judge: Option<Judge>,
    /// Packets are captured, not flows.
    pub(crate) mode: Mode,
    /// Packets beside flows, in the order of their times.
    pub(crate) beside: Merge,
}

/// State of the thread.
pub(crate) struct Ingest {
    outputs: Outputs,
    steps: Steps,
    hold: Hold,
    annotate: Annotate,
    status: Status,
    stop: Stop,
    started: Instant,
    /// Counted in earlier lives: packets out of order, flows not merged.
    before: (u64, u64),
}

impl Ingest {
    pub(crate) fn new(outputs: Outputs, steps: Steps, status: Status, stop: Stop) -> Self {
        let own = status.lock().own;
        let before = (own.out_of_order, own.unmerged);
        Self {
            outputs,
            steps,
            hold: Hold::default(),
            annotate: Annotate::default(),
            status,
            stop,
            started: Instant::now(),
            before,
        }
    }

    /// Takes batches until there will be no more; returns the names of the agents.
    pub(crate) fn run(mut self, input: &Receiver<Batch>) -> Vec<String> {
        loop {
            match self.next(input) {
                Received::Item(batch) => self.take(batch),
                Received::Timeout => {}
                Received::Closed => break,
            }
            self.release();
        }
        if let Some(enrich) = &mut self.steps.enrich {
            let named = self.hold.finish(enrich.as_mut());
            self.merge_all(named);
        }
        let last = self.steps.merge.finish();
        self.pass_all(last);
        let last = self.steps.beside.finish();
        self.record_all(last);
        let now = self.now();
        if let Some(enrich) = &mut self.steps.enrich {
            let last = self.annotate.finish(enrich.as_mut(), now);
            for batch in last {
                self.sift(batch);
            }
        }
        let last = self.steps.conversations.as_mut().map(Conversations::finish);
        last.into_iter().flatten().for_each(|batch| self.deliver(batch));
        self.outputs.hub.close();
        let mut nodes: Vec<String> = self.steps.nodes.keys().map(ToString::to_string).collect();
        nodes.sort_unstable();
        nodes
    }

    fn next(&self, input: &Receiver<Batch>) -> Received<Batch> {
        let tied = self.steps.conversations.as_ref().and_then(Conversations::due);
        let tied = tied.into_iter().chain(self.steps.beside.due());
        match self.steps.merge.due().into_iter().chain(self.hold.due()).chain(self.annotate.due()).chain(tied).min() {
            None => input.recv().map_or(Received::Closed, Received::Item),
            Some(due) => input.recv_timeout(Duration::from_nanos(due.saturating_sub(self.elapsed_ns()))),
        }
    }

    /// The clock of holding and merging: since the start.
    fn elapsed_ns(&self) -> u64 {
        self.started.elapsed().as_nanos() as u64
    }

    fn take(&mut self, mut batch: Batch) {
        if !self.account(&mut batch) {
            return;
        }
        if let Some(ring) = batch.ring.take()
            && let Some(recorder) = &self.steps.recorder
        {
            recorder.hear(&batch.node, ring);
        }
        let now = self.now();
        // Packets are named after they were merged.
        if let (Some(enrich), Body::Flows(_)) = (&mut self.steps.enrich, &batch.body) {
            enrich.enrich(&mut batch);
            self.hold.keep(&mut batch, enrich.as_ref(), now);
        }
        self.merge_all(vec![batch]);
    }

    fn now(&self) -> Now {
        Now { elapsed: self.elapsed_ns(), wall_ms: now_ns() / 1_000_000 }
    }

    fn merge_all(&mut self, batches: Vec<Batch>) {
        for mut batch in batches {
            if self.steps.mode == Mode::Packets && matches!(batch.body, Body::Flows(_)) {
                self.judge(&mut batch);
                self.pass(batch);
                continue;
            }
            if self.steps.mode == Mode::Flows && batch.recording.is_some() {
                self.put_beside(batch);
                continue;
            }
            if self.steps.merge.is_none() {
                self.pass(batch);
                continue;
            }
            let now = self.elapsed_ns();
            let batches = self.steps.merge.push(batch, now);
            self.pass_all(batches);
        }
    }

    /// Flows beside packets are there to be judged, and for nothing else.
    fn judge(&self, batch: &mut Batch) {
        let fired = self.steps.judge.as_ref().and_then(|judge| judge.take(&mut batch.body));
        batch.body = Body::None;
        if let (Some(fired), Some(recorder)) = (fired, &self.steps.recorder) {
            recorder.fire(&fired);
        }
    }

    /// Packets beside flows pass by filters, sums and limits of the flows.
    fn put_beside(&mut self, batch: Batch) {
        let now = self.elapsed_ns();
        let batches = self.steps.beside.push(batch, now);
        self.record_all(batches);
    }

    fn record_all(&mut self, batches: Vec<Batch>) {
        for mut batch in self.annotated_at_once(batches) {
            self.number(&mut batch);
            batch.notices.iter().for_each(|notice| self.status.notice(Arc::clone(notice)));
            self.hand_on(&Arc::new(batch));
        }
    }

    /// Packets with ids and the names of now: beside flows nothing waits.
    fn annotated_at_once(&mut self, batches: Vec<Batch>) -> Vec<Batch> {
        let now = self.now();
        let mut annotated = Vec::with_capacity(batches.len());
        for batch in batches {
            let enrich = self.steps.enrich.as_deref_mut().map(|enrich| enrich as &mut dyn Enrich);
            annotated.extend(self.annotate.push(batch, enrich, now));
        }
        if let Some(enrich) = &mut self.steps.enrich {
            annotated.extend(self.annotate.finish(enrich.as_mut(), now));
        }
        annotated
    }

    /// Says which recordings are over.
    fn end_recordings(&mut self) {
        let over = self.steps.recorder.as_ref().map(Recorder::take_over).unwrap_or_default();
        for recording in over {
            let recording = Some(Arc::new(recording));
            let end = Batch { sequence: UNNUMBERED, time_ns: now_ns(), recording, ..Batch::default() };
            self.hand_on(&Arc::new(end));
        }
    }

    /// What was held back and is held no longer.
    fn release(&mut self) {
        self.end_recordings();
        let now = self.now();
        if self.steps.beside.due().is_some_and(|due| due <= now.elapsed) {
            let batches = self.steps.beside.release(now.elapsed);
            self.record_all(batches);
        }
        if self.hold.due().is_some_and(|due| due <= now.elapsed)
            && let Some(enrich) = &mut self.steps.enrich
        {
            let named = self.hold.release(enrich.as_mut(), now);
            self.merge_all(named);
        }
        if self.steps.merge.due().is_some_and(|due| due <= now.elapsed) {
            let batches = self.steps.merge.release(now.elapsed);
            self.pass_all(batches);
        }
        if self.annotate.due().is_some_and(|due| due <= now.elapsed)
            && let Some(enrich) = &mut self.steps.enrich
        {
            let named = self.annotate.release(enrich.as_mut(), now);
            for batch in named {
                self.sift(batch);
            }
        }
        self.release_conversations();
    }

    /// What has waited for the other direction long enough.
    fn release_conversations(&mut self) {
        let now = self.elapsed_ns();
        let released = self.steps.conversations.as_mut().map(|tied| tied.release(now));
        released.into_iter().flatten().for_each(|batch| self.deliver(batch));
    }

    fn pass_all(&mut self, batches: Vec<Batch>) {
        let (out_of_order, unmerged) = self.steps.merge.counts();
        let mut state = self.status.lock();
        state.own.out_of_order = self.before.0 + out_of_order;
        state.own.unmerged = self.before.1 + unmerged;
        drop(state);
        for batch in batches {
            self.pass(batch);
        }
    }

    /// Packets are given what is known of them; where names may still come, they wait for it.
    fn pass(&mut self, batch: Batch) {
        if let Body::Flows(_) = batch.body {
            self.annotate.learn(&batch);
            return self.sift(batch);
        }
        let now = self.now();
        let enrich = self.steps.enrich.as_deref_mut().map(|enrich| enrich as &mut dyn Enrich);
        for batch in self.annotate.push(batch, enrich, now) {
            self.sift(batch);
        }
    }

    /// What the rest of the filter takes, one copy of each packet, as flows or as conversations.
    fn sift(&mut self, mut batch: Batch) {
        if let Some(sieve) = &mut self.steps.after {
            let gone = sieve.apply(&mut batch);
            self.status.lock().own.filtered += gone;
        }
        if let Some(dedup) = &mut self.steps.dedup {
            let copies = dedup.apply(&mut batch);
            self.status.lock().own.copies += copies;
            if let Some(node) = self.steps.nodes.get_mut(&batch.node) {
                node.leave_out(copies);
            }
        }
        let now = self.elapsed_ns();
        match &mut self.steps.conversations {
            None => self.deliver(batch),
            Some(tied) => {
                for batch in tied.push(batch, now) {
                    self.deliver(batch);
                }
            }
        }
    }

    fn deliver(&mut self, mut batch: Batch) {
        self.number(&mut batch);
        let past = self.steps.allowance.cut(&mut batch.body);
        if self.steps.allowance.is_used_up() {
            self.stop.request(Reason::Packets);
        }
        self.add_totals(&batch, past);
        batch.notices.iter().for_each(|notice| self.status.notice(Arc::clone(notice)));
        self.hand_on(&Arc::new(batch));
    }

    /// Checks the sequence and merges the counters; false for a batch that came before.
    fn account(&mut self, batch: &mut Batch) -> bool {
        if batch.node.is_empty() {
            return true;
        }
        let Steps { origin, nodes, .. } = &mut self.steps;
        let node = nodes.entry(Arc::clone(&batch.node)).or_default();
        let mut gap = 0;
        match node.hear(*origin, batch.sequence, &batch.counters) {
            Heard::Before => return false,
            // Of a restart whoever has the connections tells, and when it was.
            Heard::Next | Heard::Restarted => {}
            Heard::Gap(lost) => {
                gap = lost;
                let words = format!("{}: {lost} batches were lost on the way", batch.node);
                batch.notices.push(words.into());
            }
            Heard::Relaunched(lost) => {
                gap = lost;
                batch
                    .notices
                    .push("the collector on the cluster was started again; what it held in memory is lost".into());
            }
        }
        let heard = (node.clone(), now_ns() / 1_000_000);
        let mut agents = Counters::default();
        for node in nodes.values() {
            agents.add(&node.counters());
        }
        let mut state = self.status.lock();
        state.agents = agents;
        state.own.lost_sequence += gap;
        state.heard.insert(Arc::clone(&batch.node), heard);
        true
    }

    /// Merging has taken batches apart: what leaves is numbered anew, with everything that is known of its node.
    fn number(&mut self, batch: &mut Batch) {
        if self.steps.origin == Origin::Cluster
            && batch.sequence != UNNUMBERED
            && let Some(node) = self.steps.nodes.get_mut(&batch.node)
        {
            batch.sequence = node.number(self.steps.life);
            batch.counters = node.told();
        }
    }

    fn add_totals(&self, batch: &Batch, past: u64) {
        let (records, packets, bytes) = totals(&batch.body);
        let mut state = self.status.lock();
        state.own.past_limit += past;
        let totals = &mut state.snapshot;
        totals.records += records;
        totals.packets = totals.packets.saturating_add(packets);
        totals.bytes = totals.bytes.saturating_add(bytes);
    }

    fn hand_on(&mut self, batch: &Arc<Batch>) {
        let Outputs { store, lines, hub } = &mut self.outputs;
        // The sender stays, so that every batch from now on is counted.
        if store.as_ref().is_some_and(|store| store.send(Arc::clone(batch)).is_err()) {
            self.status.lock().own.lost_store += data_count(&batch.body);
            self.stop.request(Reason::Failed("the thread that writes files has ended by itself".into()));
        }
        let is_line = batch.recording.is_none() || self.steps.mode == Mode::Packets;
        if is_line && lines.as_ref().is_some_and(|lines| lines.send(Arc::clone(batch)).is_err()) {
            *lines = None;
        }
        let skipped = hub.offer(batch);
        if skipped > 0 {
            self.status.lock().own.view_skipped += skipped;
        }
    }
}

/// Records, packets and bytes on the wire.
pub(crate) fn totals(body: &Body) -> (u64, u64, u64) {
    match body {
        Body::None => (0, 0, 0),
        Body::Packets(batch) => {
            (0, batch.packets.len() as u64, batch.packets.iter().map(|packet| u64::from(packet.len)).sum())
        }
        Body::Flows(batch) => {
            let sum =
                |of: fn(&FlowRecord) -> Option<u64>| batch.records.iter().filter_map(of).fold(0, u64::saturating_add);
            (batch.records.len() as u64, sum(|record| record.packets), sum(|record| record.bytes))
        }
    }
}

#[cfg(test)]
mod tests {
    use flow::FlowBatch;

    use super::*;
    use crate::queue;

    fn batch(node: &str, sequence: u64, seen: u64, packets: &[u64]) -> Batch {
        let records =
            packets.iter().map(|n| FlowRecord { packets: Some(*n), bytes: Some(60), ..FlowRecord::default() });
        Batch {
            node: node.into(),
            sequence,
            time_ns: 0,
            counters: Counters { seen, ..Counters::default() },
            interfaces: Vec::new(),
            interface_counts: Vec::new(),
            notices: Vec::new(),
            body: Body::Flows(FlowBatch { records: records.collect(), observations: Vec::new() }),
            ..Batch::default()
        }
    }

    fn run(batches: Vec<Batch>, limit: Option<u64>) -> (crate::Snapshot, u64, Stop) {
        let stop = Stop::default();
        let status = Status::new(stop.clone());
        let (store, stored) = queue::channel(100, 1 << 20);
        let outputs = Outputs { store: Some(store), lines: None, hub: Hub::ended() };
        let (input, receiver) = queue::channel(100, 1 << 20);
        for batch in batches {
            input.send(batch).unwrap();
        }
        drop(input);
        let steps = Steps {
            origin: Origin::Local,
            enrich: None,
            merge: Merge::None,
            after: None,
            dedup: None,
            conversations: None,
            allowance: Allowance::new(limit),
            life: 0,
            nodes: HashMap::new(),
            recorder: None,
            judge: None,
            mode: Mode::Flows,
            beside: Merge::None,
        };
        Ingest::new(outputs, steps, status.clone(), stop.clone()).run(&receiver);
        let records = std::iter::from_fn(|| stored.recv()).map(|batch| data_count(&batch.body)).sum();
        (status.snapshot(), records, stop)
    }

    #[test]
    fn counters_of_nodes_add_up_gaps_are_counted_and_a_repeated_batch_is_not() {
        let batches =
            vec![batch("a", 0, 5, &[1]), batch("b", 0, 7, &[1]), batch("a", 3, 9, &[1]), batch("a", 3, 9, &[1])];
        let (snapshot, stored, _) = run(batches, None);
        assert_eq!((snapshot.counters.seen, snapshot.counters.lost_sequence), (16, 2));
        assert_eq!((snapshot.records, stored), (3, 3));
    }

    #[test]
    fn an_agent_that_starts_again_keeps_what_it_counted_before() {
        let (snapshot, ..) = run(vec![batch("a", 0, 5, &[]), batch("a", 1, 6, &[]), batch("a", 0, 2, &[])], None);
        assert_eq!((snapshot.counters.seen, snapshot.counters.lost_sequence), (8, 0));
    }

    #[test]
    fn max_packets_ends_the_capture_and_what_comes_after_it_is_counted() {
        let (snapshot, stored, stop) = run(vec![batch("a", 0, 0, &[4, 4, 4]), batch("a", 1, 0, &[1])], Some(8));
        assert_eq!(stop.reason(), Some(Reason::Packets));
        assert_eq!((stored, snapshot.packets, snapshot.counters.past_limit), (2, 8, 2));
    }
}
