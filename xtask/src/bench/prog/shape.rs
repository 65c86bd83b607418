//! The packets that are measured: size, family and protocol.

use std::fmt;

/// Sizes of frames, without FCS.
const SIZES: [usize; 3] = [64, 512, 1514];

/// What a packet carries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tcp,
    Udp,
    /// TCP behind a VLAN tag in the frame.
    Vlan,
}

/// One packet.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    size: usize,
    v6: bool,
    kind: Kind,
}

/// All of them.
pub(super) fn shapes() -> Vec<Shape> {
    let kinds = [Kind::Tcp, Kind::Udp, Kind::Vlan];
    let families = [false, true];
    kinds
        .into_iter()
        .flat_map(|kind| {
            families.into_iter().flat_map(move |v6| SIZES.into_iter().map(move |size| Shape { size, v6, kind }))
        })
        .collect()
}

impl fmt::Display for Shape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Tcp => "TCP",
            Kind::Udp => "UDP",
            Kind::Vlan => "VLAN TCP",
        };
        write!(formatter, "{kind} IPv{} {}", if self.v6 { 6 } else { 4 }, self.frame(0).len())
    }
}

impl Shape {
    /// The frame of the flow with this number. A frame too small for its headers is as long as they are.
    pub(super) fn frame(&self, flow: u32) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
        if self.kind == Kind::Vlan {
            frame.extend([0x81, 0x00, 0x00, 0x64]);
        }
        let proto = if self.kind == Kind::Udp { 17 } else { 6 };
        if self.v6 {
            ipv6(&mut frame, proto, flow);
        } else {
            ipv4(&mut frame, proto, flow);
        }
        frame.extend((flow as u16).to_be_bytes());
        frame.extend(443_u16.to_be_bytes());
        if proto == 6 {
            frame.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 4, 0, 0, 0, 0, 0]);
        } else {
            frame.extend([0, 8, 0, 0]);
        }
        frame.resize(self.size.max(frame.len()), 0);
        frame
    }
}

/// A query for the addresses of www.example.org.
pub(super) fn dns_query() -> Vec<u8> {
    let mut frame = Shape { size: 0, v6: false, kind: Kind::Udp }.frame(0);
    let query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07example\x03org\x00\x00\x01\x00\x01";
    let (ip, udp) = ((28 + query.len()) as u16, (8 + query.len()) as u16);
    frame[16..18].copy_from_slice(&ip.to_be_bytes());
    frame[36..38].copy_from_slice(&53_u16.to_be_bytes());
    frame[38..40].copy_from_slice(&udp.to_be_bytes());
    frame.extend(query);
    frame
}

fn ipv4(frame: &mut Vec<u8>, proto: u8, flow: u32) {
    frame.extend([0x08, 0x00, 0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, proto, 0, 0]);
    frame.extend([10, 0, (flow >> 24) as u8, (flow >> 16) as u8, 10, 0, 0, 2]);
}

fn ipv6(frame: &mut Vec<u8>, proto: u8, flow: u32) {
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 20, proto, 64]);
    frame.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    frame.extend(((flow >> 16) + 1).to_be_bytes());
    frame.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
}
