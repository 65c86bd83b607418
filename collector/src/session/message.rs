//! Messages as frames. Batches in their binary form, the rest as JSON: a few of them a second.

use std::io::{Read, Write};

use flow::{Batch, wire};

use super::{
    Message, Request, SessionError, State,
    frame::{self, MAX, MAX_REQUEST},
};

const REQUEST: u8 = b'?';
const ABOUT: u8 = b'A';
const BATCH: u8 = b'B';
const NUMBERED: u8 = b'N';
const GAP: u8 = b'G';
const STATE: u8 = b'S';
const FILES: u8 = b'F';
const DONE: u8 = b'D';
const TOLD: u8 = b'T';
const REFUSED: u8 = b'R';
const END: u8 = b'E';

/// What a gap of unknown size is written as.
const UNKNOWN: u64 = u64::MAX;

/// Writes a request.
pub(super) fn ask(to: &mut impl Write, request: &Request) -> Result<(), SessionError> {
    Ok(frame::write(to, REQUEST, &serde_json::to_vec(request)?)?)
}

/// Reads a request; `None` at the end of the stream.
pub(super) fn asked(from: &mut impl Read) -> Result<Option<Request>, SessionError> {
    match frame::read(from, MAX_REQUEST)? {
        None => Ok(None),
        Some((REQUEST, body)) => Ok(Some(serde_json::from_slice(&body)?)),
        Some((kind, _)) => Err(SessionError::Protocol(format!("a request of kind {kind}"))),
    }
}

/// Writes a message.
pub(super) fn write(to: &mut impl Write, message: &Message) -> Result<(), SessionError> {
    let (kind, body) = match message {
        Message::About(about) => (ABOUT, serde_json::to_vec(about)?),
        Message::Batch { number: None, batch } => (BATCH, encoded(Vec::new(), batch)?),
        Message::Batch { number: Some(number), batch } => (NUMBERED, encoded(number.to_le_bytes().to_vec(), batch)?),
        Message::Gap(count) => (GAP, count.unwrap_or(UNKNOWN).to_le_bytes().to_vec()),
        Message::State(state) => (STATE, serde_json::to_vec(state)?),
        Message::Files(files) => (FILES, serde_json::to_vec(files)?),
        Message::Done => (DONE, Vec::new()),
        Message::Told(words) => (TOLD, words.clone().into_bytes()),
        Message::Refused(why) => (REFUSED, why.clone().into_bytes()),
        Message::End => (END, Vec::new()),
    };
    Ok(frame::write(to, kind, &body)?)
}

fn encoded(mut body: Vec<u8>, batch: &Batch) -> Result<Vec<u8>, SessionError> {
    wire::encode(batch, &mut body)?;
    Ok(body)
}

/// Reads a message of a collector; `None` at the end of the stream.
///
/// # Errors
/// The stream fails, or what comes is no message.
pub fn read(from: &mut impl Read) -> Result<Option<Message>, SessionError> {
    let Some((kind, body)) = frame::read(from, MAX)? else { return Ok(None) };
    parse(kind, &body).map(Some)
}

/// Whether a frame of that kind is [`Message::End`].
pub(super) fn is_end(kind: u8) -> bool {
    kind == END
}

/// The message of a frame.
pub(super) fn parse(kind: u8, body: &[u8]) -> Result<Message, SessionError> {
    Ok(match kind {
        ABOUT => Message::About(serde_json::from_slice(body)?),
        BATCH => Message::Batch { number: None, batch: wire::decode(body)?.into() },
        NUMBERED => {
            let (number, batch) = number(body)?;
            Message::Batch { number: Some(number), batch: wire::decode(batch)?.into() }
        }
        GAP => Message::Gap(Some(number(body)?.0).filter(|count| *count != UNKNOWN)),
        STATE => Message::State(Box::new(serde_json::from_slice::<State>(body)?)),
        FILES => Message::Files(serde_json::from_slice(body)?),
        DONE => Message::Done,
        TOLD => Message::Told(String::from_utf8_lossy(body).into_owned()),
        REFUSED => Message::Refused(String::from_utf8_lossy(body).into_owned()),
        END => Message::End,
        other => return Err(SessionError::Protocol(format!("a message of kind {other}"))),
    })
}

fn number(body: &[u8]) -> Result<(u64, &[u8]), SessionError> {
    let (number, rest) =
        body.split_first_chunk().ok_or_else(|| SessionError::Protocol("a number that is cut off".to_owned()))?;
    Ok((u64::from_le_bytes(*number), rest))
}
