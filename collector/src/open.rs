//! Saved captures: what a file is (by its content), its records or packets as batches, and repair of what a killed
//! capture left.
//!
//! Readers stream: a batch at a time is in memory. They never panic on any content. A file is changed only if it is
//! ours, was cut short, nobody is writing it, and we may; then a notice says what was done.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use flow::{Batch, Body, PacketBatch, config::Mode};

mod json;
mod pcap;
mod pcapng;
mod sqlite;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// Flow records as a JSON array, or one a line.
    Json,
    /// Flow records in a SQLite table `flow`.
    Sqlite,
    /// Packets, pcapng.
    Pcapng,
    /// Packets, the older pcap.
    Pcap,
}

/// Why a file cannot be read, or not further.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The system says no.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is something else.
    #[error("{path} is not a capture: {why}")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What was expected.
        why: String,
    },
    /// It is a database, and not a file.
    #[error("{path} is a SQLite database, which can be read from a file only")]
    NeedsFile {
        /// What it was.
        path: PathBuf,
    },
    /// It was a capture once.
    #[error("{path} is damaged: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where and how.
        what: String,
    },
}

/// A saved capture: an iterator over its batches. After an error there is no more.
///
/// Like those of a live capture, batches have ascending sequence numbers and cumulative counters; what is found out
/// while reading (records left out, a cut end) is among their notices.
pub struct Opened {
    /// What the file is.
    pub kind: FileKind,
    /// Flows or packets.
    pub mode: Mode,
    /// What was found and done when it was opened, sentences for the user.
    pub notices: Vec<String>,
    batches: Batches,
}

/// A reader at work.
type Batches = Box<dyn Iterator<Item = Result<Batch, OpenError>> + Send>;

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened").field("kind", &self.kind).field("notices", &self.notices).finish_non_exhaustive()
    }
}

impl Iterator for Opened {
    type Item = Result<Batch, OpenError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batches.next()
    }
}

/// Opens a saved capture; repairs it if a killed capture of ours left it cut short.
///
/// # Errors
/// It cannot be read, is no capture, or is damaged at its beginning. One sentence.
pub fn open(path: &Path) -> Result<Opened, OpenError> {
    let at = At(path.into());
    let mut file = File::open(path).map_err(|error| at.io(error))?;
    if !file.metadata().map_err(|error| at.io(error))?.is_file() {
        return Err(at.foreign("it is not a regular file"));
    }
    let mut head = Vec::new();
    (&mut file).take(HEAD).read_to_end(&mut head).map_err(|error| at.io(error))?;
    file.rewind().map_err(|error| at.io(error))?;
    match recognise(&head) {
        Some(FileKind::Json) => json::open(file, &at),
        Some(FileKind::Sqlite) => {
            // Closed before SQLite opens it: closing any handle of a file gives up this process' locks on it.
            drop(file);
            sqlite::open(&at)
        }
        Some(FileKind::Pcapng) => pcapng::open(file, at),
        Some(FileKind::Pcap) => pcap::open(file, at),
        None if head.is_empty() => Err(at.foreign("it is empty")),
        None => Err(at.foreign("it is neither JSON, SQLite, pcapng nor pcap")),
    }
}

/// Reads a capture as it comes, called `name` in messages; nothing is repaired. SQLite cannot be read so.
///
/// # Errors
/// It cannot be read, is no capture, or is damaged at its beginning. One sentence.
pub fn stream(mut input: Box<dyn io::Read + Send>, name: &Path) -> Result<Opened, OpenError> {
    let at = At(name.into());
    let mut head = Vec::new();
    // No more than it takes: what feeds a pipe may be slow.
    while recognise(&head).is_none() && (head.len() as u64) < HEAD {
        let missing = if head.is_empty() { 16 } else { 1 };
        let read = input.by_ref().take(missing).read_to_end(&mut head).map_err(|error| at.io(error))?;
        if read == 0 || !head.trim_ascii_start().is_empty() && head.len() >= 16 {
            break;
        }
    }
    let kind = recognise(&head);
    if head.is_empty() {
        return Err(at.foreign("it is empty"));
    }
    let input = io::BufReader::with_capacity(1 << 18, io::Cursor::new(head).chain(input));
    let (kind, mode, batches): (_, _, Batches) = match kind {
        Some(kind @ FileKind::Json) => (kind, Mode::Flows, Box::new(json::Reader::new(input, at))),
        Some(kind @ FileKind::Pcapng) => (kind, Mode::Packets, Box::new(pcapng::Reader::new(input, at))),
        Some(kind @ FileKind::Pcap) => (kind, Mode::Packets, Box::new(pcap::Reader::new(input, at)?)),
        Some(FileKind::Sqlite) => return Err(OpenError::NeedsFile { path: name.into() }),
        None => return Err(at.foreign("it is neither JSON, SQLite, pcapng nor pcap")),
    };
    Ok(Opened { kind, mode, notices: Vec::new(), batches })
}

/// Bytes that tell what a file is; JSON may begin with white space.
const HEAD: u64 = 512;

fn recognise(head: &[u8]) -> Option<FileKind> {
    let text = head.trim_ascii_start();
    match head.first_chunk::<4>() {
        Some([0x0A, 0x0D, 0x0D, 0x0A]) => Some(FileKind::Pcapng),
        Some(magic) if pcap::Format::of(*magic).is_some() => Some(FileKind::Pcap),
        _ if head.starts_with(b"SQLite format 3\0") => Some(FileKind::Sqlite),
        _ if text.starts_with(b"[") || text.starts_with(b"{") => Some(FileKind::Json),
        _ => None,
    }
}

/// Reads `bytes` as if they were a file (SQLite left out) and returns how many records or packets were in it.
/// For fuzzing: it must return, whatever the bytes.
#[doc(hidden)]
pub fn fuzz(bytes: &[u8]) -> u64 {
    let (at, input) = (At(Path::new("fuzz").into()), io::Cursor::new(bytes.to_vec()));
    let batches: Batches = match recognise(bytes) {
        Some(FileKind::Json) => Box::new(json::Reader::new(input, at)),
        Some(FileKind::Pcapng) => Box::new(pcapng::Reader::new(input, at)),
        Some(FileKind::Pcap) => match pcap::Reader::new(input, at) {
            Ok(reader) => Box::new(reader),
            Err(_) => return 0,
        },
        Some(FileKind::Sqlite) | None => return 0,
    };
    batches.map_while(Result::ok).map(|batch| crate::feed::data_count(&batch.body)).sum()
}

/// The file that errors are about.
#[derive(Clone, Debug)]
struct At(Arc<Path>);

impl At {
    fn io(&self, source: io::Error) -> OpenError {
        OpenError::Io { path: self.0.to_path_buf(), source }
    }

    fn foreign(&self, why: impl Into<String>) -> OpenError {
        OpenError::Foreign { path: self.0.to_path_buf(), why: why.into() }
    }

    fn damaged(&self, what: impl Into<String>) -> OpenError {
        OpenError::Damaged { path: self.0.to_path_buf(), what: what.into() }
    }

    /// The file open for repair; `None` if somebody is writing it, or we may not.
    fn writable(&self) -> Option<File> {
        let file = OpenOptions::new().read(true).write(true).open(&self.0).ok()?;
        match file.try_lock() {
            Ok(()) => Some(file),
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => None,
        }
    }
}

/// Numbers the batches of one file.
#[derive(Debug, Default)]
struct Numbering(u64);

impl Numbering {
    fn batch(&mut self, node: &Arc<str>, time_ns: u64, body: Body) -> Batch {
        let sequence = self.0;
        self.0 += 1;
        Batch { node: Arc::clone(node), sequence, time_ns, body, ..Batch::default() }
    }
}

/// How far a reader of packets has come.
#[derive(Default)]
struct Ending {
    done: bool,
    failed: Option<OpenError>,
}

/// A reader of packets. What it read before it failed is delivered first, then the failure.
trait Packets {
    fn ending(&mut self) -> &mut Ending;

    /// Reads until the batch is full or the file ends; the notice is what is to be said at the end.
    fn fill(&mut self, packets: &mut PacketBatch) -> Result<Option<String>, OpenError>;

    fn batch(&mut self, packets: PacketBatch, notice: Option<String>) -> Batch;

    fn advance(&mut self) -> Option<Result<Batch, OpenError>> {
        if self.ending().done {
            return self.ending().failed.take().map(Err);
        }
        let mut packets = PacketBatch::default();
        let filled = self.fill(&mut packets);
        let notice = match filled {
            Ok(notice) => notice,
            Err(error) => {
                self.ending().done = true;
                if packets.packets.is_empty() {
                    return Some(Err(error));
                }
                self.ending().failed = Some(error);
                None
            }
        };
        Some(Ok(self.batch(packets, notice)))
    }
}

/// `1 byte`, `2 bytes`.
fn quantity(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

#[cfg(test)]
mod tests;
