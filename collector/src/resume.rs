//! The lives of a collector: what an earlier one left in the output directory, and what this one leaves for the next.
//!
//! A container that crashes is started again over the same directory, which is this capture's alone. Its files are
//! repaired and kept, new ones are begun beside them, and limits and totals count on. Owns the state file.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use flow::{Counters, config::Mode};
use serde::{Deserialize, Serialize};

use crate::{
    FileSummary, Status, Summary,
    files::create_new,
    hash,
    ingest::{Node, totals},
    open,
};

#[cfg(test)]
mod tests;

/// Name of the state file in the output directory.
const NAME: &str = ".collector-state.json";

/// How often it is written at most.
const EVERY: Duration = Duration::from_secs(1);

/// What a life leaves for the next.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Saved {
    /// When the first life began, ns since the epoch.
    pub(crate) started_ns: u64,
    /// How many lives there were before.
    pub(crate) life: u64,
    /// Records (packets in packets mode) taken in, in all lives.
    taken: u64,
    /// The collector's own counters.
    pub(crate) own: Counters,
    /// What was heard of the agents.
    pub(crate) nodes: BTreeMap<String, Node>,
    /// What it came to, once all files are closed.
    summary: Option<Summary>,
}

/// What the capture whose files are below `output_dir` came to, if it has ended there already: a collector that is started
/// again then has nothing to do but to hand out files.
pub fn finished(output_dir: &Path) -> Option<Summary> {
    load(output_dir)?.summary
}

fn load(output_dir: &Path) -> Option<Saved> {
    serde_json::from_slice(&fs::read(output_dir.join(NAME)).ok()?).ok()
}

/// What there is of earlier lives.
#[derive(Debug, Default)]
pub(crate) struct Earlier {
    pub(crate) saved: Saved,
    /// Files, repaired and closed.
    pub(crate) files: Vec<FileSummary>,
    /// What is in them.
    pub(crate) records: u64,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    /// What to tell the user.
    pub(crate) notices: Vec<Arc<str>>,
}

impl Saved {
    /// The first life.
    pub(crate) fn first(started_ns: u64) -> Self {
        Self { started_ns, ..Self::default() }
    }
}

impl Earlier {
    /// Looks for files of earlier lives below `output_dir`, and repairs them.
    pub(crate) fn find(output_dir: &Path, mode: Mode, now_ns: u64) -> Self {
        let saved = load(output_dir);
        let paths = files(output_dir, mode);
        if saved.is_none() && paths.is_empty() {
            return Self { saved: Saved::first(now_ns), ..Self::default() };
        }
        let mut this = Self { saved: saved.unwrap_or_default(), ..Self::default() };
        this.saved.life += 1;
        this.saved.summary = None;
        if this.saved.started_ns == 0 {
            this.saved.started_ns = now_ns;
        }
        let mut lives = BTreeMap::new();
        for path in &paths {
            this.add(path, &mut lives);
        }
        for (records, packets, bytes) in lives.into_values() {
            this.records += records;
            this.packets += packets;
            this.bytes += bytes;
        }
        // Taken and written once, and gone as was asked for.
        this.packets += this.saved.own.rotated_out;
        this.sum_up(mode);
        this
    }

    fn add(&mut self, path: &Path, lives: &mut BTreeMap<PathBuf, (u64, u64, u64)>) {
        // Made and never written to.
        if path.metadata().is_ok_and(|data| data.len() == 0) {
            let _ = fs::remove_file(path);
            return;
        }
        let mut sums = (0, 0, 0);
        let error = match open::open(path) {
            Ok(opened) => count(opened, &mut sums),
            Err(error) => Some(error.to_string()),
        };
        let bytes = path.metadata().map_or(0, |data| data.len());
        let written = if sums.0 > 0 { sums.0 } else { sums.1 };
        let sha256 = hash::of_file(path).unwrap_or_default();
        self.files.push(FileSummary { path: path.to_owned(), bytes, written, error, sha256, earlier: true });
        // Both formats of flows hold the same records; the fuller one counts.
        let most = lives.entry(path.with_extension("")).or_default();
        *most = sums.max(*most);
    }

    fn sum_up(&mut self, mode: Mode) {
        let kept = match mode {
            Mode::Flows => self.records,
            Mode::Packets => self.packets,
        };
        let what = if mode == Mode::Flows { "records" } else { "packets" };
        let lost = self.saved.taken.saturating_sub(kept);
        self.saved.own.lost_store += lost;
        self.saved.taken = kept;
        let lost = match lost {
            0 => "what it had not written in its last second is lost".to_owned(),
            lost => format!("{lost} {what} that it held in memory are lost, and what it took in its last second"),
        };
        let words = format!("the collector was started again: {kept} {what} in its earlier files are kept; {lost}");
        self.notices.push(words.into());
    }
}

/// Output files below `output_dir`, the oldest first.
fn files(output_dir: &Path, mode: Mode) -> Vec<PathBuf> {
    let folder = output_dir.join(match mode {
        Mode::Flows => "flow",
        Mode::Packets => "pcap",
    });
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_data = |path: &PathBuf| {
        let name = path.to_string_lossy();
        !name.ends_with(".summary.json") && [".json", ".db", ".pcapng"].iter().any(|end| name.ends_with(end))
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).filter(is_data).collect();
    paths.sort();
    paths
}

/// Adds records, packets and bytes of a file; what is wrong with it.
fn count(opened: open::Opened, sums: &mut (u64, u64, u64)) -> Option<String> {
    for batch in opened {
        match batch {
            Ok(batch) => {
                let (records, packets, bytes) = totals(&batch.body);
                *sums = (sums.0 + records, sums.1 + packets, sums.2 + bytes);
            }
            Err(error) => return Some(error.to_string()),
        }
    }
    None
}

/// Writes the state file.
#[derive(Debug)]
pub(crate) struct Keeper {
    path: PathBuf,
    saved: Saved,
    mode: Mode,
    written: Option<Instant>,
}

impl Keeper {
    /// Leaves the state in `output_dir`, from now on.
    pub(crate) fn new(output_dir: &Path, saved: Saved, mode: Mode) -> Self {
        Self { path: output_dir.join(NAME), saved, mode, written: None }
    }

    /// Writes the state if it is old. If it cannot be written, the next life knows less: no reason to end this one.
    pub(crate) fn tick(&mut self, status: &Status) {
        if self.written.is_none_or(|written| written.elapsed() >= EVERY) {
            self.written = Some(Instant::now());
            let _ = self.write(status);
        }
    }

    /// Writes what the capture came to.
    pub(crate) fn finish(mut self, status: &Status, summary: &Summary) -> io::Result<()> {
        self.saved.summary = Some(summary.clone());
        self.write(status)
    }

    fn write(&mut self, status: &Status) -> io::Result<()> {
        let state = status.lock();
        self.saved.own = state.own;
        self.saved.taken = match self.mode {
            Mode::Flows => state.snapshot.records,
            Mode::Packets => state.snapshot.packets,
        };
        self.saved.nodes = state.nodes();
        drop(state);
        let new = self.path.with_extension("new");
        let _ = fs::remove_file(&new);
        io::Write::write_all(&mut create_new(&new)?, &serde_json::to_vec(&self.saved)?)?;
        fs::rename(new, &self.path)
    }
}
