//! One direction of a TCP connection (or of QUIC's CRYPTO data), put together from pieces in any order, within bounds.
//!
//! Must not know what the bytes say.

/// Pieces that wait for what is before them.
const MOST_PIECES: usize = 16;

/// The bytes from a point on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    /// Position of the first byte that is kept.
    start: u64,
    bytes: Vec<u8>,
    /// Position and bytes of what came too early.
    early: Vec<(u64, Vec<u8>)>,
}

impl Stream {
    /// A stream whose first byte has this position.
    pub(crate) const fn at(start: u64) -> Self {
        Self { start, bytes: Vec::new(), early: Vec::new() }
    }

    /// Where the bytes end that are there without a gap.
    pub(crate) const fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// The position of a sequence number that is nearest to where the stream is (RFC 9293 section 3.4: they wrap).
    pub(crate) const fn position(&self, sequence: u32) -> u64 {
        let ahead = sequence.wrapping_sub(self.end() as u32) as i32;
        self.end().saturating_add_signed(ahead as i64)
    }

    /// Takes a piece; at most `most` bytes are kept. Whether there is more to read than before.
    pub(crate) fn put(&mut self, position: u64, piece: &[u8], most: usize) -> bool {
        let before = self.end();
        if position > before {
            let room = position - self.start < most as u64 && self.early.len() < MOST_PIECES;
            if room && !self.early.iter().any(|(at, bytes)| *at == position && bytes.len() >= piece.len()) {
                self.early.push((position, piece[..piece.len().min(most)].to_vec()));
            }
            return false;
        }
        self.append(position, piece, most);
        while let Some(next) = self.early.iter().position(|(at, _)| *at <= self.end()) {
            let (at, piece) = self.early.swap_remove(next);
            self.append(at, &piece, most);
        }
        self.end() > before
    }

    fn append(&mut self, position: u64, piece: &[u8], most: usize) {
        let known = (self.end() - position) as usize;
        let room = most.saturating_sub(self.bytes.len());
        if let Some(new) = piece.get(known..) {
            self.bytes.extend_from_slice(&new[..new.len().min(room)]);
        }
    }

    /// What is there without a gap.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Lets go of the first bytes. More than there are: those that follow are not waited for either.
    pub(crate) fn consume(&mut self, count: usize) {
        self.bytes.drain(..count.min(self.bytes.len()));
        self.start += count as u64;
        self.early.retain(|(at, piece)| at + piece.len() as u64 > self.start);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pieces_in_any_order_and_twice_are_one_text() {
        let mut stream = Stream::at(100);
        assert!(!stream.put(103, b"def", 100));
        assert!(!stream.put(103, b"def", 100));
        assert!(stream.put(100, b"abcd", 100));
        assert_eq!(stream.bytes(), b"abcdef");
        assert!(!stream.put(101, b"bcd", 100));
        stream.consume(4);
        assert_eq!((stream.bytes(), stream.end()), (b"ef".as_slice(), 106));
        stream.consume(4);
        assert_eq!((stream.bytes(), stream.end()), (b"".as_slice(), 108));
    }

    #[test]
    fn sequence_numbers_wrap() {
        let stream = Stream::at(u64::from(u32::MAX) - 1);
        assert_eq!(stream.position(3), u64::from(u32::MAX) + 4);
        assert_eq!(stream.position(u32::MAX - 5), u64::from(u32::MAX) - 5);
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_sent(
            text in proptest::collection::vec(any::<u8>(), 1..300),
            cuts in proptest::collection::vec((0_usize..300, 1_usize..60), 0..40),
        ) {
            let mut stream = Stream::at(5);
            for (from, len) in cuts {
                let from = from.min(text.len());
                let piece = &text[from..(from + len).min(text.len())];
                stream.put(5 + from as u64, piece, 300);
                prop_assert!(text.starts_with(stream.bytes()));
            }
            stream.put(5, &text, 300);
            prop_assert_eq!(stream.bytes(), &text[..]);
        }

        #[test]
        fn no_position_and_no_length_panics(pieces in proptest::collection::vec((any::<u32>(), 0_usize..3000, 0_usize..4000), 0..40)) {
            let mut stream = Stream::at(u64::from(pieces.first().map_or(0, |piece| piece.0)));
            for (sequence, len, consumed) in pieces {
                let position = stream.position(sequence);
                stream.put(position, &vec![0; len], 2000);
                stream.consume(consumed);
                prop_assert!(stream.bytes().len() <= 2000);
            }
        }
    }
}
