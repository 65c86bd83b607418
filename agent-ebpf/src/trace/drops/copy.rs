//! Copying dropped packets: head and frame are put together in scratch memory and written to the ring in one record.

use agent_common::{
    drops::{DropCounter, DropHead},
    types::PacketHead,
};
use aya_ebpf::{
    Global,
    bindings::BPF_RB_NO_WAKEUP,
    btf_maps::{Array, RingBuf},
    helpers::{
        bpf_get_smp_processor_id, bpf_ktime_get_ns,
        generated::{bpf_probe_read_kernel, bpf_ringbuf_output},
    },
    macros::{btf_map, btf_tracepoint},
    programs::BtfTracePointContext,
};

use super::{Event, add, event, frame};

/// Bytes of a frame that are copied at most: what lies in one piece is seldom longer than a page.
const MOST: usize = 4096;

/// Most bytes of a frame that are wanted.
#[unsafe(no_mangle)]
static DROP_SNAPLEN: Global<u32> = Global::new(MOST as u32);

/// Where a record is put together.
#[repr(C)]
struct Scratch {
    head: DropHead,
    frame: [u8; MOST],
}

/// One entry for each possible CPU.
#[btf_map]
static DROP_SCRATCH: Array<Scratch, 1> = Array::new();

#[btf_map]
static DROP_PACKETS: RingBuf<DropHead, 65_536> = RingBuf::new();

/// The arguments are those of include/trace/events/skb.h.
#[btf_tracepoint(function = "kfree_skb")]
pub fn drop_copy(ctx: BtfTracePointContext) -> i32 {
    let Some(event) = event(&ctx) else { return 0 };
    if frame::find(event.skb).is_none() {
        add(DropCounter::Unparsed, 1);
    } else if let Some(frame) = frame::frame()
        && !write(&event, frame).unwrap_or(false)
    {
        add(DropCounter::LostPackets, 1);
        add(DropCounter::LostBytes, u64::from(frame.len));
    }
    0
}

#[inline(always)]
fn write(event: &Event, frame: &frame::Frame) -> Option<bool> {
    // SAFETY: the helper has no preconditions.
    let scratch = DROP_SCRATCH.get_ptr_mut(unsafe { bpf_get_smp_processor_id() })?;
    let (base, linear) = frame.bytes();
    let len = frame.len;
    let linear = if (linear as u32) < len { linear as u32 } else { len };
    let snaplen = DROP_SNAPLEN.load();
    let caplen = bounded(if linear < snaplen { linear } else { snaplen })?;
    let [tpid, tci] = [frame.tag as u16, (frame.tag >> 16) as u16];
    let head = PacketHead {
        // SAFETY: the helper has no preconditions.
        time_ns: unsafe { bpf_ktime_get_ns() },
        netns: event.netns,
        ifindex: event.ifindex,
        len,
        caplen: caplen as u32,
        vlan_tci: tci,
        vlan_proto: u16::from_be(tpid),
        kind: 0,
        l3: (frame.ethernet == 0) as u8,
        pad: [0; 2],
    };
    // SAFETY: this CPU's scratch memory is used by one run at a time.
    unsafe { (*scratch).head = DropHead { head, reason: event.reason, pad: 0 } };
    // SAFETY: as above.
    let to = unsafe { (&raw mut (*scratch).frame).cast::<u8>() };
    // SAFETY: there is room for as many bytes, which the verifier checks; the helper survives any address.
    if unsafe { bpf_probe_read_kernel(to.cast(), caplen as u32, (base as *const u8).cast()) } != 0 {
        return None;
    }
    let size = size_of::<DropHead>() as u64 + caplen;
    let ring = (&raw const DROP_PACKETS).cast_mut();
    // SAFETY: head and frame lie one after the other; the verifier checks the size against the map's value.
    Some(unsafe { bpf_ringbuf_output(ring.cast(), scratch.cast(), size, u64::from(BPF_RB_NO_WAKEUP)) } == 0)
}

/// `len` cut to what fits, as a number between 2 and that which the verifier believes: one register, compared and used, of which
/// the compiler knows nothing.
#[inline(always)]
fn bounded(len: u32) -> Option<u64> {
    let mut n = u64::from(if len > MOST as u32 { MOST as u32 } else { len });
    // SAFETY: the instruction does nothing.
    unsafe { core::arch::asm!("{0} = {0}", inout(reg) n, options(pure, nomem, nostack, preserves_flags)) };
    if n < 2 || n > MOST as u64 { None } else { Some(n) }
}
