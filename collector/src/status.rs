//! What a running capture says of itself, for the header of the table and for the files.
//!
//! Owns the totals; written by the ingest and store threads, read by anybody.

use std::{
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use flow::{Counters, Stop};
use serde::{Deserialize, Serialize};

use crate::{NodeStatus, RecordingStatus, RingStatus, Summary, capture::reason_text, ingest::Node, resume::Earlier};

/// Notices kept for the reader.
const NOTICES: usize = 100;

/// One file that is being written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStatus {
    /// Where.
    pub path: PathBuf,
    /// Its size, with what belongs to it (SQLite's WAL), bytes.
    pub bytes: u64,
    /// Records or packets in it.
    pub written: u64,
    /// Why nothing more is written to it.
    pub error: Option<String>,
}

/// The state at one moment.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Snapshot {
    /// Time since the start.
    pub elapsed: Duration,
    /// Counters of all agents, with those of the collector itself.
    pub counters: Counters,
    /// The collector's own part of them: sequence gaps, limits, stores, the table.
    pub own: Counters,
    /// Flow records taken in (limits applied).
    pub records: u64,
    /// Packets taken in: captured ones, or the sum of `Packets` of all records.
    pub packets: u64,
    /// Bytes on the wire of those.
    pub bytes: u64,
    /// Output files.
    pub files: Vec<FileStatus>,
    /// What happened besides traffic: time since the start, and words for the user; the latest hundred.
    pub notices: VecDeque<(Duration, Arc<str>)>,
    /// The nodes, in the order in which [`Status::set_nodes`] gave them.
    pub nodes: Vec<NodeStatus>,
    /// Recordings, those that are over first.
    pub recordings: Vec<RecordingStatus>,
    /// The flight recorder, if there is one.
    pub ring: Option<RingStatus>,
    /// How the lease of the client stands, in words.
    pub lease: String,
    /// How many names are known, and what it costs.
    pub names: String,
    /// Why the capture ended or is about to end, in words.
    pub reason: Option<String>,
    /// What it came to, once all files are closed.
    pub summary: Option<Summary>,
}

impl Snapshot {
    /// Sum of the sizes of all output files, bytes.
    pub fn file_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

impl State {
    /// What is known of the nodes, by name.
    pub(crate) fn nodes(&self) -> BTreeMap<String, Node> {
        self.heard.iter().map(|(name, (node, _))| (name.to_string(), node.clone())).collect()
    }
}

/// Shared by all who write or read the state; cheap to clone.
#[derive(Clone, Debug)]
pub struct Status {
    started: Instant,
    /// When this process made it.
    made: Instant,
    state: Arc<Mutex<State>>,
}

/// What the threads write; [`Status::snapshot`] puts it together.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// All but the counters and the time.
    pub(crate) snapshot: Snapshot,
    /// Sum of what the agents count.
    pub(crate) agents: Counters,
    /// What the collector counts: sequence gaps, limits, the store, the view.
    pub(crate) own: Counters,
    /// What ingest heard of each node, and when, ms since the epoch.
    pub(crate) heard: BTreeMap<Arc<str>, (Node, u64)>,
    /// For [`Snapshot::reason`].
    pub(crate) stop: Stop,
    /// How long nobody captured yet; `None` while that lasts.
    pub(crate) waited: Option<Duration>,
}

impl Status {
    /// Nothing yet, the clock running.
    pub(crate) fn new(stop: Stop) -> Self {
        let state = State { stop, waited: Some(Duration::ZERO), ..State::default() };
        let now = Instant::now();
        Self { started: now, made: now, state: Arc::new(Mutex::new(state)) }
    }

    /// Goes on where an earlier life ended.
    pub(crate) fn resume(&mut self, elapsed: Duration, earlier: &Earlier) {
        self.started = self.started.checked_sub(elapsed).unwrap_or(self.started);
        let mut state = self.lock();
        state.own = earlier.saved.own;
        let totals = &mut state.snapshot;
        (totals.records, totals.packets, totals.bytes) = (earlier.records, earlier.packets, earlier.bytes);
    }

    /// The state of a capture that ended in an earlier life of this collector ([`crate::resume::finished`]).
    pub fn ended(summary: Summary) -> Self {
        let this = Self::new(Stop::default());
        let mut state = this.lock();
        let Summary { records, packets, bytes, counters, reason, .. } = summary.clone();
        state.agents = counters;
        state.snapshot = Snapshot { records, packets, bytes, reason, summary: Some(summary), ..Snapshot::default() };
        drop(state);
        this
    }

    /// The nodes of the capture as those who talk to the agents know them; what batches tell (counters, when last heard)
    /// is added here.
    pub fn set_nodes(&self, nodes: Vec<NodeStatus>) {
        self.lock().snapshot.nodes = nodes;
    }

    /// How the lease of the client stands, in words.
    pub fn set_lease(&self, words: impl Into<String>) {
        self.lock().snapshot.lease = words.into();
    }

    /// How many names are known, in words.
    pub fn set_names(&self, words: impl Into<String>) {
        self.lock().snapshot.names = words.into();
    }

    /// The state now.
    pub fn snapshot(&self) -> Snapshot {
        let state = self.lock();
        let mut snapshot = state.snapshot.clone();
        snapshot.counters = state.agents;
        snapshot.own = state.own;
        snapshot.counters.add(&state.own);
        snapshot.reason = state.stop.reason().map(|reason| reason_text(&reason)).or(snapshot.reason);
        add_heard(&mut snapshot.nodes, &state.heard);
        drop(state);
        snapshot.elapsed = self.elapsed();
        snapshot
    }

    /// The clock stands still until [`Status::begin`].
    pub(crate) fn hold(&self) {
        self.lock().waited = None;
    }

    /// From now on somebody captures; said again it changes nothing. Returns for how long that has been so, all lives of this
    /// collector together.
    pub fn begin(&self) -> Duration {
        self.lock().waited.get_or_insert_with(|| self.made.elapsed());
        self.elapsed()
    }

    /// How long the capture has run.
    pub(crate) fn elapsed(&self) -> Duration {
        let waited = self.lock().waited.unwrap_or_else(|| self.made.elapsed());
        self.started.elapsed().saturating_sub(waited)
    }

    /// Something happened besides traffic, in words for the user.
    pub fn notice(&self, text: Arc<str>) {
        let elapsed = self.elapsed();
        let notices = &mut self.lock().snapshot.notices;
        if notices.len() == NOTICES {
            notices.pop_front();
        }
        notices.push_back((elapsed, text));
    }

    // Plain numbers: they are whole even if a thread died while it held the lock.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds what batches told; a node that nobody else knows of is added too.
fn add_heard(nodes: &mut Vec<NodeStatus>, heard: &BTreeMap<Arc<str>, (Node, u64)>) {
    for (name, (heard, heard_ms)) in heard {
        let at = nodes.iter().position(|node| *node.node == **name).unwrap_or_else(|| {
            nodes.push(NodeStatus { node: name.to_string(), connected: true, ..NodeStatus::default() });
            nodes.len() - 1
        });
        nodes[at].counters = heard.counters();
        nodes[at].heard_ms = nodes[at].heard_ms.max(*heard_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_begins_when_somebody_captures() {
        let status = Status::new(Stop::default());
        status.hold();
        std::thread::sleep(Duration::from_millis(60));
        assert!(status.snapshot().elapsed < Duration::from_millis(5));
        status.begin();
        std::thread::sleep(Duration::from_millis(20));
        let elapsed = status.begin();
        assert!(elapsed >= Duration::from_millis(20) && elapsed < Duration::from_millis(60), "{elapsed:?}");
    }

    #[test]
    fn the_latest_notices_are_kept() {
        let status = Status::new(Stop::default());
        for n in 0..NOTICES + 3 {
            status.notice(n.to_string().into());
        }
        let notices = status.snapshot().notices;
        assert_eq!(notices.len(), NOTICES);
        assert_eq!(&*notices[0].1, "3");
    }
}
