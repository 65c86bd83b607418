//! Reading kernel memory: members by offset, namespaces, the ends of a socket.
//!
//! Every read is checked by the helper: an address that leads nowhere, or a member that this kernel does not have, yields
//! `None`.

use aya_ebpf::{Global, helpers::bpf_probe_read_kernel};

use crate::members::{
    MISSING, OFF_NET_COOKIE, OFF_SK_DADDR, OFF_SK_DPORT, OFF_SK_FAMILY, OFF_SK_NET, OFF_SK_NUM, OFF_SK_RCV_SADDR,
    OFF_SK_STATE, OFF_SK_V6_DADDR, OFF_SK_V6_RCV_SADDR,
};

/// 0: all namespaces, told apart by their keys. 1: only the one whose key is `HOME_NETNS`, which is told as 0. 2: that one as
/// 0, the others by their keys.
#[unsafe(no_mangle)]
static ONE_NETNS: Global<u32> = Global::new(0);
/// See [`ONE_NETNS`].
#[unsafe(no_mangle)]
static HOME_NETNS: Global<u32> = Global::new(0);

/// `AF_INET` and `AF_INET6` of include/linux/socket.h.
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// The member at `offset` of the structure at `base`.
#[inline(always)]
pub(crate) fn read<T>(base: usize, offset: &Global<u32>) -> Option<T> {
    let offset = offset.load();
    if offset == MISSING || base == 0 {
        return None;
    }
    // SAFETY: the helper survives any address.
    unsafe { bpf_probe_read_kernel((base + offset as usize) as *const T).ok() }
}

/// Key of a namespace as everywhere in the agent (`FlowKey::netns`); `None` when it is not one that is looked at.
#[inline(always)]
pub(crate) fn netns(net: usize) -> Option<u32> {
    let key = read::<u32>(net, &OFF_NET_COOKIE)?;
    match ONE_NETNS.load() {
        0 => Some(key),
        _ if key == HOME_NETNS.load() => Some(0),
        1 => None,
        _ => Some(key),
    }
}

/// Namespace of a `sock`; see [`netns`].
#[inline(always)]
pub(crate) fn netns_of_socket(sock: usize) -> Option<u32> {
    netns(read::<usize>(sock, &OFF_SK_NET)?)
}

/// Address family of a `sock` (include/linux/socket.h).
#[inline(always)]
pub(crate) fn family(sock: usize) -> Option<u16> {
    read::<u16>(sock, &OFF_SK_FAMILY)
}

/// State of a `sock` (include/net/tcp_states.h).
#[inline(always)]
pub(crate) fn state(sock: usize) -> Option<u8> {
    read::<u8>(sock, &OFF_SK_STATE)
}

/// The two ends of a `sock` of IPv4 or IPv6. Addresses in network byte order; an IPv4 address stands in the first four bytes,
/// also when the socket is one of IPv6 that speaks IPv4.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub(crate) struct Ends {
    /// Address of this end.
    pub(crate) local: [u8; 16],
    /// Address of the other end.
    pub(crate) remote: [u8; 16],
    /// Port of this end, host byte order.
    pub(crate) local_port: u16,
    /// Port of the other end, host byte order.
    pub(crate) remote_port: u16,
    /// 4 or 6.
    pub(crate) family: u32,
}

/// The ends of a socket; `None` when it speaks neither IPv4 nor IPv6.
#[inline(always)]
pub(crate) fn ends(sock: usize) -> Option<Ends> {
    let family = read::<u16>(sock, &OFF_SK_FAMILY)?;
    let local_port = read::<u16>(sock, &OFF_SK_NUM)?;
    let remote_port = u16::from_be(read::<u16>(sock, &OFF_SK_DPORT)?);
    let mut ends = Ends { local: [0; 16], remote: [0; 16], local_port, remote_port, family: 4 };
    if family == AF_INET6 {
        let local = read::<[u64; 2]>(sock, &OFF_SK_V6_RCV_SADDR)?;
        let remote = read::<[u64; 2]>(sock, &OFF_SK_V6_DADDR)?;
        if !is_mapped(remote) {
            ends.local = bytes(local);
            ends.remote = bytes(remote);
            ends.family = 6;
            return Some(ends);
        }
    } else if family != AF_INET {
        return None;
    }
    let local = read::<u32>(sock, &OFF_SK_RCV_SADDR)?;
    let remote = read::<u32>(sock, &OFF_SK_DADDR)?;
    ends.local = bytes([u64::from(local), 0]);
    ends.remote = bytes([u64::from(remote), 0]);
    Some(ends)
}

/// ::ffff:0:0/96 (RFC 4291 section 2.5.5.2), words as they lie in memory.
#[inline(always)]
fn is_mapped(words: [u64; 2]) -> bool {
    words[0] == 0 && u64::from_be(words[1]) >> 32 == 0xffff
}

/// The same bytes, as they lie in memory.
#[inline(always)]
fn bytes(words: [u64; 2]) -> [u8; 16] {
    // SAFETY: both are sixteen bytes without padding, and any of them are valid.
    unsafe { core::mem::transmute(words) }
}
