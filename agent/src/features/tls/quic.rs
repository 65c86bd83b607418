//! QUIC's Initial packets (RFC 9000 section 17.2.2, RFC 9369): their keys follow from the client's first connection id, so
//! anybody on the way reads the hellos in them (RFC 9001 section 5.2).
//!
//! Header protection and decryption are rustls', on ring. Must not know connections.

use std::sync::Arc;

use rustls::{
    Side,
    crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256,
    quic::{DirectionalKeys, Version},
};

use super::hello::Reader;

/// Connection ids are not longer (RFC 9000 section 17.2).
const LONGEST_ID: usize = 20;
const VERSION_2: u32 = 0x6b33_43cf;
/// Bits of the first byte: long header, fixed.
const LONG: u8 = 0x80;
const FIXED: u8 = 0x40;
/// Bytes from the packet number to what header protection samples, and of the sample.
const TO_SAMPLE: usize = 4;
const SAMPLE: usize = 16;

/// Whether a datagram begins with a long header.
pub(crate) fn is_long(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| first & LONG != 0)
}

/// Version of a packet with a long header.
pub(crate) fn version(datagram: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(*datagram.get(1..)?.first_chunk()?))
}

/// A version as people say it.
pub(crate) fn version_name(version: u32) -> Arc<str> {
    match version {
        1 => Arc::from("1"),
        VERSION_2 => Arc::from("2"),
        0xff00_0000..=0xff00_00ff => format!("draft-{}", version & 0xff).into(),
        other => format!("0x{other:08x}").into(),
    }
}

/// An Initial.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Initial<'a> {
    version: Version,
    /// Id of who it is sent to; in the client's first, that from which the keys follow.
    pub(crate) destination: &'a [u8],
    /// The whole packet.
    packet: &'a [u8],
    /// Where the packet number is.
    number: usize,
}

/// Who protected a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    Client,
    Server,
}

/// The Initials of a datagram, in which several packets may stand one after the other.
pub(crate) fn initials(datagram: &[u8]) -> impl Iterator<Item = Initial<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        loop {
            let (initial, len) = packet(rest)?;
            rest = rest.get(len..)?;
            if initial.is_some() {
                return initial;
            }
        }
    })
}

/// The packet that begins here, if it is an Initial, and the length of whatever it is.
fn packet(bytes: &[u8]) -> Option<(Option<Initial<'_>>, usize)> {
    let mut reader = Reader(bytes);
    let first = reader.u8()?;
    if first & (LONG | FIXED) != LONG | FIXED {
        return None;
    }
    let wire = u32::from_be_bytes(*reader.take(4)?.first_chunk()?);
    let (version, initial) = match wire {
        1 => (Version::V1, 0),
        VERSION_2 => (Version::V2, 0x10),
        // One salt for these; older ones have others, and nobody speaks them.
        0xff00_001d..=0xff00_0020 => (Version::V1Draft, 0),
        _ => return None,
    };
    let destination = id(&mut reader)?;
    id(&mut reader)?;
    let is_initial = first & 0x30 == initial;
    if is_initial {
        let token = variable(&mut reader)?;
        reader.take(usize::try_from(token).ok()?)?;
    } else if first & 0x30 == (initial + 0x30) & 0x30 {
        // A Retry has no length and is alone in its datagram.
        return None;
    }
    let len = usize::try_from(variable(&mut reader)?).ok()?;
    let number = bytes.len() - reader.0.len();
    let packet = bytes.get(..number.checked_add(len)?)?;
    Some((is_initial.then_some(Initial { version, destination, packet, number }), packet.len()))
}

fn id<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let len = usize::from(reader.u8()?);
    if len > LONGEST_ID { None } else { reader.take(len) }
}

/// A number of one to eight bytes (RFC 9000 section 16).
fn variable(reader: &mut Reader<'_>) -> Option<u64> {
    let first = reader.u8()?;
    let more = reader.take((1 << (first >> 6)) - 1)?;
    Some(more.iter().fold(u64::from(first & 0x3f), |number, byte| number << 8 | u64::from(*byte)))
}

impl Initial<'_> {
    /// The frames in it; `None` if it was not protected by `sender` with the keys that follow from the id `of`.
    pub(crate) fn open(&self, of: &[u8], sender: Sender) -> Option<Vec<u8>> {
        let keys = keys(self.version, of, sender)?;
        let mut packet = self.packet.to_vec();
        let (head, sampled) = packet.split_at_mut_checked(self.number + TO_SAMPLE)?;
        let (first, rest) = head.split_first_mut()?;
        keys.header.decrypt_in_place(sampled.get(..SAMPLE)?, first, &mut rest[self.number - 1..]).ok()?;
        let end = self.number + usize::from(*first & 3) + 1;
        let (header, payload) = packet.split_at_mut_checked(end)?;
        let number = header[self.number..].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        keys.packet.decrypt_in_place(number, header, payload).ok().map(<[u8]>::to_vec)
    }
}

/// What opens packets of a sender.
fn keys(version: Version, of: &[u8], sender: Sender) -> Option<DirectionalKeys> {
    let suite = TLS13_AES_128_GCM_SHA256.tls13()?.quic_suite()?;
    // The keys of one side open what the other one sends.
    let side = if sender == Sender::Client { Side::Server } else { Side::Client };
    Some(suite.keys(of, side, version).remote)
}

/// Hands on position and bytes of each piece of a handshake that frames carry (RFC 9000 section 19).
pub(crate) fn crypto(frames: &[u8], mut each: impl FnMut(u64, &[u8])) -> Option<()> {
    let mut reader = Reader(frames);
    while let Some(kind) = reader.u8() {
        match kind {
            // PADDING, PING
            0 | 1 => {}
            // ACK
            2 | 3 => acknowledgement(&mut reader, kind == 3)?,
            6 => {
                let position = variable(&mut reader)?;
                let len = usize::try_from(variable(&mut reader)?).ok()?;
                each(position, reader.take(len)?);
            }
            // CONNECTION_CLOSE, and what has no place in an Initial.
            _ => return None,
        }
    }
    Some(())
}

fn acknowledgement(reader: &mut Reader<'_>, with_congestion: bool) -> Option<()> {
    variable(reader)?;
    variable(reader)?;
    let ranges = variable(reader)?;
    variable(reader)?;
    for _ in 0..ranges {
        variable(reader)?;
        variable(reader)?;
    }
    if with_congestion {
        for _ in 0..3 {
            variable(reader)?;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests;
