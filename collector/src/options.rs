//! What the collector is asked to do. Owns no defaults of the command line.

use std::{path::PathBuf, sync::Arc};

use flow::CaptureConfig;

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

/// What [`crate::start`] needs to know.
#[derive(Clone, Debug)]
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
    /// Whether somebody will read [`crate::Started::feed`].
    pub feed: bool,
    /// Most memory of batches waiting between agent and ingest, bytes (roughly); as much again may wait for each
    /// consumer. [`Options::QUEUE_BYTES`] is what a capture uses.
    pub queue_bytes: usize,
}

impl Options {
    /// Usual value of [`Options::queue_bytes`].
    pub const QUEUE_BYTES: usize = 32 << 20;
}
