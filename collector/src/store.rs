//! The thread that writes files: takes batches, cuts them into pieces, hands each piece to every store, watches
//! `--max-bytes` and counts what could not be written.
//!
//! A store that fails is given nothing more; the others go on to their good end.

use std::{
    borrow::Cow,
    fs::File,
    io,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use flow::{
    Batch, Body, Clock, Drop, FlowRecord, Interface, InterfaceCounts, Observation, Packet, Reason, Stop, config::Mode,
};

use crate::{
    CollectorError, FileStatus, FileSummary, Status,
    about::About,
    capture,
    files::Place,
    queue::{Received, Receiver},
    resume::Keeper,
    status::Snapshot,
    subset,
};

pub(crate) mod encode;
mod json;
mod pcapng;
mod recordings;
mod series;
pub(crate) mod sqlite;

use encode::Encoder;
pub(crate) use json::JsonFile;
pub(crate) use pcapng::PcapngFile;
use recordings::Recordings;
pub(crate) use series::Series;
pub(crate) use sqlite::SqliteFile;

/// Records handed over at once: their text stays in the processor's cache between the stores.
const RECORDS: usize = 128;

/// Captured bytes handed over at once.
const PACKET_BYTES: usize = 1 << 20;

/// Longest time between the arrival of data and its being safe from `kill -9`.
const TICK: Duration = Duration::from_millis(250);

/// Shortest time between two looks at the clock of all stores.
const LEAST: Duration = Duration::from_millis(10);

/// Why a file is not written any further.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

impl StoreError {
    fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// A part of a batch, as the stores get it.
#[derive(Clone, Copy)]
pub(crate) struct Piece<'a> {
    /// Name of the machine.
    pub(crate) node: &'a Arc<str>,
    /// Interfaces announced.
    pub(crate) interfaces: &'a [Interface],
    /// Counts that changed.
    pub(crate) interface_counts: &'a [InterfaceCounts],
    /// Lines of a TLS key log.
    pub(crate) secrets: &'a [Arc<str>],
    /// The clock of the machine, if that is told.
    pub(crate) clock: Option<Clock>,
    /// Flow records.
    pub(crate) records: &'a [FlowRecord],
    /// The same, as text.
    pub(crate) text: &'a Encoder,
    /// Index of `records[0]` in its batch, to which `observations` refer.
    pub(crate) first_record: i32,
    /// Observations of these records.
    pub(crate) observations: &'a [Observation],
    /// Packets.
    pub(crate) packets: &'a [Packet],
    /// Index of `packets[0]` in its batch, to which `drops` refer.
    pub(crate) first_packet: usize,
    /// Which of these packets the kernel dropped.
    pub(crate) drops: &'a [Drop],
    /// Bytes that the packets lie in.
    pub(crate) data: &'a [u8],
    /// Who sent and was sent to; packets refer to it.
    pub(crate) ends: &'a [Arc<FlowRecord>],
}

impl Piece<'_> {
    /// Records or packets.
    fn count(&self) -> u64 {
        (self.records.len() + self.packets.len()) as u64
    }
}

/// A file format.
pub(crate) trait Store: Send {
    /// Takes a piece; it is in the file now, or at the next [`Store::tick`] that is due.
    fn write(&mut self, piece: &Piece<'_>) -> Result<(), StoreError>;

    /// Called at least every [`TICK`].
    fn tick(&mut self, _state: &Snapshot) -> Result<(), StoreError> {
        Ok(())
    }

    /// Bytes on disk (or sent), and records or packets that are safely in there, or were until they were to be deleted.
    fn size(&self) -> (u64, u64);

    /// The files there are now; `None` for one whose name does not change.
    fn files(&self) -> Option<Vec<FileStatus>> {
        None
    }

    /// Records or packets in files that were deleted to make room for newer ones, as was asked for.
    fn deleted(&self) -> u64 {
        0
    }

    /// Ends the file well; returns the time that indexes took. Called after an error too.
    fn close(&mut self, state: &Snapshot, reason: Option<&Reason>) -> Result<Duration, StoreError>;
}

/// What closing the files gave.
#[derive(Debug, Default)]
pub(crate) struct Closing {
    pub(crate) files: Vec<FileSummary>,
    pub(crate) index: Duration,
    pub(crate) keeper: Option<Keeper>,
}

struct Slot {
    path: PathBuf,
    store: Box<dyn Store>,
    /// Records or packets it was to write.
    offered: u64,
    error: Option<String>,
    /// Standard output: neither listed among the files nor, unless alone, counted against `--max-bytes`.
    stdout: bool,
    /// Its reader has gone, which is no loss.
    abandoned: bool,
}

/// The stores of one capture.
pub(crate) struct Stores {
    about: Arc<About>,
    status: Status,
    stop: Stop,
    slots: Vec<Slot>,
    encoder: Encoder,
    /// `--max-bytes` is reached.
    full: bool,
    /// Files of earlier lives, and what was lost then.
    earlier: Vec<FileStatus>,
    lost_before: u64,
    rotated_before: u64,
    keeper: Option<Keeper>,
    recordings: Option<Recordings>,
}

impl std::fmt::Debug for Stores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.slots.iter().map(|slot| &slot.path)).finish()
    }
}

impl Stores {
    pub(crate) fn new(about: Arc<About>, status: Status, stop: Stop) -> Self {
        Self {
            about,
            status,
            stop,
            slots: Vec::new(),
            encoder: Encoder::default(),
            full: false,
            earlier: Vec::new(),
            lost_before: 0,
            rotated_before: 0,
            keeper: None,
            recordings: None,
        }
    }

    /// Recordings have files of their own, below `output_dir` if there is one.
    pub(crate) fn add_recordings(&mut self, output_dir: Option<&Path>) {
        self.recordings = Some(Recordings::new(&self.about, &self.stop, output_dir));
    }

    /// Goes on where an earlier life ended, and leaves a state for the next.
    pub(crate) fn resume(&mut self, earlier: &[FileSummary], keeper: Keeper) {
        self.earlier = earlier.iter().map(FileSummary::status).collect();
        let own = self.status.lock().own;
        (self.lost_before, self.rotated_before) = (own.lost_store, own.rotated_out);
        self.keeper = Some(keeper);
        self.list();
        self.keep();
    }

    fn keep(&mut self) {
        if let Some(keeper) = &mut self.keeper {
            keeper.tick(&self.status);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.recordings.is_none()
    }

    /// pcapng on standard output.
    pub(crate) fn add_stdout(&mut self) -> Result<(), CollectorError> {
        let file = capture::stdout().map_err(CollectorError::Stdout)?;
        let store = PcapngFile::stream(file, &self.about);
        self.add("standard output".into(), Box::new(store), true);
        Ok(())
    }

    /// The format that the name of `path` says, in the empty `file`.
    pub(crate) fn add_file(&mut self, path: PathBuf, file: File) -> Result<(), CollectorError> {
        let store = self
            .open(&path, file)
            .map_err(|error| CollectorError::File { path: path.clone(), reason: error.to_string() })?;
        self.add(path, store, false);
        Ok(())
    }

    fn open(&self, path: &Path, file: File) -> Result<Box<dyn Store>, StoreError> {
        Ok(match path.extension().and_then(|extension| extension.to_str()) {
            Some("json") => Box::new(JsonFile::new(file)?),
            Some("db") => Box::new(SqliteFile::create(path, file, &self.about)?),
            _ => Box::new(PcapngFile::file(file, &self.about)?),
        })
    }

    /// Packets into files that follow each other, or one for each node.
    pub(crate) fn add_series(&mut self, place: Place) -> Result<(), CollectorError> {
        let path = place.first();
        let store = Series::new(place, &self.about, self.status.clone())
            .map_err(|error| CollectorError::File { path: path.clone(), reason: error.to_string() })?;
        self.add(path, Box::new(store), false);
        Ok(())
    }

    fn add(&mut self, path: PathBuf, store: Box<dyn Store>, stdout: bool) {
        self.slots.push(Slot { path, store, offered: 0, error: None, stdout, abandoned: false });
        self.list();
    }

    /// Writes until there is no more, then closes.
    pub(crate) fn run(mut self, input: &Receiver<Arc<Batch>>) -> Closing {
        let mut ticked = Instant::now();
        loop {
            match input.recv_timeout(TICK) {
                Received::Item(batch) => self.batch(&batch),
                Received::Timeout => {}
                Received::Closed => return self.close(),
            }
            // Packets of several nodes come in many small batches.
            if ticked.elapsed() >= LEAST {
                self.tick();
                ticked = Instant::now();
            }
        }
    }

    /// Writes one batch.
    pub(crate) fn take(&mut self, batch: &Batch) {
        self.batch(batch);
        self.tick();
    }

    fn batch(&mut self, batch: &Batch) {
        if let Some(recordings) = &mut self.recordings {
            recordings.take(batch);
            // A stream gets what a flight recorder saves; packets beside flows are in their own files only.
            if batch.recording.is_some() && self.about.config.mode == Mode::Flows {
                return self.publish();
            }
        }
        let mut piece = Piece {
            node: &batch.node,
            interfaces: &batch.interfaces,
            interface_counts: &batch.interface_counts,
            secrets: &batch.secrets,
            clock: batch.clock,
            records: &[],
            text: &Encoder::default(),
            first_record: 0,
            observations: &[],
            packets: &[],
            first_packet: 0,
            drops: &[],
            data: &[],
            ends: &[],
        };
        // Announcements on their own: they are no data and no limit holds them back.
        self.offer(&piece);
        (piece.interfaces, piece.interface_counts, piece.secrets) = (&[], &[], &[]);
        match &batch.body {
            Body::None => {}
            Body::Packets(packets) => {
                (piece.data, piece.ends) = (&packets.data, &packets.ends);
                for part in packet_parts(&packets.packets) {
                    piece.drops = subset::drops_of(&packets.drops, &part);
                    piece.first_packet = part.start;
                    piece.packets = &packets.packets[part];
                    self.data(&piece);
                }
            }
            Body::Flows(flows) => {
                let mut encoder = std::mem::take(&mut self.encoder);
                let sorted = sorted(&flows.observations);
                let mut observations = &*sorted;
                if flows.records.is_empty() && !observations.is_empty() {
                    encoder.encode(&[]);
                    self.data(&Piece { text: &encoder, observations, ..piece });
                }
                for (n, records) in flows.records.chunks(RECORDS).enumerate() {
                    encoder.encode(records);
                    let first = n * RECORDS;
                    let end = observations.partition_point(|o| i64::from(o.record) < (first + records.len()) as i64);
                    (piece.observations, observations) = observations.split_at(end);
                    self.data(&Piece { records, text: &encoder, first_record: first as i32, ..piece });
                }
                self.encoder = encoder;
            }
        }
    }

    /// Data, unless it is past the limit.
    fn data(&mut self, piece: &Piece<'_>) {
        if self.full {
            self.status.lock().own.past_limit += piece.count();
            return;
        }
        self.offer(piece);
        self.publish();
    }

    fn offer(&mut self, piece: &Piece<'_>) {
        for slot in &mut self.slots {
            slot.offered += piece.count();
            if slot.error.is_none() {
                let result = slot.store.write(piece);
                slot.check(result, &self.stop);
            }
        }
    }

    fn tick(&mut self) {
        let state = self.status.snapshot();
        for slot in self.slots.iter_mut().filter(|slot| slot.error.is_none()) {
            let result = slot.store.tick(&state);
            slot.check(result, &self.stop);
        }
        if let Some(recordings) = &mut self.recordings {
            recordings.tick();
        }
        self.list();
        self.keep();
    }

    /// Tells losses, and ends the capture at `--max-bytes`.
    fn publish(&mut self) {
        let bytes =
            |stdout: bool| self.slots.iter().filter(move |slot| slot.stdout == stdout).map(|slot| slot.store.size().0);
        let earlier: u64 = self.earlier.iter().map(|file| file.bytes).sum();
        let (recorded, unrecorded) = self.recordings.as_ref().map_or((0, 0), |all| (all.bytes(), all.lost));
        let is_stream = self.earlier.is_empty() && self.slots.iter().all(|slot| slot.stdout);
        let bytes: u64 = if is_stream { bytes(true).sum() } else { earlier + recorded + bytes(false).sum::<u64>() };
        let lost = self.slots.iter().map(Slot::lost).max().unwrap_or(0);
        let deleted: u64 = self.slots.iter().map(|slot| slot.store.deleted()).sum();
        let mut state = self.status.lock();
        state.own.lost_store = self.lost_before + lost + unrecorded;
        state.own.rotated_out = self.rotated_before + deleted;
        drop(state);
        if self.about.config.limits.bytes.is_some_and(|limit| bytes >= limit) {
            self.full = true;
            self.stop.request(Reason::Bytes);
        }
    }

    /// Tells which files there are, and how long.
    fn list(&mut self) {
        self.publish();
        let files = self.slots.iter().filter(|slot| !slot.stdout).flat_map(Slot::files);
        let recorded = self.recordings.as_ref().map(Recordings::files).unwrap_or_default();
        let files: Vec<_> = self.earlier.iter().cloned().chain(files).chain(recorded).collect();
        let recordings = self.recordings.as_ref().map(Recordings::told).unwrap_or_default();
        let mut state = self.status.lock();
        (state.snapshot.files, state.snapshot.recordings) = (files, recordings);
    }

    /// Closes all files.
    pub(crate) fn close(mut self) -> Closing {
        if let Some(recordings) = &mut self.recordings {
            recordings.close_all();
        }
        self.publish();
        let mut index = Duration::ZERO;
        for n in 0..self.slots.len() {
            // Each file tells of the losses of those closed before it.
            let (state, reason) = (self.status.snapshot(), self.stop.reason());
            let slot = &mut self.slots[n];
            match slot.store.close(&state, reason.as_ref()) {
                Ok(duration) => index += duration,
                Err(error) => slot.fail(&error, &self.stop),
            }
            self.list();
        }
        let files = self.slots.iter().filter(|slot| !slot.stdout).flat_map(Slot::files);
        let files = files.chain(self.recordings.as_ref().map(Recordings::files).unwrap_or_default());
        let files = files.map(|FileStatus { path, bytes, written, error }| FileSummary {
            path,
            bytes,
            written,
            error,
            ..FileSummary::default()
        });
        let files = files.collect();
        Closing { files, index, keeper: self.keeper.take() }
    }
}

impl Slot {
    fn check(&mut self, result: Result<(), StoreError>, stop: &Stop) {
        if let Err(error) = result {
            self.fail(&error, stop);
        }
    }

    fn fail(&mut self, error: &StoreError, stop: &Stop) {
        if self.error.is_some() {
            return;
        }
        if self.stdout && error.is_broken_pipe() {
            self.abandoned = true;
            stop.request(Reason::BrokenPipe);
        } else {
            let files = self.store.files().unwrap_or_default();
            let path = files.last().map_or(&self.path, |file| &file.path);
            stop.request(Reason::Failed(format!("cannot write {}: {error}", path.display())));
        }
        self.error = Some(error.to_string());
    }

    /// Records or packets that were to be in the file and are not; known once it has failed.
    fn lost(&self) -> u64 {
        if self.error.is_none() || self.abandoned { 0 } else { self.offered.saturating_sub(self.store.size().1) }
    }

    /// The files there are; what went wrong is said of the last.
    fn files(&self) -> Vec<FileStatus> {
        let one = || {
            let (bytes, written) = self.store.size();
            vec![FileStatus { path: self.path.clone(), bytes, written, error: None }]
        };
        let mut files = self.store.files().unwrap_or_else(one);
        if let Some(file) = files.last_mut() {
            file.error.clone_from(&self.error);
        }
        files
    }
}

/// Observations in the order of their records; agents give them so.
fn sorted(observations: &[Observation]) -> Cow<'_, [Observation]> {
    let mut observations = Cow::Borrowed(observations);
    if !observations.is_sorted_by_key(|observation| observation.record) {
        observations.to_mut().sort_by_key(|observation| observation.record);
    }
    observations
}

/// Cuts packets so that the captured bytes of each part stay below [`PACKET_BYTES`], one packet at least.
fn packet_parts(packets: &[Packet]) -> Vec<Range<usize>> {
    let (mut parts, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (n, packet) in packets.iter().enumerate() {
        bytes += packet.caplen as usize;
        if bytes >= PACKET_BYTES {
            parts.push(start..n + 1);
            (start, bytes) = (n + 1, 0);
        }
    }
    if start < packets.len() {
        parts.push(start..packets.len());
    }
    parts
}
