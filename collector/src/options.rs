//! What the collector is asked to do. Owns no defaults of the command line.

use std::{fmt, path::PathBuf, sync::Arc};

use flow::{CaptureConfig, Enrich};

use crate::Objects;

/// How lines on standard output look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `-o json`: one record or packet a line, JSON.
    Json,
    /// `-o wide`: aligned columns; packets as one header line each.
    Wide,
}

/// What goes to standard output besides files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stdout {
    /// Nothing: the table, or nothing at all, is on the terminal.
    Nothing,
    /// Lines of text, written as they come.
    Lines(Format),
    /// `-w -`: pcapng (packets mode only).
    Pcapng,
}

/// Where batches come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// One agent in this process.
    Local,
    /// Agents of several nodes: what they all saw is merged. Files of an earlier life of this collector are repaired, kept
    /// and counted against the limits.
    Cluster,
    /// Another collector ([`crate::Hub::follow`]): merged, named, limited and counted already, so that nothing is changed
    /// here and no limit but the disk holds.
    Relay,
}

/// What [`crate::start`] needs to know.
pub struct Options {
    /// What is captured, and its limits.
    pub config: Arc<CaptureConfig>,
    /// The command as typed, kept in the files.
    pub command: Vec<String>,
    /// Our version, `X.Y.Z`, kept in the files.
    pub version: String,
    /// `--output-dir`: files go to `flow/` and `pcap/` below it. `None` writes no file (`--copy=false`).
    pub output_dir: Option<PathBuf>,
    /// What goes to standard output.
    pub stdout: Stdout,
    /// Where batches come from.
    pub origin: Origin,
    /// Names the ends of flows, before anything else looks at them.
    pub enrich: Option<Box<dyn Enrich>>,
    /// Knows which addresses objects of the cluster have (pods with a label, say), for the part of the filter that runs after the
    /// kernel. Without it names that stand in records decide.
    pub objects: Option<Objects>,
    /// Most memory of batches waiting between agent and ingest, bytes (roughly); as much again may wait for each
    /// consumer. [`Options::QUEUE_BYTES`] is what a capture uses.
    pub queue_bytes: usize,
    /// Memory of recent batches with which a viewer that comes later begins, bytes. 0 where the only viewer is there from
    /// the start, else [`Options::HISTORY_BYTES`].
    pub history_bytes: usize,
    /// Memory of recent batches kept for those who follow without loss, bytes, the history included; all followers share
    /// it. 0 where there are none, else [`Options::FOLLOW_BYTES`].
    pub follow_bytes: usize,
}

impl Options {
    /// Usual value of [`Options::queue_bytes`].
    pub const QUEUE_BYTES: usize = 32 << 20;
    /// Usual value of [`Options::history_bytes`] on a cluster.
    pub const HISTORY_BYTES: usize = 16 << 20;
    /// Usual value of [`Options::follow_bytes`] on a cluster.
    pub const FOLLOW_BYTES: usize = 64 << 20;

    /// A capture by one agent in this process: no files, nothing on standard output, nobody comes later.
    pub fn local(config: Arc<CaptureConfig>, command: Vec<String>, version: String) -> Self {
        Self {
            config,
            command,
            version,
            output_dir: None,
            stdout: Stdout::Nothing,
            origin: Origin::Local,
            enrich: None,
            objects: None,
            queue_bytes: Self::QUEUE_BYTES,
            history_bytes: 0,
            follow_bytes: 0,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("config", &self.config)
            .field("command", &self.command)
            .field("output_dir", &self.output_dir)
            .field("stdout", &self.stdout)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}
