//! Inputs as batches, with a count of the bytes read. Nothing here writes to them.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::Input;
use crate::open::{self, FileKind, OpenError, Opened};

/// An input that has been opened.
pub(super) struct Source {
    /// What it is called in messages.
    pub(super) name: String,
    /// What is in it.
    pub(super) kind: FileKind,
    /// Its size, bytes; 0 where that is unknown.
    pub(super) size: u64,
    /// What was found when it was opened.
    pub(super) notices: Vec<String>,
    pub(super) batches: Opened,
}

/// Opens all of them, or tells what is wrong with the first that cannot be.
pub(super) fn open(inputs: &[Input], read: &Arc<AtomicU64>) -> Result<Vec<Source>, OpenError> {
    inputs.iter().map(|input| one(input, read)).collect()
}

fn one(input: &Input, read: &Arc<AtomicU64>) -> Result<Source, OpenError> {
    let (name, size, mut batches) = match input {
        Input::Stdin => {
            let counted = Counted { inner: io::stdin(), read: Arc::clone(read) };
            ("standard input".to_owned(), 0, open::stream(Box::new(counted), Path::new("standard input"))?)
        }
        Input::File(path) => file(path, read)?,
    };
    let notices = std::mem::take(&mut batches.notices);
    Ok(Source { name, kind: batches.kind, size, notices, batches })
}

/// Bytes as if they were an input.
pub(super) fn memory(bytes: &[u8]) -> Result<Source, OpenError> {
    let batches = open::stream(Box::new(io::Cursor::new(bytes.to_vec())), Path::new("memory"))?;
    Ok(Source { name: "memory".to_owned(), kind: batches.kind, size: 0, notices: Vec::new(), batches })
}

/// A regular file, or a named pipe.
fn file(path: &PathBuf, read: &Arc<AtomicU64>) -> Result<(String, u64, Opened), OpenError> {
    let io = |source| OpenError::Io { path: path.clone(), source };
    let file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    let size = if metadata.is_file() { metadata.len() } else { 0 };
    let counted = Counted { inner: file, read: Arc::clone(read) };
    let batches = match open::stream(Box::new(counted), path) {
        // It has to be asked by its name, and tells nothing of how far it is.
        Err(OpenError::NeedsFile { .. }) => {
            read.fetch_add(size, Ordering::Relaxed);
            open::open(path)?
        }
        other => other?,
    };
    Ok((path.display().to_string(), size, batches))
}

/// Counts what is read.
struct Counted<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
