//! TCP as the kernel's own sockets see it: round trip times, segments sent again, states and how connections end.
//!
//! The hooks (include/trace/events/tcp.h, sock.h) run under the lock of the socket that they are about, so its entry needs
//! neither atomics nor locks. The kernel's counters in `tcp_sock` are taken over as they are; what has grown is for user space.

use agent_common::tcp::{
    TCP_CLIENT, TCP_CLOSED, TCP_EVENT_CLOSED, TCP_EVENT_RESET, TCP_EVENT_SYN_ACK, TCP_NO_WINDOW, TCP_RESET_SENT,
    TCP_SERVER, TcpEvent, TcpRtt, TcpSocket,
};
use aya_ebpf::{
    Global,
    bindings::BPF_F_NO_PREALLOC,
    btf_maps::{Array, HashMap, PerCpuArray, RingBuf},
    helpers::{bpf_ktime_get_ns, generated::bpf_skc_to_tcp_sock},
    macros::{btf_map, btf_tracepoint},
    programs::BtfTracePointContext,
};

use crate::{
    kernel::{Ends, ends, netns_of_socket, read, state},
    members::{
        MISSING, OFF_INET_SPORT, OFF_REQUEST_SNT_SYNACK, OFF_SK_ERR, OFF_SKB_CB, OFF_TCB_GSO_SEGS, OFF_TP_RCV_OOOPACK,
        OFF_TP_SND_WND, OFF_TP_SRTT, OFF_TP_TOTAL_RETRANS,
    },
};

/// States of include/net/tcp_states.h.
const ESTABLISHED: u8 = 1;
const SYN_SENT: u8 = 2;
const SYN_RECV: u8 = 3;
const CLOSE: u8 = 7;
const LISTEN: u8 = 10;

/// By address of the `sock`; an entry goes when its socket closes.
#[btf_map]
static TCP_SOCKETS: HashMap<u64, TcpSocket, 1, { BPF_F_NO_PREALLOC as usize }> = HashMap::new();

#[btf_map]
static TCP_EVENTS: RingBuf<TcpEvent, 4096> = RingBuf::new();

/// Entry 0: how many intervals have ended.
#[btf_map]
static TCP_INTERVAL: Array<u32, 1> = Array::new();

/// Sockets and events that there was no room for.
#[btf_map]
static TCP_LOST: PerCpuArray<u64, 1> = PerCpuArray::new();

/// A segment has come for an established connection: before it is looked into.
#[btf_tracepoint(function = "tcp_probe")]
pub fn tcp_segment(ctx: BtfTracePointContext) -> i32 {
    let _ = segment(ctx.arg(0));
    0
}

/// Segments were sent again.
#[btf_tracepoint(function = "tcp_retransmit_skb")]
pub fn tcp_again(ctx: BtfTracePointContext) -> i32 {
    let _ = again(ctx.arg(0), ctx.arg(1));
    0
}

/// A SYN with ACK was sent again, on behalf of a connection that has a request only.
#[btf_tracepoint(function = "tcp_retransmit_synack")]
pub fn tcp_syn_ack(ctx: BtfTracePointContext) -> i32 {
    let _ = syn_ack(ctx.arg(1));
    0
}

/// A socket goes from one state to another.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub fn tcp_state(ctx: BtfTracePointContext) -> i32 {
    let _ = change(ctx.arg(0), ctx.arg::<u32>(1) as u8, ctx.arg::<u32>(2) as u8);
    0
}

/// A socket sends a reset.
#[btf_tracepoint(function = "tcp_send_reset")]
pub fn tcp_reset(ctx: BtfTracePointContext) -> i32 {
    let _ = reset(ctx.arg(0));
    0
}

#[inline(always)]
fn segment(sock: *const u8) -> Option<()> {
    let tcp = tcp_sock(sock)?;
    let entry = match TCP_SOCKETS.get_ptr_mut(sock as u64) {
        Some(entry) => entry,
        None => begin(sock, tcp, ESTABLISHED, 0)?,
    };
    let interval = TCP_INTERVAL.get(0)?.wrapping_add(1);
    let srtt = member::<u32>(tcp, &OFF_TP_SRTT)? >> 3;
    let out_of_order = member::<u32>(tcp, &OFF_TP_RCV_OOOPACK)?;
    // SAFETY: the entry of this socket, whose lock is held.
    let entry = unsafe { &mut *entry };
    entry.out_of_order = out_of_order;
    look_at_window(entry, tcp);
    if srtt != 0 {
        sample(&mut entry.rtt[(interval & 1) as usize], interval, srtt);
    }
    Some(())
}

#[inline(always)]
fn sample(rtt: &mut TcpRtt, interval: u32, srtt: u32) {
    if rtt.interval != interval {
        rtt.interval = interval;
        rtt.min_us = srtt;
        rtt.max_us = srtt;
    } else if srtt < rtt.min_us {
        rtt.min_us = srtt;
    } else if srtt > rtt.max_us {
        rtt.max_us = srtt;
    }
    rtt.last_us = srtt;
}

#[inline(always)]
fn look_at_window(entry: &mut TcpSocket, tcp: *const u8) {
    if member::<u32>(tcp, &OFF_TP_SND_WND) != Some(0) {
        entry.flags &= !TCP_NO_WINDOW;
    } else if entry.flags & TCP_NO_WINDOW == 0 {
        entry.flags |= TCP_NO_WINDOW;
        entry.zero_windows += 1;
    }
}

#[inline(always)]
fn again(sock: *const u8, skb: *const u8) -> Option<()> {
    let tcp = tcp_sock(sock)?;
    let entry = match TCP_SOCKETS.get_ptr_mut(sock as u64) {
        Some(entry) => entry,
        None => begin(sock, tcp, state(sock as usize)?, segments(skb))?,
    };
    // SAFETY: the entry of this socket, whose lock is held.
    let entry = unsafe { &mut *entry };
    find_port(entry, tcp);
    take_over(entry, tcp);
    Some(())
}

/// How many segments a buffer is (`tcp_skb_pcount`).
#[inline(always)]
fn segments(skb: *const u8) -> u32 {
    let cb = OFF_SKB_CB.load();
    if cb == MISSING {
        return 1;
    }
    let segments = read::<u16>((skb as usize).wrapping_add(cb as usize), &OFF_TCB_GSO_SEGS);
    segments.map_or(1, u32::from)
}

#[inline(always)]
fn change(sock: *const u8, old: u8, new: u8) -> Option<()> {
    let tcp = tcp_sock(sock)?;
    // A copy of a listening socket has no ends at its first step.
    if old == LISTEN || new == LISTEN || old == new || new == SYN_RECV {
        return None;
    }
    let known = TCP_SOCKETS.get_ptr_mut(sock as u64);
    // SAFETY: as in `segment`.
    let is_client = known.is_some_and(|entry| unsafe { (*entry).flags & TCP_CLIENT != 0 });
    let accepted = new == ESTABLISHED && old == SYN_RECV && !is_client;
    let entry = match known {
        // Where one address is used again, an entry of before has nothing to do with this connection.
        Some(entry) if new != SYN_SENT && !accepted => entry,
        _ => begin(sock, tcp, old, 0)?,
    };
    // SAFETY: as in `segment`.
    let entry = unsafe { &mut *entry };
    entry.came_from = old;
    entry.state = new;
    find_port(entry, tcp);
    take_over(entry, tcp);
    if new == SYN_SENT {
        entry.flags |= TCP_CLIENT;
    } else if accepted {
        entry.flags |= TCP_SERVER;
        // The first sample is the time between the SYN with ACK and its ACK, where it was sent once only.
        entry.handshake_ns = u64::from(member::<u32>(tcp, &OFF_TP_SRTT)? >> 3) * 1000;
    } else if new == ESTABLISHED {
        entry.handshake_ns = now().saturating_sub(entry.born_ns);
    } else if new == CLOSE {
        entry.error = member::<u32>(sock, &OFF_SK_ERR).unwrap_or(0);
        close(sock, entry);
    }
    Some(())
}

/// Hands over the last that is known of a socket, and forgets it.
#[inline(always)]
fn close(sock: *const u8, entry: &mut TcpSocket) {
    let Some(mut event) = TCP_EVENTS.reserve(0) else {
        // It stays, for user space to find it.
        entry.flags |= TCP_CLOSED;
        return;
    };
    let to = event.as_mut_ptr();
    // SAFETY: room for one record, all of which is written.
    unsafe {
        (*to).sock = sock as u64;
        (*to).time_ns = now();
        (*to).kind = TCP_EVENT_CLOSED;
        (*to).pad = 0;
        (*to).socket = *entry;
    }
    // Before the record can be read: whoever knows of the end finds no entry any more.
    let _ = TCP_SOCKETS.remove(sock as u64);
    event.submit(0);
}

#[inline(always)]
fn reset(sock: *const u8) -> Option<()> {
    if sock.is_null() {
        return None;
    }
    if let Some(entry) = TCP_SOCKETS.get_ptr_mut(sock as u64) {
        // SAFETY: as in `segment`.
        unsafe { (*entry).flags |= TCP_RESET_SENT };
        return Some(());
    }
    // Whoever gives up a connection closes it first and sends the reset then (net/ipv4/tcp.c, `tcp_disconnect`).
    if state(sock as usize)? == CLOSE {
        tell(&TcpEvent { sock: sock as u64, time_ns: now(), kind: TCP_EVENT_RESET, pad: 0, socket: EMPTY });
    }
    Some(())
}

#[inline(always)]
fn syn_ack(request: *const u8) -> Option<()> {
    // A request begins as a socket does, with a `sock_common` (include/net/request_sock.h).
    let Ends { local, remote, local_port, remote_port, family } = ends(request as usize)?;
    let sent_us = read::<u64>(request as usize, &OFF_REQUEST_SNT_SYNACK).unwrap_or(0);
    let socket = TcpSocket {
        born_ns: sent_us.wrapping_mul(1000),
        local,
        remote,
        local_port,
        remote_port,
        netns: netns_of_socket(request as usize)?,
        retransmits: 1,
        family: family as u8,
        state: SYN_RECV,
        flags: TCP_SERVER,
        ..EMPTY
    };
    tell(&TcpEvent { sock: request as u64, time_ns: now(), kind: TCP_EVENT_SYN_ACK, pad: 0, socket });
    Some(())
}

#[inline(always)]
fn tell(event: &TcpEvent) {
    match TCP_EVENTS.reserve(0) {
        Some(mut room) => {
            // SAFETY: room for one record.
            unsafe { *room.as_mut_ptr() = *event };
            room.submit(0);
        }
        None => lost(),
    }
}

const EMPTY: TcpSocket = TcpSocket {
    born_ns: 0,
    handshake_ns: 0,
    local: [0; 16],
    remote: [0; 16],
    local_port: 0,
    remote_port: 0,
    netns: 0,
    retransmits: 0,
    retransmits_before: 0,
    out_of_order: 0,
    out_of_order_before: 0,
    zero_windows: 0,
    error: 0,
    rtt: [TcpRtt { interval: 0, min_us: 0, max_us: 0, last_us: 0 }; 2],
    family: 0,
    state: 0,
    came_from: 0,
    flags: 0,
    pad: 0,
};

/// A new entry for a socket in `state`, `resent` of whose segments were sent again just now.
#[inline(always)]
fn begin(sock: *const u8, tcp: *const u8, state: u8, resent: u32) -> Option<*mut TcpSocket> {
    // First, since all others are turned away by it.
    let netns = netns_of_socket(sock as usize)?;
    let Ends { local, remote, local_port, remote_port, family } = ends(sock as usize)?;
    let retransmits = member::<u32>(tcp, &OFF_TP_TOTAL_RETRANS)?;
    let out_of_order = member::<u32>(tcp, &OFF_TP_RCV_OOOPACK)?;
    let socket = TcpSocket {
        born_ns: now(),
        local,
        remote,
        local_port,
        remote_port,
        netns,
        retransmits,
        retransmits_before: retransmits.wrapping_sub(resent),
        out_of_order,
        out_of_order_before: out_of_order,
        family: family as u8,
        state,
        ..EMPTY
    };
    let before = TCP_SOCKETS.get_ptr_mut(sock as u64);
    // SAFETY: as in `segment`.
    if before.is_some_and(|entry| unsafe { (*entry).flags & TCP_CLOSED != 0 })
        || TCP_SOCKETS.insert(sock as u64, &socket, 0).is_err()
    {
        lost();
    }
    TCP_SOCKETS.get_ptr_mut(sock as u64)
}

/// When a connection is begun its port is chosen after the first change of state; when it ends, the hash tables have given it
/// back already, but it stands in another member.
#[inline(always)]
fn find_port(entry: &mut TcpSocket, tcp: *const u8) {
    if entry.local_port == 0 {
        entry.local_port = member::<u16>(tcp, &OFF_INET_SPORT).map_or(0, u16::from_be);
    }
}

#[inline(always)]
fn take_over(entry: &mut TcpSocket, tcp: *const u8) {
    entry.retransmits = member::<u32>(tcp, &OFF_TP_TOTAL_RETRANS).unwrap_or(entry.retransmits);
    entry.out_of_order = member::<u32>(tcp, &OFF_TP_RCV_OOOPACK).unwrap_or(entry.out_of_order);
}

/// The socket as one of TCP; `None` when it is none, or no whole one.
#[inline(always)]
fn tcp_sock(sock: *const u8) -> Option<*const u8> {
    // SAFETY: the helper takes any socket that a tracepoint hands out.
    let tcp = unsafe { bpf_skc_to_tcp_sock(sock.cast_mut().cast()) };
    if tcp.is_null() { None } else { Some(tcp.cast_const().cast()) }
}

/// A member, by a plain load: the verifier knows what kind of structure the pointer leads to. A third of what the helper costs.
#[inline(always)]
fn member<T: Copy>(base: *const u8, offset: &Global<u32>) -> Option<T> {
    let offset = offset.load();
    if offset == MISSING {
        return None;
    }
    // SAFETY: the verifier checks the offset against the kernel's type, and a fault reads as zero.
    Some(unsafe { base.add(offset as usize).cast::<T>().read_volatile() })
}

#[inline(always)]
fn now() -> u64 {
    // SAFETY: no preconditions.
    unsafe { bpf_ktime_get_ns() }
}

#[inline(always)]
fn lost() {
    if let Some(counter) = TCP_LOST.get_ptr_mut(0) {
        // SAFETY: the helper returned this CPU's copy of the value.
        unsafe { *counter += 1 };
    }
}
