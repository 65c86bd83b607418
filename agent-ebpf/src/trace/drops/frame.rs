//! Where the frame lies in a buffer, how long it is, and reading its headers.

use core::mem::MaybeUninit;

use agent_common::{
    packet::{Header, Packet},
    parse::{self, ETHERTYPE_IPV4, ETHERTYPE_IPV6, Headers, Layer, Link},
};
use aya_ebpf::{btf_maps::PerCpuArray, helpers::generated::bpf_probe_read_kernel, macros::btf_map};

use crate::{
    kernel::read,
    members::{
        OFF_SHARED_GSO_SIZE, OFF_SKB_DATA, OFF_SKB_END, OFF_SKB_HEAD, OFF_SKB_LEN, OFF_SKB_MAC_HEADER,
        OFF_SKB_NETWORK_HEADER, OFF_SKB_PROTOCOL, OFF_SKB_TAIL, OFF_SKB_VLAN_ALL,
    },
};

/// Value of `mac_header` that was not set.
const UNSET: u16 = u16::MAX;
/// An Ethernet header with at most this many tags lies before the network header.
const LONGEST_LINK: u32 = 64;
const ETHERNET: u32 = 14;

/// Where the frame of a buffer lies. Kept in memory of the CPU, where the verifier forgets what it knew of the numbers.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Frame {
    /// Address of its first byte.
    base: usize,
    /// How many bytes of it lie there; the others are in pages.
    linear: usize,
    /// Where its network header is, from the first byte.
    l3: usize,
    /// Its length.
    pub(super) len: u32,
    /// `skb_shared_info.gso_size`
    pub(super) gso_size: u32,
    /// The tag that the driver took out: TPID as on the wire, then TCI in host byte order, as they lie in memory; 0 if none.
    pub(super) tag: u32,
    /// 1: it begins with an Ethernet header.
    pub(super) ethernet: u32,
    /// EtherType of what is at `l3`, or 0 where only the frame itself can tell.
    ethertype: u32,
    pad: u32,
}

/// Memory of the CPU.
#[repr(C)]
struct Work {
    frame: Frame,
    headers4: Headers<[u8; 4]>,
    headers6: Headers<[u8; 16]>,
    cell: u64,
}

#[btf_map]
static DROP_WORK: PerCpuArray<Work, 1> = PerCpuArray::new();

macro_rules! places {
    ($($(#[$doc:meta])* $name:ident: $type:ty,)*) => {$(
        $(#[$doc])*
        #[inline(always)]
        pub(super) fn $name() -> Option<&'static mut $type> {
            // SAFETY: the helper returned this CPU's memory, which stays while the program runs and nobody else uses then.
            DROP_WORK.get_ptr_mut(0).map(|work| unsafe { &mut (*work).$name })
        }
    )*};
}

places! {
    /// The frame that is looked at.
    frame: Frame,
    /// Its headers, if it is IPv4.
    headers4: Headers<[u8; 4]>,
    /// Its headers, if it is not.
    headers6: Headers<[u8; 16]>,
    /// A number to forget.
    cell: u64,
}

/// Finds the frame of a buffer and notes where it is; `None` when there is none.
#[inline(always)]
pub(super) fn find(skb: usize) -> Option<()> {
    let head = read::<usize>(skb, &OFF_SKB_HEAD)?;
    let tail = read::<u32>(skb, &OFF_SKB_TAIL)?;
    let data = (read::<usize>(skb, &OFF_SKB_DATA)? - head) as u32;
    let mac = read::<u16>(skb, &OFF_SKB_MAC_HEADER)?;
    let network = u32::from(read::<u16>(skb, &OFF_SKB_NETWORK_HEADER)?);
    let protocol = u16::from_be(read::<u16>(skb, &OFF_SKB_PROTOCOL)?);
    let end = read::<u32>(skb, &OFF_SKB_END)? as usize;
    let link = network.wrapping_sub(u32::from(mac));
    let is_ip = is_ip(head, network, tail, protocol);
    let has_link = mac != UNSET
        && (is_ip && link >= ETHERNET && link <= LONGEST_LINK || !is_ip && u32::from(mac) + ETHERNET <= tail);
    let (start, ethertype) = match (has_link, is_ip) {
        (true, true) => (u32::from(mac), u32::from(protocol)),
        (true, false) => (u32::from(mac), 0),
        (false, true) => (network, u32::from(protocol)),
        (false, false) => return None,
    };
    let place = frame()?;
    place.base = head + start as usize;
    place.linear = tail.saturating_sub(start) as usize;
    place.l3 = if is_ip { (network - start) as usize } else { 0 };
    place.len = read::<u32>(skb, &OFF_SKB_LEN)?.wrapping_add(data).wrapping_sub(start);
    place.gso_size = u32::from(read::<u16>(head + end, &OFF_SHARED_GSO_SIZE).unwrap_or(0));
    place.tag = read::<u32>(skb, &OFF_SKB_VLAN_ALL).unwrap_or(0);
    place.ethernet = u32::from(has_link);
    place.ethertype = ethertype;
    Some(())
}

/// Whether there is an IP header where the buffer says that there is one.
#[inline(always)]
fn is_ip(head: usize, network: u32, tail: u32, protocol: u16) -> bool {
    let version = match protocol {
        ETHERTYPE_IPV4 => 4,
        ETHERTYPE_IPV6 => 6,
        _ => return false,
    };
    let mut first = 0u8;
    let address = (head + network as usize) as *const u8;
    // SAFETY: the helper survives any address.
    let failed = unsafe { bpf_probe_read_kernel((&raw mut first).cast(), 1, address.cast()) };
    network != 0 && network < tail && failed == 0 && first >> 4 == version
}

/// Parses the frame that was found. Returns which headers were filled in, those with addresses of IPv4 (4) or the others (6).
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn drop_parse(ethernet: u32) -> u32 {
    let (Some(frame), Some(headers4), Some(headers6)) = (frame(), headers4(), headers6()) else { return 0 };
    let packet = Memory { base: frame.base, linear: frame.linear };
    let layer = if ethernet != 0 { Layer::Ethernet } else { Layer::Ip };
    let link = if frame.ethertype == 0 {
        parse::link(&packet, layer)
    } else {
        Link { ethertype: frame.ethertype as u16, l3: frame.l3 }
    };
    if link.ethertype == ETHERTYPE_IPV4 {
        if let Some(headers) = parse::ipv4(&packet, packet.forget(link.l3)) {
            *headers4 = headers;
            return 4;
        }
    } else if link.ethertype == ETHERTYPE_IPV6 {
        if let Some(headers) = parse::ipv6(&packet, packet.forget(link.l3)) {
            *headers6 = headers;
            return 6;
        }
    }
    *headers6 = parse::other(&packet, layer, link, false);
    6
}

/// See [`drop_parse`].
#[inline(always)]
pub(super) fn parse(frame: &Frame) -> u32 {
    drop_parse(frame.ethernet)
}

impl Frame {
    /// Address of the first byte, and how many bytes lie there.
    #[inline(always)]
    pub(super) fn bytes(&self) -> (usize, usize) {
        (self.base, self.linear)
    }
}

/// The part of the frame that lies in one piece.
struct Memory {
    base: usize,
    linear: usize,
}

/// A header copied to the stack, aligned so that each field is one load.
#[repr(C, align(8))]
struct Held<const N: usize>([u8; N]);

impl<const N: usize> Header for Held<N> {
    #[inline(always)]
    fn bytes<const AT: usize, const L: usize>(&self) -> [u8; L] {
        // SAFETY: the field lies within the header, as the host's tests of the same code prove.
        unsafe { self.0.as_ptr().add(AT).cast::<[u8; L]>().read() }
    }
}

impl Packet for Memory {
    #[inline(always)]
    fn header<const N: usize>(&self, offset: usize) -> Option<impl Header> {
        if offset + N > self.linear {
            return None;
        }
        let mut held = MaybeUninit::<Held<N>>::uninit();
        let from = (self.base + offset) as *const u8;
        // SAFETY: there is room for N bytes, and the helper survives any address.
        let failed = unsafe { bpf_probe_read_kernel(held.as_mut_ptr().cast(), N as u32, from.cast()) };
        // SAFETY: the helper filled it.
        if failed == 0 { Some(unsafe { held.assume_init() }) } else { None }
    }

    #[inline(always)]
    fn forget(&self, offset: usize) -> usize {
        let Some(cell) = cell() else { return 0 };
        let cell: *mut u64 = cell;
        // SAFETY: the memory is this CPU's and valid while the program runs.
        unsafe {
            cell.write_volatile(offset as u64);
            cell.read_volatile() as usize
        }
    }
}
