//! The innermost network header of a frame: what is said between two hosts, whoever carries it.
//!
//! Reads without allocating, in bounds whatever the bytes are; knows nothing of ids and names. VLAN tags are passed over, and so
//! are VXLAN (RFC 7348), Geneve (RFC 8926), GRE (RFC 2784, 2890), IP in IP (RFC 2003) and IPv6 in IPv4 (RFC 4213), if what they
//! carry was kept up to the end of its own IP header.

use std::net::{IpAddr, Ipv6Addr};

use flow::{LinkType, Mac};

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
pub(crate) const ARP: u16 = 0x0806;
/// Ethernet frames in Geneve and GRE.
const BRIDGED: u16 = 0x6558;
/// Tunnels in tunnels are followed so far.
const DEEPEST: usize = 4;
/// Extension headers of IPv6 are passed over as long as there are no more.
const EXTENSIONS: usize = 8;

/// The innermost frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    /// Source and destination; `None` without an Ethernet header.
    pub(crate) macs: Option<(Mac, Mac)>,
    pub(crate) net: Net<'a>,
}

/// What a frame carries.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Net<'a> {
    Ip(Ip<'a>),
    /// Something else: its EtherType (below 1536 a length, IEEE 802.3), and what was kept after the MAC header.
    Other(u16, &'a [u8]),
}

/// An IP packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ip<'a> {
    /// IPv4 addresses as IPv6 ones (RFC 4291, 2.5.5.2).
    pub(crate) src: [u8; 16],
    pub(crate) dst: [u8; 16],
    pub(crate) is_v6: bool,
    /// Protocol number after all extension headers.
    pub(crate) proto: u8,
    /// Time to live, or hop limit.
    pub(crate) ttl: u8,
    /// Identification: 16 bits of IPv4, 32 of an IPv6 fragment.
    pub(crate) id: u32,
    /// Offset in units of 8 bytes, and 0x8000 where more fragments follow; 0 in a whole packet.
    pub(crate) fragment: u16,
    /// What was kept after the IP headers, padding of the frame left out.
    pub(crate) payload: &'a [u8],
    /// Its length on the wire.
    pub(crate) len: usize,
}

/// Reads what was kept of a frame that was `len` bytes long on the wire. `None` where its headers were cut before the end of the IP
/// header.
pub(crate) fn read(bytes: &[u8], len: usize, link: LinkType) -> Option<Frame<'_>> {
    let mut frame = outermost(bytes, len, link)?;
    for _ in 0..DEEPEST {
        let Net::Ip(outer) = frame.net else { break };
        let Some(inner) = carried(&outer) else { break };
        frame = inner;
    }
    Some(frame)
}

/// The same without looking into tunnels.
pub(crate) fn outermost(bytes: &[u8], len: usize, link: LinkType) -> Option<Frame<'_>> {
    match link {
        LinkType::Ethernet => ethernet(bytes, len),
        LinkType::RawIp => Some(Frame { macs: None, net: Net::Ip(ip(bytes, len)?) }),
    }
}

fn ethernet(bytes: &[u8], len: usize) -> Option<Frame<'_>> {
    let (macs, rest) = bytes.split_first_chunk::<12>()?;
    let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5] = *macs;
    let (mut ether_type, mut rest) = number(rest)?;
    while matches!(ether_type, 0x8100 | 0x88a8 | 0x9100) {
        (ether_type, rest) = number(rest.get(2..)?)?;
    }
    let len = len.saturating_sub(bytes.len() - rest.len());
    let net = match ether_type {
        IPV4 | IPV6 => Net::Ip(ip(rest, len)?),
        other => Net::Other(other, rest),
    };
    Some(Frame { macs: Some((Mac([s0, s1, s2, s3, s4, s5]), Mac([d0, d1, d2, d3, d4, d5]))), net })
}

/// A number in network order, and what comes after it.
fn number(bytes: &[u8]) -> Option<(u16, &[u8])> {
    bytes.split_first_chunk().map(|(number, rest)| (u16::from_be_bytes(*number), rest))
}

pub(super) fn ip(bytes: &[u8], len: usize) -> Option<Ip<'_>> {
    match bytes.first()? >> 4 {
        4 => v4(bytes, len),
        6 => v6(bytes, len),
        _ => None,
    }
}

/// RFC 791.
fn v4(bytes: &[u8], len: usize) -> Option<Ip<'_>> {
    let header = bytes.first_chunk::<20>()?;
    let own = usize::from(header[0] & 15) * 4;
    let declared = usize::from(u16::from_be_bytes([header[2], header[3]]));
    // A packet that the kernel has yet to segment may bear 0.
    let payload_len = if declared == 0 { len.checked_sub(own) } else { declared.checked_sub(own) }?;
    let payload = bytes.get(own.max(20)..)?;
    let fragment = u16::from_be_bytes([header[6], header[7]]);
    Some(Ip {
        src: mapped([header[12], header[13], header[14], header[15]]),
        dst: mapped([header[16], header[17], header[18], header[19]]),
        is_v6: false,
        proto: header[9],
        ttl: header[8],
        id: u16::from_be_bytes([header[4], header[5]]).into(),
        fragment: fragment & 0x1fff | (fragment & 0x2000) << 2,
        payload: &payload[..payload.len().min(payload_len)],
        len: payload_len,
    })
}

fn mapped([a, b, c, d]: [u8; 4]) -> [u8; 16] {
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d]
}

/// RFC 8200.
fn v6(bytes: &[u8], len: usize) -> Option<Ip<'_>> {
    let (header, rest) = bytes.split_first_chunk::<40>()?;
    let declared = usize::from(u16::from_be_bytes([header[4], header[5]]));
    // Longer than the number holds (RFC 2675).
    let payload_len = if declared == 0 { len.checked_sub(40)? } else { declared };
    let mut ip = Ip {
        src: [0; 16],
        dst: [0; 16],
        is_v6: true,
        proto: header[6],
        ttl: header[7],
        id: 0,
        fragment: 0,
        payload: &rest[..rest.len().min(payload_len)],
        len: payload_len,
    };
    ip.src.copy_from_slice(&header[8..24]);
    ip.dst.copy_from_slice(&header[24..]);
    for _ in 0..EXTENSIONS {
        if !pass_extension(&mut ip)? {
            break;
        }
    }
    Some(ip)
}

/// Passes over one extension header, if there is one.
fn pass_extension(ip: &mut Ip<'_>) -> Option<bool> {
    let units = |ip: &Ip<'_>| Some(usize::from(*ip.payload.get(1)?));
    let own = match ip.proto {
        0 | 43 | 60 => (units(ip)? + 1) * 8,
        // AH, RFC 4302
        51 if ip.is_v6 => (units(ip)? + 2) * 4,
        44 => 8,
        _ => return Some(false),
    };
    if ip.proto == 44 {
        let [_, _, high, low, id @ ..] = *ip.payload.first_chunk::<8>()?;
        let offset = u16::from_be_bytes([high, low]);
        (ip.id, ip.fragment) = (u32::from_be_bytes(id), offset >> 3 | offset << 15);
    }
    let after_first = ip.fragment & 0x1fff != 0;
    ip.proto = *ip.payload.first()?;
    ip.payload = ip.payload.get(own..)?;
    ip.len = ip.len.checked_sub(own)?;
    Some(!after_first)
}

/// The frame in a tunnel's packet.
fn carried<'a>(outer: &Ip<'a>) -> Option<Frame<'a>> {
    if outer.fragment != 0 {
        return None;
    }
    let (kind, start) = match outer.proto {
        4 | 41 => (if outer.proto == 4 { IPV4 } else { IPV6 }, 0),
        17 => udp_tunnel(outer.payload)?,
        47 => gre(outer.payload)?,
        _ => return None,
    };
    let (bytes, len) = (outer.payload.get(start..)?, outer.len.checked_sub(start)?);
    let frame = match kind {
        BRIDGED => ethernet(bytes, len)?,
        IPV4 | IPV6 => Frame { macs: None, net: Net::Ip(ip(bytes, len)?) },
        _ => return None,
    };
    // Others than tunnels use these ports too: what is said to be carried has to fit.
    let fits = match &frame.net {
        Net::Ip(inner) => inner.len < len,
        Net::Other(ether_type, _) => *ether_type == ARP,
    };
    fits.then_some(frame)
}

/// What a UDP payload carries, and where that begins in the packet.
fn udp_tunnel(udp: &[u8]) -> Option<(u16, usize)> {
    let header = udp.first_chunk::<16>()?;
    match u16::from_be_bytes([header[2], header[3]]) {
        // Flannel and Cilium use the port that Linux had before there was a standard.
        4789 | 8472 if header[8] & 0x08 != 0 && header[15] == 0 => Some((BRIDGED, 16)),
        6081 if header[8] >> 6 == 0 => {
            Some((u16::from_be_bytes([header[10], header[11]]), 16 + usize::from(header[8] & 0x3f) * 4))
        }
        _ => None,
    }
}

fn gre(bytes: &[u8]) -> Option<(u16, usize)> {
    let [flags, version, high, low] = *bytes.first_chunk()?;
    let optional = [0x80, 0x20, 0x10].iter().filter(|bit| flags & **bit != 0).count();
    (flags & 0x40 == 0 && version.trailing_zeros() >= 3).then(|| (u16::from_be_bytes([high, low]), 4 + 4 * optional))
}

/// Sender's and target's IPv4 address of an ARP message (RFC 826).
pub(crate) fn arp(bytes: &[u8]) -> Option<([u8; 16], [u8; 16])> {
    let [_, _, 8, 0, 6, 4, _, _, rest @ ..] = *bytes.first_chunk::<28>()? else { return None };
    let [_, _, _, _, _, _, s0, s1, s2, s3, _, _, _, _, _, _, t0, t1, t2, t3] = rest;
    Some((mapped([s0, s1, s2, s3]), mapped([t0, t1, t2, t3])))
}

/// The address that the sixteen octets of an [`Ip`] are.
pub(crate) fn address(octets: [u8; 16]) -> IpAddr {
    IpAddr::V6(Ipv6Addr::from_octets(octets)).to_canonical()
}

impl Ip<'_> {
    /// Whether this is a fragment that has no transport header.
    pub(crate) fn is_later_fragment(&self) -> bool {
        self.fragment & 0x1fff != 0
    }

    /// Source and destination port (TCP, UDP, SCTP); zeros where there are none.
    pub(crate) fn ports(&self) -> (u16, u16) {
        match (self.proto, self.payload) {
            (6 | 17 | 132, [a, b, c, d, ..]) if !self.is_later_fragment() => {
                (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]))
            }
            _ => (0, 0),
        }
    }
}
