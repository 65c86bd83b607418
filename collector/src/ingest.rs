//! The thread that every batch passes first: sequence, counters, limits, then on to the consumers.
//!
//! Knows no file format. Waits for the store and for lines on standard output, never for the table.

use std::{collections::HashMap, sync::Arc};

use flow::{Batch, Body, Counters, FlowRecord, Packet, Reason, Stop};

use crate::{
    feed::{Feeder, data_count},
    limits::Allowance,
    queue::{Receiver, Sender, Weight},
    status::Status,
};

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

/// What has been heard of one agent.
#[derive(Debug, Default)]
struct Node {
    next: u64,
    latest: Counters,
    /// Sum of the last counters of its former lives: a restarted agent counts from zero.
    former: Counters,
}

/// Where batches go. A consumer that has gone is dropped.
#[derive(Debug, Default)]
pub(crate) struct Outputs {
    pub(crate) store: Option<Sender<Arc<Batch>>>,
    pub(crate) lines: Option<Sender<Arc<Batch>>>,
    pub(crate) feed: Option<Feeder>,
}

/// State of the thread.
#[derive(Debug)]
pub(crate) struct Ingest {
    outputs: Outputs,
    nodes: HashMap<Arc<str>, Node>,
    allowance: Allowance,
    status: Status,
    stop: Stop,
}

impl Ingest {
    pub(crate) fn new(outputs: Outputs, allowance: Allowance, status: Status, stop: Stop) -> Self {
        Self { outputs, nodes: HashMap::new(), allowance, status, stop }
    }

    /// Takes batches until there will be no more; returns the names of the agents.
    pub(crate) fn run(mut self, input: &Receiver<Batch>) -> Vec<String> {
        while let Some(batch) = input.recv() {
            self.take(batch);
        }
        let mut nodes: Vec<String> = self.nodes.keys().map(ToString::to_string).collect();
        nodes.sort_unstable();
        nodes
    }

    fn take(&mut self, mut batch: Batch) {
        if !self.account(&batch) {
            return;
        }
        let past = self.allowance.cut(&mut batch.body);
        if self.allowance.is_used_up() {
            self.stop.request(Reason::Packets);
        }
        self.add_totals(&batch, past);
        batch.notices.iter().for_each(|notice| self.status.notice(Arc::clone(notice)));
        self.hand_on(&Arc::new(batch));
    }

    /// Checks the sequence and merges the counters; false for a batch that came before.
    fn account(&mut self, batch: &Batch) -> bool {
        let first = !self.nodes.contains_key(&batch.node);
        let node = self.nodes.entry(Arc::clone(&batch.node)).or_default();
        let mut gap = 0;
        if batch.sequence == 0 && !first {
            node.former.add(&node.latest);
        } else if batch.sequence < node.next {
            return false;
        } else {
            gap = batch.sequence - node.next;
        }
        node.next = batch.sequence + 1;
        node.latest = batch.counters;
        let mut agents = Counters::default();
        for node in self.nodes.values() {
            agents.add(&node.former);
            agents.add(&node.latest);
        }
        let mut state = self.status.lock();
        state.agents = agents;
        state.own.lost_sequence += gap;
        true
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
        let Outputs { store, lines, feed } = &mut self.outputs;
        // The sender stays, so that every batch from now on is counted.
        if store.as_ref().is_some_and(|store| store.send(Arc::clone(batch)).is_err()) {
            self.status.lock().own.lost_store += data_count(&batch.body);
            self.stop.request(Reason::Failed("the thread that writes files has ended by itself".into()));
        }
        if lines.as_ref().is_some_and(|lines| lines.send(Arc::clone(batch)).is_err()) {
            *lines = None;
        }
        if let Some(feed) = feed {
            let skipped = feed.offer(Arc::clone(batch));
            self.status.lock().own.view_skipped += skipped;
        }
    }
}

/// Records, packets and bytes on the wire.
fn totals(body: &Body) -> (u64, u64, u64) {
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
        }
    }

    fn run(batches: Vec<Batch>, limit: Option<u64>) -> (crate::Snapshot, u64, Stop) {
        let (status, stop) = (Status::new(), Stop::default());
        let (store, stored) = queue::channel(100, 1 << 20);
        let outputs = Outputs { store: Some(store), ..Outputs::default() };
        let (input, receiver) = queue::channel(100, 1 << 20);
        for batch in batches {
            input.send(batch).unwrap();
        }
        drop(input);
        Ingest::new(outputs, Allowance::new(limit), status.clone(), stop.clone()).run(&receiver);
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
