//! Inflating and hashing as the data comes, in 32 KiB of window, so that memory does not grow with the executable.

use core::{fmt, str::FromStr};

use miniz_oxide::inflate::{
    TINFLStatus,
    core::{
        DecompressorOxide, decompress,
        inflate_flags::{TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_IGNORE_ADLER32, TINFL_FLAG_PARSE_ZLIB_HEADER},
    },
};
use sha2::{Digest as _, Sha256};

use crate::error::Error;

/// The farthest that DEFLATE looks back (RFC 1951).
const WINDOW: usize = 32 * 1024;
/// More than any executable of ours; whoever sends more is up to something.
const LARGEST: u64 = 512 << 20;

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digest([u8; 32]);

impl FromStr for Digest {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut digest = [0; 32];
        if text.len() != 2 * digest.len() {
            return Err(());
        }
        for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Ok(Self(digest))
    }
}

fn nibble(digit: u8) -> Result<u8, ()> {
    char::from(digit).to_digit(16).map(|value| value as u8).ok_or(())
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Hashes what passes.
pub(crate) struct Check(Sha256);

impl Check {
    pub(crate) fn new() -> Self {
        Self(Sha256::new())
    }

    /// Adds to what is hashed.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Whether all that passed is what was `wanted`.
    pub(crate) fn finish(self, wanted: Digest) -> Result<(), Error> {
        let found = Digest(self.0.finalize().into());
        if found == wanted { Ok(()) } else { Err(Error::Digest { found, wanted }) }
    }
}

/// A zlib stream being unpacked.
pub(crate) struct Unpacker {
    inflate: DecompressorOxide,
    window: [u8; WINDOW],
    /// Where in the window the next byte goes.
    position: usize,
    length: u64,
    check: Check,
    is_done: bool,
}

impl Unpacker {
    pub(crate) fn new() -> Self {
        let (inflate, check) = (DecompressorOxide::new(), Check::new());
        Self { inflate, window: [0; WINDOW], position: 0, length: 0, check, is_done: false }
    }

    /// Takes the next compressed bytes; what they unpack to goes to `sink`.
    pub(crate) fn feed(
        &mut self,
        mut packed: &[u8],
        sink: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        // SHA-256 says more than Adler-32.
        let flags = TINFL_FLAG_PARSE_ZLIB_HEADER | TINFL_FLAG_HAS_MORE_INPUT | TINFL_FLAG_IGNORE_ADLER32;
        while !packed.is_empty() {
            if self.is_done {
                return Err(Error::Damaged("there is more behind its end"));
            }
            let (status, taken, made) = decompress(&mut self.inflate, packed, &mut self.window, self.position, flags);
            packed = &packed[taken..];
            self.pass(made, sink)?;
            match status {
                TINFLStatus::NeedsMoreInput | TINFLStatus::HasMoreOutput => {}
                TINFLStatus::Done => self.is_done = true,
                _ => return Err(Error::Damaged("not a zlib stream")),
            }
        }
        Ok(())
    }

    fn pass(&mut self, made: usize, sink: &mut dyn FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
        let bytes = &self.window[self.position..self.position + made];
        self.length += made as u64;
        if self.length > LARGEST {
            return Err(Error::Damaged("it unpacks to more than 512 MiB"));
        }
        self.check.update(bytes);
        sink(bytes)?;
        self.position = (self.position + made) % WINDOW;
        Ok(())
    }

    /// All data was fed: is it whole, and what was `wanted`?
    pub(crate) fn finish(self, wanted: Digest) -> Result<(), Error> {
        if !self.is_done {
            return Err(Error::Damaged("it ends within the stream"));
        }
        self.check.finish(wanted)
    }
}
