//! Frames: length, kind, body. `u32` little-endian counts what follows it; then one byte, the kind; then the body.

use std::io::{self, ErrorKind, Read, Write};

/// Longest body, bytes. An agent's largest batch is 8 MiB of packets.
pub(super) const MAX: usize = 64 << 20;

/// Longest body of a request: rules are small.
pub(super) const MAX_REQUEST: usize = 1 << 20;

/// What is read at once, so that memory grows with what comes and not with what is announced.
const STEP: usize = 64 << 10;

/// Writes one frame.
pub(super) fn write(to: &mut impl Write, kind: u8, body: &[u8]) -> io::Result<()> {
    if body.len() > MAX {
        return Err(io::Error::new(ErrorKind::InvalidInput, format!("a message of {} bytes is too long", body.len())));
    }
    let [a, b, c, d] = (body.len() as u32 + 1).to_le_bytes();
    to.write_all(&[a, b, c, d, kind])?;
    to.write_all(body)?;
    to.flush()
}

/// Reads one frame with a body of `max` bytes at most; `None` at the end of the stream.
pub(super) fn read(from: &mut impl Read, max: usize) -> io::Result<Option<(u8, Vec<u8>)>> {
    let mut head = [0; 5];
    match from.read(&mut head[..1]) {
        Ok(0) => return Ok(None),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::Interrupted => return read(from, max),
        Err(error) => return Err(error),
    }
    from.read_exact(&mut head[1..])?;
    let [a, b, c, d, kind] = head;
    let len = (u32::from_le_bytes([a, b, c, d]) as usize).checked_sub(1).filter(|len| *len <= max);
    let Some(len) = len else {
        return Err(io::Error::new(ErrorKind::InvalidData, "what came is no message of ours"));
    };
    let mut body = Vec::new();
    while body.len() < len {
        let start = body.len();
        body.resize(len.min(start + STEP), 0);
        from.read_exact(&mut body[start..])?;
    }
    Ok(Some((kind, body)))
}
