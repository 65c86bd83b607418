//! SCTP common header and first chunk (RFC 9260), which no library at hand reads.

/// Ports and the first chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sctp {
    pub(super) src_port: u16,
    pub(super) dst_port: u16,
    chunk: Option<u8>,
}

impl Sctp {
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let header: &[u8; 12] = bytes.first_chunk()?;
        Some(Self {
            src_port: u16::from_be_bytes([header[0], header[1]]),
            dst_port: u16::from_be_bytes([header[2], header[3]]),
            chunk: bytes.get(12).copied(),
        })
    }

    /// Name of the first chunk's type, RFC 9260 section 3.2.
    pub(super) fn chunk_name(self) -> &'static str {
        match self.chunk {
            Some(0) => "DATA",
            Some(1) => "INIT",
            Some(2) => "INIT ACK",
            Some(3) => "SACK",
            Some(4) => "HEARTBEAT",
            Some(5) => "HEARTBEAT ACK",
            Some(6) => "ABORT",
            Some(7) => "SHUTDOWN",
            Some(8) => "SHUTDOWN ACK",
            Some(9) => "ERROR",
            Some(10) => "COOKIE ECHO",
            Some(11) => "COOKIE ACK",
            Some(14) => "SHUTDOWN COMPLETE",
            Some(_) => "other chunk",
            None => "no chunk",
        }
    }
}
