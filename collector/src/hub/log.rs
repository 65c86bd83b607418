//! The recent batches, numbered, bounded by memory. What later ones refer to is kept when a batch goes.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use flow::{Batch, Body, Counters, Interface};

use crate::{feed::announcements, ingest::UNNUMBERED, queue::Weight as _};

#[derive(Debug)]
struct Entry {
    batch: Arc<Batch>,
    /// Records in all batches before this one.
    records: u64,
}

/// What was announced in batches that are gone, by node.
#[derive(Clone, Debug, Default)]
struct Known {
    time_ns: u64,
    counters: Counters,
    interfaces: Vec<Interface>,
}

/// Batches from [`Log::begin`] to [`Log::end`].
#[derive(Debug)]
pub(super) struct Log {
    entries: VecDeque<Entry>,
    begin: u64,
    weight: usize,
    records: u64,
    known: HashMap<Arc<str>, Known>,
}

impl Log {
    /// An empty log, of which the first batch will bear that number.
    pub(super) fn new(first: u64) -> Self {
        Self { entries: VecDeque::new(), begin: first, weight: 0, records: 0, known: HashMap::new() }
    }

    /// Number of the oldest batch.
    pub(super) fn begin(&self) -> u64 {
        self.begin
    }

    /// Number that the next batch will bear.
    pub(super) fn end(&self) -> u64 {
        self.begin + self.entries.len() as u64
    }

    pub(super) fn push(&mut self, batch: Arc<Batch>) {
        self.weight += batch.weight();
        let records = self.records;
        if let Body::Flows(flows) = &batch.body {
            self.records += flows.records.len() as u64;
        }
        self.entries.push_back(Entry { batch, records });
    }

    /// Forgets the oldest batches until the rest weighs `most` bytes; returns them, to be freed elsewhere.
    pub(super) fn shrink(&mut self, most: usize) -> Vec<Arc<Batch>> {
        let mut gone = Vec::new();
        while self.weight > most {
            let Some(Entry { batch, .. }) = self.entries.pop_front() else { break };
            self.begin += 1;
            self.weight -= batch.weight();
            learn(&mut self.known, &batch);
            gone.push(batch);
        }
        gone
    }

    /// The batch of that number, without observations of records before record `since`.
    pub(super) fn get(&self, number: u64, since: u64) -> Option<Arc<Batch>> {
        let at = usize::try_from(number.checked_sub(self.begin)?).ok()?;
        let entry = self.entries.get(at)?;
        Some(without_references(entry, since))
    }

    /// Records in the batches before that one.
    pub(super) fn records_before(&self, number: u64) -> u64 {
        let at = usize::try_from(number.saturating_sub(self.begin)).unwrap_or(usize::MAX);
        self.entries.get(at).map_or(self.records, |entry| entry.records)
    }

    /// What the batches before that one announced, one batch a node.
    pub(super) fn announcements(&self, number: u64) -> Vec<Arc<Batch>> {
        let mut known = self.known.clone();
        let before = usize::try_from(number.saturating_sub(self.begin)).unwrap_or(usize::MAX);
        self.entries.iter().take(before).for_each(|entry| learn(&mut known, &entry.batch));
        known.into_iter().map(|(node, known)| Arc::new(announcement(node, known))).collect()
    }

    /// The newest batches that weigh `most` bytes together, after what those before them announced.
    pub(super) fn history(&self, most: usize) -> Vec<Arc<Batch>> {
        let mut weight = 0;
        let fits = |entry: &&Entry| {
            weight += entry.batch.weight();
            weight <= most
        };
        let count = self.entries.iter().rev().take_while(fits).count();
        let skipped = self.entries.len() - count;
        let mut history = self.announcements(self.begin + skipped as u64);
        // Notices are what a late viewer wants most.
        history.extend(self.entries.iter().take(skipped).filter_map(|entry| announcements(&entry.batch)));
        history.extend(self.entries.iter().skip(skipped).map(|entry| Arc::clone(&entry.batch)));
        history
    }
}

fn learn(known: &mut HashMap<Arc<str>, Known>, batch: &Batch) {
    let known = known.entry(Arc::clone(&batch.node)).or_default();
    (known.time_ns, known.counters) = (batch.time_ns, batch.counters);
    for interface in &batch.interfaces {
        match known.interfaces.iter_mut().find(|old| old.id == interface.id) {
            Some(old) => old.clone_from(interface),
            None => known.interfaces.push(interface.clone()),
        }
    }
}

fn announcement(node: Arc<str>, known: Known) -> Batch {
    let Known { time_ns, counters, interfaces } = known;
    Batch { node, sequence: UNNUMBERED, time_ns, counters, interfaces, ..Batch::default() }
}

/// An observation may refer to a record of an earlier batch, which whoever begins here does not have.
fn without_references(entry: &Entry, since: u64) -> Arc<Batch> {
    let Body::Flows(flows) = &entry.batch.body else { return Arc::clone(&entry.batch) };
    let is_known = |record: i32| i128::from(entry.records) + i128::from(record) >= i128::from(since);
    if flows.observations.iter().all(|observation| is_known(observation.record)) {
        return Arc::clone(&entry.batch);
    }
    let mut batch = Batch::clone(&entry.batch);
    if let Body::Flows(flows) = &mut batch.body {
        flows.observations.retain(|observation| is_known(observation.record));
    }
    Arc::new(batch)
}
