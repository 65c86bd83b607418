//! Packets: every header that is known is kept and its addresses replaced, every checksum made right again; what is not
//! known to be harmless is zeroed.
//!
//! A packet that was kept as a whole gets new checksums. Of one that was cut (by a snap length, a fragment, an error that
//! quotes it) the checksum is changed by as much as what is left of it (RFC 1624), so that one that was right stays right.

use flow::{LinkType, Mac};

use super::Anonymizer;

mod checksum;
mod icmp;
mod ip;
mod transport;

/// Packets within packets; what lies deeper is zeroed.
const DEPTH: u8 = 6;

/// What is known of the place at which one stands in a packet.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// How many packets this one lies in.
    depth: u8,
    /// It is quoted by an error: never whole, and its payload goes in any case.
    quoted: bool,
}

impl Place {
    fn deeper(self) -> Option<Self> {
        (self.depth < DEPTH).then_some(Self { depth: self.depth + 1, ..self })
    }
}

/// Rewrites a frame, or what was kept of it.
pub(super) fn rewrite(to: &mut Anonymizer, link: LinkType, frame: &mut [u8]) {
    let place = Place { depth: 0, quoted: false };
    match link {
        LinkType::Ethernet => ethernet(to, frame, place),
        LinkType::RawIp => any_ip(to, frame, place),
    }
}

/// IEEE 802.3, with up to four tags.
fn ethernet(to: &mut Anonymizer, frame: &mut [u8], place: Place) {
    if frame.len() < 14 {
        return frame.fill(0);
    }
    mac(to, &mut frame[..6]);
    mac(to, &mut frame[6..12]);
    let tags = (0..4).take_while(|n| u16_at(frame, 12 + 4 * n).is_some_and(is_tag)).count();
    let at = 12 + 4 * tags;
    match u16_at(frame, at) {
        Some(ether_type) => network(to, ether_type, &mut frame[at + 2..], place),
        None => zero_from(frame, at),
    }
}

/// IEEE 802.1Q, 802.1ad, and what was used before that.
fn is_tag(ether_type: u16) -> bool {
    matches!(ether_type, 0x8100 | 0x88a8 | 0x9100)
}

/// What an EtherType announces.
fn network(to: &mut Anonymizer, ether_type: u16, data: &mut [u8], place: Place) {
    match ether_type {
        0x0800 => ip::v4(to, data, place),
        0x86dd => ip::v6(to, data, place),
        0x0806 => arp(to, data),
        0x8847 | 0x8848 => mpls(to, data, place),
        _ => data.fill(0),
    }
}

/// IPv4 or IPv6, as the first four bits say.
fn any_ip(to: &mut Anonymizer, data: &mut [u8], place: Place) {
    match data.first().map(|first| first >> 4) {
        Some(4) => ip::v4(to, data, place),
        Some(6) => ip::v6(to, data, place),
        _ => data.fill(0),
    }
}

/// RFC 3032: labels up to the one with the bottom bit, then IP.
fn mpls(to: &mut Anonymizer, data: &mut [u8], place: Place) {
    let labels = data.chunks_exact(4).position(|label| label[2] & 1 == 1);
    match labels {
        Some(before) => any_ip(to, &mut data[4 * (before + 1)..], place),
        None => data.fill(0),
    }
}

/// RFC 826, for IPv4 over Ethernet.
fn arp(to: &mut Anonymizer, data: &mut [u8]) {
    if data.len() < 28 || data[..6] != [0, 1, 8, 0, 6, 4] {
        return data.fill(0);
    }
    mac(to, &mut data[8..14]);
    v4_at(to, data, 14);
    mac(to, &mut data[18..24]);
    v4_at(to, data, 24);
    data[28..].fill(0);
}

fn mac(to: &Anonymizer, at: &mut [u8]) {
    if let Some(octets) = at.first_chunk_mut() {
        *octets = to.names.mac(Mac(*octets)).0;
    }
}

/// Replaces the IPv4 address at `at`, or zeroes what there is of it.
fn v4_at(to: &mut Anonymizer, data: &mut [u8], at: usize) {
    let Some(rest) = data.get_mut(at..) else { return };
    match rest.first_chunk_mut::<4>() {
        Some(octets) => *octets = to.pan.v4((*octets).into()).octets(),
        None => rest.fill(0),
    }
}

/// Replaces the IPv6 address at `at`, or zeroes what there is of it.
fn v6_at(to: &mut Anonymizer, data: &mut [u8], at: usize) {
    let Some(rest) = data.get_mut(at..) else { return };
    match rest.first_chunk_mut::<16>() {
        Some(octets) => *octets = to.pan.v6((*octets).into()).octets(),
        None => rest.fill(0),
    }
}

fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..)?.first_chunk().copied().map(u16::from_be_bytes)
}

/// Zeroes what stands from `at` on, if anything does.
fn zero_from(data: &mut [u8], at: usize) {
    if let Some(rest) = data.get_mut(at..) {
        rest.fill(0);
    }
}

#[cfg(test)]
mod tests;
