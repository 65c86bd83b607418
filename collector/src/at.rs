//! Writing at a place in a file: what Unix calls `pwrite` and Windows a seek and a write in one.

#[cfg(unix)]
pub(crate) use std::os::unix::fs::FileExt as WriteAt;

/// As the trait of Unix.
#[cfg(windows)]
pub(crate) trait WriteAt {
    /// Writes all of `bytes`, the first at `offset`.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> std::io::Result<()>;
}

#[cfg(windows)]
impl WriteAt for std::fs::File {
    fn write_all_at(&self, mut bytes: &[u8], mut offset: u64) -> std::io::Result<()> {
        use std::{io::ErrorKind, os::windows::fs::FileExt as _};
        while !bytes.is_empty() {
            match self.seek_write(bytes, offset) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => {
                    bytes = &bytes[written..];
                    offset += written as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
