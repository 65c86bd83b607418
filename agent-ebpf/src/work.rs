//! Work memory of a CPU: where headers, keys and values are put together that do not fit the stack.
//!
//! What went through it is unknown to the verifier again, so that paths that differ only in what was parsed become one.

use agent_common::{
    fragment::FragmentKey,
    parse::{Address, Headers, Link},
    types::{FlowKey, FlowKey4, FlowKey6, FlowValue, SetMasks},
};

use aya_ebpf::bindings::__sk_buff;

use crate::{
    filter, fragments,
    maps::{SETS4, SETS6, WORK},
    packet::Skb,
};

/// One program at a time uses the memory of a CPU: programs of this kind run with softirqs disabled.
#[repr(C)]
pub(crate) struct Work {
    value: FlowValue,
    key4: FlowKey4,
    key6: FlowKey6,
    headers4: Headers<[u8; 4]>,
    headers6: Headers<[u8; 16]>,
    link: Link,
    cell: u64,
    fragment: FragmentKey,
    ends: [u32; 2],
}

/// This CPU's work memory. Each step makes references to single fields of it, never to the whole.
#[inline(always)]
fn work() -> Option<*mut Work> {
    WORK.get_ptr_mut(0)
}

macro_rules! places {
    ($($(#[$doc:meta])* $name:ident: $type:ty,)*) => {$(
        $(#[$doc])*
        #[inline(always)]
        pub(crate) fn $name() -> Option<&'static mut $type> {
            // SAFETY: the helper returned this CPU's memory, which stays while the program runs.
            work().map(|work| unsafe { &mut (*work).$name })
        }
    )*};
}

places! {
    /// Value of a flow that is being entered.
    value: FlowValue,
    /// Key of a datagram whose fragments are sought.
    fragment: FragmentKey,
    /// Link layer of the packet whose headers are parked.
    link: Link,
    /// Sets of source and destination: kept here and not handed on, because kernels before 6.10 round each frame up.
    ends: [u32; 2],
    /// A number to forget.
    cell: u64,
}

/// Addresses whose headers and keys have a place in work memory.
pub(crate) trait Parked: Address + 'static {
    /// The place for headers.
    fn headers() -> Option<&'static mut Headers<Self>>;
    /// The place for the key of a flow that is being entered.
    fn key() -> Option<&'static mut FlowKey<Self>>;
    /// Sets of an address in both tables; `None` when it is in none.
    fn masks(&self) -> Option<&'static SetMasks>;
    /// Finds the sets of source and destination. This and the next are functions of their own, so that the verifier walks
    /// through them once.
    fn ends(active: u32);
    /// What a group of rules says of the headers.
    fn by_group(active: u32, group: u32, direction: u32) -> u32;
    /// [`fragments::resolve`] with a frame of its own.
    fn resolve(skb: Skb);
}

macro_rules! parked {
    ($address:ty, $headers:ident, $key:ident, $sets:ident, $ends:ident, $group:ident, $resolve:ident) => {
        #[inline(never)]
        #[unsafe(no_mangle)]
        extern "C" fn $ends(active: u32) -> u32 {
            filter::ends::<$address>(active).is_some() as u32
        }

        #[inline(never)]
        #[unsafe(no_mangle)]
        extern "C" fn $group(active: u32, group: u32, direction: u32) -> u32 {
            filter::by_group::<$address>(active, group, direction)
        }

        #[inline(never)]
        #[unsafe(no_mangle)]
        extern "C" fn $resolve(skb: *mut __sk_buff) -> u32 {
            fragments::resolve::<$address>(Skb(skb)).is_some() as u32
        }

        impl Parked for $address {
            #[inline(always)]
            fn headers() -> Option<&'static mut Headers<Self>> {
                // SAFETY: as for the other places.
                work().map(|work| unsafe { &mut (*work).$headers })
            }

            #[inline(always)]
            fn key() -> Option<&'static mut FlowKey<Self>> {
                // SAFETY: as for the other places.
                work().map(|work| unsafe { &mut (*work).$key })
            }

            #[inline(always)]
            fn masks(&self) -> Option<&'static SetMasks> {
                // SAFETY: the entry stays while the program runs. User space writes to it what this table does not look at.
                unsafe { $sets.get(self) }
            }

            #[inline(always)]
            fn ends(active: u32) {
                $ends(active);
            }

            #[inline(always)]
            fn by_group(active: u32, group: u32, direction: u32) -> u32 {
                $group(active, group, direction)
            }

            #[inline(always)]
            fn resolve(skb: Skb) {
                $resolve(skb.0);
            }
        }
    };
}

parked!([u8; 4], headers4, key4, SETS4, ends4, group4, resolve4);
parked!([u8; 16], headers6, key6, SETS6, ends6, group6, resolve6);
