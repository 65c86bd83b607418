//! Reading a packet: direct access to the linear part of the buffer, or a copy where that part is too short.

use core::mem::MaybeUninit;

use agent_common::{
    kfunc,
    packet::{Header, Packet},
};
use aya_ebpf::{
    bindings::__sk_buff,
    helpers::{bpf_get_smp_processor_id, bpf_probe_read_kernel, generated::bpf_skb_load_bytes},
};

use crate::{
    maps::{SCRATCH, Scratch},
    settings::{NETNS_SOURCE, OFF_DEV_ND_NET, OFF_NET_COOKIE, OFF_SKB_DEV},
    work,
};

/// The buffer that a program was called for.
#[derive(Clone, Copy)]
pub(crate) struct Skb(pub(crate) *mut __sk_buff);

macro_rules! fields {
    ($type:ty, $class:ident, $($name:ident),*) => {$(
        #[inline(always)]
        pub(crate) fn $name(self) -> $type {
            let value: $type;
            // SAFETY: the context is valid while the program runs. In assembly, because the verifier takes accesses to the
            // context at constant offsets only and the compiler would at times compute the address first.
            unsafe {
                core::arch::asm!(
                    "{value} = *(u32 *)({skb} + {offset})",
                    value = lateout($class) value,
                    skb = in(reg) self.0,
                    offset = const core::mem::offset_of!(__sk_buff, $name),
                    options(pure, readonly, nostack, preserves_flags),
                );
            }
            value
        }
    )*};
}

impl Skb {
    fields!(u32, wreg, len, ifindex, gso_size, vlan_present, vlan_tci, vlan_proto);
    // To the verifier these two are pointers: they must not be compared as 32-bit numbers.
    fields!(usize, reg, data, data_end);

    /// Direct access to the linear part.
    #[inline(always)]
    pub(crate) fn direct(self) -> Direct {
        Direct { data: self.data(), end: self.data_end() }
    }

    /// Low 32 bits of the cookie of the network namespace, 0 when there is only one.
    #[inline(always)]
    pub(crate) fn netns(self) -> u32 {
        match NETNS_SOURCE.load() {
            0 => 0,
            2 => self.netns_by_offsets().unwrap_or(0),
            _ => self.netns_by_cast(),
        }
    }

    #[inline(always)]
    fn netns_by_offsets(self) -> Option<u32> {
        let dev = read_kernel::<usize>(self.0 as usize, OFF_SKB_DEV.load())?;
        let net = read_kernel::<usize>(dev, OFF_DEV_ND_NET.load())?;
        read_kernel::<u32>(net, OFF_NET_COOKIE.load())
    }

    /// The same walk as plain loads, which the kernel allows from its own `sk_buff` (Linux 6.2): a tenth of the cost.
    #[inline(always)]
    fn netns_by_cast(self) -> u32 {
        let kernel: usize;
        // SAFETY: user space has put a call of bpf_cast_to_kern_ctx, which takes and returns one pointer, in this place.
        unsafe {
            core::arch::asm!(
                "call {function}",
                function = const kfunc::PLACEHOLDER,
                inlateout("r1") self.0 => _,
                lateout("r0") kernel,
                lateout("r2") _,
                lateout("r3") _,
                lateout("r4") _,
                lateout("r5") _,
                options(nostack),
            );
            let dev = load_kernel::<usize>(kernel, OFF_SKB_DEV.load());
            let net = load_kernel::<usize>(dev, OFF_DEV_ND_NET.load());
            load_kernel::<u64>(net, OFF_NET_COOKIE.load()) as u32
        }
    }

    /// Copies the first `len` bytes to `to`.
    #[inline(always)]
    pub(crate) fn load(self, to: *mut u8, len: u32) -> bool {
        // SAFETY: the verifier checks that `to` has room for `len` bytes.
        unsafe { bpf_skb_load_bytes(self.0.cast(), 0, to.cast(), len) == 0 }
    }

    /// Length of an accelerated VLAN tag, which is not in the buffer but will be on the wire.
    #[inline(always)]
    pub(crate) fn tag_len(self) -> u32 {
        if self.vlan_present() != 0 { 4 } else { 0 }
    }
}

#[inline(always)]
fn read_kernel<T>(base: usize, offset: u32) -> Option<T> {
    // SAFETY: the helper survives any address.
    unsafe { bpf_probe_read_kernel((base + offset as usize) as *const T).ok() }
}

/// # Safety
///
/// `base` must be a pointer that the verifier knows, to a kernel structure with a `T` at `offset`.
#[inline(always)]
unsafe fn load_kernel<T>(base: usize, offset: u32) -> T {
    // SAFETY: as the caller promises; a load that faults yields 0.
    unsafe { ((base + offset as usize) as *const T).read_volatile() }
}

/// This CPU's scratch memory.
#[inline(always)]
pub(crate) fn scratch() -> Option<*mut Scratch> {
    // SAFETY: the helper has no preconditions.
    SCRATCH.get_ptr_mut(unsafe { bpf_get_smp_processor_id() })
}

/// The linear part of a buffer.
#[derive(Clone, Copy)]
pub(crate) struct Direct {
    data: usize,
    end: usize,
}

impl Packet for Direct {
    #[inline(always)]
    fn header<const N: usize>(&self, offset: usize) -> Option<impl Header> {
        let start = self.data + offset;
        if start + N > self.end { None } else { Some(InPlace(pinned(start))) }
    }
}

/// The same address, bound to this place in the program: loads from it cannot move before the check above.
#[inline(always)]
fn pinned(mut address: usize) -> usize {
    // SAFETY: the instruction does nothing.
    unsafe { core::arch::asm!("{0} = {0}", inout(reg) address, options(nomem, nostack, preserves_flags)) };
    address
}

/// A header where it lies; the range was checked when this was made.
struct InPlace(usize);

/// One load of the packet. In assembly, because packets are not aligned and the compiler would load byte by byte.
macro_rules! load {
    ($type:ty, $class:ident, $size:literal, $self:expr, $at:expr) => {{
        let value: $type;
        // SAFETY: the range was checked against the end of the linear part, which the verifier checks again.
        unsafe {
            core::arch::asm!(
                concat!("{value} = *(", $size, " *)({start} + {at})"),
                value = lateout($class) value,
                start = in(reg) $self.0,
                at = const $at,
                options(pure, readonly, nostack, preserves_flags),
            );
        }
        value
    }};
}

impl Header for InPlace {
    #[inline(always)]
    fn bytes<const AT: usize, const L: usize>(&self) -> [u8; L] {
        let mut bytes = [0u8; L];
        match L {
            1 => put(&mut bytes, load!(u32, wreg, "u8", self, AT) as u8),
            2 => put(&mut bytes, load!(u32, wreg, "u16", self, AT) as u16),
            4 => put(&mut bytes, load!(u32, wreg, "u32", self, AT)),
            16 => put(&mut bytes, [load!(u64, reg, "u64", self, AT), load!(u64, reg, "u64", self, AT + 8)]),
            _ => {
                let mut index = 0;
                while index < L {
                    // SAFETY: within the range that was checked.
                    bytes[index] = unsafe { *((self.0 + AT + index) as *const u8) };
                    index += 1;
                }
            }
        }
        bytes
    }
}

/// Writes a number, as it lies in memory, over `bytes`, which are as long.
#[inline(always)]
fn put<T, const L: usize>(bytes: &mut [u8; L], value: T) {
    if size_of::<T>() == L {
        // SAFETY: the sizes are equal, and any bytes are valid.
        unsafe { bytes.as_mut_ptr().cast::<T>().write_unaligned(value) };
    }
}

/// `len` cut to `most`, as a number between 2 and `most` that the verifier believes. (From "not 0" the verifier of
/// Linux 6.1 and older does not conclude "at least 1", hence 2; no link has frames of one byte.)
#[inline(always)]
pub(crate) fn bounded(len: u32, most: u32) -> Option<u32> {
    let n = opaque(u64::from(if len > most { most } else { len }));
    if n < 2 || n > u64::from(most) { None } else { Some(n as u32) }
}

/// The same number, of which the compiler knows nothing more: it then compares and uses one and the same register, as the
/// verifier needs to see that a bound holds (the verifier of Linux 6.1 and older above all).
#[inline(always)]
pub(crate) fn opaque(mut n: u64) -> u64 {
    // SAFETY: the instruction does nothing.
    unsafe { core::arch::asm!("{0} = {0}", inout(reg) n, options(pure, nomem, nostack, preserves_flags)) };
    n
}

/// Any part of the buffer, header by header through a helper.
pub(crate) struct Loaded(pub(crate) Skb);

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

impl Packet for Loaded {
    #[inline(always)]
    fn header<const N: usize>(&self, offset: usize) -> Option<impl Header> {
        let mut held = MaybeUninit::<Held<N>>::uninit();
        // SAFETY: there is room for N bytes.
        let failed = unsafe { bpf_skb_load_bytes(self.0.0.cast(), offset as u32, held.as_mut_ptr().cast(), N as u32) };
        // SAFETY: the helper filled it.
        if failed == 0 { Some(unsafe { held.assume_init() }) } else { None }
    }

    #[inline(always)]
    fn forget(&self, offset: usize) -> usize {
        let Some(cell) = work::cell() else { return 0 };
        let cell: *mut u64 = cell;
        // SAFETY: the memory is this CPU's and valid while the program runs.
        unsafe {
            cell.write_volatile(offset as u64);
            cell.read_volatile() as usize
        }
    }
}
