//! Network layer: IPv4 (RFC 791) and IPv6 (RFC 8200) with options, extension headers and fragments.

use super::{Headers, Piece, transport};
use crate::packet::{Header, Packet};

/// Length of an IPv4 header without options.
const IPV4: usize = 20;
/// Length of the fixed IPv6 header.
const IPV6: usize = 40;
/// Most extension headers that are followed; more is not seen in honest traffic (RFC 8504 section 5.3 allows limits).
const EXTENSIONS: usize = 8;

/// Bits of the word that holds flags and offset of an IPv4 fragment.
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET: u16 = 0x1fff;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;

/// Headers of the IPv4 packet at `l3`; `None` when its fixed header is not whole.
#[inline(always)]
pub fn ipv4<P: Packet + ?Sized>(packet: &P, l3: usize) -> Option<Headers<[u8; 4]>> {
    let mut headers = fixed4(packet, l3)?;
    if headers.piece != Piece::Later && !headers.malformed {
        transport::read(packet, &mut headers);
    }
    Some(headers)
}

/// Headers of the usual IPv4 packet: whole, not a fragment. `None` for any other, which is then for [`ipv4`] to read.
#[inline(always)]
pub fn plain4<P: Packet + ?Sized>(packet: &P, l3: usize) -> Option<Headers<[u8; 4]>> {
    let mut headers = fixed4(packet, l3)?;
    if headers.piece != Piece::Whole || headers.malformed {
        return None;
    }
    transport::read(packet, &mut headers);
    if headers.malformed { None } else { Some(headers) }
}

/// Headers of the IPv6 packet at `l3`; `None` when its fixed header is not whole.
#[inline(always)]
pub fn ipv6<P: Packet + ?Sized>(packet: &P, l3: usize) -> Option<Headers<[u8; 16]>> {
    let mut headers = fixed6(packet, l3)?;
    extensions(packet, &mut headers);
    if headers.piece != Piece::Later && !headers.malformed {
        transport::read(packet, &mut headers);
    }
    Some(headers)
}

/// Headers of the usual IPv6 packet: whole, no extension headers. `None` for any other, which is then for [`ipv6`] to read.
#[inline(always)]
pub fn plain6<P: Packet + ?Sized>(packet: &P, l3: usize) -> Option<Headers<[u8; 16]>> {
    let mut headers = fixed6(packet, l3)?;
    if is_extension(headers.proto) || headers.malformed {
        return None;
    }
    transport::read(packet, &mut headers);
    if headers.malformed { None } else { Some(headers) }
}

/// The IPv4 header without what follows it.
#[inline(always)]
fn fixed4<P: Packet + ?Sized>(packet: &P, l3: usize) -> Option<Headers<[u8; 4]>> {
    let header = packet.header::<IPV4>(l3)?;
    let length = usize::from(header.byte::<0>() & 0x0f) * 4;
    let fragment = header.be16::<6>();
    Some(Headers {
        src: header.bytes::<12, 4>(),
        dst: header.bytes::<16, 4>(),
        selector: [0, 0],
        tcp_flags: 0,
        family: 4,
        proto: header.byte::<9>(),
        selector_known: false,
        flags_known: false,
        malformed: header.byte::<0>() >> 4 != 4 || length < IPV4,
        piece: match (fragment & OFFSET, fragment & MORE_FRAGMENTS) {
            (0, 0) => Piece::Whole,
            (0, _) => Piece::First,
            _ => Piece::Later,
        },
        id: u32::from(header.be16::<4>()),
        l4: l3 + length,
        payload: l3 + length,
    })
}

/// The fixed IPv6 header without what follows it.
#[inline(always)]
fn fixed6<P: Packet + ?Sized>(packet: &P, l3: usize) -> Option<Headers<[u8; 16]>> {
    let header = packet.header::<IPV6>(l3)?;
    Some(Headers {
        src: header.bytes::<8, 16>(),
        dst: header.bytes::<24, 16>(),
        selector: [0, 0],
        tcp_flags: 0,
        family: 6,
        proto: header.byte::<6>(),
        selector_known: false,
        flags_known: false,
        malformed: header.byte::<0>() >> 4 != 6,
        piece: Piece::Whole,
        id: 0,
        l4: l3 + IPV6,
        payload: l3 + IPV6,
    })
}

/// Follows the chain of extension headers and leaves the first protocol that is none in `proto`.
#[inline(always)]
fn extensions<P: Packet + ?Sized>(packet: &P, headers: &mut Headers<[u8; 16]>) {
    for _ in 0..EXTENSIONS {
        if !is_extension(headers.proto) || headers.piece == Piece::Later {
            return;
        }
        let Some(extension) = packet.header::<8>(headers.l4) else {
            headers.malformed = true;
            return;
        };
        let length = match headers.proto {
            FRAGMENT => fragment(&extension, headers),
            AUTHENTICATION => (usize::from(extension.byte::<1>()) + 2) * 4,
            _ => (usize::from(extension.byte::<1>()) + 1) * 8,
        };
        headers.proto = extension.byte::<0>();
        headers.l4 = packet.forget(headers.l4 + length);
        headers.payload = headers.l4;
    }
    headers.malformed |= is_extension(headers.proto);
}

/// Notes place and identification; an atomic fragment (RFC 6946) is a whole packet. Returns the header's length.
#[inline(always)]
fn fragment(extension: &impl Header, headers: &mut Headers<[u8; 16]>) -> usize {
    let place = extension.be16::<2>();
    headers.id = extension.be32::<4>();
    headers.piece = match (place >> 3, place & 1) {
        (0, 0) => Piece::Whole,
        (0, _) => Piece::First,
        _ => Piece::Later,
    };
    8
}

#[inline(always)]
const fn is_extension(proto: u8) -> bool {
    matches!(proto, HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION)
}

/// Protocol and payload offset of the IPv4 packet at `l3`, for packets within tunnels.
#[inline(always)]
pub(super) fn payload4<P: Packet + ?Sized>(packet: &P, l3: usize) -> Option<(u8, usize)> {
    let header = packet.header::<10>(l3)?;
    Some((header.byte::<9>(), l3 + usize::from(header.byte::<0>() & 0x0f) * 4))
}

/// The same of the IPv6 packet at `l3`. Offload engines take no extension headers within tunnels, so none are followed.
#[inline(always)]
pub(super) fn payload6<P: Packet + ?Sized>(packet: &P, l3: usize) -> Option<(u8, usize)> {
    let header = packet.header::<7>(l3)?;
    Some((header.byte::<6>(), l3 + IPV6))
}
