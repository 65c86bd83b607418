//! Packets in several files: `--file-size` and `--file-time` begin a new one, `--files` deletes the oldest, `--no-merge` has one for each
//! node. Every file is complete in itself.
//!
//! Owns which files there are; what is in them is the pcapng store's.

use std::{
    collections::{BTreeMap, VecDeque},
    fs, io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use flow::{Reason, config::PacketFiles};

use super::{
    Piece, Store, StoreError,
    pcapng::{Limit, PcapngFile},
};
use crate::{FileStatus, Status, about::About, files::Place, status::Snapshot};

/// Most bytes of secrets that a new file begins with; of more, the newest. Keys of an old connection open nothing without its
/// handshake, which is in an older file.
const SECRETS: usize = 1 << 20;

/// Files that follow each other, of one node or of all.
#[derive(Debug)]
struct Track {
    node: Option<Arc<str>>,
    file: PcapngFile,
    path: PathBuf,
    number: u32,
    began: Instant,
    /// Files before this one that are there still.
    closed: VecDeque<FileStatus>,
}

/// All files of a capture of packets.
#[derive(Debug)]
pub(crate) struct Series {
    place: Place,
    about: Arc<About>,
    status: Status,
    limit: Limit,
    /// By node; under an empty name what is of all.
    tracks: BTreeMap<Arc<str>, Track>,
    /// What files closed before hold, or held: packets.
    written: u64,
    /// Packets in files that were deleted.
    deleted: u64,
    /// That files are deleted has been said.
    is_said: bool,
    secrets: VecDeque<Arc<str>>,
    /// Bytes of those.
    secret_bytes: usize,
}

impl Series {
    pub(crate) fn new(place: Place, about: &Arc<About>, status: Status) -> Result<Self, StoreError> {
        let PacketFiles { size, time, merge, .. } = about.config.files;
        let mut this = Self {
            place,
            about: Arc::clone(about),
            status,
            limit: Limit { bytes: size, span_ns: time.map(|time| time.as_nanos() as u64) },
            tracks: BTreeMap::new(),
            written: 0,
            deleted: 0,
            is_said: false,
            secrets: VecDeque::new(),
            secret_bytes: 0,
        };
        if merge {
            this.track(&"".into())?;
        }
        Ok(this)
    }

    /// The name of the track that a node's packets go to.
    fn key(&self, node: &Arc<str>) -> Arc<str> {
        match (self.about.config.files.merge, node.is_empty()) {
            (true, _) => "".into(),
            (false, true) => "unknown".into(),
            (false, false) => Arc::clone(node),
        }
    }

    /// The track of that name, with its first file.
    fn track(&mut self, key: &Arc<str>) -> Result<&mut Track, StoreError> {
        if !self.tracks.contains_key(key) {
            let node = Some(Arc::clone(key)).filter(|node| !node.is_empty());
            let mut number = 1;
            let (path, file) = self.place.create(node.as_deref(), &mut number)?;
            let mut file = PcapngFile::file(file, &self.about)?;
            file.secrets(self.secrets.make_contiguous())?;
            let track = Track { node, file, path, number, began: Instant::now(), closed: VecDeque::new() };
            self.tracks.insert(Arc::clone(key), track);
        }
        self.tracks.get_mut(key).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound).into())
    }

    /// Closes the file of a track and begins the next; deletes what is too old.
    fn turn(&mut self, key: &Arc<str>) -> Result<(), StoreError> {
        let Some(track) = self.tracks.get_mut(key) else { return Ok(()) };
        track.number += 1;
        let (path, file) = self.place.create(track.node.as_deref(), &mut track.number)?;
        let (bytes, written) = track.file.next(file)?;
        let old = std::mem::replace(&mut track.path, path);
        track.began = Instant::now();
        track.closed.push_back(FileStatus { path: old, bytes, written, error: None });
        self.written += written;
        track.file.secrets(self.secrets.make_contiguous())?;
        self.delete(key)
    }

    /// Deletes the oldest files of a track.
    fn delete(&mut self, key: &Arc<str>) -> Result<(), StoreError> {
        let Some(most) = self.about.config.files.count else { return Ok(()) };
        let Some(track) = self.tracks.get_mut(key) else { return Ok(()) };
        while track.closed.len() >= most as usize
            && let Some(oldest) = track.closed.pop_front()
        {
            match fs::remove_file(&oldest.path) {
                // Somebody else took it away.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed?,
            }
            self.deleted += oldest.written;
            if !std::mem::replace(&mut self.is_said, true) {
                let whose = if track.node.is_some() { " of each node" } else { "" };
                let words = format!(
                    "--files {most}: only the newest files{whose} are kept; from now on the oldest is deleted when another begins"
                );
                self.status.notice(words.into());
            }
        }
        Ok(())
    }

    /// Notes secrets for files to come, and gives them to every file: a connection may be seen on other nodes than its keys.
    fn secrets(&mut self, lines: &[Arc<str>]) -> Result<(), StoreError> {
        for line in lines {
            self.secret_bytes += line.len();
            self.secrets.push_back(Arc::clone(line));
        }
        let most = self.limit.bytes.map_or(SECRETS, |bytes| SECRETS.min((bytes / 8) as usize));
        while self.secret_bytes > most
            && let Some(oldest) = self.secrets.pop_front()
        {
            self.secret_bytes -= oldest.len();
        }
        for track in self.tracks.values_mut() {
            track.file.secrets(lines)?;
        }
        Ok(())
    }
}

impl Store for Series {
    fn write(&mut self, piece: &Piece<'_>) -> Result<(), StoreError> {
        // Words of ours come from no node and make no file.
        if piece.node.is_empty() && piece.packets.is_empty() && !self.about.config.files.merge {
            return self.secrets(piece.secrets);
        }
        let key = self.key(piece.node);
        self.track(&key)?.file.announce(&Piece { secrets: &[], ..*piece })?;
        self.secrets(piece.secrets)?;
        let mut from = 0;
        while from < piece.packets.len() {
            let limit = self.limit;
            from += self.track(&key)?.file.packets(piece, from, limit)?;
            if from < piece.packets.len() {
                self.turn(&key)?;
            }
        }
        Ok(())
    }

    fn tick(&mut self, state: &Snapshot) -> Result<(), StoreError> {
        let span = self.limit.span_ns.map(Duration::from_nanos);
        let is_due =
            |track: &Track| span.is_some_and(|span| track.began.elapsed() >= span) && track.file.extent().1 > 0;
        let due: Vec<_> =
            self.tracks.iter().filter(|(_, track)| is_due(track)).map(|(key, _)| Arc::clone(key)).collect();
        due.iter().try_for_each(|key| self.turn(key))?;
        for track in self.tracks.values_mut() {
            track.file.look(state)?;
        }
        Ok(())
    }

    fn size(&self) -> (u64, u64) {
        let closed: u64 = self.tracks.values().flat_map(|track| &track.closed).map(|file| file.bytes).sum();
        let open = self.tracks.values().map(|track| track.file.extent());
        open.fold((closed, self.written), |sum, file| (sum.0 + file.0, sum.1 + file.1))
    }

    fn files(&self) -> Option<Vec<FileStatus>> {
        let mut files = Vec::new();
        for track in self.tracks.values() {
            files.extend(track.closed.iter().cloned());
            let (bytes, written) = track.file.extent();
            files.push(FileStatus { path: track.path.clone(), bytes, written, error: None });
        }
        Some(files)
    }

    fn deleted(&self) -> u64 {
        self.deleted
    }

    fn close(&mut self, _: &Snapshot, _: Option<&Reason>) -> Result<Duration, StoreError> {
        let closed: Vec<_> = self.tracks.values_mut().map(|track| track.file.finish()).collect();
        closed.into_iter().collect::<io::Result<()>>()?;
        Ok(Duration::ZERO)
    }
}
