//! Frames: how messages lie in a stream of bytes.
//!
//! `u32` little-endian, the number of bytes that follow it; one byte, the kind; the body. What kinds there are is the
//! business of whoever talks: agents and collector over TLS, sessions over a unix socket, streams over exec.

use std::io::{self, Read, Write};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Longest body, bytes. An agent's largest batch holds two times 4 MiB of packets and one packet of each CPU.
pub const MAX: usize = 64 << 20;

/// Bytes before the body.
pub const HEAD: usize = 5;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it is, by the convention of those who talk.
    pub kind: u8,
    /// The rest.
    pub body: Vec<u8>,
}

/// The bytes before a body of `len` bytes.
///
/// # Errors
/// `InvalidInput`: it is longer than [`MAX`].
pub fn head(kind: u8, len: usize) -> io::Result<[u8; HEAD]> {
    if len > MAX {
        let text = format!("a message of {len} bytes is longer than {MAX}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let [a, b, c, d] = (len as u32 + 1).to_le_bytes();
    Ok([a, b, c, d, kind])
}

/// Length of the body and kind.
fn parse(head: [u8; HEAD]) -> io::Result<(usize, u8)> {
    let [a, b, c, d, kind] = head;
    match (u32::from_le_bytes([a, b, c, d]) as usize).checked_sub(1) {
        Some(len) if len <= MAX => Ok((len, kind)),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "what came is no message of ours")),
    }
}

/// Writes one frame and flushes.
///
/// # Errors
/// Those of the writer; `InvalidInput` for a body longer than [`MAX`].
pub fn write(to: &mut impl Write, kind: u8, body: &[u8]) -> io::Result<()> {
    to.write_all(&head(kind, body.len())?)?;
    to.write_all(body)?;
    to.flush()
}

/// Reads one frame; `None` at the end of the stream. Memory grows with what comes, not with what is announced.
///
/// # Errors
/// Those of the reader; `UnexpectedEof` within a frame; `InvalidData` if it is no frame.
pub fn read(from: &mut impl Read) -> io::Result<Option<Frame>> {
    let mut head = [0; HEAD];
    let mut got = 0;
    while got < HEAD {
        match from.read(&mut head[got..]) {
            Ok(0) if got == 0 => return Ok(None),
            Ok(0) => return Err(cut_off()),
            Ok(more) => got += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let (len, kind) = parse(head)?;
    let mut body = Vec::new();
    from.take(len as u64).read_to_end(&mut body)?;
    if body.len() == len { Ok(Some(Frame { kind, body })) } else { Err(cut_off()) }
}

/// [`write()`] for asynchronous streams.
///
/// # Errors
/// As there.
pub async fn write_async<W: AsyncWrite + Unpin>(to: &mut W, kind: u8, body: &[u8]) -> io::Result<()> {
    to.write_all(&head(kind, body.len())?).await?;
    to.write_all(body).await?;
    to.flush().await
}

/// [`read()`] for asynchronous streams. Not to be cancelled: what was read of a frame would be gone.
///
/// # Errors
/// As there.
pub async fn read_async<R: AsyncRead + Unpin>(from: &mut R) -> io::Result<Option<Frame>> {
    match read_head(from).await? {
        Some((len, kind)) => Ok(Some(Frame { kind, body: read_body(from, len).await? })),
        None => Ok(None),
    }
}

/// Length of the body that follows, and kind.
pub(crate) async fn read_head<R: AsyncRead + Unpin>(from: &mut R) -> io::Result<Option<(usize, u8)>> {
    let mut head = [0; HEAD];
    let mut got = 0;
    while got < HEAD {
        match from.read(&mut head[got..]).await? {
            0 if got == 0 => return Ok(None),
            0 => return Err(cut_off()),
            more => got += more,
        }
    }
    parse(head).map(Some)
}

pub(crate) async fn read_body<R: AsyncRead + Unpin>(from: &mut R, len: usize) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    from.take(len as u64).read_to_end(&mut body).await?;
    if body.len() == len { Ok(body) } else { Err(cut_off()) }
}

fn cut_off() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended within a message")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn both(bytes: &[u8]) -> io::Result<Option<Frame>> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let asynchronous = runtime.block_on(read_async(&mut &bytes[..]));
        let blocking = read(&mut &bytes[..]);
        let kinds = (asynchronous.as_ref().map_err(io::Error::kind), blocking.as_ref().map_err(io::Error::kind));
        assert_eq!(kinds.0, kinds.1);
        blocking
    }

    #[test]
    fn the_end_between_frames_is_no_error_and_within_one_it_is() {
        let mut bytes = Vec::new();
        write(&mut bytes, 7, b"abc").unwrap();
        assert_eq!(bytes, [4, 0, 0, 0, 7, b'a', b'b', b'c']);
        assert_eq!(both(&bytes).unwrap(), Some(Frame { kind: 7, body: b"abc".to_vec() }));
        assert_eq!(both(&[]).unwrap(), None);
        for end in 1..bytes.len() {
            assert_eq!(both(&bytes[..end]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof, "{end}");
        }
    }

    #[test]
    fn lengths_that_cannot_be_are_refused_before_anything_is_read() {
        for length in [0, MAX as u32 + 2, u32::MAX] {
            let mut bytes = length.to_le_bytes().to_vec();
            bytes.push(1);
            assert_eq!(both(&bytes).unwrap_err().kind(), io::ErrorKind::InvalidData, "{length}");
        }
        assert_eq!(head(0, MAX + 1).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(kind: u8, body: Vec<u8>) {
            let (mut blocking, mut asynchronous) = (Vec::new(), Vec::new());
            write(&mut blocking, kind, &body).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(write_async(&mut asynchronous, kind, &body)).unwrap();
            prop_assert_eq!(&blocking, &asynchronous);
            prop_assert_eq!(both(&blocking).unwrap(), Some(Frame { kind, body }));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = both(&bytes);
        }
    }
}
