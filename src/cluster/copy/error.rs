//! What can go wrong on the way home, in sentences.

use std::{io, path::PathBuf};

use thiserror::Error;

use super::{Copied, ExecError};

/// Why files are not (all) here.
#[derive(Debug, Error)]
pub(crate) enum CopyError {
    /// The pod cannot be asked what there is.
    #[error("cannot list the files of the capture: {0}")]
    List(#[source] ExecError),
    /// The pod could not look.
    #[error("the collector could not list its files (exit code {code}): {message}")]
    Listed {
        /// Of the command there.
        code: i32,
        /// What it says.
        message: String,
    },
    /// The answer is not what this version understands.
    #[error("the collector's list of files is unreadable: {0}; is it of another version?")]
    Unreadable(String),
    /// A name that must not become a path here.
    #[error("the collector offers a file by a name that is refused: {0:?}")]
    Name(String),
    /// The directory does not take files.
    #[error("cannot write to {}: {source}", path.display())]
    Directory {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The disk is too small.
    #[error("{} has {free} bytes free, the files of the capture need {need}", path.display())]
    Full {
        /// Where.
        path: PathBuf,
        /// Bytes that may be written.
        free: u64,
        /// Bytes that are missing here.
        need: u64,
    },
    /// Some are here, some are not.
    #[error("not copied: {}", sentences(failed))]
    Incomplete {
        /// What is here.
        copied: Copied,
        /// What is not, by its path there, and why.
        failed: Vec<(String, FileError)>,
    },
}

/// Why one file is not here.
#[derive(Debug, Error)]
pub(crate) enum FileError {
    /// The connection, again and again, or the cluster.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// The pod could not read it.
    #[error("the collector could not read it (exit code {code}): {message}")]
    Remote {
        /// Of the command there.
        code: i32,
        /// What it says.
        message: String,
    },
    /// It cannot be written here.
    #[error("{}: {source}", path.display())]
    Local {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// What came is not what there is.
    #[error("{}: SHA-256 {found}, the collector says {wanted}", path.display())]
    Different {
        /// Where.
        path: PathBuf,
        /// Of what came.
        found: String,
        /// Of what is there.
        wanted: String,
    },
    /// More or fewer bytes came than there are.
    #[error("{}: {found} bytes came, the collector says {wanted}", path.display())]
    Length {
        /// Where.
        path: PathBuf,
        /// Bytes that came.
        found: u64,
        /// Bytes there are.
        wanted: u64,
    },
}

fn sentences(failed: &[(String, FileError)]) -> String {
    failed.iter().map(|(path, error)| format!("{path} ({error})")).collect::<Vec<_>>().join("; ")
}
