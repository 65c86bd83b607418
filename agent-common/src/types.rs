//! Plain-old-data types that cross the kernel boundary. Every field is a fixed-width integer or an array of them,
//! every struct is free of implicit padding (checked below), every bit pattern is a valid value.

/// Ports, ICMP type and code, or the EtherType of a frame that is not IP: what tells flows between two addresses apart.
///
/// TCP, UDP, SCTP: `[source port, destination port]`; ICMP, ICMPv6: `[type, code]`; not IP: `[EtherType, 0]`; later
/// fragments whose first one was not seen, other protocols: `[0, 0]`. Host byte order.
pub type Selector = [u16; 2];

/// Key of a flow map. `A` is the address: `[u8; 4]` or `[u8; 16]`, network byte order.
///
/// `cpu` is part of the key, so that each CPU has its own entry: a hit needs neither lock nor atomic, and memory grows
/// with flows, not with flows times CPUs.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowKey<A> {
    /// Source address; in a frame that is not IP the source MAC in the first six bytes.
    pub src: A,
    /// Destination address; in a frame that is not IP the destination MAC in the first six bytes.
    pub dst: A,
    /// See [`Selector`].
    pub selector: Selector,
    /// Network namespace: low 32 bits of its cookie (`net.net_cookie`), 0 when all programs serve one namespace.
    pub netns: u32,
    /// Interface index within that namespace.
    pub ifindex: u32,
    /// CPU that counted.
    pub cpu: u16,
    /// IP protocol number; 0 in a frame that is not IP.
    pub proto: u8,
    /// Bits `DIR_*` and `FAMILY_*`.
    pub kind: u8,
}

/// Key of the IPv4 flow maps.
pub type FlowKey4 = FlowKey<[u8; 4]>;
/// Key of the IPv6 flow maps, which also hold frames that are not IP.
pub type FlowKey6 = FlowKey<[u8; 16]>;

/// Bit of [`FlowKey::kind`]: 0 ingress, 1 egress, as seen from the interface's namespace.
pub const DIR_EGRESS: u8 = 1;
/// Bit of [`FlowKey::kind`]: the frame is not IP; `src` and `dst` hold MAC addresses.
pub const FAMILY_OTHER: u8 = 2;

/// Value of a flow map: what one CPU counted of one flow on one interface and direction since the map was last drained.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowValue {
    /// Wire bytes: from the Ethernet header (IP header on L3 devices), VLAN tags included, no FCS, GSO undone.
    pub bytes: u64,
    /// First packet, CLOCK_MONOTONIC ns.
    pub first_ns: u64,
    /// Last packet, CLOCK_MONOTONIC ns. Exact for the first [`EXACT_PACKETS`] packets and for the first one in each timer
    /// tick; else early by at most one tick (4 ms at HZ=250), as reading the clock costs more than all else together.
    pub last_ns: u64,
    /// Wire packets: a GSO packet counts as its segments.
    pub packets: u32,
    /// OR of `FLAG_*`: bits 0-7 as on the wire, 0x100 SYN+ACK, 0x200 FIN+ACK, 0x400 RST+ACK seen in one packet.
    pub tcp_flags: u16,
    /// EtherType of the innermost VLAN payload, host byte order.
    pub ethertype: u16,
    /// Source MAC of the first packet, zeros on L3 devices.
    pub src_mac: [u8; 6],
    /// Destination MAC of the first packet, zeros on L3 devices.
    pub dst_mac: [u8; 6],
    /// Outer and inner VLAN id of the first packet; 0 where there is none.
    pub vlan: [u16; 2],
    /// DSCP (6 bits) of the first packet.
    pub dscp: u8,
    /// The first three are zero; the others are the kernel's own note of the tick in which `last_ns` was set.
    pub pad: [u8; 7],
}

/// Packets of an entry whose time is always read; see [`FlowValue::last_ns`].
pub const EXACT_PACKETS: u32 = 32;

/// Record of the fallback ring: a packet whose flow did not fit into its map, as a flow of its own.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FallbackRecord {
    /// Addresses as in [`FlowKey6`]; an IPv4 address stands in the first four bytes, the others are zero.
    pub key: FlowKey6,
    /// 4 or 6; 0 when the frame is not IP.
    pub family: u32,
    /// Zero.
    pub pad: u32,
    /// What this packet (or GSO packet) counts for.
    pub value: FlowValue,
}

/// Head of a packet ring record; `caplen` bytes of the frame follow it.
///
/// A VLAN tag that the driver moved out of the frame is in `vlan_tci`/`vlan_proto`; user space puts it back.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketHead {
    /// CLOCK_MONOTONIC ns.
    pub time_ns: u64,
    /// Network namespace, as in [`FlowKey::netns`].
    pub netns: u32,
    /// Interface index.
    pub ifindex: u32,
    /// Length of the frame as it lies in the buffer (without an accelerated VLAN tag); a GSO packet counts once, as tcpdump shows it.
    pub len: u32,
    /// Bytes that follow.
    pub caplen: u32,
    /// Accelerated VLAN tag: TCI, host byte order.
    pub vlan_tci: u16,
    /// Accelerated VLAN tag: TPID, host byte order; 0 where there is none.
    pub vlan_proto: u16,
    /// Bit `DIR_EGRESS`.
    pub kind: u8,
    /// 1 when the frame begins with the IP header (L3 device).
    pub l3: u8,
    /// Zero.
    pub pad: [u8; 2],
}

/// Index of each per-CPU counter.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Packets (buffers, before GSO is undone) that a program saw.
    Seen,
    /// Packets that the filter let through.
    Accepted,
    /// Packets that the filter turned away.
    Rejected,
    /// Packets left out because they are the capture's own.
    Own,
    /// Packets left out by `--sampling`.
    SampledOut,
    /// Frames too short for the header they announce: counted as flows by what could be read.
    Malformed,
    /// New entries in generation 0 of the flow maps.
    New0,
    /// New entries in generation 1 of the flow maps.
    New1,
    /// Packets that went through the fallback ring because their map was full.
    Fallback,
    /// Wire packets lost: map full and fallback ring full.
    LostFlowPackets,
    /// Wire bytes of those.
    LostFlowBytes,
    /// Packets lost: packet ring full.
    LostPackets,
    /// Frame bytes of those.
    LostPacketBytes,
}

/// How many counters there are.
pub const COUNTERS: u32 = Counter::LostPacketBytes as u32 + 1;

/// Where a packet was seen: key of the per-interface loss map.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IfaceKey {
    /// As in [`FlowKey::netns`].
    pub netns: u32,
    /// Interface index.
    pub ifindex: u32,
}

/// One filter rule. A condition whose bit is not set in `conditions` holds for every packet.
///
/// `net` and `net_set` are matched against one end, `peer` and `peer_set` against the other, either way round.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// OR of `COND_*`.
    pub conditions: u32,
    /// `ACTION_*`.
    pub action: u8,
    /// IP protocol number.
    pub proto: u8,
    /// 4 or 6: family of the networks; 0 where there are none, [`NO_FAMILY`] where they are of both.
    pub family: u8,
    /// 0 ingress, 1 egress.
    pub direction: u8,
    /// `tcp_flags & tcp_mask == tcp_value`, wire bits 0-7.
    pub tcp_mask: u8,
    /// See `tcp_mask`.
    pub tcp_value: u8,
    /// ICMP or ICMPv6 type.
    pub icmp_type: u8,
    /// ICMP or ICMPv6 code.
    pub icmp_code: u8,
    /// Two inclusive ranges for either port (a single port is a range of one; an unused range is `[1, 0]`).
    pub port: [[u16; 2]; 2],
    /// The same for the source port.
    pub sport: [[u16; 2]; 2],
    /// The same for the destination port.
    pub dport: [[u16; 2]; 2],
    /// Network address, network byte order words; IPv4 in the first word.
    pub net: [u32; 4],
    /// Mask of `net`.
    pub net_mask: [u32; 4],
    /// Network of the other end.
    pub peer: [u32; 4],
    /// Mask of `peer`.
    pub peer_mask: [u32; 4],
    /// Network of the source.
    pub src: [u32; 4],
    /// Mask of `src`.
    pub src_mask: [u32; 4],
    /// Network of the destination.
    pub dst: [u32; 4],
    /// Mask of `dst`.
    pub dst_mask: [u32; 4],
    /// Sets, as bits, that the end in `net` has to be in, all of them.
    pub net_set: u32,
    /// The same for the end in `peer`.
    pub peer_set: u32,
    /// The same for the source.
    pub src_set: u32,
    /// The same for the destination.
    pub dst_set: u32,
}

/// [`Rule::family`] that no packet has: two networks of one rule are of different families.
pub const NO_FAMILY: u8 = 255;

/// Value of the maps of sets, whose keys are addresses: the sets that an address is in, as bits, for each of the two rule
/// tables. A packet is judged by one table, so that sets and rules change together.
pub type SetMasks = [u32; 2];

/// [`Rule::action`]: leave the packet out.
pub const ACTION_REJECT: u8 = 0;
/// [`Rule::action`]: take the packet.
pub const ACTION_ACCEPT: u8 = 1;
/// [`Rule::action`]: leave the packet out and count it as the capture's own.
pub const ACTION_OWN: u8 = 2;

/// Condition: `proto`.
pub const COND_PROTO: u32 = 1;
/// Condition: `direction`.
pub const COND_DIRECTION: u32 = 1 << 1;
/// Condition: `port`.
pub const COND_PORT: u32 = 1 << 2;
/// Condition: `sport`.
pub const COND_SPORT: u32 = 1 << 3;
/// Condition: `dport`.
pub const COND_DPORT: u32 = 1 << 4;
/// Condition: `tcp_mask`, `tcp_value`.
pub const COND_TCP: u32 = 1 << 5;
/// Condition: `icmp_type`.
pub const COND_ICMP_TYPE: u32 = 1 << 6;
/// Condition: `icmp_code`.
pub const COND_ICMP_CODE: u32 = 1 << 7;
/// Condition: `net`, `peer`, `net_set`, `peer_set`; masks and sets are all zero where one was not given.
pub const COND_NET: u32 = 1 << 8;
/// Condition: `src`, `dst`, `src_set`, `dst_set`; the same.
pub const COND_DIRECTED: u32 = 1 << 9;

/// Most rules that fit into the kernel's table.
pub const MAX_RULES: usize = 64;

/// Size of a record, and proof that the compiler put no padding into it.
const _: () = {
    assert!(size_of::<FlowKey4>() == 24);
    assert!(size_of::<FlowKey6>() == 48);
    assert!(size_of::<FlowValue>() == 56);
    assert!(size_of::<FallbackRecord>() == 48 + 8 + 56);
    assert!(size_of::<PacketHead>() == 32);
    assert!(size_of::<Rule>() == 4 + 8 + 24 + 64 + 64 + 16);
};
