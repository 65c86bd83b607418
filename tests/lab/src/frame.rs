//! Frames as bytes, of kinds that no socket on an ordinary machine sends.

use std::net::IpAddr;

/// An Ethernet address.
pub type Mac = [u8; 6];

/// Who sends to whom.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// Ethernet source.
    pub source_mac: Mac,
    /// Ethernet destination.
    pub target_mac: Mac,
    /// IP source; same family as `target`.
    pub source: IpAddr,
    /// IP destination.
    pub target: IpAddr,
}

/// What stands between the addresses and the transport header.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    /// VLAN tags, outermost first: TPID and id.
    pub tags: Vec<(u16, u16)>,
    /// IPv4 options, a multiple of four bytes.
    pub options: Vec<u8>,
    /// IPv6 extension headers before the transport header: type and the bytes after next-header and length.
    pub extensions: Vec<(u8, Vec<u8>)>,
}

impl Ends {
    /// The other way.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self { source_mac: self.target_mac, target_mac: self.source_mac, source: self.target, target: self.source }
    }

    /// A UDP datagram.
    pub fn udp(&self, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
        self.udp_in(&Shape::default(), ports, payload)
    }

    /// A UDP datagram behind tags, options or extension headers.
    pub fn udp_in(&self, shape: &Shape, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
        let mut segment = words(&[ports.0, ports.1, (8 + payload.len()) as u16, 0]);
        segment.extend_from_slice(payload);
        self.checksum(&mut segment, 17, 6);
        self.ip(shape, 17, &segment)
    }

    /// A TCP segment; `flags` as on the wire.
    pub fn tcp(&self, ports: (u16, u16), flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut segment = words(&[ports.0, ports.1, 0, 1, 0, 1, 0x5000 | u16::from(flags), 1024, 0, 0]);
        segment.extend_from_slice(payload);
        self.checksum(&mut segment, 6, 16);
        self.ip(&Shape::default(), 6, &segment)
    }

    /// An SCTP packet with one DATA chunk. Its CRC32c is left zero: no receiver is meant to take it.
    pub fn sctp(&self, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
        let mut packet = words(&[ports.0, ports.1, 0, 1, 0, 0]);
        packet.extend(words(&[0x0003, (16 + payload.len()) as u16, 0, 1, 0, 0, 0, 0]));
        packet.extend_from_slice(payload);
        packet.resize(packet.len().next_multiple_of(4), 0);
        self.ip(&Shape::default(), 132, &packet)
    }

    /// An ICMP or ICMPv6 message, by the family of the addresses.
    pub fn icmp(&self, kind: u8, code: u8, body: &[u8]) -> Vec<u8> {
        let proto = if self.source.is_ipv4() { 1 } else { 58 };
        let mut message = vec![kind, code, 0, 0];
        message.extend_from_slice(body);
        if proto == 58 {
            self.checksum(&mut message, proto, 2);
        } else {
            let sum = internet_checksum(&message);
            message[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        self.ip(&Shape::default(), proto, &message)
    }

    /// Any payload of any protocol.
    pub fn ip(&self, shape: &Shape, proto: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = [self.target_mac, self.source_mac].concat();
        for (tpid, id) in &shape.tags {
            frame.extend(words(&[*tpid, *id]));
        }
        match (self.source, self.target) {
            (IpAddr::V4(source), IpAddr::V4(target)) => {
                frame.extend(words(&[0x0800]));
                frame.extend(ipv4(source.octets(), target.octets(), &shape.options, proto, payload.len()));
            }
            (source, target) => {
                frame.extend(words(&[0x86dd]));
                frame.extend(ipv6(octets6(source), octets6(target), &shape.extensions, proto, payload.len()));
            }
        }
        frame.extend_from_slice(payload);
        frame
    }

    /// Fills in the checksum over the pseudo header, RFC 768, 9293, 4443.
    fn checksum(&self, segment: &mut [u8], proto: u8, at: usize) {
        let mut pseudo = match (self.source, self.target) {
            (IpAddr::V4(source), IpAddr::V4(target)) => [source.octets(), target.octets()].concat(),
            (source, target) => [octets6(source), octets6(target)].concat(),
        };
        pseudo.extend(words(&[u16::from(proto), segment.len() as u16]));
        pseudo.extend_from_slice(segment);
        let sum = internet_checksum(&pseudo);
        segment[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    }
}

fn words(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_be_bytes()).collect()
}

fn octets6(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// RFC 791.
fn ipv4(source: [u8; 4], target: [u8; 4], options: &[u8], proto: u8, payload: usize) -> Vec<u8> {
    let length = 20 + options.len();
    let mut header = vec![0x40 | (length / 4) as u8, 0];
    header.extend(words(&[(length + payload) as u16, 0x4242, 0x4000]));
    header.extend([64, proto, 0, 0]);
    header.extend(source);
    header.extend(target);
    header.extend(options);
    let sum = internet_checksum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    header
}

/// RFC 8200.
fn ipv6(source: [u8; 16], target: [u8; 16], extensions: &[(u8, Vec<u8>)], proto: u8, payload: usize) -> Vec<u8> {
    let mut chain = Vec::new();
    for (index, (_, body)) in extensions.iter().enumerate() {
        let next = extensions.get(index + 1).map_or(proto, |(kind, _)| *kind);
        chain.push(next);
        chain.push((body.len().saturating_sub(6) / 8) as u8);
        chain.extend(body);
    }
    let first = extensions.first().map_or(proto, |(kind, _)| *kind);
    let mut header = vec![0x60, 0, 0, 0];
    header.extend(words(&[(chain.len() + payload) as u16]));
    header.extend([first, 64]);
    header.extend(source);
    header.extend(target);
    header.extend(chain);
    header
}

/// RFC 1071; never 0, as UDP over IPv6 wants it.
fn internet_checksum(data: &[u8]) -> u16 {
    let mut sum: u32 = data.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    match !(sum as u16) {
        0 => 0xffff,
        sum => sum,
    }
}
