//! Header parsing: link layer, network layer and transport layer of one frame. Owns what is read from where. Must not
//! know maps, rules or the kernel; reads through [`Packet`] only.
//!
//! The parser does not fail: a frame too short for what it announces yields what could be read, with `malformed` set.

mod ip;
mod link;
mod transport;
mod tunnel;

#[cfg(test)]
mod tests;

pub use ip::{ipv4, ipv6, plain4, plain6};
pub use link::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, Layer, Link, LinkDetails, dscp, link, link_details, other};
pub use tunnel::segment_header_len;

use crate::types::Selector;

/// IP protocol number of ICMP (RFC 792).
pub const ICMP: u8 = 1;
/// IP protocol number of TCP (RFC 9293).
pub const TCP: u8 = 6;
/// IP protocol number of UDP (RFC 768).
pub const UDP: u8 = 17;
/// IP protocol number of ICMPv6 (RFC 4443).
pub const ICMPV6: u8 = 58;
/// IP protocol number of SCTP (RFC 9260).
pub const SCTP: u8 = 132;

/// Added to the TCP flags of a packet that has both SYN and ACK.
pub const FLAG_SYN_ACK: u16 = 0x100;
/// Added to the TCP flags of a packet that has both FIN and ACK.
pub const FLAG_FIN_ACK: u16 = 0x200;
/// Added to the TCP flags of a packet that has both RST and ACK.
pub const FLAG_RST_ACK: u16 = 0x400;

/// An address as it stands in a flow key.
pub trait Address: Copy {
    /// The address as network byte order words, as in [`crate::types::Rule::net`]: IPv4 in the first one.
    fn words(&self) -> [u32; 4];
    /// Words that an address of this kind fills.
    const WORDS: usize;
}

impl Address for [u8; 4] {
    const WORDS: usize = 1;

    #[inline(always)]
    fn words(&self) -> [u32; 4] {
        [u32::from_ne_bytes(*self), 0, 0, 0]
    }
}

impl Address for [u8; 16] {
    const WORDS: usize = 4;

    #[inline(always)]
    fn words(&self) -> [u32; 4] {
        let (words, _) = self.as_chunks::<4>();
        core::array::from_fn(|index| u32::from_ne_bytes(words[index]))
    }
}

/// Where a packet stands in its datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Not fragmented.
    Whole,
    /// First fragment: it carries the transport header.
    First,
    /// Later fragment: its ports are known from the first one only.
    Later,
}

/// What a frame says about its flow. `A` is `[u8; 4]` for IPv4 and `[u8; 16]` for IPv6 and for frames that are not IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers<A> {
    /// Source address, or source MAC in the first six bytes.
    pub src: A,
    /// Destination address, or destination MAC in the first six bytes.
    pub dst: A,
    /// See [`Selector`].
    pub selector: Selector,
    /// TCP flags: wire bits 0-7 and the `FLAG_*_ACK` bits of this module; 0 when not TCP.
    pub tcp_flags: u16,
    /// 4, 6, or 0 when the frame is not IP.
    pub family: u8,
    /// IP protocol number of the last header reached; 0 when the frame is not IP.
    pub proto: u8,
    /// Whether `selector` was read from this packet (or found through its first fragment).
    pub selector_known: bool,
    /// Whether `tcp_flags` was read from this packet.
    pub flags_known: bool,
    /// The frame ends before a header that it announces, or announces one that cannot be.
    pub malformed: bool,
    /// Place in the datagram.
    pub piece: Piece,
    /// Identification of the datagram, when `piece` is not `Whole`.
    pub id: u32,
    /// Offset of the transport header from the start of the frame.
    pub l4: usize,
    /// Offset of what follows the transport header: what every segment of an offload buffer repeats ends here.
    pub payload: usize,
}
