//! `stage receive`: the compressed executable comes in through standard input, as `kubectl exec` gives it.

use crate::{
    error::Error,
    files::{NewFile, Place, read},
    unpack::{Digest, Unpacker},
};

/// What to receive.
pub(crate) struct Receive {
    pub(crate) place: Place,
    pub(crate) digest: Digest,
    /// Compressed bytes. The end of standard input is no reliable sign over exec, and does not come on all ways.
    pub(crate) size: u64,
}

impl Receive {
    /// Writes the file, or leaves none. Whatever happens standard input is read to its end: who sends it learns how it went
    /// only when all is sent.
    pub(crate) fn run(&self) -> Result<(), Error> {
        let mut found = 0;
        let received = self.take(&mut found);
        if received.is_err() {
            self.skip(found);
        }
        received?;
        acknowledge()
    }

    /// `found` is what has been read, also when it fails.
    fn take(&self, found: &mut u64) -> Result<(), Error> {
        let mut file = NewFile::create(&self.place.packed()?, 0o644)?;
        let mut unpacker = Unpacker::new();
        let mut buffer = [0; 64 * 1024];
        while *found < self.size {
            let room = buffer.len().min(usize::try_from(self.size - *found).unwrap_or(usize::MAX));
            // SAFETY: whatever the first three descriptors are, nothing here owns or closes them.
            let input = unsafe { rustix::stdio::stdin() };
            let length = read(input, &mut buffer[..room]).map_err(|errno| Error::Stream("read", errno))?;
            if length == 0 {
                return Err(Error::Short { found: *found, wanted: self.size });
            }
            *found += length as u64;
            unpacker.feed(&buffer[..length], &mut |_| Ok(()))?;
            file.write(&buffer[..length])?;
        }
        unpacker.finish(self.digest)?;
        file.publish()
    }

    /// Reads what is still on its way.
    fn skip(&self, mut found: u64) {
        let mut buffer = [0; 64 * 1024];
        while found < self.size {
            // SAFETY: as below.
            let input = unsafe { rustix::stdio::stdin() };
            match read(input, &mut buffer) {
                Ok(length) if length > 0 => found += length as u64,
                _ => return,
            }
        }
    }
}

fn acknowledge() -> Result<(), Error> {
    // SAFETY: as above.
    let output = unsafe { rustix::stdio::stdout() };
    rustix::io::write(output, b"ok\n").map(drop).map_err(|errno| Error::Stream("answer", errno))
}
