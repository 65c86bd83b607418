//! Packets and totals per five-tuple, by etherparse: no line of code is shared with the program under test.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    net::IpAddr,
};

use etherparse::{EtherType, Ipv6ExtensionSlice, LaxIpPayloadSlice, LaxNetSlice, LaxSlicedPacket};

/// What identifies a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tuple {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub target: IpAddr,
    /// IP protocol number.
    pub proto: u8,
    /// Ports of TCP, UDP and SCTP; type and code of ICMP.
    pub selector: Option<(u16, u16)>,
}

impl fmt::Display for Tuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {} proto {} {:?}", self.source, self.target, self.proto, self.selector)
    }
}

/// What is counted of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Packets.
    pub packets: u64,
    /// Bytes of whole frames.
    pub bytes: u64,
    /// OR of the TCP flags: bits 0-7, and 0x100 SYN+ACK, 0x200 FIN+ACK, 0x400 RST+ACK in one segment.
    pub flags: u16,
}

impl Totals {
    /// Adds another count of the same flow.
    pub fn add(&mut self, other: Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.flags |= other.flags;
    }
}

/// Totals of each flow.
pub type Table = BTreeMap<Tuple, Totals>;

/// How a frame begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// With an Ethernet header.
    Ethernet,
    /// With an IP header.
    Raw,
}

/// Counts frames as they come.
#[derive(Debug, Default)]
pub struct Truth {
    table: Table,
    fragments: HashMap<(IpAddr, IpAddr, u32, u8), (u16, u16)>,
    /// Frames that are not IP.
    pub other: Totals,
}

/// What one frame is.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Its flow.
    pub tuple: Tuple,
    /// As in [`Totals::flags`].
    pub flags: u16,
    /// Identification and whether this is the first fragment.
    fragment: Option<(u32, bool)>,
}

impl Truth {
    /// Counts one frame of `len` bytes, of which `data` are at hand.
    pub fn add(&mut self, link: Link, data: &[u8], len: usize) -> Option<Seen> {
        self.add_if(link, data, len, |_| true)
    }

    /// Counts one frame if it is IP and `takes` says so; frames that are not IP are counted together.
    pub fn add_if(&mut self, link: Link, data: &[u8], len: usize, takes: impl Fn(&Seen) -> bool) -> Option<Seen> {
        let Some(mut seen) = parse(link, data) else {
            self.other.add(Totals { packets: 1, bytes: len as u64, flags: 0 });
            return None;
        };
        if let Some((id, first)) = seen.fragment {
            let key = (seen.tuple.source, seen.tuple.target, id, seen.tuple.proto);
            match (first, seen.tuple.selector) {
                (true, Some(selector)) => _ = self.fragments.insert(key, selector),
                _ => seen.tuple.selector = self.fragments.get(&key).copied(),
            }
        }
        if takes(&seen) {
            let totals = Totals { packets: 1, bytes: len as u64, flags: seen.flags };
            self.table.entry(seen.tuple).or_default().add(totals);
        }
        Some(seen)
    }

    /// The flows, without what IPv6 says by itself (neighbour and router discovery, multicast listeners).
    pub fn table(mut self) -> Table {
        self.table.retain(|tuple, _| !is_housekeeping(tuple));
        self.table
    }
}

/// ICMPv6 that the kernel sends on its own: RFC 4861, 3810. Whether it falls into a capture is chance.
pub fn is_housekeeping(tuple: &Tuple) -> bool {
    tuple.proto == 58 && tuple.selector.is_some_and(|(kind, _)| matches!(kind, 130..=137 | 143))
}

fn parse(link: Link, data: &[u8]) -> Option<Seen> {
    let packet = match link {
        Link::Ethernet => LaxSlicedPacket::from_ethernet(data).ok()?,
        Link::Raw => LaxSlicedPacket::from_ether_type(raw_type(data)?, data),
    };
    match packet.net? {
        LaxNetSlice::Ipv4(ip) => {
            let header = ip.header();
            let offset = header.fragments_offset().value();
            let fragment =
                (offset > 0 || header.more_fragments()).then(|| (u32::from(header.identification()), offset == 0));
            let ends = (header.source_addr().into(), header.destination_addr().into());
            Some(transport(ends, ip.payload(), fragment))
        }
        LaxNetSlice::Ipv6(ip) => {
            let fragment = ip.extensions().clone().into_iter().find_map(|extension| match extension {
                Ipv6ExtensionSlice::Fragment(fragment) => {
                    Some((fragment.identification(), fragment.fragment_offset().value() == 0))
                }
                _ => None,
            });
            let ends = (ip.header().source_addr().into(), ip.header().destination_addr().into());
            Some(transport(ends, ip.payload(), fragment))
        }
        LaxNetSlice::Arp(_) => None,
    }
}

fn raw_type(data: &[u8]) -> Option<EtherType> {
    match data.first()? >> 4 {
        4 => Some(EtherType::IPV4),
        6 => Some(EtherType::IPV6),
        _ => None,
    }
}

fn transport(ends: (IpAddr, IpAddr), payload: &LaxIpPayloadSlice<'_>, fragment: Option<(u32, bool)>) -> Seen {
    let proto = payload.ip_number.0;
    let bytes = if fragment.is_some_and(|(_, first)| !first) { &[] } else { payload.payload };
    let selector = match (proto, bytes) {
        (6 | 17 | 132, [a, b, c, d, ..]) => Some((u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]))),
        (1 | 58, [kind, code, ..]) => Some((u16::from(*kind), u16::from(*code))),
        _ => None,
    };
    let flags = if proto == 6 { bytes.get(13).map_or(0, |bits| classes(u16::from(*bits))) } else { 0 };
    Seen { tuple: Tuple { source: ends.0, target: ends.1, proto, selector }, flags, fragment }
}

/// The wire bits and the bits that stand for two of them in one segment.
fn classes(bits: u16) -> u16 {
    let both = |one: u16, class: u16| if bits & (one | 0x10) == one | 0x10 { class } else { 0 };
    bits | both(0x02, 0x100) | both(0x01, 0x200) | both(0x04, 0x400)
}

/// Every difference in words, empty when both are equal.
pub fn differences(ours: &Table, truth: &Table) -> Vec<String> {
    let mut lines = Vec::new();
    for (tuple, expected) in truth {
        match ours.get(tuple) {
            Some(found) if found == expected => {}
            Some(found) => lines.push(format!("{tuple}: {found:?} instead of {expected:?}")),
            None => lines.push(format!("{tuple}: missing, {expected:?}")),
        }
    }
    lines
        .extend(ours.iter().filter(|(tuple, _)| !truth.contains_key(tuple)).map(|(t, n)| format!("{t}: extra, {n:?}")));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Ends, Shape};

    fn ends(source: &str, target: &str) -> Ends {
        let (source, target) = (source.parse().unwrap(), target.parse().unwrap());
        Ends { source_mac: [2, 0, 0, 0, 0, 1], target_mac: [2, 0, 0, 0, 0, 2], source, target }
    }

    #[test]
    fn frames_of_every_kind_are_read_as_they_were_built() {
        let v4 = ends("10.0.0.1", "10.0.0.2");
        let v6 = ends("fd00::1", "fd00::2");
        let qinq = Shape { tags: vec![(0x88a8, 7), (0x8100, 9)], ..Shape::default() };
        let options = Shape { options: vec![7, 7, 4, 0, 0, 0, 0, 0], ..Shape::default() };
        let extended =
            Shape { extensions: vec![(0, vec![1, 4, 0, 0, 0, 0]), (60, vec![1, 4, 0, 0, 0, 0])], ..Shape::default() };
        let cases = [
            (v4.udp((1, 2), b"x"), 17, (1, 2)),
            (v4.udp_in(&qinq, (3, 4), b"x"), 17, (3, 4)),
            (v4.udp_in(&options, (5, 6), b"x"), 17, (5, 6)),
            (v6.udp_in(&extended, (7, 8), b"x"), 17, (7, 8)),
            (v4.sctp((9, 10), b"x"), 132, (9, 10)),
            (v6.tcp((11, 12), 0x12, b""), 6, (11, 12)),
            (v6.icmp(128, 0, &[0; 4]), 58, (128, 0)),
        ];
        for (frame, proto, selector) in cases {
            let mut truth = Truth::default();
            let tuple = truth.add(Link::Ethernet, &frame, frame.len()).unwrap().tuple;
            assert_eq!((tuple.proto, tuple.selector), (proto, Some(selector)));
        }
    }

    #[test]
    fn syn_and_ack_in_one_segment_are_more_than_both_apart() {
        assert_eq!(classes(0x12), 0x112);
        assert_eq!(classes(0x02) | classes(0x10), 0x12);
        assert_eq!(classes(0x14), 0x414);
    }
}
