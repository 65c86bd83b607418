//! Files: their names, and writing one so that its final name always means a whole file.

use core::{ffi::CStr, fmt};

use rustix::{
    fd::{AsFd, OwnedFd},
    fs::{CWD, Mode, OFlags},
    io::Errno,
};

use crate::error::Error;

/// Longest path, with its end.
const LONGEST: usize = 256;

/// Where the executable goes.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// A folder that can be written to, not mounted noexec.
    pub(crate) directory: &'static str,
    /// As Kubernetes names it: `amd64`, `arm64`.
    pub(crate) architecture: &'static str,
}

impl Place {
    /// The executable, ready to run.
    pub(crate) fn program(&self) -> Result<Path, Error> {
        Path::of(&[self.directory, "/oc-netobserv"])
    }

    /// The compressed executable.
    pub(crate) fn packed(&self) -> Result<Path, Error> {
        Path::of(&[self.directory, "/oc-netobserv-", self.architecture, ".z"])
    }
}

/// A path that needs no allocator.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Path {
    bytes: [u8; LONGEST],
    /// Without the null behind it.
    length: usize,
}

impl Path {
    fn of(parts: &[&str]) -> Result<Self, Error> {
        let mut path = Self { bytes: [0; LONGEST], length: 0 };
        for part in parts {
            path.push(part.as_bytes()).ok_or(Error::Usage("the path of DIR is too long"))?;
        }
        Ok(path)
    }

    /// As much of `path` as there is room for, to be shown.
    pub(crate) fn cut(path: &CStr) -> Self {
        let bytes = path.to_bytes();
        let mut cut = Self { bytes: [0; LONGEST], length: 0 };
        let _ = cut.push(&bytes[..bytes.len().min(LONGEST - 1)]);
        cut
    }

    fn push(&mut self, part: &[u8]) -> Option<()> {
        let end = self.length + part.len();
        // One byte stays zero.
        self.bytes[..LONGEST - 1].get_mut(self.length..end)?.copy_from_slice(part);
        self.length = end;
        Some(())
    }

    /// The same path with `.part` behind it.
    fn part(&self) -> Result<Self, Error> {
        let mut part = self.clone();
        part.push(b".part").ok_or(Error::Usage("the path of DIR is too long"))?;
        Ok(part)
    }

    /// For system calls.
    pub(crate) fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default()
    }

    /// Opens the file for reading; `None` if there is none.
    pub(crate) fn open(&self) -> Result<Option<OwnedFd>, Error> {
        match rustix::fs::openat(CWD, self.as_c_str(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(file) => Ok(Some(file)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(Error::system("open", self.as_c_str(), errno)),
        }
    }

    /// Removes the file, if it is there.
    pub(crate) fn remove(&self) -> Result<(), Error> {
        match rustix::fs::unlinkat(CWD, self.as_c_str(), rustix::fs::AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(Error::system("remove", self.as_c_str(), errno)),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Only a path that was cut within a character is not UTF-8 here.
        f.write_str(str::from_utf8(&self.bytes[..self.length]).unwrap_or("a file"))
    }
}

/// A file being written under another name; dropped without [`NewFile::publish`], it is gone.
pub(crate) struct NewFile {
    /// `None` once it has its name.
    file: Option<OwnedFd>,
    part: Path,
    path: Path,
}

impl NewFile {
    /// Starts writing what is to be `path`.
    pub(crate) fn create(path: &Path, mode: u32) -> Result<Self, Error> {
        let part = path.part()?;
        // Somebody who still writes there goes on in a file without a name.
        part.remove()?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(mode);
        let file = rustix::fs::openat(CWD, part.as_c_str(), flags, mode)
            .and_then(|file| rustix::fs::fchmod(&file, mode).map(|()| file))
            .map_err(|errno| Error::system("create", part.as_c_str(), errno))?;
        Ok(Self { file: Some(file), part, path: path.clone() })
    }

    /// Adds to it.
    pub(crate) fn write(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        let Some(file) = &self.file else { return Ok(()) };
        while !bytes.is_empty() {
            match rustix::io::write(file, bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::system("write", self.part.as_c_str(), errno)),
            }
        }
        Ok(())
    }

    /// Gives it its name. It is closed then: a file that somebody writes to cannot be run.
    pub(crate) fn publish(mut self) -> Result<(), Error> {
        drop(self.file.take());
        rustix::fs::renameat(CWD, self.part.as_c_str(), CWD, self.path.as_c_str())
            .map_err(|errno| Error::system("rename", self.part.as_c_str(), errno))
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if self.file.is_some() {
            // What failed before this is reported; the rest of a file does no harm.
            let _ = self.part.remove();
        }
    }
}

/// Reads what is there, at most as much as `buffer` holds; 0 at the end.
pub(crate) fn read(from: impl AsFd, buffer: &mut [u8]) -> Result<usize, Errno> {
    loop {
        match rustix::io::read(&from, &mut *buffer) {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}
