//! What a running capture says of itself, for the header of the table and for the files.
//!
//! Owns the totals; written by the ingest and store threads, read by anybody.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use flow::Counters;

/// Notices kept for the reader.
const NOTICES: usize = 100;

/// One file that is being written.
#[derive(Clone, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug, Default)]
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
}

impl Snapshot {
    /// Sum of the sizes of all output files, bytes.
    pub fn file_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

/// Shared by all who write or read the state; cheap to clone.
#[derive(Clone, Debug)]
pub struct Status {
    started: Instant,
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
}

impl Status {
    /// Nothing yet, the clock running.
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), state: Arc::default() }
    }

    /// The state now.
    pub fn snapshot(&self) -> Snapshot {
        let state = self.lock();
        let mut snapshot = state.snapshot.clone();
        snapshot.counters = state.agents;
        snapshot.own = state.own;
        snapshot.counters.add(&state.own);
        drop(state);
        snapshot.elapsed = self.started.elapsed();
        snapshot
    }

    /// When the capture began.
    pub fn started(&self) -> Instant {
        self.started
    }

    pub(crate) fn notice(&self, text: Arc<str>) {
        let elapsed = self.started.elapsed();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_notices_are_kept() {
        let status = Status::new();
        for n in 0..NOTICES + 3 {
            status.notice(n.to_string().into());
        }
        let notices = status.snapshot().notices;
        assert_eq!(notices.len(), NOTICES);
        assert_eq!(&*notices[0].1, "3");
    }
}
