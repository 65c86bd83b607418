//! The binary form of a [`Batch`]: what travels between processes, and nothing that is kept.
//!
//! Values are in postcard's format (varints, zigzag, no names). Around them: a record is a bitmap of the fields that are
//! there and their values; times are differences to the batch's; a text that came before in the batch is its number;
//! packets lie one after the other, without what no packet refers to. Both ends have the same [`VERSION`] and
//! [`LAYOUT`], or do not talk.
//!
//! Owns encoding and decoding of untrusted bytes; must not know how they travel.

use crate::{Batch, counters, schema};

mod parts;
mod reader;
#[cfg(test)]
mod tests;
mod values;
mod writer;

pub(crate) use self::{reader::Reader, values::Packed, writer::Writer};

/// Version of everything in this module that [`LAYOUT`] does not tell.
pub const VERSION: u32 = 1;

/// Hash of the schema's fields and the counters: another one means that bytes would be misread.
pub const LAYOUT: u32 = fnv(schema::LAYOUT, fnv(counters::LAYOUT, 0x811c_9dc5));

/// Why bytes are no batch, or a batch cannot be encoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Postcard's reason.
    #[error("a batch cannot be read or written: {0}")]
    Postcard(#[from] postcard::Error),
    /// There is less than what was announced.
    #[error("a batch is cut off")]
    CutOff,
    /// There is more than one batch.
    #[error("{0} bytes follow a batch")]
    Rest(usize),
    /// It says what cannot be.
    #[error("a batch contains {0}")]
    Invalid(&'static str),
}

/// Appends the binary form of `batch` to `out`.
///
/// # Errors
/// It has more than 2^32 records, or packets of more than 4 GiB.
pub fn encode(batch: &Batch, out: &mut Vec<u8>) -> Result<(), WireError> {
    let mut writer = Writer::new(std::mem::take(out), batch.time_ns);
    let result = parts::put_batch(batch, &mut writer);
    *out = writer.into_bytes();
    result
}

/// The batch whose binary form is all of `bytes`. Allocates no more than about 60 times their number.
///
/// # Errors
/// They are not the binary form of a batch.
pub fn decode(bytes: &[u8]) -> Result<Batch, WireError> {
    let mut reader = Reader::new(bytes);
    let batch = parts::take_batch(&mut reader)?;
    match reader.left() {
        0 => Ok(batch),
        rest => Err(WireError::Rest(rest)),
    }
}

/// FNV-1a, 32 bits.
const fn fnv(text: &str, mut hash: u32) -> u32 {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    hash
}
