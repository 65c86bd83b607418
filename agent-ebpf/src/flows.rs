//! Counting flows: the entry of this CPU in the map of the current generation, or a record in the fallback ring.

use agent_common::{
    parse::{Headers, Layer, Link, dscp, link_details},
    types::{Counter, EXACT_PACKETS, FAMILY_OTHER, FlowKey, FlowValue},
    wire::Wire,
};
use aya_ebpf::{
    bindings::{__sk_buff, BPF_NOEXIST, BPF_RB_NO_WAKEUP},
    helpers::{bpf_get_smp_processor_id, bpf_ktime_get_ns, generated::bpf_jiffies64},
};

use crate::{
    counters, fragments,
    maps::{FALLBACK, FLOWS4_0, FLOWS4_1, FLOWS6_0, FLOWS6_1, GENERATION},
    packet::{Loaded, Skb},
    work::{self, Parked},
};

/// An address kind that has flow maps.
pub(crate) trait Flows: Parked {
    fn find(generation: u32, key: &FlowKey<Self>) -> Option<*mut FlowValue>;
    fn add(generation: u32, key: &FlowKey<Self>, value: &FlowValue) -> bool;
    fn new(skb: Skb, l3: u32, layer: Layer, family: u8);
}

macro_rules! flows {
    ($address:ty, $zero:ident, $one:ident, $new:ident) => {
        #[inline(never)]
        #[unsafe(no_mangle)]
        extern "C" fn $new(skb: *mut __sk_buff, l3: u32, is_l3: u32, family: u32) -> u32 {
            new::<$address>(Skb(skb), l3, if is_l3 != 0 { Layer::Ip } else { Layer::Ethernet }, family).is_some() as u32
        }

        impl Flows for $address {
            #[inline(always)]
            fn find(generation: u32, key: &FlowKey<Self>) -> Option<*mut FlowValue> {
                if generation == 0 { $zero.get_ptr_mut(key) } else { $one.get_ptr_mut(key) }
            }

            #[inline(always)]
            fn add(generation: u32, key: &FlowKey<Self>, value: &FlowValue) -> bool {
                let flags = u64::from(BPF_NOEXIST);
                if generation == 0 {
                    $zero.insert(key, value, flags).is_ok()
                } else {
                    $one.insert(key, value, flags).is_ok()
                }
            }

            #[inline(always)]
            fn new(skb: Skb, l3: u32, layer: Layer, family: u8) {
                $new(skb.0, l3, u32::from(layer == Layer::Ip), u32::from(family));
            }
        }
    };
}

flows!([u8; 4], FLOWS4_0, FLOWS4_1, new4);
flows!([u8; 16], FLOWS6_0, FLOWS6_1, new6);

/// A key on the stack, where the verifier wants every access aligned to its size.
#[repr(C, align(8))]
struct Aligned<T>(T);

/// What is needed to describe a new flow.
pub(crate) struct Origin {
    pub(crate) skb: Skb,
    pub(crate) layer: Layer,
    pub(crate) link: Link,
    pub(crate) direction: u8,
}

/// The generation of flow maps to write to, 0 or 1.
#[inline(always)]
fn generation() -> u32 {
    // SAFETY: user space writes the word as a whole.
    GENERATION.get_ptr(0).map_or(0, |word| unsafe { word.read_volatile() } & 1)
}

/// Counts one buffer. Returns how many packets of its flow this CPU has counted in this generation.
///
/// The key is on the stack, the fastest place, or `PARKED` in work memory for those who are called and have to spare stack:
/// kernels before 6.10 round the frame of each function up to 32 bytes and allow all of them together 512.
#[inline(always)]
pub(crate) fn count<A: Flows, const PARKED: bool>(origin: &Origin, headers: &Headers<A>, wire: Wire) -> u32 {
    let key = FlowKey {
        src: headers.src,
        dst: headers.dst,
        selector: headers.selector,
        netns: origin.skb.netns(),
        ifindex: origin.skb.ifindex(),
        // SAFETY: the helper has no preconditions.
        cpu: unsafe { bpf_get_smp_processor_id() } as u16,
        proto: headers.proto,
        kind: origin.direction | if headers.family == 0 { FAMILY_OTHER } else { 0 },
    };
    if PARKED {
        let Some(kept) = A::key() else { return wire.packets };
        *kept = key;
        return known(kept, headers, wire).unwrap_or_else(|| enter(origin, headers, wire));
    }
    let key = Aligned(key);
    if let Some(packets) = known(&key.0, headers, wire) {
        return packets;
    }
    let Some(kept) = A::key() else { return wire.packets };
    *kept = key.0;
    enter(origin, headers, wire)
}

/// Adds to the entry of a flow if it has one; how many packets that has then.
#[inline(always)]
fn known<A: Flows>(key: &FlowKey<A>, headers: &Headers<A>, wire: Wire) -> Option<u32> {
    let value = A::find(generation(), key)?;
    // SAFETY: only this CPU writes entries whose key bears its number, and programs do not interrupt one another.
    let value = unsafe { &mut *value };
    value.packets += wire.packets;
    value.bytes += wire.bytes;
    value.tcp_flags |= headers.tcp_flags;
    touch(value);
    Some(value.packets)
}

/// Enters the flow whose key is in work memory.
#[inline(always)]
fn enter<A: Flows>(origin: &Origin, headers: &Headers<A>, wire: Wire) -> u32 {
    let Some(value) = work::value() else { return wire.packets };
    value.bytes = wire.bytes;
    value.first_ns = now();
    value.last_ns = value.first_ns;
    value.packets = wire.packets;
    value.tcp_flags = headers.tcp_flags;
    value.ethertype = origin.link.ethertype;
    A::new(origin.skb, origin.link.l3 as u32, origin.layer, headers.family);
    wire.packets
}

/// CLOCK_MONOTONIC, ns.
#[inline(always)]
fn now() -> u64 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_ktime_get_ns() }
}

/// Notes the time of a packet of a known flow, once per timer tick for flows of many packets: the tick is a plain load, the
/// clock (32 ns where it was measured) costs more than the rest of the program.
#[inline(always)]
fn touch(value: &mut FlowValue) {
    // SAFETY: the helper has no preconditions.
    let tick = unsafe { bpf_jiffies64() } as u32;
    let noted = (&raw mut value.pad[3]).cast::<u32>();
    // SAFETY: these four bytes lie within the value, at a multiple of four (checked below).
    unsafe {
        if value.packets <= EXACT_PACKETS || noted.read() != tick {
            noted.write(tick);
            value.last_ns = now();
        }
    }
}

const _: () = assert!(core::mem::offset_of!(FlowValue, pad) % 4 == 1, "the last four bytes of the padding are aligned");

/// The first packet of a flow in this generation. Key and value are in work memory: the verifier wants stack accesses
/// aligned, which MAC addresses are not.
#[inline(always)]
fn new<A: Flows>(skb: Skb, l3: u32, layer: Layer, family: u32) -> Option<()> {
    let (key, value) = (A::key()?, work::value()?);
    describe(skb, l3, layer, value);
    let generation = generation();
    if A::add(generation, key, value) {
        counters::add(if generation == 0 { Counter::New0 } else { Counter::New1 }, 1);
    } else {
        fall_back(key, family, value);
    }
    Some(())
}

/// Fills in what only the first packet of a flow is asked for.
#[inline(always)]
fn describe(skb: Skb, l3: u32, layer: Layer, value: &mut FlowValue) {
    let packet = Loaded(skb);
    let details = link_details(&packet, layer);
    value.src_mac = details.src_mac;
    value.dst_mac = details.dst_mac;
    value.vlan = vlan(skb, details.vlan);
    value.dscp = dscp(&packet, Link { ethertype: value.ethertype, l3: l3 as usize });
}

/// An accelerated tag is the outer one; those in the frame follow it.
#[inline(always)]
fn vlan(skb: Skb, in_frame: [u16; 2]) -> [u16; 2] {
    if skb.vlan_present() == 0 { in_frame } else { [(skb.vlan_tci() & 0xfff) as u16, in_frame[0]] }
}

/// Sends the packet up as a flow of its own; counts it as lost when that ring is full too.
#[inline(always)]
fn fall_back<A: Flows>(key: &FlowKey<A>, family: u32, value: &FlowValue) {
    let Some(mut record) = FALLBACK.reserve(0) else {
        counters::add(Counter::LostFlowPackets, u64::from(value.packets));
        counters::add(Counter::LostFlowBytes, value.bytes);
        return;
    };
    let record_at = record.as_mut_ptr();
    // Member by member, since a record as a whole would be put together on the stack.
    // SAFETY: the memory is ours until it is submitted, and every member is written.
    unsafe {
        (*record_at).key.src = fragments::bytes(key.src);
        (*record_at).key.dst = fragments::bytes(key.dst);
        (*record_at).key.selector = key.selector;
        (*record_at).key.netns = key.netns;
        (*record_at).key.ifindex = key.ifindex;
        (*record_at).key.cpu = key.cpu;
        (*record_at).key.proto = key.proto;
        (*record_at).key.kind = key.kind;
        (*record_at).family = family;
        (*record_at).pad = 0;
        (*record_at).value = *value;
    }
    record.submit(u64::from(BPF_RB_NO_WAKEUP));
    counters::add(Counter::Fallback, 1);
}
