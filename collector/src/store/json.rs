//! The JSON file: one array, one record a line, complete after every write.

use std::{fs::File, io, time::Duration};

use flow::Reason;

use super::{Piece, Store, StoreError, encode::END};
use crate::{at::WriteAt as _, status::Snapshot};

/// A JSON array that grows: each write replaces its end by more records and a new end, in one call.
#[derive(Debug)]
pub(crate) struct JsonFile {
    file: File,
    /// Where [`END`] stands.
    end: u64,
    written: u64,
}

impl JsonFile {
    /// An empty array in the empty `file`.
    pub(crate) fn new(file: File) -> io::Result<Self> {
        // Whoever opens the file to repair it sees that it is being written.
        file.lock()?;
        file.write_all_at(b"[\n]\n", 0)?;
        Ok(Self { file, end: 1, written: 0 })
    }

    /// The array as it was before a write that failed half way.
    fn restore(&self) {
        // The two bytes had room before; if even that fails, reading repairs it.
        let _ = self.file.set_len(self.end).and_then(|()| self.file.write_all_at(END, self.end));
    }
}

impl Store for JsonFile {
    fn write(&mut self, piece: &Piece<'_>) -> Result<(), StoreError> {
        if piece.records.is_empty() {
            return Ok(());
        }
        // No comma before the first record.
        let text = &piece.text.text()[usize::from(self.written == 0)..];
        if let Err(error) = self.file.write_all_at(text, self.end) {
            self.restore();
            return Err(error.into());
        }
        self.end += (text.len() - END.len()) as u64;
        self.written += piece.records.len() as u64;
        Ok(())
    }

    fn size(&self) -> (u64, u64) {
        (self.end + END.len() as u64, self.written)
    }

    fn close(&mut self, _: &Snapshot, _: Option<&Reason>) -> Result<Duration, StoreError> {
        Ok(Duration::ZERO)
    }
}
