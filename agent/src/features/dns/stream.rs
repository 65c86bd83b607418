//! Messages over TCP: two bytes of length before each, several in a segment, one over several (RFC 1035 section 4.2.2).

use super::super::stream::Stream;

/// Most bytes kept of a message: what follows header and question is not needed.
const MOST: usize = 4096;

/// One direction of a connection, at one place.
#[derive(Debug)]
pub(super) struct Messages {
    stream: Stream,
    /// A message was found where one was expected.
    in_step: bool,
}

impl Messages {
    /// Begins with the first segment that is seen, where a message is taken to begin.
    pub(super) const fn new(sequence: u32) -> Self {
        // Above zero, so that what is sent again from before has a position too.
        Self { stream: Stream::at((1 << 32) + sequence as u64), in_step: false }
    }

    /// Takes a segment, of which more may have been on the wire than was copied; hands on what is complete, or complete as
    /// far as it is kept. `each` is told whether one was expected here, and says whether it was one. What comes before the first one is none that was expected: a
    /// connection that is older than the capture is seen from somewhere in the middle.
    pub(super) fn put(&mut self, sequence: u32, copied: &[u8], len: usize, mut each: impl FnMut(&[u8], bool) -> bool) {
        let position = self.stream.position(sequence);
        if position > self.stream.end() + MOST as u64 {
            // What is missing will not come any more: this segment begins anew.
            self.stream = Stream::at(position);
        }
        if !self.stream.put(position, copied, 4 * MOST) {
            return;
        }
        let whole = position + len as u64;
        let cut = copied.len() < len && self.stream.end() < whole;
        while let [a, b, message @ ..] = self.stream.bytes() {
            let needed = usize::from(u16::from_be_bytes([*a, *b]));
            if message.len() < needed && !cut && message.len() < MOST {
                return;
            }
            let is_message = each(&message[..needed.min(message.len())], self.in_step);
            if !is_message && !self.in_step {
                self.stream = Stream::at(whole);
                return;
            }
            self.in_step = true;
            self.stream.consume(2 + needed);
        }
        if cut && self.stream.end() < whole {
            // What was not copied does not come any more.
            self.stream = Stream::at(whole);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(messages: &[Vec<u8>]) -> Vec<u8> {
        messages.iter().flat_map(|message| [&(message.len() as u16).to_be_bytes()[..], message].concat()).collect()
    }

    #[test]
    fn of_a_message_that_was_cut_the_beginning_is_handed_on_and_the_next_one_is_found() {
        let bytes = framed(&[vec![1; 9000], vec![2; 20]]);
        let mut messages = Messages::new(7);
        let mut got = Vec::new();
        messages.put(7, &bytes[..4000], 5000, |message, _| {
            got.push((message[0], message.len()));
            true
        });
        messages.put(5007, &bytes[5000..], bytes.len() - 5000, |message, _| {
            got.push((message[0], message.len()));
            true
        });
        assert_eq!(got, [(1, 3998), (2, 20)]);
    }

    proptest! {
        #[test]
        fn messages_come_out_whole_however_they_are_cut_into_segments(
            messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..10),
            sizes in proptest::collection::vec(1_usize..150, 1..60),
            sequence in any::<u32>(),
        ) {
            let bytes = framed(&messages);
            let mut reader = Messages::new(sequence);
            let (mut got, mut at) = (Vec::new(), 0);
            for size in sizes.iter().cycle() {
                let end = (at + size).min(bytes.len());
                // Every segment twice, as two sightings or a retransmission.
                for _ in 0..2 {
                    reader.put(sequence.wrapping_add(at as u32), &bytes[at..end], end - at, |message, _| {
                        got.push(message.to_vec());
                        true
                    });
                }
                at = end;
                if at == bytes.len() {
                    break;
                }
            }
            prop_assert_eq!(got, messages);
        }

        #[test]
        fn no_segment_panics(segments in proptest::collection::vec((any::<u16>(), proptest::collection::vec(any::<u8>(), 0..300), 0_usize..400), 0..30)) {
            let mut reader = Messages::new(0);
            for (sequence, bytes, more) in segments {
                reader.put(u32::from(sequence), &bytes, bytes.len() + more, |_, in_step| in_step);
            }
        }
    }
}
