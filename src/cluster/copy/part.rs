//! A file on its way: `<name>.part`, its hash so far, and its end.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Seek as _, SeekFrom, Write},
    path::PathBuf,
};

use sha2::{Digest as _, Sha256};
use tempfile::TempPath;

use super::{
    FileError,
    place::{Place, open_private},
};
use crate::pod::files;

/// What is here of a file.
#[derive(Debug)]
pub(super) struct Part {
    path: PathBuf,
    file: File,
    hash: Sha256,
    length: u64,
    most: u64,
}

impl Part {
    /// Bytes that an earlier copy has left here.
    pub(super) fn length(place: &Place) -> u64 {
        fs::metadata(path(place)).map_or(0, |data| data.len().min(place.listed.size))
    }

    /// Removes what is here of a file that will never be whole; if that fails, it stays.
    pub(super) fn discard(place: &Place) {
        let _ = fs::remove_file(path(place));
    }

    /// What is here already, or nothing yet.
    pub(super) fn open(place: &Place) -> io::Result<Self> {
        if let Some(dir) = place.path.parent() {
            fs::create_dir_all(dir)?;
        }
        let path = path(place);
        let file = open_private(&path)?;
        let mut part = Self { path, file, hash: Sha256::new(), length: 0, most: place.listed.size };
        if part.file.metadata()?.len() > part.most {
            part.restart()?;
        }
        part.length = io::copy(&mut part.file, &mut part.hash)?;
        Ok(part)
    }

    /// Bytes that are here.
    pub(super) fn here(&self) -> u64 {
        self.length
    }

    /// Forgets what is here.
    pub(super) fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.hash.reset();
        self.length = 0;
        Ok(())
    }

    /// The hash of what is here.
    pub(super) fn hash(&self) -> String {
        files::hex(self.hash.clone())
    }

    /// Gives it its name, unless a file has that now.
    pub(super) fn finish(self, place: &Place) -> Result<(), FileError> {
        let failed = |source| FileError::Local { path: place.path.clone(), source };
        self.file.sync_all().map_err(failed)?;
        let named = TempPath::try_from_path(self.path).map_err(failed)?.persist_noclobber(&place.path);
        named.map_err(|refused| {
            // It would be removed otherwise, and it is whole.
            let _ = refused.path.keep();
            failed(refused.error)
        })
    }
}

/// Takes no more than the file has: a hostile pod fills no disk.
impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.most - self.length {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "more bytes came than the collector announced"));
        }
        let size = self.file.write(bytes)?;
        self.hash.update(&bytes[..size]);
        self.length += size as u64;
        Ok(size)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn path(place: &Place) -> PathBuf {
    let mut name = OsString::from(place.path.as_os_str());
    name.push(".part");
    name.into()
}
