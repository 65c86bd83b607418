//! Copying packets: head and frame are put together in scratch memory and written to this CPU's ring in one record.

use agent_common::{
    parse::Layer,
    types::{Counter, PacketHead},
};
use aya_ebpf::{
    bindings::{__sk_buff, BPF_RB_NO_WAKEUP},
    helpers::{bpf_get_smp_processor_id, bpf_ktime_get_ns, generated::bpf_ringbuf_output},
};

use crate::{
    counters,
    maps::{
        PACKETS_0, PACKETS_1, PACKETS_2, PACKETS_3, PACKETS_4, PACKETS_5, PACKETS_6, PACKETS_7, Ring, SCRATCH_FRAME,
    },
    packet::{Skb, bounded, scratch},
    settings::{RING_MASK, RING_SHIFT, SNAPLEN},
};

/// Copies one packet to its ring, or counts it as lost.
#[inline(always)]
pub(crate) fn copy(skb: Skb, layer: Layer, direction: u8) {
    let _ = copy_out(skb.0, u32::from(layer == Layer::Ip), u32::from(direction));
}

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn copy_out(skb: *mut __sk_buff, l3: u32, direction: u32) -> u32 {
    let skb = Skb(skb);
    let netns = skb.netns();
    if !write(skb, l3, direction, netns).unwrap_or(false) {
        counters::add(Counter::LostPackets, 1);
        counters::add(Counter::LostPacketBytes, u64::from(skb.len()));
        counters::lost_at(netns, skb.ifindex());
    }
    0
}

#[inline(always)]
fn write(skb: Skb, l3: u32, direction: u32, netns: u32) -> Option<bool> {
    let scratch = scratch()?;
    let len = skb.len();
    let snaplen = SNAPLEN.load();
    let caplen = bounded(if len < snaplen { len } else { snaplen }, SCRATCH_FRAME as u32)?;
    let tagged = skb.vlan_present() != 0;
    let head = PacketHead {
        // SAFETY: the helper has no preconditions.
        time_ns: unsafe { bpf_ktime_get_ns() },
        netns,
        ifindex: skb.ifindex(),
        len,
        caplen,
        vlan_tci: if tagged { skb.vlan_tci() as u16 } else { 0 },
        vlan_proto: if tagged { u16::from_be(skb.vlan_proto() as u16) } else { 0 },
        kind: direction as u8,
        l3: l3 as u8,
        pad: [0; 2],
    };
    // SAFETY: this CPU's scratch memory is used by one program at a time.
    unsafe { (*scratch).head = head };
    // SAFETY: as above.
    let frame = unsafe { (&raw mut (*scratch).frame).cast::<u8>() };
    if !skb.load(frame, caplen) {
        return None;
    }
    let size = size_of::<PacketHead>() as u64 + u64::from(caplen);
    // SAFETY: head and frame lie one after the other; the verifier checks the size against the map's value.
    Some(unsafe { bpf_ringbuf_output(ring().cast(), scratch.cast(), size, u64::from(BPF_RB_NO_WAKEUP)) } == 0)
}

/// The ring of this CPU.
#[inline(always)]
fn ring() -> *mut Ring<PacketHead> {
    // SAFETY: the helper has no preconditions.
    let shard = (unsafe { bpf_get_smp_processor_id() } >> RING_SHIFT.load()) & RING_MASK.load() & 7;
    let ring = match shard {
        0 => &raw const PACKETS_0,
        1 => &raw const PACKETS_1,
        2 => &raw const PACKETS_2,
        3 => &raw const PACKETS_3,
        4 => &raw const PACKETS_4,
        5 => &raw const PACKETS_5,
        6 => &raw const PACKETS_6,
        _ => &raw const PACKETS_7,
    };
    ring.cast_mut()
}
