//! Recordings: each has a file of its own beside those of the capture, opened with its first batch and closed after its last.
//!
//! Owns what a later file has to be told of earlier batches: interfaces and secrets.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use flow::{
    Batch, Body, Clock, Interface, Reason, Recording, Stop,
    config::{Limits, PacketFiles},
};

use super::Stores;
use crate::{FileStatus, RecordingStatus, Status, about::About, feed::data_count, files::create_new};

/// Secrets that are kept for files to come.
const SECRETS: usize = 65_536;

/// Recordings of one second with one name.
const ATTEMPTS: u32 = 1000;

/// Those of one capture.
pub(super) struct Recordings {
    about: Arc<About>,
    stop: Stop,
    /// Where files go; `None` writes none.
    folder: Option<PathBuf>,
    /// Interfaces of the capture itself, for packets that were taken before.
    nodes: HashMap<Arc<str>, Known>,
    secrets: Vec<Arc<str>>,
    open: BTreeMap<u32, Open>,
    /// Those that are closed, and their files.
    over: BTreeSet<u32>,
    closed: Vec<FileStatus>,
    told: Vec<RecordingStatus>,
    /// Packets that came for a file that is closed or cannot be written.
    pub(super) lost: u64,
}

#[derive(Default)]
struct Known {
    interfaces: BTreeMap<u32, Interface>,
    clock: Option<Clock>,
}

struct Open {
    recording: Arc<Recording>,
    stores: Stores,
    status: Status,
}

impl Recordings {
    /// Files go to `pcap` below `output_dir`.
    pub(super) fn new(about: &Arc<About>, stop: &Stop, output_dir: Option<&Path>) -> Self {
        Self {
            about: Arc::clone(about),
            stop: stop.clone(),
            folder: output_dir.map(|dir| dir.join("pcap")),
            nodes: HashMap::new(),
            secrets: Vec::new(),
            open: BTreeMap::new(),
            over: BTreeSet::new(),
            closed: Vec::new(),
            told: Vec::new(),
            lost: 0,
        }
    }

    /// Takes a batch, of a recording or not.
    pub(super) fn take(&mut self, batch: &Batch) {
        match &batch.recording {
            None => self.learn(batch),
            Some(recording) if recording.over => self.close(recording.number),
            Some(recording) => self.write(recording, batch),
        }
    }

    /// What packets of recordings may refer to.
    fn learn(&mut self, batch: &Batch) {
        if batch.interfaces.is_empty() && batch.secrets.is_empty() && batch.clock.is_none() {
            return;
        }
        let known = self.nodes.entry(Arc::clone(&batch.node)).or_default();
        known.clock = batch.clock.or(known.clock);
        known.interfaces.extend(batch.interfaces.iter().map(|interface| (interface.id, interface.clone())));
        self.secrets.extend(batch.secrets.iter().cloned());
        let excess = self.secrets.len().saturating_sub(SECRETS);
        self.secrets.drain(..excess);
        let header = Batch {
            node: Arc::clone(&batch.node),
            interfaces: batch.interfaces.clone(),
            secrets: batch.secrets.clone(),
            clock: batch.clock,
            ..Batch::default()
        };
        self.open.values_mut().for_each(|open| open.stores.batch(&header));
    }

    fn write(&mut self, recording: &Arc<Recording>, batch: &Batch) {
        let number = recording.number;
        if !self.open.contains_key(&number) && !self.begin(recording) {
            self.lost += data_count(&batch.body);
            return;
        }
        if let Some(open) = self.open.get_mut(&number) {
            open.stores.batch(batch);
        }
    }

    /// Opens the file; whether there is one.
    fn begin(&mut self, recording: &Arc<Recording>) -> bool {
        let Some(folder) = self.folder.as_deref().filter(|_| !self.over.contains(&recording.number)) else {
            return false;
        };
        let (path, file) = match create(folder, &recording.name) {
            Ok(created) => created,
            Err(error) => {
                let words = format!("cannot write {}: {error}", folder.join(&*recording.name).display());
                self.stop.request(Reason::Failed(words));
                self.over.insert(recording.number);
                return false;
            }
        };
        let status = Status::new(self.stop.clone());
        let mut config = self.about.config.as_ref().clone();
        config.limits = Limits { time: None, bytes: None, packets: None };
        config.files = PacketFiles { size: None, time: None, count: None, merge: true, ..config.files };
        let about =
            About { config: Arc::new(config), why: Some(Arc::clone(&recording.why)), ..About::clone(&self.about) };
        let mut stores = Stores::new(Arc::new(about), status.clone(), self.stop.clone());
        if let Err(error) = stores.add_file(path, file) {
            self.stop.request(Reason::Failed(error.to_string()));
            self.over.insert(recording.number);
            return false;
        }
        for (node, known) in &self.nodes {
            let interfaces = known.interfaces.values().cloned().collect();
            let header = Batch { node: Arc::clone(node), interfaces, clock: known.clock, ..Batch::default() };
            stores.batch(&header);
        }
        if !self.secrets.is_empty() {
            stores.batch(&Batch { secrets: self.secrets.clone(), body: Body::None, ..Batch::default() });
        }
        self.open.insert(recording.number, Open { recording: Arc::clone(recording), stores, status });
        true
    }

    fn close(&mut self, number: u32) {
        self.over.insert(number);
        let Some(open) = self.open.remove(&number) else { return };
        self.lost += open.status.snapshot().own.lost_store;
        let told = RecordingStatus { over: true, ..open.told() };
        let closing = open.stores.close();
        self.closed.extend(closing.files.iter().map(crate::FileSummary::status));
        self.told.push(told);
    }

    pub(super) fn close_all(&mut self) {
        let open: Vec<u32> = self.open.keys().copied().collect();
        for number in open {
            self.close(number);
        }
    }

    pub(super) fn tick(&mut self) {
        self.open.values_mut().for_each(|open| open.stores.tick());
    }

    /// All files, and how long they are.
    pub(super) fn files(&self) -> Vec<FileStatus> {
        let open = self.open.values().flat_map(|open| open.status.snapshot().files);
        self.closed.iter().cloned().chain(open).collect()
    }

    /// Bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        let open = self.open.values().map(|open| open.stores.slots.iter().map(|slot| slot.store.size().0).sum::<u64>());
        self.closed.iter().map(|file| file.bytes).chain(open).sum()
    }

    /// For those who look on.
    pub(super) fn told(&self) -> Vec<RecordingStatus> {
        self.told.iter().cloned().chain(self.open.values().map(Open::told)).collect()
    }
}

impl Open {
    fn told(&self) -> RecordingStatus {
        let file = self.status.snapshot().files.into_iter().next();
        RecordingStatus {
            number: self.recording.number,
            why: self.recording.why.to_string(),
            packets: file.as_ref().map_or(0, |file| file.written),
            path: file.map(|file| file.path).unwrap_or_default(),
            over: false,
        }
    }
}

/// A new file of that name, or of one that is not taken.
fn create(folder: &Path, name: &str) -> std::io::Result<(PathBuf, fs::File)> {
    // Names come from elsewhere: nothing in them leads out of the folder.
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = name.trim_start_matches('.').chars().take(120).map(plain).collect();
    fs::create_dir_all(folder)?;
    let mut last = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
    for attempt in 1..=ATTEMPTS {
        let stem = if attempt == 1 { name.clone() } else { format!("{name}-{attempt}") };
        let path = folder.join(format!("{stem}.pcapng"));
        match create_new(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}
