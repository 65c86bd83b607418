//! Counting drops by flow and reason: the entry of this CPU in the map of the current generation, or a record in the ring.

use agent_common::{
    drops::{DropCounter, DropKey, DropRecord, DropValue},
    parse::{Address, Headers, TCP},
    wire::wire_counts,
};
use aya_ebpf::{
    bindings::{BPF_NOEXIST, BPF_RB_NO_WAKEUP},
    btf_maps::{Array, HashMap, PerCpuArray, RingBuf},
    helpers::{bpf_get_smp_processor_id, bpf_ktime_get_ns, generated::bpf_ringbuf_output},
    macros::{btf_map, btf_tracepoint},
    programs::BtfTracePointContext,
};

use super::{Event, INTERNET, add, event, frame};
use crate::kernel::{family, state};

/// Entries are made beforehand: a tracepoint may be anywhere, also where memory must not be asked for.
#[btf_map]
static DROPS_0: HashMap<DropKey, DropValue, 1> = HashMap::new();
#[btf_map]
static DROPS_1: HashMap<DropKey, DropValue, 1> = HashMap::new();

/// Entry 0: bit 0 is the generation that is written to.
#[btf_map]
static DROP_GENERATION: Array<u32, 1> = Array::new();

/// Drops that found their map full.
#[btf_map]
static DROP_RING: RingBuf<DropRecord, 65_536> = RingBuf::new();

/// Where key and value are put together.
#[btf_map]
static DROP_ENTRY: PerCpuArray<DropRecord, 1> = PerCpuArray::new();

/// The arguments are those of include/trace/events/skb.h.
#[btf_tracepoint(function = "kfree_skb")]
pub fn drop_count(ctx: BtfTracePointContext) -> i32 {
    let Some(event) = event(&ctx) else { return 0 };
    if count(&event).is_none() {
        add(DropCounter::Unparsed, 1);
    }
    0
}

#[inline(always)]
fn count(event: &Event) -> Option<()> {
    frame::find(event.skb)?;
    let found = frame::frame()?;
    match frame::parse(found) {
        4 => fill(event, found, frame::headers4()?, 4),
        6 => {
            let headers = frame::headers6()?;
            fill(event, found, headers, headers.family)
        }
        _ => None,
    }
}

/// Puts key and value together, and counts them.
#[inline(always)]
fn fill<A: Address>(event: &Event, frame: &frame::Frame, headers: &Headers<A>, family: u8) -> Option<()> {
    let tag_len = if frame.tag == 0 { 0 } else { 4 };
    let wire = wire_counts(frame.len, frame.gso_size, headers.payload as u32, tag_len);
    let entry = DROP_ENTRY.get_ptr_mut(0)?;
    // SAFETY: the helper returned this CPU's memory, which one run at a time uses.
    let entry = unsafe { &mut *entry };
    put(&mut entry.key.src, &headers.src);
    put(&mut entry.key.dst, &headers.dst);
    entry.key.selector = headers.selector;
    entry.key.netns = event.netns;
    entry.key.ifindex = event.ifindex;
    entry.key.reason = event.reason;
    // SAFETY: the helper has no preconditions.
    entry.key.cpu = unsafe { bpf_get_smp_processor_id() } as u16;
    entry.key.proto = headers.proto;
    entry.key.family = family;
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    entry.value.bytes = wire.bytes;
    entry.value.packets = u64::from(wire.packets);
    entry.value.first_ns = now;
    entry.value.last_ns = now;
    entry.key.tcp_flags = headers.tcp_flags;
    entry.value.state = if headers.proto == TCP { tcp_state(event.sock) } else { 0 };
    enter(entry);
    Some(())
}

/// State of a socket, if it can be one of TCP.
#[inline(always)]
fn tcp_state(sock: usize) -> u8 {
    match family(sock) {
        Some(family) if INTERNET[..2].contains(&family) => state(sock).unwrap_or(0),
        _ => 0,
    }
}

#[inline(always)]
fn put<A: Address>(to: &mut [u8; 16], address: &A) {
    // SAFETY: same size, any bit pattern is valid.
    *to = unsafe { core::mem::transmute::<[u32; 4], [u8; 16]>(address.words()) };
}

#[inline(always)]
fn enter(entry: &DropRecord) {
    // SAFETY: user space writes the word as a whole.
    let generation = DROP_GENERATION.get_ptr(0).map_or(0, |word| unsafe { word.read_volatile() } & 1);
    let found = if generation == 0 { DROPS_0.get_ptr_mut(&entry.key) } else { DROPS_1.get_ptr_mut(&entry.key) };
    if let Some(value) = found {
        // SAFETY: only this CPU writes entries whose key bears its number, one run at a time.
        let value = unsafe { &mut *value };
        value.bytes += entry.value.bytes;
        value.packets += entry.value.packets;
        value.last_ns = entry.value.last_ns;
        value.state = entry.value.state;
        return;
    }
    let flags = u64::from(BPF_NOEXIST);
    let entered = if generation == 0 {
        DROPS_0.insert(&entry.key, &entry.value, flags)
    } else {
        DROPS_1.insert(&entry.key, &entry.value, flags)
    };
    if entered.is_ok() {
        add(if generation == 0 { DropCounter::New0 } else { DropCounter::New1 }, 1);
    } else {
        fall_back(entry);
    }
}

#[inline(always)]
fn fall_back(entry: &DropRecord) {
    let size = size_of::<DropRecord>() as u64;
    let from: *const DropRecord = entry;
    let ring = (&raw const DROP_RING).cast_mut();
    // SAFETY: the record is as long as that.
    if unsafe { bpf_ringbuf_output(ring.cast(), from.cast_mut().cast(), size, u64::from(BPF_RB_NO_WAKEUP)) } != 0 {
        add(DropCounter::LostPackets, entry.value.packets);
        add(DropCounter::LostBytes, entry.value.bytes);
    }
}
