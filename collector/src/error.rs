//! Why a collector could not be started. What fails later ends the capture by [`flow::Reason::Failed`].

use std::{io, path::PathBuf};

/// Why a collector could not be started.
#[derive(Debug, thiserror::Error)]
pub enum CollectorError {
    /// The filter that runs after the kernel cannot be read; its message.
    #[error("the filter cannot be read: {0}")]
    Filter(#[from] flow::FilterError),
    /// The directory for output files is not usable.
    #[error("cannot create the directory {path}: {source}")]
    Directory {
        /// It.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An output file could not be created.
    #[error("cannot create {path}: {reason}")]
    File {
        /// It.
        path: PathBuf,
        /// Why, in words.
        reason: String,
    },
    /// Standard output cannot be used.
    #[error("cannot write to standard output: {0}")]
    Stdout(io::Error),
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// `-w -` writes packets; a flow capture has none.
    #[error("pcapng on standard output needs a packet capture")]
    PcapngOfFlows,
}
