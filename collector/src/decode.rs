//! A captured packet, read for people: who talks to whom, and one line of what is said.
//!
//! Works on what was kept of a frame, however short; knows no capture, no file, no screen.

use std::net::IpAddr;

use etherparse::{IpNumber, LaxNetSlice, LaxSlicedPacket, LinkSlice, VlanId};
use flow::{FlowRecord, LinkType, Mac};

use transport::Transport;

mod arp;
mod dns;
mod icmp;
mod ip;
mod line;
mod sctp;
mod transport;

/// What the headers of one packet say. Nothing in it is escaped but [`Decoded::line`].
#[derive(Clone, Debug)]
pub struct Decoded<'a> {
    /// Source and destination MAC address; `None` without an Ethernet header.
    pub macs: Option<(Mac, Mac)>,
    /// VLAN id, the outer one where there are two.
    pub vlan: Option<u16>,
    /// Inner VLAN id (QinQ).
    pub inner_vlan: Option<u16>,
    /// EtherType after the tags.
    pub ether_type: Option<u16>,
    /// IP header, if its fixed part was kept.
    pub ip: Option<Ip>,
    transport: Transport<'a>,
    arp: Option<String>,
    captured: usize,
}

/// What an IP header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ip {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Protocol number after all extension headers.
    pub proto: u8,
    /// Differentiated services code point.
    pub dscp: u8,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// Bytes after the IP headers, as they were on the wire.
    pub payload_len: usize,
    /// Set if this is a fragment.
    pub fragment: Option<Fragment>,
}

/// Where a fragment belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Identification, common to all fragments of a datagram.
    pub id: u32,
    /// Bytes of the datagram before this fragment.
    pub offset: u16,
    /// More fragments follow.
    pub more: bool,
}

/// Reads the headers of `bytes`, a frame (or what was kept of it) that begins as `link` says.
///
/// ```
/// let decoded = collector::decode::decode(&[0x45], flow::LinkType::RawIp);
/// assert_eq!(decoded.line(), "cut short, 1 byte kept");
/// ```
pub fn decode(bytes: &[u8], link: LinkType) -> Decoded<'_> {
    let sliced = match link {
        LinkType::Ethernet => LaxSlicedPacket::from_ethernet(bytes).ok(),
        LinkType::RawIp => LaxSlicedPacket::from_ip(bytes).ok(),
    };
    let mut decoded = Decoded {
        macs: None,
        vlan: None,
        inner_vlan: None,
        ether_type: None,
        ip: None,
        transport: Transport::None,
        arp: None,
        captured: bytes.len(),
    };
    if let Some(sliced) = &sliced {
        decoded.read_link(sliced);
        decoded.read_net(sliced);
    }
    decoded
}

impl<'a> Decoded<'a> {
    fn read_link(&mut self, sliced: &LaxSlicedPacket<'a>) {
        if let Some(LinkSlice::Ethernet2(ethernet)) = &sliced.link {
            self.macs = Some((Mac(ethernet.source()), Mac(ethernet.destination())));
        }
        let mut vlans = sliced.vlan_ids().into_iter().map(VlanId::value);
        self.vlan = vlans.next();
        self.inner_vlan = vlans.next();
        self.ether_type = sliced.ether_payload().map(|payload| payload.ether_type.0);
    }

    fn read_net(&mut self, sliced: &LaxSlicedPacket<'a>) {
        let payload = match &sliced.net {
            Some(LaxNetSlice::Ipv4(slice)) => {
                self.ip = Some(ip::read_v4(slice));
                slice.payload()
            }
            Some(LaxNetSlice::Ipv6(slice)) => {
                self.ip = Some(ip::read_v6(slice));
                slice.payload()
            }
            Some(LaxNetSlice::Arp(slice)) => {
                self.arp = Some(arp::line(slice));
                return;
            }
            None => return,
        };
        if self.ip.is_some_and(|ip| ip.fragment.is_none_or(|fragment| fragment.offset == 0)) {
            self.transport = Transport::read(payload.ip_number, payload.payload);
        }
    }

    /// Source and destination port (TCP, UDP, SCTP).
    pub fn ports(&self) -> Option<(u16, u16)> {
        self.transport.ports()
    }

    /// TCP flags as in the field `Flags`: bits 0-7 as on the wire, 0x100 SYN+ACK, 0x200 FIN+ACK, 0x400 RST+ACK.
    pub fn flags(&self) -> Option<u16> {
        self.transport.flags()
    }

    /// Type and code of an ICMP or ICMPv6 message.
    pub fn icmp(&self) -> Option<(u8, u8)> {
        self.transport.icmp()
    }

    /// Name of the protocol for people: `TCP`, `ARP`, `IPv6-ICMP`, else a number.
    pub fn protocol(&self) -> String {
        match (self.ip, self.ether_type) {
            (Some(ip), _) => {
                IpNumber(ip.proto).keyword_str().map_or_else(|| format!("proto {}", ip.proto), str::to_owned)
            }
            (None, Some(0x0806)) => "ARP".to_owned(),
            (None, Some(number)) => format!("0x{number:04x}"),
            (None, None) => String::new(),
        }
    }

    /// The fields of a flow record that one packet can fill: who, with whom, how.
    pub fn record(&self) -> FlowRecord {
        let (src_mac, dst_mac) = self.macs.unzip();
        let (src_port, dst_port) = self.ports().unzip();
        let (icmp_type, icmp_code) = self.icmp().unzip();
        FlowRecord {
            etype: self.ether_type,
            src_mac,
            dst_mac,
            vlan_id: self.vlan,
            vlan_inner_id: self.inner_vlan,
            src_addr: self.ip.map(|ip| ip.src),
            dst_addr: self.ip.map(|ip| ip.dst),
            src_port,
            dst_port,
            proto: self.ip.map(|ip| ip.proto),
            dscp: self.ip.map(|ip| ip.dscp),
            icmp_type,
            icmp_code,
            flags: self.flags(),
            ..FlowRecord::default()
        }
    }
}

#[cfg(test)]
mod tests;
