//! Link layer: Ethernet, IEEE 802.1Q and 802.1ad tags, frames without a link header, frames that are not IP.

use super::{Headers, Piece};
use crate::packet::{Header as _, Packet};

/// EtherType of IPv4.
pub const ETHERTYPE_IPV4: u16 = 0x0800;
/// EtherType of IPv6.
pub const ETHERTYPE_IPV6: u16 = 0x86dd;
/// Tag protocol identifier of IEEE 802.1Q.
const TPID_8021Q: u16 = 0x8100;
/// Tag protocol identifier of IEEE 802.1ad (QinQ).
const TPID_8021AD: u16 = 0x88a8;
/// Length of an Ethernet header without tags.
const ETHERNET: usize = 14;
/// Length of a tag.
const TAG: usize = 4;
/// Bits of a TCI that are the VLAN id.
const VID: u16 = 0x0fff;

/// With what a frame begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// With an Ethernet header.
    Ethernet,
    /// With the IP header (tun, WireGuard, IPIP and other L3 devices).
    Ip,
}

/// What the link layer says of the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// EtherType of the innermost VLAN payload; 0 when the frame is too short to tell.
    pub ethertype: u16,
    /// Offset of the network header.
    pub l3: usize,
}

/// What is wanted of the link layer once per flow only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkDetails {
    /// Source MAC, zeros without an Ethernet header.
    pub src_mac: [u8; 6],
    /// Destination MAC, zeros without an Ethernet header.
    pub dst_mac: [u8; 6],
    /// Outer and inner VLAN id of the tags in the frame.
    pub vlan: [u16; 2],
}

/// EtherType and place of the network header; steps over up to two tags.
#[inline(always)]
pub fn link<P: Packet + ?Sized>(packet: &P, layer: Layer) -> Link {
    match layer {
        Layer::Ethernet => ethernet(packet),
        Layer::Ip => Link { ethertype: version(packet), l3: 0 },
    }
}

#[inline(always)]
fn ethernet<P: Packet + ?Sized>(packet: &P) -> Link {
    let Some(header) = packet.header::<ETHERNET>(0) else { return Link { ethertype: 0, l3: ETHERNET } };
    let ethertype = header.be16::<12>();
    if is_tag(ethertype) { tagged(packet, ethertype) } else { Link { ethertype, l3: ETHERNET } }
}

/// Kept apart from the untagged case, which is the usual one.
#[inline(always)]
fn tagged<P: Packet + ?Sized>(packet: &P, tpid: u16) -> Link {
    let Some(tag) = packet.header::<TAG>(ETHERNET) else { return Link { ethertype: tpid, l3: ETHERNET } };
    let ethertype = tag.be16::<2>();
    if !is_tag(ethertype) {
        return Link { ethertype, l3: ETHERNET + TAG };
    }
    match packet.header::<TAG>(ETHERNET + TAG) {
        Some(tag) => Link { ethertype: tag.be16::<2>(), l3: ETHERNET + 2 * TAG },
        None => Link { ethertype, l3: ETHERNET + TAG },
    }
}

/// EtherType of a frame without a link header, by the version field of IP.
#[inline(always)]
fn version<P: Packet + ?Sized>(packet: &P) -> u16 {
    match packet.header::<1>(0).map(|byte| byte.byte::<0>() >> 4) {
        Some(4) => ETHERTYPE_IPV4,
        Some(6) => ETHERTYPE_IPV6,
        _ => 0,
    }
}

#[inline(always)]
const fn is_tag(ethertype: u16) -> bool {
    ethertype == TPID_8021Q || ethertype == TPID_8021AD
}

/// MAC addresses and VLAN ids in the frame; all zero when there is no Ethernet header.
#[inline(always)]
pub fn link_details<P: Packet + ?Sized>(packet: &P, layer: Layer) -> LinkDetails {
    let mut details = LinkDetails { src_mac: [0; 6], dst_mac: [0; 6], vlan: [0; 2] };
    if layer == Layer::Ip {
        return details;
    }
    let Some(header) = packet.header::<ETHERNET>(0) else { return details };
    details.dst_mac = header.bytes::<0, 6>();
    details.src_mac = header.bytes::<6, 6>();
    if is_tag(header.be16::<12>()) {
        details.vlan = vlan_ids(packet);
    }
    details
}

#[inline(always)]
fn vlan_ids<P: Packet + ?Sized>(packet: &P) -> [u16; 2] {
    let Some(outer) = packet.header::<TAG>(ETHERNET) else { return [0; 2] };
    let inner = if is_tag(outer.be16::<2>()) { packet.header::<TAG>(ETHERNET + TAG) } else { None };
    [outer.be16::<0>() & VID, inner.map_or(0, |tag| tag.be16::<0>() & VID)]
}

/// DSCP of the IP header at `link.l3`; 0 when the frame is not IP.
#[inline(always)]
pub fn dscp<P: Packet + ?Sized>(packet: &P, link: Link) -> u8 {
    let Some(header) = packet.header::<2>(link.l3) else { return 0 };
    match link.ethertype {
        ETHERTYPE_IPV4 => header.byte::<1>() >> 2,
        ETHERTYPE_IPV6 => ((header.be16::<0>() >> 6) & 0x3f) as u8,
        _ => 0,
    }
}

/// A frame that is not IP, or too short to be: MAC addresses and EtherType are its identity.
#[inline(always)]
pub fn other<P: Packet + ?Sized>(packet: &P, layer: Layer, link: Link, malformed: bool) -> Headers<[u8; 16]> {
    let details = link_details(packet, layer);
    Headers {
        src: widen(details.src_mac),
        dst: widen(details.dst_mac),
        selector: [link.ethertype, 0],
        tcp_flags: 0,
        family: 0,
        proto: 0,
        selector_known: false,
        flags_known: false,
        malformed,
        piece: Piece::Whole,
        id: 0,
        l4: link.l3,
        payload: link.l3,
    }
}

#[inline(always)]
fn widen(mac: [u8; 6]) -> [u8; 16] {
    let mut address = [0; 16];
    address[..6].copy_from_slice(&mac);
    address
}
