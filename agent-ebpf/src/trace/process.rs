//! Which process uses a socket: where a connection is begun or awaited (`inet_sock_set_state`), and, since Linux 6.3, at the
//! first sending or receiving (`sock_send_length`, `sock_recv_length`). The process is the one that runs; where the kernel
//! works on behalf of a connection in the background, it is the one that was noted when that was begun.

use agent_common::process::{COMM, PROCESS_CONNECTS, PROCESS_LISTENS, PROCESS_USES, ProcessEvent, ProcessSocket};
use aya_ebpf::{
    Global,
    btf_maps::{LruHashMap, PerCpuArray, RingBuf},
    helpers::{bpf_get_current_comm, bpf_get_current_pid_tgid},
    macros::{btf_map, btf_tracepoint},
    programs::BtfTracePointContext,
};

use crate::{
    kernel::{Ends, ends, read},
    members::{MISSING, OFF_INET_SPORT, OFF_NET_INUM, OFF_SK_DPORT, OFF_SK_NET, OFF_SK_NUM, OFF_SK_PROTOCOL},
};

/// States of include/net/tcp_states.h.
const ESTABLISHED: u32 = 1;
const SYN_SENT: u32 = 2;
const CLOSE: u32 = 7;
const LISTEN: u32 = 10;

const TCP: u16 = 6;
const UDP: u16 = 17;
const SCTP: u16 = 132;

/// By address of the `sock`.
#[btf_map]
static PROCESS_SOCKETS: LruHashMap<u64, ProcessSocket, 1> = LruHashMap::new();

#[btf_map]
static PROCESS_EVENTS: RingBuf<ProcessEvent, 4096> = RingBuf::new();

/// Events that there was no room for.
#[btf_map]
static PROCESS_LOST: PerCpuArray<u64, 1> = PerCpuArray::new();

/// A socket of TCP goes from one state to another.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub fn process_state(ctx: BtfTracePointContext) -> i32 {
    let _ = change(ctx.arg(0), ctx.arg(1), ctx.arg(2));
    0
}

/// A process has sent something.
#[btf_tracepoint(function = "sock_send_length")]
pub fn process_sends(ctx: BtfTracePointContext) -> i32 {
    let _ = uses(ctx.arg(0));
    0
}

/// A process has received something.
#[btf_tracepoint(function = "sock_recv_length")]
pub fn process_receives(ctx: BtfTracePointContext) -> i32 {
    let _ = uses(ctx.arg(0));
    0
}

#[inline(always)]
fn change(sock: *const u8, old: u32, new: u32) -> Option<()> {
    match (old, new) {
        (_, SYN_SENT) => {
            let process = current(0)?;
            let _ = PROCESS_SOCKETS.insert(sock as u64, &process, 0);
            tell(sock, &process, PROCESS_CONNECTS)
        }
        (_, LISTEN) => tell(sock, &current(0)?, PROCESS_LISTENS),
        (SYN_SENT, ESTABLISHED) => {
            let known = PROCESS_SOCKETS.get_ptr_mut(sock as u64)?;
            // SAFETY: the entry of this socket, whose lock is held.
            let known = unsafe { &mut *known };
            known.ports = ports(sock)?;
            tell(sock, known, PROCESS_USES)
        }
        (SYN_SENT, CLOSE) => {
            let known = PROCESS_SOCKETS.get_ptr_mut(sock as u64)?;
            // SAFETY: as above.
            tell(sock, unsafe { &*known }, PROCESS_USES);
            forget(sock)
        }
        (_, CLOSE) => forget(sock),
        _ => None,
    }
}

#[inline(always)]
fn forget(sock: *const u8) -> Option<()> {
    let _ = PROCESS_SOCKETS.remove(sock as u64);
    Some(())
}

#[inline(always)]
fn uses(sock: *const u8) -> Option<()> {
    let pid = pid();
    let known = PROCESS_SOCKETS.get_ptr_mut(sock as u64);
    // SAFETY: an entry of the map; what another process writes to it meanwhile is as right as this.
    if known.is_some_and(|known| unsafe { (*known).pid == pid && Some((*known).ports) == ports(sock) }) {
        return Some(());
    }
    if !matches!(read::<u16>(sock as usize, &OFF_SK_PROTOCOL)?, TCP | UDP | SCTP) {
        return None;
    }
    let process = current(ports(sock)?)?;
    PROCESS_SOCKETS.insert(sock as u64, &process, 0).ok()?;
    tell(sock, &process, PROCESS_USES)
}

/// The process that runs.
#[inline(always)]
fn current(ports: u32) -> Option<ProcessSocket> {
    Some(ProcessSocket { pid: pid(), ports, comm: bpf_get_current_comm().ok()? })
}

#[inline(always)]
fn pid() -> u32 {
    (bpf_get_current_pid_tgid() >> 32) as u32
}

/// Both ports in one number; the order does not matter.
#[inline(always)]
fn ports(sock: *const u8) -> Option<u32> {
    let local = member(sock, &OFF_SK_NUM)?;
    let remote = member(sock, &OFF_SK_DPORT)?;
    Some((local as u32) << 16 | remote as u32)
}

/// A member of 16 bits, by a plain load.
#[inline(always)]
fn member(sock: *const u8, offset: &Global<u32>) -> Option<u16> {
    let offset = offset.load();
    if offset == MISSING {
        return None;
    }
    // SAFETY: the verifier checks the offset against the kernel's type, and a fault reads as zero.
    Some(unsafe { sock.add(offset as usize).cast::<u16>().read_volatile() })
}

#[inline(always)]
fn tell(sock: *const u8, process: &ProcessSocket, kind: u8) -> Option<()> {
    let Ends { local, remote, local_port, remote_port, family } = ends(sock as usize)?;
    let netns = read::<u32>(read::<usize>(sock as usize, &OFF_SK_NET)?, &OFF_NET_INUM)?;
    let protocol = read::<u16>(sock as usize, &OFF_SK_PROTOCOL)? as u8;
    // A failed connection has given its port back, but it stands in another member.
    let kept = || read::<u16>(sock as usize, &OFF_INET_SPORT).map_or(0, u16::from_be);
    let local_port = if local_port == 0 { kept() } else { local_port };
    let comm: [u8; COMM] = process.comm;
    let event = ProcessEvent {
        sock: sock as u64,
        local,
        remote,
        netns,
        pid: process.pid,
        local_port,
        remote_port,
        protocol,
        family: family as u8,
        kind,
        pad: 0,
        comm,
    };
    match PROCESS_EVENTS.reserve(0) {
        Some(mut room) => {
            // SAFETY: room for one record.
            unsafe { *room.as_mut_ptr() = event };
            room.submit(0);
        }
        None => lost(),
    }
    Some(())
}

#[inline(always)]
fn lost() {
    if let Some(counter) = PROCESS_LOST.get_ptr_mut(0) {
        // SAFETY: the helper returned this CPU's copy of the value.
        unsafe { *counter += 1 };
    }
}
