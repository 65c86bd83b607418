//! Packets that the kernel drops: tracepoint `skb:kfree_skb`.
//!
//! Owns finding out what was dropped, where, and how much. One program counts drops by flow and reason, the other copies the
//! packets. The kernel does not let a program interrupt itself on a CPU (it counts what was missed then), so memory of a CPU is
//! used by one run at a time.

mod copy;
mod count;
mod frame;

use aya_ebpf::{Global, btf_maps::PerCpuArray, macros::btf_map, programs::BtfTracePointContext};

use agent_common::drops::{DROP_COUNTERS as COUNTERS, DropCounter, UNKNOWN_NETNS};

use crate::{
    kernel::{family, netns, read},
    members::{OFF_DEV_IFINDEX, OFF_DEV_ND_NET, OFF_NET_LOOPBACK, OFF_SK_NET, OFF_SKB_DEV, OFF_SKB_DST, OFF_SKB_SK},
};

/// How many arguments the tracepoint has: buffer and place, since Linux 5.17 the reason, since 6.11 the receiving socket.
#[unsafe(no_mangle)]
static DROP_ARGUMENTS: Global<u32> = Global::new(2);
/// Two reasons that are none: nothing was dropped (`SKB_NOT_DROPPED_YET`, `SKB_CONSUMED`).
#[unsafe(no_mangle)]
static DROP_NOT_YET: Global<u32> = Global::new(u32::MAX);
/// See [`DROP_NOT_YET`].
#[unsafe(no_mangle)]
static DROP_CONSUMED: Global<u32> = Global::new(u32::MAX);
/// Whether drops count that happen in an unknown namespace.
#[unsafe(no_mangle)]
static DROP_ANYWHERE: Global<u32> = Global::new(1);

/// Indexed by `DropCounter`.
#[btf_map]
static DROP_COUNTERS: PerCpuArray<u64, { COUNTERS as usize }> = PerCpuArray::new();

/// `AF_INET`, `AF_INET6` and `AF_PACKET` of include/linux/socket.h.
const INTERNET: [u16; 3] = [2, 10, 17];

/// What the tracepoint tells.
#[derive(Clone, Copy)]
struct Event {
    skb: usize,
    /// The socket that it belongs to, or was for; 0 when there is none.
    sock: usize,
    reason: u32,
    netns: u32,
    ifindex: u32,
}

/// Adds to a counter of this CPU.
#[inline(always)]
fn add(counter: DropCounter, n: u64) {
    if let Some(value) = DROP_COUNTERS.get_ptr_mut(counter as u32) {
        // SAFETY: the helper returned this CPU's copy of the value.
        unsafe { *value += n };
    }
}

/// What was dropped; `None` when it is no packet, or not of a namespace that is looked at.
#[inline(always)]
fn event(ctx: &BtfTracePointContext) -> Option<Event> {
    let skb = ctx.arg::<usize>(0);
    let arguments = DROP_ARGUMENTS.load();
    let reason = if arguments > 2 { ctx.arg::<u32>(2) } else { 0 };
    if arguments > 2 && (reason == DROP_NOT_YET.load() || reason == DROP_CONSUMED.load()) {
        return None;
    }
    let receiver = if arguments > 3 { ctx.arg::<usize>(3) } else { 0 };
    let sock = if receiver == 0 { read::<usize>(skb, &OFF_SKB_SK).unwrap_or(0) } else { receiver };
    let (netns, ifindex) = place(skb, sock)?;
    Some(Event { skb, sock, reason, netns, ifindex })
}

/// Namespace and device: of the buffer, else of its route, else the namespace of its socket.
#[inline(always)]
fn place(skb: usize, sock: usize) -> Option<(u32, u32)> {
    let at = read::<usize>(skb, &OFF_SKB_DEV).unwrap_or(0);
    if let Some((net, ifindex)) = device(at) {
        return Some((netns(net)?, ifindex));
    }
    if sock != 0 {
        let family = family(sock)?;
        if !INTERNET.contains(&family) {
            return None;
        }
    }
    // The lowest bit says whether a reference is held. The device is the first member of `dst_entry`.
    let route = read::<usize>(skb, &OFF_SKB_DST).unwrap_or(0) & !1;
    if let Some((net, ifindex)) = device(pointer(route)) {
        return Some((netns(net)?, ifindex));
    }
    if sock != 0 {
        return Some((netns(read::<usize>(sock, &OFF_SK_NET)?)?, 0));
    }
    if DROP_ANYWHERE.load() == 0 { None } else { Some((UNKNOWN_NETNS, 0)) }
}

/// The pointer that lies at an address; 0 when it cannot be read.
#[inline(always)]
fn pointer(address: usize) -> usize {
    // SAFETY: the helper survives any address.
    unsafe { aya_ebpf::helpers::bpf_probe_read_kernel(address as *const usize) }.unwrap_or(0)
}

/// Namespace and index of a device. While a buffer waits in a queue, other things lie where its device stands otherwise: what
/// is no device has no namespace whose loopback device is in that namespace.
#[inline(always)]
fn device(at: usize) -> Option<(usize, u32)> {
    let net = read::<usize>(at, &OFF_DEV_ND_NET)?;
    let loopback = read::<usize>(net, &OFF_NET_LOOPBACK)?;
    if read::<usize>(loopback, &OFF_DEV_ND_NET)? != net {
        return None;
    }
    Some((net, read::<u32>(at, &OFF_DEV_IFINDEX)?))
}
