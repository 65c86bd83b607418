//! Where blocks go: a file, of which every write ends on a block's end or is taken back, or a pipe.

use std::{
    fs::File,
    io::{self, Write as _},
};

use crate::at::WriteAt as _;

/// A file that grows, or a stream.
#[derive(Debug)]
pub(super) struct Output {
    file: File,
    /// Whether it can be written at an offset and shortened.
    seekable: bool,
    end: u64,
}

impl Output {
    /// Into the empty `file`.
    pub(super) fn file(file: File) -> io::Result<Self> {
        // Whoever opens the file to repair it sees that it is being written.
        file.lock()?;
        Ok(Self { file, seekable: true, end: 0 })
    }

    /// Into a pipe, socket or terminal.
    pub(super) fn stream(file: File) -> Self {
        Self { file, seekable: false, end: 0 }
    }

    /// Bytes written.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Writes whole blocks; on error the file ends where it ended before. The buffer is empty afterwards.
    pub(super) fn flush(&mut self, blocks: &mut Vec<u8>) -> io::Result<()> {
        let result = if blocks.is_empty() {
            Ok(())
        } else if self.seekable {
            self.file.write_all_at(blocks, self.end).inspect_err(|_| drop(self.file.set_len(self.end)))
        } else {
            self.file.write_all(blocks)
        };
        if result.is_ok() {
            self.end += blocks.len() as u64;
        }
        blocks.clear();
        result
    }
}
