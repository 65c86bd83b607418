//! Samples: packets of DNS, and hellos of TLS and QUIC, are copied to a ring for user space to read.
//!
//! Owns what makes a packet worth a copy. Must not know what it says beyond that. The packets of a flow that are looked at
//! for a hello are the first few of an interval; the others cost one comparison.

mod hello;

use agent_common::{
    parse::{Headers, Piece, TCP, UDP},
    sample::{Hello, HelloKey, PORT_WORDS, SAMPLE_BYTES, SAMPLE_DNS, SampleHead, TAKE_DNS, TAKE_HELLOS},
    types::{DIR_EGRESS, EXACT_PACKETS},
};
use aya_ebpf::{
    Global,
    bindings::{__sk_buff, BPF_RB_NO_WAKEUP},
    btf_maps::{Array, LruHashMap, PerCpuArray, RingBuf},
    helpers::{
        bpf_get_smp_processor_id, bpf_ktime_get_ns,
        generated::{bpf_ringbuf_output, bpf_skb_load_bytes},
    },
    macros::btf_map,
};

use crate::{
    flows::{Flows, Origin},
    maps::Ring,
    packet::{Skb, bounded, opaque},
};

/// What is taken: bits `TAKE_*`; 0 leaves all of this out.
#[unsafe(no_mangle)]
static SAMPLES: Global<u32> = Global::new(0);
/// Ports of DNS, one bit each.
#[unsafe(no_mangle)]
static DNS_PORTS: Global<[u64; PORT_WORDS]> = Global::new([0; PORT_WORDS]);

/// Each feature has a ring, so that many messages of the one take no room from the other.
#[btf_map]
static SAMPLES_DNS: Ring<SampleHead> = RingBuf::new();
#[btf_map]
static SAMPLES_HELLOS: Ring<SampleHead> = RingBuf::new();
/// Samples that found their ring full.
#[btf_map]
static LOST_DNS: PerCpuArray<u64, 1> = PerCpuArray::new();
#[btf_map]
static LOST_HELLOS: PerCpuArray<u64, 1> = PerCpuArray::new();
/// Hellos that have begun and not ended, and connections of QUIC.
#[btf_map]
static HELLOS: LruHashMap<HelloKey, Hello, 4096> = LruHashMap::new();
/// Where samples are put together; one entry for each possible CPU.
#[btf_map]
static SAMPLE_SCRATCH: Array<Scratch, 1> = Array::new();

#[repr(C)]
struct Scratch {
    head: SampleHead,
    bytes: [u8; SAMPLE_BYTES],
}

const _: () = assert!(size_of::<SampleHead>() % align_of::<HelloKey>() == 0 && size_of::<HelloKey>() <= SAMPLE_BYTES);

/// Bits of `how` beside the protocol number.
const EGRESS: u32 = 0x100;
const IPV6: u32 = 0x200;
const DNS: u32 = 0x400;

/// Where the headers of a packet are, and what it is.
#[derive(Clone, Copy)]
struct Place {
    skb: Skb,
    l3: u32,
    l4: u32,
    payload: u32,
    ports: u32,
    how: u32,
}

/// What to take of a packet: why, and how many bytes after the transport header at most.
#[derive(Clone, Copy)]
struct Wanted {
    what: u8,
    most: u32,
}

/// Takes a sample of a packet if it is worth one; `so_far` is how many of its flow were counted in this interval.
#[inline(always)]
pub(crate) fn look<A: Flows>(origin: &Origin, headers: &Headers<A>, so_far: u32) {
    let taken = SAMPLES.load();
    if taken == 0 || (headers.proto != TCP && headers.proto != UDP) || headers.piece == Piece::Later {
        return;
    }
    let dns = taken & TAKE_DNS != 0 && (is_dns(headers.selector[0]) || is_dns(headers.selector[1]));
    let hello = taken & TAKE_HELLOS != 0 && so_far <= EXACT_PACKETS;
    if (!dns && !hello) || origin.skb.len() as usize <= headers.payload {
        return;
    }
    let offsets = origin.link.l3 as u64 | (headers.l4 as u64) << 16 | (headers.payload as u64) << 32;
    let ports = u32::from(headers.selector[0]) << 16 | u32::from(headers.selector[1]);
    let how = u32::from(headers.proto)
        | if origin.direction & DIR_EGRESS != 0 { EGRESS } else { 0 }
        | if A::WORDS == 4 { IPV6 } else { 0 }
        | if dns { DNS } else { 0 };
    sample(origin.skb.0, offsets, ports, how);
}

/// Whether DNS is spoken on a port.
#[inline(always)]
fn is_dns(port: u16) -> bool {
    let port = opaque(u64::from(port));
    let word = (port >> 6) as usize & (PORT_WORDS - 1);
    // SAFETY: within the array.
    let bits = unsafe { (&raw const DNS_PORTS).cast::<u64>().add(word).read_volatile() };
    bits >> (port & 63) & 1 != 0
}

/// Judges and copies; a function of its own, there once for all programs.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn sample(skb: *mut __sk_buff, offsets: u64, ports: u32, how: u32) -> u32 {
    let place = Place {
        skb: Skb(skb),
        l3: offsets as u32 & 0xffff,
        l4: (offsets >> 16) as u32 & 0xffff,
        payload: (offsets >> 32) as u32 & 0xffff,
        ports,
        how,
    };
    if let Some(wanted) = judge(place) {
        if !copy(place, wanted).unwrap_or(false) {
            lost(wanted.what);
        }
    }
    0
}

#[inline(always)]
fn judge(place: Place) -> Option<Wanted> {
    if place.how & DNS != 0 {
        return Some(Wanted { what: SAMPLE_DNS, most: SAMPLE_BYTES as u32 });
    }
    if SAMPLES.load() & TAKE_HELLOS == 0 {
        return None;
    }
    if place.how & 0xff == u32::from(TCP) { hello::tls(place) } else { hello::quic(place) }
}

impl Place {
    /// How many bytes follow the transport header.
    #[inline(always)]
    fn payload_len(&self) -> u32 {
        self.skb.len().saturating_sub(self.payload)
    }

    /// `N` bytes at an offset of the frame.
    #[inline(always)]
    fn read<const N: usize>(&self, offset: u32) -> Option<[u8; N]> {
        let mut bytes = core::mem::MaybeUninit::<[u8; N]>::uninit();
        // SAFETY: there is room for N bytes.
        let failed = unsafe { bpf_skb_load_bytes(self.skb.0.cast(), offset, bytes.as_mut_ptr().cast(), N as u32) };
        // SAFETY: the helper filled it.
        if failed == 0 { Some(unsafe { bytes.assume_init() }) } else { None }
    }

    /// Under which the connection is noted. It is put together where samples are, before there is one: on the stack it would be
    /// too much for kernels that allow all callers together 512 bytes, each rounded up to 32.
    #[inline(always)]
    fn key(&self) -> Option<&'static HelloKey> {
        // SAFETY: the helper has no preconditions.
        let scratch = SAMPLE_SCRATCH.get_ptr_mut(unsafe { bpf_get_smp_processor_id() })?;
        // SAFETY: this CPU's scratch memory is used by one program at a time, and is long and aligned enough.
        let key = unsafe { &mut *(&raw mut (*scratch).bytes).cast::<HelloKey>() };
        key.addresses = [0; 4];
        let (skb, to) = (self.skb.0.cast(), (&raw mut key.addresses).cast());
        // SAFETY: there is room for the two addresses of either family.
        let failed = unsafe {
            if self.how & IPV6 != 0 {
                bpf_skb_load_bytes(skb, self.l3 + 8, to, 32)
            } else {
                bpf_skb_load_bytes(skb, self.l3 + 12, to, 8)
            }
        };
        key.ports = [(self.ports >> 16) as u16, self.ports as u16];
        key.proto = self.how & 0xff;
        if failed == 0 { Some(key) } else { None }
    }
}

/// Copies a packet to the ring.
#[inline(always)]
fn copy(place: Place, wanted: Wanted) -> Option<bool> {
    // SAFETY: the helper has no preconditions.
    let scratch = SAMPLE_SCRATCH.get_ptr_mut(unsafe { bpf_get_smp_processor_id() })?;
    let skb = place.skb;
    let len = skb.len().saturating_sub(place.l3);
    let most = place.payload.saturating_sub(place.l3).saturating_add(wanted.most);
    let caplen = bounded(if len < most { len } else { most }, SAMPLE_BYTES as u32)?;
    let head = SampleHead {
        // SAFETY: the helper has no preconditions.
        time_ns: unsafe { bpf_ktime_get_ns() },
        netns: skb.netns(),
        ifindex: skb.ifindex(),
        len,
        caplen,
        l4: place.l4.saturating_sub(place.l3) as u16,
        payload: place.payload.saturating_sub(place.l3) as u16,
        what: wanted.what,
        kind: if place.how & EGRESS != 0 { DIR_EGRESS } else { 0 },
        family: if place.how & IPV6 != 0 { 6 } else { 4 },
        proto: place.how as u8,
    };
    // SAFETY: this CPU's scratch memory is used by one program at a time.
    unsafe { (*scratch).head = head };
    // SAFETY: as above.
    let bytes = unsafe { (&raw mut (*scratch).bytes).cast::<u8>() };
    // SAFETY: the verifier checks that there is room for `caplen` bytes.
    if unsafe { bpf_skb_load_bytes(skb.0.cast(), place.l3, bytes.cast(), caplen) } != 0 {
        return None;
    }
    let size = size_of::<SampleHead>() as u64 + u64::from(caplen);
    let ring = if wanted.what == SAMPLE_DNS { &raw const SAMPLES_DNS } else { &raw const SAMPLES_HELLOS }.cast_mut();
    // SAFETY: head and bytes lie one after the other; the verifier checks the size against the map's value.
    Some(unsafe { bpf_ringbuf_output(ring.cast(), scratch.cast(), size, u64::from(BPF_RB_NO_WAKEUP)) } == 0)
}

#[inline(always)]
fn lost(what: u8) {
    let count = if what == SAMPLE_DNS { LOST_DNS.get_ptr_mut(0) } else { LOST_HELLOS.get_ptr_mut(0) };
    if let Some(count) = count {
        // SAFETY: the helper returned this CPU's copy of the value.
        unsafe { *count += 1 };
    }
}
