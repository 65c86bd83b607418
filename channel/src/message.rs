//! What agents and collector say, frame by frame.
//!
//! Agent: `HELLO`; then `BATCH` and `REPORT`, whose bodies begin with the message's number (u64, little-endian), and
//! `PING`. Collector: `WELCOME` with the number it expects, or `REFUSED` with a sentence; then `CONTROL`, and `ACK` with the
//! number below which everything is delivered.
//!
//! Clocks: the collector sends `CLOCK` with its time (u64, little-endian, ns since the epoch) at least every heartbeat, and so
//! ends its welcome, too; the agent answers `CLOCK` with that time, its own when that came, and its own when it answers. To
//! the welcome it does so before it sends anything else, so that no batch comes before its clock was compared.

use flow::{control::Hello, wire};

use crate::frame;

pub(crate) const HELLO: u8 = 1;
pub(crate) const BATCH: u8 = 2;
pub(crate) const REPORT: u8 = 3;
pub(crate) const PING: u8 = 4;
pub(crate) const WELCOME: u8 = 5;
pub(crate) const REFUSED: u8 = 6;
pub(crate) const CONTROL: u8 = 7;
pub(crate) const ACK: u8 = 8;
pub(crate) const CLOCK: u8 = 9;

/// Length of a message's number.
pub(crate) const NUMBER: usize = 8;

/// The body of `HELLO`. What comes first tells whether the rest can be read.
pub(crate) fn hello(hello: &Hello) -> Result<Vec<u8>, postcard::Error> {
    postcard::to_stdvec(&(wire::VERSION, wire::LAYOUT, &hello.version, hello))
}

/// Who says hello to a collector of `version`; a sentence if the two cannot talk.
pub(crate) fn read_hello(body: &[u8], version: &str) -> Result<Hello, String> {
    let head = postcard::take_from_bytes::<(u32, u32, &str)>(body);
    let ((wire, layout, theirs), rest) = head.map_err(|_| "its first message is no greeting of ours".to_owned())?;
    if (wire, layout, theirs) != (wire::VERSION, wire::LAYOUT, version) {
        return Err(format!(
            "agent {theirs} (wire {wire}.{layout:08x}) and collector {version} (wire {}.{:08x}) are not of one build; \
             both have to run the same executable",
            wire::VERSION,
            wire::LAYOUT
        ));
    }
    postcard::from_bytes(rest).map_err(|_| "its greeting cannot be read".to_owned())
}

/// A number that stands alone or before a message.
pub(crate) fn number(body: &[u8]) -> Option<(u64, &[u8])> {
    body.split_first_chunk::<NUMBER>().map(|(number, rest)| (u64::from_le_bytes(*number), rest))
}

/// A whole frame for a message whose number is not known yet; `fill` appends what follows the number.
pub(crate) fn numbered<E>(kind: u8, fill: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<Vec<u8>, E> {
    let mut bytes = vec![0; frame::HEAD + NUMBER];
    bytes[frame::HEAD - 1] = kind;
    fill(&mut bytes)?;
    Ok(bytes)
}

/// Puts head and number before a message that [`numbered`] made.
pub(crate) fn set_number(bytes: &mut [u8], number: u64) -> std::io::Result<()> {
    let kind = bytes[frame::HEAD - 1];
    let head = frame::head(kind, bytes.len() - frame::HEAD)?;
    bytes[..frame::HEAD].copy_from_slice(&head);
    bytes[frame::HEAD..frame::HEAD + NUMBER].copy_from_slice(&number.to_le_bytes());
    Ok(())
}

/// Length of the body of an agent's `CLOCK`.
pub(crate) const ANSWER: usize = 3 * NUMBER;

/// The body of a `CLOCK` of an agent: when it was asked by the collector's clock, when it heard that and when it answers by its own.
pub(crate) fn answer(stamps: [u64; 3]) -> [u8; ANSWER] {
    let mut body = [0; ANSWER];
    for (to, stamp) in body.chunks_exact_mut(NUMBER).zip(stamps) {
        to.copy_from_slice(&stamp.to_le_bytes());
    }
    body
}

/// The three stamps in it.
pub(crate) fn read_answer(body: &[u8]) -> Option<[u64; 3]> {
    let (first, rest) = number(body)?;
    let (second, rest) = number(rest)?;
    let (third, rest) = number(rest)?;
    rest.is_empty().then_some([first, second, third])
}
