//! Constants that user space sets by name before loading. Frozen with `.rodata`, so the verifier knows their values.

use aya_ebpf::Global;

/// [`MODE`]: copy packets instead of counting flows.
pub(crate) const MODE_PACKETS: u32 = 1;

/// 0 counts flows, 1 copies packets.
#[unsafe(no_mangle)]
pub(crate) static MODE: Global<u32> = Global::new(0);
/// Most bytes of a frame that are copied.
#[unsafe(no_mangle)]
pub(crate) static SNAPLEN: Global<u32> = Global::new(65_536);
/// One packet of this many is taken, at random; 0 and 1 take all.
#[unsafe(no_mangle)]
pub(crate) static SAMPLING: Global<u32> = Global::new(1);
/// How many rules the table may hold at most; 0 when there are none.
#[unsafe(no_mangle)]
pub(crate) static RULES_ROOM: Global<u32> = Global::new(0);
/// Whether rules may refer to sets of addresses; 0 leaves looking for them out.
#[unsafe(no_mangle)]
pub(crate) static SETS_ROOM: Global<u32> = Global::new(0);
/// Packet ring of a CPU: `(cpu >> RING_SHIFT) & RING_MASK`.
#[unsafe(no_mangle)]
pub(crate) static RING_SHIFT: Global<u32> = Global::new(0);
/// See [`RING_SHIFT`]; at most 7.
#[unsafe(no_mangle)]
pub(crate) static RING_MASK: Global<u32> = Global::new(0);
/// Where the network namespace of a packet comes from: 0 there is one only, 2 by the offsets below with a helper (20 ns each),
/// 3 the same with plain loads (Linux 6.2; see `agent_common::kfunc`). The helper `bpf_get_netns_cookie` is no source: it tells
/// the namespace of the socket that sent the packet, not of the interface.
#[unsafe(no_mangle)]
pub(crate) static NETNS_SOURCE: Global<u32> = Global::new(0);
/// Offset of `sk_buff.dev`.
#[unsafe(no_mangle)]
pub(crate) static OFF_SKB_DEV: Global<u32> = Global::new(0);
/// Offset of `net_device.nd_net.net`.
#[unsafe(no_mangle)]
pub(crate) static OFF_DEV_ND_NET: Global<u32> = Global::new(0);
/// Offset of `net.net_cookie`.
#[unsafe(no_mangle)]
pub(crate) static OFF_NET_COOKIE: Global<u32> = Global::new(0);
