//! The end of a capture in numbers, returned and written beside the files.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use flow::Counters;
use serde::{Deserialize, Serialize};

use crate::FileStatus;

/// One output file, closed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FileSummary {
    /// Where.
    pub path: PathBuf,
    /// Its final size.
    pub bytes: u64,
    /// Records or packets in it.
    pub written: u64,
    /// What went wrong, in one sentence.
    pub error: Option<String>,
    /// SHA-256 of the whole file, 64 hexadecimal digits; empty where nobody copies it (one machine alone), or if it could
    /// not be read again.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sha256: String,
    /// It was written by an earlier life of the collector.
    pub earlier: bool,
}

impl FileSummary {
    /// The same as of a file that is being written.
    pub(crate) fn status(&self) -> FileStatus {
        let Self { path, bytes, written, error, .. } = self.clone();
        FileStatus { path, bytes, written, error }
    }
}

/// What a capture came to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
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
    #[serde(with = "seconds", rename = "capture_s")]
    pub capture: Duration,
    /// Draining and closing the files, s, index building not included.
    #[serde(with = "seconds", rename = "close_s")]
    pub close: Duration,
    /// Building the indexes of the SQLite file, s.
    #[serde(with = "seconds", rename = "index_s")]
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// The file that this summary was written to, as one more file to be had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<FileSummary>,
    /// Why it could not be written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary_error: Option<String>,
}

impl Summary {
    /// Everything that is on the disk: output files, and that of this summary.
    pub fn all_files(&self) -> Vec<FileSummary> {
        self.files.iter().chain(&self.file).cloned().collect()
    }

    /// Writes it as JSON into a new file.
    pub(crate) fn write(&self, path: &Path) -> io::Result<FileSummary> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        io::Write::write_all(&mut crate::files::create_new(path)?, &text)?;
        let (bytes, sha256) = (text.len() as u64, crate::hash::of(&text));
        Ok(FileSummary { path: path.to_owned(), bytes, sha256, ..FileSummary::default() })
    }
}

/// Durations as seconds, to the microsecond.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64((duration.as_secs_f64() * 1e6).round() / 1e6)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)
    }
}
