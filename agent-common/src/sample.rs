//! Packets of which a copy goes to user space, because what they say is worth reading there: DNS, and hellos of TLS and QUIC.

use crate::types::Selector;

/// Head of a sample; `caplen` bytes follow it, from the IP header.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleHead {
    /// CLOCK_MONOTONIC ns.
    pub time_ns: u64,
    /// Network namespace, as in [`crate::types::FlowKey::netns`].
    pub netns: u32,
    /// Interface index.
    pub ifindex: u32,
    /// Length of the packet from its IP header; what pads a short frame is part of it.
    pub len: u32,
    /// Bytes that follow.
    pub caplen: u32,
    /// Offset of the transport header from the IP header.
    pub l4: u16,
    /// Offset of what follows the transport header.
    pub payload: u16,
    /// `SAMPLE_*`: why it was taken.
    pub what: u8,
    /// Bit [`crate::types::DIR_EGRESS`].
    pub kind: u8,
    /// 4 or 6.
    pub family: u8,
    /// IP protocol number of the transport header.
    pub proto: u8,
}

/// Most bytes of a packet that a sample holds: every message of DNS over UDP that EDNS lets servers send by default, and a
/// post-quantum ClientHello twice over.
pub const SAMPLE_BYTES: usize = 4096;

/// [`SampleHead::what`]: from or to a port of DNS.
pub const SAMPLE_DNS: u8 = 0;
/// [`SampleHead::what`]: TCP, a part of a hello of TLS, or an alert.
pub const SAMPLE_TLS: u8 = 1;
/// [`SampleHead::what`]: QUIC, an Initial or the first packet of its kind.
pub const SAMPLE_QUIC: u8 = 2;

/// Bit of the setting `SAMPLES`: take DNS.
pub const TAKE_DNS: u32 = 1;
/// Bit of the setting `SAMPLES`: take TLS and QUIC.
pub const TAKE_HELLOS: u32 = 2;

/// Words of the bitmap of ports: bit `port % 64` of word `port / 64`.
pub const PORT_WORDS: usize = 1024;

/// Whose hello has begun: addresses (IPv4 in the first word) and ports of the sender and the receiver.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HelloKey {
    /// Source and destination address in network byte order.
    pub addresses: [u64; 4],
    /// Source and destination port.
    pub ports: Selector,
    /// IP protocol number.
    pub proto: u32,
}

/// How far it is.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// TCP: sequence number of its first byte. QUIC: 1 after a packet with a short header was taken.
    pub start: u32,
    /// TCP: its length. QUIC: 0.
    pub len: u32,
}

const _: () = {
    assert!(size_of::<SampleHead>() == 32);
    assert!(size_of::<HelloKey>() == 40);
    assert!(size_of::<Hello>() == 8);
};
