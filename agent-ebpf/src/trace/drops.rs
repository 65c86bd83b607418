//! Packets that the kernel drops: tracepoint `skb:kfree_skb`.

use aya_ebpf::{
    btf_maps::PerCpuArray,
    macros::{btf_map, btf_tracepoint},
    programs::BtfTracePointContext,
};

use crate::{
    kernel::{netns_of_device, netns_of_socket, read, state},
    members::{OFF_DEV_IFINDEX, OFF_SK_PROTOCOL, OFF_SKB_DEV, OFF_SKB_SK},
};

#[btf_map]
static DROP_COUNTERS: PerCpuArray<u64, 4> = PerCpuArray::new();

/// The arguments are those of include/trace/events/skb.h: the buffer, where it is freed, since Linux 5.17 the reason.
#[btf_tracepoint(function = "kfree_skb")]
pub fn drop_skb(ctx: BtfTracePointContext) -> i32 {
    let _ = handle(ctx.arg(0));
    0
}

#[inline(always)]
fn handle(skb: usize) -> Option<()> {
    let sock = read::<usize>(skb, &OFF_SKB_SK)?;
    let device = read::<usize>(skb, &OFF_SKB_DEV)?;
    let _ = read::<u32>(device, &OFF_DEV_IFINDEX);
    netns_of_device(device).or_else(|| netns_of_socket(sock))?;
    let _ = (state(sock), read::<u16>(sock, &OFF_SK_PROTOCOL));
    let counter = DROP_COUNTERS.get_ptr_mut(0)?;
    // SAFETY: the helper returned this CPU's copy of the value.
    unsafe { *counter += 1 };
    Some(())
}
