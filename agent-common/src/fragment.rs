//! Which fragments belong together: key and value of the fragment map. The map itself lives in the kernel.

use crate::types::Selector;

/// Key of the fragment map: what all fragments of one datagram have in common (RFC 791 section 3.2, RFC 8200 section 4.5).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FragmentKey {
    /// Source address, network byte order; IPv4 in the first four bytes, the others zero.
    pub src: [u8; 16],
    /// Destination address, as `src`.
    pub dst: [u8; 16],
    /// Identification field: 16 bits in IPv4, 32 in IPv6.
    pub id: u32,
    /// Network namespace, as in [`crate::types::FlowKey::netns`].
    pub netns: u32,
    /// IP protocol number of the payload.
    pub proto: u8,
    /// 4 or 6.
    pub family: u8,
    /// Zero.
    pub pad: [u8; 2],
}

/// Value of the fragment map: the ports, or ICMP type and code, that only the first fragment carries.
pub type FragmentValue = Selector;

const _: () = assert!(size_of::<FragmentKey>() == 44);
