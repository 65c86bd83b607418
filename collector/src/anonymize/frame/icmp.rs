//! ICMP (RFC 792), ICMPv6 (RFC 4443) with neighbour discovery (RFC 4861) and listeners (RFC 2710, RFC 3810), IGMP.

use std::net::Ipv6Addr;

use super::{
    Place, any_ip,
    checksum::{self, Sum},
    ip::Segment,
    mac, transport, u16_at, v4_at, v6_at, zero_from,
};
use crate::anonymize::Anonymizer;

/// A message of ICMP.
pub(super) fn v4(to: &mut Anonymizer, data: &mut [u8], segment: Segment) {
    let noted = checksum::before(data, 2, Sum::default());
    match data.first() {
        Some(3 | 4 | 11 | 12) => quoted(to, data, segment.place),
        // To whom it is redirected.
        Some(5) => {
            v4_at(to, data, 4);
            quoted(to, data, segment.place);
        }
        Some(0 | 8) => transport::payload(to, data.get_mut(8..).unwrap_or_default(), segment.place),
        _ => zero_from(data, 8),
    }
    if let Some(noted) = noted {
        noted.mend(data, Sum::default(), segment.whole);
    }
}

/// The packet that an error tells of.
fn quoted(to: &mut Anonymizer, data: &mut [u8], place: Place) {
    let Some(inner) = data.get_mut(8..) else { return };
    match place.deeper() {
        Some(place) => any_ip(to, inner, Place { quoted: true, ..place }),
        None => inner.fill(0),
    }
}

/// A message of IGMP (RFC 9776): of the groups only the one in the header.
pub(super) fn igmp(to: &mut Anonymizer, data: &mut [u8], segment: Segment) {
    let noted = checksum::before(data, 2, Sum::default());
    // In a report of version 3 no address stands there.
    if data.first() != Some(&0x22) {
        v4_at(to, data, 4);
    }
    zero_from(data, 8);
    if let Some(noted) = noted {
        noted.mend(data, Sum::default(), segment.whole);
    }
}

/// A message of ICMPv6.
pub(super) fn v6(to: &mut Anonymizer, data: &mut [u8], segment: Segment) {
    let extent = |sum: Sum, data: &[u8]| sum.number(58).number(data.len() as u32);
    let noted = checksum::before(data, 2, extent(segment.old, data));
    message(to, data, segment.place);
    if let Some(noted) = noted {
        noted.mend(data, extent(segment.new, data), segment.whole);
    }
}

fn message(to: &mut Anonymizer, data: &mut [u8], place: Place) {
    match data.first() {
        Some(1..=4) => quoted(to, data, place),
        Some(128 | 129) => transport::payload(to, data.get_mut(8..).unwrap_or_default(), place),
        Some(133) => options(to, data, 8),
        Some(134) => options(to, data, 16),
        Some(135 | 136) => {
            v6_at(to, data, 8);
            options(to, data, 24);
        }
        Some(137) => {
            v6_at(to, data, 8);
            v6_at(to, data, 24);
            options(to, data, 40);
        }
        Some(130..=132) => {
            v6_at(to, data, 8);
            sources(to, data, 26, 28);
        }
        Some(143) => records(to, data),
        _ => zero_from(data, 4),
    }
}

/// RFC 4861 section 4.6.
fn options(to: &mut Anonymizer, data: &mut [u8], at: usize) {
    let mut rest = data.get_mut(at..).unwrap_or_default();
    while let Some(length) = rest.get(1).map(|units| usize::from(*units) * 8) {
        if length == 0 || length > rest.len() {
            return rest.fill(0);
        }
        let (option, after) = rest.split_at_mut(length);
        match (option[0], length) {
            (1 | 2, 8) => mac(to, &mut option[2..8]),
            (3, 32) => prefix(to, option),
            (5, 8) => {}
            _ => option[2..].fill(0),
        }
        rest = after;
    }
    rest.fill(0);
}

/// RFC 4861 section 4.6.2: what is behind the prefix is zero.
fn prefix(to: &mut Anonymizer, option: &mut [u8]) {
    let length = u32::from(option[2].min(128));
    v6_at(to, option, 16);
    if let Some(octets) = option.get_mut(16..).and_then(<[u8]>::first_chunk_mut::<16>) {
        let bits = u128::from_be_bytes(*octets) & u128::MAX.checked_shl(128 - length).unwrap_or(0);
        *octets = Ipv6Addr::from_bits(bits).octets();
    }
}

/// As many addresses as the number at `count` says, from `at` on; nothing after them.
fn sources(to: &mut Anonymizer, data: &mut [u8], count: usize, at: usize) {
    let count = u16_at(data, count).map_or(0, usize::from);
    let end = (at + 16 * count).min(data.len());
    (at..end).step_by(16).for_each(|at| v6_at(to, data, at));
    zero_from(data, end);
}

/// RFC 3810 section 5.2.
fn records(to: &mut Anonymizer, data: &mut [u8]) {
    let count = u16_at(data, 6).map_or(0, usize::from);
    let mut at = 8;
    for _ in 0..count {
        let (Some(auxiliary), Some(sources)) = (data.get(at + 1).copied(), u16_at(data, at + 2)) else { break };
        let addresses = 1 + usize::from(sources);
        for n in 0..addresses {
            v6_at(to, data, at + 4 + 16 * n);
        }
        let end = at + 4 + 16 * addresses;
        let next = end + 4 * usize::from(auxiliary);
        let (end, next) = (end.min(data.len()), next.min(data.len()));
        data[end..next].fill(0);
        at = next;
    }
    zero_from(data, at);
}
