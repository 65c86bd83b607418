//! Blocks as they stand in the file, section 3.1 of the draft: type, length, body, length. Knows no type but that of
//! the section header, which tells the byte order.

use std::io::{self, Read};

/// Longest block taken; packets are below 256 KiB, name resolution and secrets may be long.
const MAX_BLOCK: u32 = 16 << 20;

const SECTION_HEADER: u32 = 0x0A0D_0D0A;

/// A whole block.
#[derive(Debug)]
pub(super) struct Block<'a> {
    pub(super) kind: u32,
    pub(super) body: Bytes<'a>,
}

/// What comes next in the file.
#[derive(Debug)]
pub(super) enum Next<'a> {
    Block(Block<'a>),
    End,
    /// The file ends within a block, of which it has this many bytes.
    Torn(u64),
    /// At this offset is no block.
    Strange(u64),
}

/// Numbers in the byte order of the section.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes<'a> {
    pub(super) data: &'a [u8],
    big_endian: bool,
}

impl<'a> Bytes<'a> {
    pub(super) fn part(self, data: &'a [u8]) -> Self {
        Self { data, ..self }
    }

    pub(super) fn u16(self, at: usize) -> Option<u16> {
        let bytes = *self.data.get(at..)?.first_chunk()?;
        Some(if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    pub(super) fn u32(self, at: usize) -> Option<u32> {
        let bytes = *self.data.get(at..)?.first_chunk()?;
        Some(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    pub(super) fn u64(self, at: usize) -> Option<u64> {
        let bytes = *self.data.get(at..)?.first_chunk()?;
        Some(if self.big_endian { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) })
    }

    /// Options from `at` on, section 3.5: code and value, up to their end or that of the block.
    pub(super) fn options(self, at: usize) -> impl Iterator<Item = (u16, Bytes<'a>)> {
        let mut at = at;
        std::iter::from_fn(move || {
            let (code, length) = (self.u16(at)?, usize::from(self.u16(at + 2)?));
            let value = self.data.get(at + 4..at + 4 + length)?;
            at += 4 + length.next_multiple_of(4);
            (code != 0).then_some((code, self.part(value)))
        })
    }
}

/// Reads block after block.
#[derive(Debug)]
pub(super) struct Blocks<R> {
    input: R,
    buffer: Vec<u8>,
    offset: u64,
    big_endian: bool,
}

impl<R: Read> Blocks<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, buffer: Vec::new(), offset: 0, big_endian: false }
    }

    /// Where the last whole block ended.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn next(&mut self) -> io::Result<Next<'_>> {
        self.buffer.clear();
        // The byte-order magic is the first thing in a section header; every block has 12 bytes at least.
        if let Some(short) = self.read(12)? {
            return Ok(if short == 0 { Next::End } else { Next::Torn(short) });
        }
        let head = Bytes { data: &self.buffer, big_endian: self.big_endian };
        let Some(kind) = head.u32(0) else { return Ok(Next::Strange(self.offset)) };
        if kind == SECTION_HEADER {
            let magic = Bytes { data: &self.buffer, big_endian: true }.u32(8);
            match magic {
                Some(0x1A2B_3C4D) => self.big_endian = true,
                Some(0x4D3C_2B1A) => self.big_endian = false,
                _ => return Ok(Next::Strange(self.offset)),
            }
        }
        let length = Bytes { data: &self.buffer, big_endian: self.big_endian }.u32(4).unwrap_or(0);
        if !(12..=MAX_BLOCK).contains(&length)
            || !length.is_multiple_of(4)
            || (self.offset == 0 && kind != SECTION_HEADER)
        {
            return Ok(Next::Strange(self.offset));
        }
        if let Some(short) = self.read(length as usize)? {
            return Ok(Next::Torn(short));
        }
        let block = Bytes { data: &self.buffer, big_endian: self.big_endian };
        let body_end = length as usize - 4;
        if block.u32(body_end) != Some(length) {
            return Ok(Next::Strange(self.offset));
        }
        self.offset += u64::from(length);
        Ok(Next::Block(Block { kind, body: block.part(self.buffer.get(8..body_end).unwrap_or_default()) }))
    }

    /// Fills the buffer up to `length`; what there is, if the file ends before.
    fn read(&mut self, length: usize) -> io::Result<Option<u64>> {
        let missing = length.saturating_sub(self.buffer.len()) as u64;
        self.input.by_ref().take(missing).read_to_end(&mut self.buffer)?;
        Ok((self.buffer.len() < length).then_some(self.buffer.len() as u64))
    }
}
