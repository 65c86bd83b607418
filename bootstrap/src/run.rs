//! `stage run`: waits for what `stage receive` brings, then becomes it. What a former life of the container has unpacked
//! is used again.

use rustix::{fd::OwnedFd, thread::Timespec};

use crate::{
    arguments::Words,
    error::Error,
    files::{NewFile, Path, Place, read},
    report,
    unpack::{Check, Digest, Unpacker},
};

/// Milliseconds between two looks.
const POLL: i64 = 50;

/// What to run.
pub(crate) struct Run {
    pub(crate) place: Place,
    pub(crate) digest: Digest,
    /// The word before the program's arguments.
    pub(crate) separator: usize,
}

impl Run {
    /// Comes back only if something failed that waiting does not mend.
    pub(crate) fn run(&self, words: Words) -> Result<(), Error> {
        let (program, packed) = (self.place.program()?, self.place.packed()?);
        if !is_there(&program, self.digest)? {
            report::line(&format_args!("waiting for {packed}"));
            while !self.unpack(&program, &packed)? {
                sleep(POLL);
            }
        }
        Err(words.execute(program.as_c_str(), self.separator))
    }

    /// Unpacks the file if it is there. One that is not what was asked for is removed: a better one may come.
    fn unpack(&self, program: &Path, packed: &Path) -> Result<bool, Error> {
        let Some(file) = packed.open()? else { return Ok(false) };
        match self.unpack_from(&file, program, packed) {
            Ok(()) => Ok(true),
            Err(error @ (Error::Damaged(_) | Error::Digest { .. })) => {
                report::line(&error);
                packed.remove().map(|()| false)
            }
            Err(error) => Err(error),
        }
    }

    fn unpack_from(&self, file: &OwnedFd, program: &Path, packed: &Path) -> Result<(), Error> {
        let mut output = NewFile::create(program, 0o755)?;
        let mut unpacker = Unpacker::new();
        let mut buffer = [0; 64 * 1024];
        loop {
            let length = read(file, &mut buffer).map_err(|errno| Error::system("read", packed.as_c_str(), errno))?;
            if length == 0 {
                break;
            }
            unpacker.feed(&buffer[..length], &mut |bytes| output.write(bytes))?;
        }
        unpacker.finish(self.digest)?;
        output.publish()
    }
}

/// Whether the program is there already, and the right one; a wrong one is removed.
pub(crate) fn is_there(program: &Path, wanted: Digest) -> Result<bool, Error> {
    let Some(file) = program.open()? else { return Ok(false) };
    let mut check = Check::new();
    let mut buffer = [0; 64 * 1024];
    loop {
        let length = read(&file, &mut buffer).map_err(|errno| Error::system("read", program.as_c_str(), errno))?;
        if length == 0 {
            break;
        }
        check.update(&buffer[..length]);
    }
    match check.finish(wanted) {
        Ok(()) => Ok(true),
        Err(_) => program.remove().map(|()| false),
    }
}

/// Waits that many milliseconds.
pub(crate) fn sleep(milliseconds: i64) {
    let time = Timespec { tv_sec: milliseconds / 1000, tv_nsec: milliseconds % 1000 * 1_000_000 };
    // Signals end the process, so nothing wakes it early; and if, it looks early.
    let _ = rustix::thread::nanosleep(&time);
}
