//! Where the headers end that every segment of a segmentation offload buffer repeats, tunnels included.

use super::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, Layer, TCP, UDP, ip, link};
use crate::packet::{Header, Packet};

/// Destination ports of VXLAN: IANA's and the one Linux began with.
const VXLAN: [u16; 2] = [4789, 8472];
/// Destination port of Geneve (RFC 8926).
const GENEVE: u16 = 6081;
/// EtherType of bridged Ethernet in Geneve.
const TRANSPARENT_ETHERNET: u16 = 0x6558;
/// Length of a UDP header, and of a VXLAN header, and of a Geneve header without options.
const EIGHT: usize = 8;

/// Bytes from the start of the frame to the end of the innermost transport header of a UDP packet: what each segment of an
/// offload buffer repeats. `l4` is the offset of the UDP header, `port` its destination port.
///
/// Looks into VXLAN and Geneve on their usual ports; only to be asked for buffers with a segment size.
#[inline(always)]
pub fn segment_header_len<P: Packet + ?Sized>(packet: &P, l4: usize, port: u16) -> usize {
    inner(packet, l4 + EIGHT, port).unwrap_or(l4 + EIGHT)
}

/// End of the transport header of `proto` at `l4`.
#[inline(always)]
fn transport_end<P: Packet + ?Sized>(packet: &P, proto: u8, l4: usize) -> usize {
    match proto {
        TCP => l4 + packet.header::<13>(l4).map_or(20, |tcp| usize::from(tcp.byte::<12>() >> 4) * 4),
        UDP => l4 + EIGHT,
        _ => l4,
    }
}

/// End of the inner transport header of a VXLAN or Geneve packet.
#[inline(always)]
fn inner<P: Packet + ?Sized>(packet: &P, start: usize, port: u16) -> Option<usize> {
    if VXLAN.contains(&port) {
        return inner_ethernet(packet, start + EIGHT);
    }
    if port != GENEVE {
        return None;
    }
    let geneve = packet.header::<EIGHT>(start)?;
    let payload = start + EIGHT + usize::from(geneve.byte::<0>() & 0x3f) * 4;
    match geneve.be16::<2>() {
        TRANSPARENT_ETHERNET => inner_ethernet(packet, payload),
        ethertype => inner_ip(packet, ethertype, payload),
    }
}

#[inline(always)]
fn inner_ethernet<P: Packet + ?Sized>(packet: &P, at: usize) -> Option<usize> {
    let shifted = Shifted { packet, by: at };
    let inner = link(&shifted, Layer::Ethernet);
    inner_ip(packet, inner.ethertype, at + inner.l3)
}

#[inline(always)]
fn inner_ip<P: Packet + ?Sized>(packet: &P, ethertype: u16, l3: usize) -> Option<usize> {
    let (proto, l4) = match ethertype {
        ETHERTYPE_IPV4 => ip::payload4(packet, l3)?,
        ETHERTYPE_IPV6 => ip::payload6(packet, l3)?,
        _ => return None,
    };
    Some(transport_end(packet, proto, l4))
}

/// A packet within a packet.
struct Shifted<'a, P: ?Sized> {
    packet: &'a P,
    by: usize,
}

impl<P: Packet + ?Sized> Packet for Shifted<'_, P> {
    #[inline(always)]
    fn header<const N: usize>(&self, offset: usize) -> Option<impl Header> {
        self.packet.header::<N>(self.by + offset)
    }
}
