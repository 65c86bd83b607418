//! The end of a capture in numbers, returned and written beside the files.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use flow::Counters;
use serde::Serialize;

/// One output file, closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileSummary {
    /// Where.
    pub path: PathBuf,
    /// Its final size.
    pub bytes: u64,
    /// Records or packets in it.
    pub written: u64,
    /// What went wrong, in one sentence.
    pub error: Option<String>,
}

/// What a capture came to.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// `X.Y.Z`
    pub version: String,
    /// The command as typed.
    pub command: Vec<String>,
    /// Machines that delivered, by name.
    pub nodes: Vec<String>,
    /// When it began, RFC 3339, UTC.
    pub started: String,
    /// Why it ended, in words; `None` when nobody asked for the end.
    pub reason: Option<String>,
    /// From start to the last batch, s.
    #[serde(serialize_with = "seconds", rename = "capture_s")]
    pub capture: Duration,
    /// Draining and closing the files, s, index building not included.
    #[serde(serialize_with = "seconds", rename = "close_s")]
    pub close: Duration,
    /// Building the indexes of the SQLite file, s.
    #[serde(serialize_with = "seconds", rename = "index_s")]
    pub index: Duration,
    /// Flow records.
    pub records: u64,
    /// Packets: captured ones, or the sum of `Packets` of all records.
    pub packets: u64,
    /// Bytes on the wire of those.
    pub bytes: u64,
    /// Every counter, losses included.
    pub counters: Counters,
    /// Output files.
    pub files: Vec<FileSummary>,
    /// Where this summary itself was written.
    #[serde(skip)]
    pub path: Option<PathBuf>,
    /// Why it could not be written.
    #[serde(skip)]
    pub summary_error: Option<String>,
}

impl Summary {
    /// Writes it as JSON into a new file.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        io::Write::write_all(&mut crate::files::create_new(path)?, &text)
    }
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((duration.as_secs_f64() * 1e6).round() / 1e6)
}
