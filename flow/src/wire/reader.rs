//! Where encoded values come from: bytes that anybody may have made.

use std::sync::Arc;

use serde::Deserialize;

use super::WireError;

/// Decodes one batch.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    strings: Vec<Arc<str>>,
    /// What times are differences to, ns since the epoch.
    pub(super) base_ns: u64,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, strings: Vec::new(), base_ns: 0 }
    }

    /// Bytes not yet read.
    pub(super) const fn left(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn take<T: Deserialize<'a>>(&mut self) -> Result<T, WireError> {
        let (value, rest) = postcard::take_from_bytes(self.rest)?;
        self.rest = rest;
        Ok(value)
    }

    /// A number of things that follow, each of at least `least` bytes: no more than there can be.
    pub(super) fn take_count(&mut self, least: usize) -> Result<usize, WireError> {
        let count = self.take::<u32>()? as usize;
        if count.checked_mul(least).is_some_and(|bytes| bytes <= self.left()) {
            Ok(count)
        } else {
            Err(WireError::CutOff)
        }
    }

    pub(super) fn take_raw(&mut self, len: usize) -> Result<&'a [u8], WireError> {
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(WireError::CutOff)?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(super) fn take_text(&mut self) -> Result<Arc<str>, WireError> {
        let number = self.take::<u32>()? as usize;
        if let Some(index) = number.checked_sub(1) {
            return self
                .strings
                .get(index)
                .cloned()
                .ok_or(WireError::Invalid("the number of a text that there is not"));
        }
        let text: Arc<str> = self.take::<&str>()?.into();
        self.strings.push(Arc::clone(&text));
        Ok(text)
    }
}
