//! What follows the IP headers: TCP, UDP, SCTP, and packets within packets.

use super::{
    Place, any_ip,
    checksum::{self, Sum, crc32c},
    ethernet, icmp,
    ip::Segment,
    network, u16_at, zero_from,
};
use crate::anonymize::Anonymizer;

/// Rewrites what protocol `number` has sent.
pub(super) fn rewrite(to: &mut Anonymizer, number: u8, data: &mut [u8], segment: Segment) {
    match number {
        6 => tcp(to, data, segment),
        17 => udp(to, data, segment),
        1 => icmp::v4(to, data, segment),
        58 => icmp::v6(to, data, segment),
        132 => sctp(to, data, segment),
        4 | 41 => inner(to, data, segment.place, any_ip),
        47 => gre(to, data, segment),
        2 => icmp::igmp(to, data, segment),
        // Of ESP the number of the association and of the packet.
        50 => zero_from(data, 8),
        _ => data.fill(0),
    }
}

/// A packet within a packet.
fn inner(to: &mut Anonymizer, data: &mut [u8], place: Place, how: fn(&mut Anonymizer, &mut [u8], Place)) {
    match place.deeper() {
        Some(place) => how(to, data, place),
        None => data.fill(0),
    }
}

/// What applications sent.
pub(super) fn payload(to: &Anonymizer, data: &mut [u8], place: Place) {
    if !to.keep_payload || place.quoted {
        data.fill(0);
    }
}

/// RFC 9293.
fn tcp(to: &Anonymizer, data: &mut [u8], segment: Segment) {
    let extent = |sum: Sum, data: &[u8]| sum.number(6).number(data.len() as u32);
    let noted = checksum::before(data, 16, extent(segment.old, data));
    let header = data.get(12).map_or(20, |first| usize::from(first >> 4) * 4).max(20);
    let end = header.min(data.len());
    tcp_options(data.get_mut(20..end).unwrap_or_default());
    let is_names = is_names(data);
    payload_of(to, data, header, is_names, segment.place);
    if let Some(noted) = noted {
        noted.mend(data, extent(segment.new, data), segment.whole);
    }
}

/// Size, scale, selective acknowledgement and times stay; what else there is becomes nothing.
fn tcp_options(mut options: &mut [u8]) {
    while let Some(kind) = options.first().copied() {
        let length = match (kind, options.get(1)) {
            (0 | 1, _) => 1,
            (_, Some(length)) if (2..=options.len()).contains(&usize::from(*length)) => usize::from(*length),
            _ => return options.fill(0),
        };
        let (option, rest) = options.split_at_mut(length);
        if !matches!(kind, 0..=5 | 8) {
            option.fill(1);
        }
        options = rest;
    }
}

/// RFC 768.
fn udp(to: &mut Anonymizer, data: &mut [u8], segment: Segment) {
    let length = match u16_at(data, 4).map(usize::from) {
        Some(length @ 8..) => length,
        _ => data.len(),
    };
    zero_from(data, length);
    let (whole, length) = (segment.whole && length <= data.len(), length.min(data.len()));
    let data = &mut data[..length];
    // A cut one is summed up by what is there; how long it was changes nothing about the difference.
    let extent = |sum: Sum| sum.number(17).number(length as u32);
    let noted = checksum::before(data, 6, extent(segment.old));
    let place = segment.place;
    match u16_at(data, 2) {
        Some(4789 | 8472) => inner(to, data.get_mut(8..).unwrap_or_default(), place, vxlan),
        Some(6081) => inner(to, data.get_mut(8..).unwrap_or_default(), place, geneve),
        _ => payload_of(to, data, 8, is_names(data), place),
    }
    if let Some(noted) = noted {
        noted.mend_udp(data, extent(segment.new), whole);
    }
}

fn payload_of(to: &Anonymizer, data: &mut [u8], header: usize, is_names: bool, place: Place) {
    let Some(rest) = data.get_mut(header..) else { return };
    if is_names { rest.fill(0) } else { payload(to, rest, place) }
}

/// Whether the ports are those of a protocol whose messages are names and addresses: DNS and its kin, DHCP, NetBIOS.
fn is_names(data: &[u8]) -> bool {
    let is_known = |port| matches!(port, 53 | 67 | 68 | 137 | 138 | 546 | 547 | 5353 | 5355);
    [0, 2].into_iter().filter_map(|at| u16_at(data, at)).any(is_known)
}

/// RFC 7348.
fn vxlan(to: &mut Anonymizer, data: &mut [u8], place: Place) {
    match data.get_mut(8..) {
        Some(frame) => ethernet(to, frame, place),
        None => data.fill(0),
    }
}

/// RFC 8926.
fn geneve(to: &mut Anonymizer, data: &mut [u8], place: Place) {
    let header = 8 + data.first().map_or(0, |first| usize::from(first & 63) * 4);
    let Some(kind) = u16_at(data, 2).filter(|_| header <= data.len()) else { return data.fill(0) };
    data[8..header].fill(0);
    // Options without content, each four bytes long: that is what zeros are.
    tunnelled(to, kind, &mut data[header..], place);
}

/// RFC 2784, RFC 2890.
fn gre(to: &mut Anonymizer, data: &mut [u8], segment: Segment) {
    let (Some(flags), Some(kind)) = (u16_at(data, 0), u16_at(data, 2)) else { return data.fill(0) };
    // Checksum, key and number, four bytes each.
    let header = 4 + 4 * (flags & 0xb000).count_ones() as usize;
    if flags & 7 != 0 || header > data.len() {
        return zero_from(data, 4);
    }
    let noted = checksum::before(data, 4, Sum::default()).filter(|_| flags & 0x8000 != 0);
    match segment.place.deeper() {
        Some(place) => tunnelled(to, kind, &mut data[header..], place),
        None => data[header..].fill(0),
    }
    if let Some(noted) = noted {
        noted.mend(data, Sum::default(), segment.whole);
    }
}

/// By EtherType; 0x6558 is Ethernet.
fn tunnelled(to: &mut Anonymizer, kind: u16, data: &mut [u8], place: Place) {
    if kind == 0x6558 { ethernet(to, data, place) } else { network(to, kind, data, place) }
}

/// RFC 9260: the header and that of each chunk; of data also its numbers, of acknowledgements all.
fn sctp(to: &Anonymizer, data: &mut [u8], segment: Segment) {
    let mut at = 12;
    while let (Some(kind), Some(length)) = (data.get(at).copied(), u16_at(data, at + 2)) {
        let end = (at + usize::from(length).max(4)).next_multiple_of(4).min(data.len());
        let kept = match kind {
            0 if to.keep_payload && !segment.place.quoted => usize::MAX,
            0 => 16,
            1 | 2 => 20,
            3 | 7 | 8 | 11 | 14 => usize::MAX,
            _ => 4,
        };
        zero_from(&mut data[..end], at.saturating_add(kept));
        at = end;
    }
    zero_from(data, at);
    if let Some((head, rest)) = data.split_at_checked(12).filter(|_| segment.whole) {
        let sum = crc32c([&head[..8], &[0; 4], rest]);
        data[8..12].copy_from_slice(&sum.to_le_bytes());
    }
}
