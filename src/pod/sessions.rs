//! Commands that a client runs in the collector's pod: the table, the batches, the state, the end.

#[cfg(unix)]
mod commands;

use clap::Args;

#[cfg(unix)]
pub(super) use commands::{save, status, stop, stream, view};

/// Arguments of `pod view`.
#[derive(Args, Clone, Debug)]
pub struct ViewArgs {
    /// Name of the view: what it shows and how is kept under it
    #[arg(long)]
    session: String,
    /// `q` and Ctrl-C end the capture, not only the table
    #[arg(long)]
    owner: bool,
    /// What the terminal calls itself
    #[arg(long, default_value = "xterm-256color")]
    term: String,
    /// Colours of the terminal: none, 16, 256, true
    #[arg(long, default_value = "256")]
    colours: String,
    /// The terminal understands ASCII only
    #[arg(long)]
    ascii: bool,
    /// Columns and rows of the terminal
    #[arg(long)]
    size: Option<String>,
}

/// Arguments of `pod stream`.
#[derive(Args, Clone, Debug)]
pub struct StreamArgs {
    /// Number of the first batch; else the first that there will be
    #[arg(long)]
    from: Option<u64>,
}

/// Arguments of `pod stop`.
#[derive(Args, Clone, Debug)]
pub struct StopArgs {
    /// Why
    #[arg(long, default_value = "ended by the user")]
    reason: String,
}
