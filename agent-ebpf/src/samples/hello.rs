//! What a hello looks like: the first bytes of TLS (RFC 8446 sections 4 and 5) and of QUIC (RFC 9000 section 17, RFC 9369).

use agent_common::sample::{Hello, SAMPLE_BYTES, SAMPLE_QUIC, SAMPLE_TLS};

use super::{HELLOS, Place, Wanted};

/// Content types of TLS records.
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
/// Length of a record's header, of a handshake message's header.
const RECORD: u32 = 5;
const MESSAGE: u32 = 4;
/// A hello is not longer.
const LONGEST: u32 = 16_384;
/// What is taken of a hello whose first segment is too short to tell its length.
const UNKNOWN: u32 = 2048;
/// Room for the headers of the records over which a hello may be spread.
const MORE_RECORDS: u32 = 40;

/// A segment that begins a hello or belongs to one that has begun, or an alert in the clear.
#[inline(always)]
pub(super) fn tls(place: Place) -> Option<Wanted> {
    let len = place.payload_len();
    let [first] = place.read::<1>(place.payload)?;
    if first == HANDSHAKE {
        if let Some(total) = begins(place, len) {
            return begin(place, len, total);
        }
    } else if first == ALERT && len == RECORD + 2 {
        let head: [u8; 5] = place.read(place.payload)?;
        if head[1] == 3 && head[3] == 0 && head[4] == 2 {
            return Some(Wanted { what: SAMPLE_TLS, most: len });
        }
    }
    goes_on(place)
}

/// How long the hello is that begins here.
#[inline(always)]
fn begins(place: Place, len: u32) -> Option<u32> {
    if len < RECORD + MESSAGE {
        return Some(UNKNOWN);
    }
    let head: [u8; 9] = place.read(place.payload)?;
    let record = u32::from(head[3]) << 8 | u32::from(head[4]);
    let message = u32::from(head[6]) << 16 | u32::from(head[7]) << 8 | u32::from(head[8]);
    let is_hello = head[1] == 3 && head[2] <= 4 && (head[5] == 1 || head[5] == 2) && message < LONGEST;
    if !is_hello {
        return None;
    }
    let more = if record < message + MESSAGE { MORE_RECORDS } else { 0 };
    Some(RECORD + MESSAGE + message + more)
}

/// Notes a hello whose end is still to come.
#[inline(always)]
fn begin(place: Place, len: u32, total: u32) -> Option<Wanted> {
    if total > len {
        let start = sequence(place)?;
        let key = place.key()?;
        // When it fails the rest of this hello is not seen; what came is read all the same.
        let _ = HELLOS.insert(key, &Hello { start, len: total }, 0);
    }
    Some(Wanted { what: SAMPLE_TLS, most: total })
}

#[inline(always)]
fn goes_on(place: Place) -> Option<Wanted> {
    let key = place.key()?;
    let hello = HELLOS.get_ptr(key)?;
    // SAFETY: at worst it is reused for another connection meanwhile.
    let hello = unsafe { *hello };
    let into = sequence(place)?.wrapping_sub(hello.start);
    if into < hello.len { Some(Wanted { what: SAMPLE_TLS, most: hello.len - into }) } else { None }
}

/// Sequence number of a segment of TCP.
#[inline(always)]
fn sequence(place: Place) -> Option<u32> {
    Some(u32::from_be_bytes(place.read(place.l4 + 4)?))
}

/// First byte of QUIC: long header, fixed bit.
const LONG: u8 = 0x80;
const FIXED: u8 = 0x40;
/// What is taken of packets that say no more than that they are there.
const MARK: u32 = 64;

/// An Initial; the first packet with a long header; the first with a short one after it.
#[inline(always)]
pub(super) fn quic(place: Place) -> Option<Wanted> {
    let head: [u8; 5] = place.read(place.payload)?;
    let first = head[0];
    if first & FIXED == 0 {
        return None;
    }
    if first & LONG == 0 {
        return short(place);
    }
    let version = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
    let initial = initial(version)?;
    let key = place.key()?;
    let known = HELLOS.get_ptr(key).is_some();
    if known && first & 0x30 != initial {
        return None;
    }
    if !known {
        // When it fails packets with short headers are not recognised as QUIC.
        let _ = HELLOS.insert(key, &Hello { start: 0, len: 0 }, 0);
    }
    Some(Wanted { what: SAMPLE_QUIC, most: SAMPLE_BYTES as u32 })
}

/// Bits 4 and 5 of the first byte of an Initial in a version; `None` for a version that is not known.
#[inline(always)]
const fn initial(version: u32) -> Option<u8> {
    match version {
        1 | 0xff00_0000..=0xff00_00ff => Some(0),
        0x6b33_43cf => Some(0x10),
        _ => None,
    }
}

#[inline(always)]
fn short(place: Place) -> Option<Wanted> {
    let key = place.key()?;
    let hello = HELLOS.get_ptr_mut(key)?;
    // SAFETY: the entry stays while the program runs; a mark that is lost means one sample more.
    unsafe {
        if (*hello).start != 0 {
            return None;
        }
        (*hello).start = 1;
    }
    Some(Wanted { what: SAMPLE_QUIC, most: MARK })
}
