//! Where encoded values go.

use std::collections::HashMap;

use postcard::{Serializer, ser_flavors::Flavor};
use serde::Serialize;

use super::WireError;

/// Encodes one batch.
pub(crate) struct Writer<'a> {
    serializer: Serializer<Bytes>,
    strings: HashMap<&'a str, u32>,
    /// What times are differences to, ns since the epoch.
    pub(super) base_ns: u64,
}

/// Postcard's way into a vector, whose length can be asked for on the way.
struct Bytes(Vec<u8>);

impl Flavor for Bytes {
    type Output = Vec<u8>;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<Vec<u8>> {
        Ok(self.0)
    }
}

impl<'a> Writer<'a> {
    pub(super) fn new(out: Vec<u8>, base_ns: u64) -> Self {
        Self { serializer: Serializer { output: Bytes(out) }, strings: HashMap::new(), base_ns }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.serializer.output.0
    }

    pub(super) const fn len(&self) -> usize {
        self.serializer.output.0.len()
    }

    pub(crate) fn put(&mut self, value: &impl Serialize) -> Result<(), WireError> {
        Ok(value.serialize(&mut self.serializer)?)
    }

    /// A number of things that follow.
    pub(super) fn put_count(&mut self, count: usize) -> Result<(), WireError> {
        let count = u32::try_from(count).map_err(|_| WireError::Invalid("more than can be numbered"))?;
        self.put(&count)
    }

    pub(super) fn put_raw(&mut self, bytes: &[u8]) {
        self.serializer.output.0.extend_from_slice(bytes);
    }

    /// Zeros up to `len` bytes.
    pub(super) fn pad_to(&mut self, len: usize) {
        if self.len() < len {
            self.serializer.output.0.resize(len, 0);
        }
    }

    /// 0 and the text, or the number, from 1, of a text that came before.
    pub(super) fn put_text(&mut self, text: &'a str) -> Result<(), WireError> {
        let next = self.strings.len() as u32 + 1;
        match *self.strings.entry(text).or_insert(next) {
            number if number == next => {
                self.put(&0_u32)?;
                self.put(&text)
            }
            number => self.put(&number),
        }
    }
}
