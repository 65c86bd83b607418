//! What programs tell of dropped packets.

use crate::types::{PacketHead, Selector};

/// Key of a map of drops. As in flow maps every CPU has entries of its own.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DropKey {
    /// Source address, or MAC of a frame that is not IP; IPv4 addresses and MACs stand at the beginning, followed by zeros.
    pub src: [u8; 16],
    /// Destination, likewise.
    pub dst: [u8; 16],
    /// See [`Selector`].
    pub selector: Selector,
    /// Where it was dropped, as in [`crate::types::FlowKey::netns`], or [`UNKNOWN_NETNS`].
    pub netns: u32,
    /// The device that it came in by, or was to leave by; 0 when there is none.
    pub ifindex: u32,
    /// `enum skb_drop_reason` of the running kernel (include/net/dropreason-core.h); 0 where it gives none.
    pub reason: u32,
    /// CPU that counted.
    pub cpu: u16,
    /// IP protocol number; 0 in a frame that is not IP.
    pub proto: u8,
    /// 4, 6, or 0 when the frame is not IP.
    pub family: u8,
    /// TCP flags, as in [`crate::types::FlowValue::tcp_flags`]: rules may ask for them.
    pub tcp_flags: u16,
    /// Zero.
    pub pad: u16,
}

/// [`DropKey::netns`] of a buffer that has neither a device nor a socket any more.
pub const UNKNOWN_NETNS: u32 = u32::MAX;

/// Value of a map of drops.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DropValue {
    /// Wire bytes: from the Ethernet header where the buffer has one, else from the IP header.
    pub bytes: u64,
    /// Wire packets: a segmentation-offload buffer counts as its segments.
    pub packets: u64,
    /// First drop, CLOCK_MONOTONIC ns.
    pub first_ns: u64,
    /// Last drop, CLOCK_MONOTONIC ns.
    pub last_ns: u64,
    /// State of the socket of the last one (include/net/tcp_states.h); 0 where there is none, or it is not TCP's.
    pub state: u8,
    /// Zero.
    pub pad: [u8; 7],
}

/// Record of the ring for drops that found no room in the map.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DropRecord {
    /// What it counts for.
    pub value: DropValue,
    /// Whose it is.
    pub key: DropKey,
}

/// Head of a record of the ring for copies of dropped packets; `head.caplen` bytes of the frame follow it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DropHead {
    /// As of other packets. `ifindex` 0: it has no device. `l3` 1: the buffer begins with the IP header, whatever the device.
    pub head: PacketHead,
    /// As in [`DropKey::reason`].
    pub reason: u32,
    /// Zero.
    pub pad: u32,
}

/// Index of each per-CPU counter of drops.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropCounter {
    /// New entries in generation 0 of the map.
    New0,
    /// New entries in generation 1 of the map.
    New1,
    /// Wire packets (in copies: buffers) lost because map and ring were full.
    LostPackets,
    /// Bytes of those.
    LostBytes,
    /// Buffers without any header that could be read.
    Unparsed,
}

/// How many counters there are.
pub const DROP_COUNTERS: u32 = DropCounter::Unparsed as u32 + 1;

/// Proof that the compiler put no padding into them.
const _: () = {
    assert!(size_of::<DropKey>() == 56);
    assert!(size_of::<DropValue>() == 40);
    assert!(size_of::<DropRecord>() == 96);
    assert!(size_of::<DropHead>() == 40);
};
