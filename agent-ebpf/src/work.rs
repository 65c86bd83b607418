//! Work memory of a CPU: where headers, keys and values are put together that do not fit the stack.
//!
//! What went through it is unknown to the verifier again, so that paths that differ only in what was parsed become one.

use agent_common::{fragment::FragmentKey, parse::{Address, Headers, Link}, types::FlowValue};

use crate::{filter, maps::WORK};

/// One program at a time uses the memory of a CPU: programs of this kind run with softirqs disabled.
#[repr(C)]
pub(crate) struct Work {
    pub(crate) value: FlowValue,
    pub(crate) fragment: FragmentKey,
    pub(crate) link: Link,
    pub(crate) headers4: Headers<[u8; 4]>,
    pub(crate) headers6: Headers<[u8; 16]>,
    pub(crate) cell: u64,
}

/// This CPU's work memory.
#[inline(always)]
pub(crate) fn work() -> Option<&'static mut Work> {
    // SAFETY: the helper returned this CPU's memory; each step uses fields of its own.
    WORK.get_ptr_mut(0).map(|work| unsafe { &mut *work })
}

/// Headers that have a place in work memory.
pub(crate) trait Parked: Address {
    /// Puts headers there.
    fn park(work: &mut Work, headers: Headers<Self>);
    /// The headers that were put there last.
    fn parked(work: &mut Work) -> &mut Headers<Self>;
    /// The rules' decision over them; a function of its own, so that each program holds it once.
    fn by_rules(direction: u8) -> bool;
}

macro_rules! parked {
    ($address:ty, $field:ident, $rules:ident) => {
        #[inline(never)]
        #[unsafe(no_mangle)]
        extern "C" fn $rules(direction: u32) -> u32 {
            u32::from(filter::by_rules::<$address>(direction as u8))
        }

        impl Parked for $address {
            #[inline(always)]
            fn park(work: &mut Work, headers: Headers<Self>) {
                work.$field = headers;
            }

            #[inline(always)]
            fn parked(work: &mut Work) -> &mut Headers<Self> {
                &mut work.$field
            }

            #[inline(always)]
            fn by_rules(direction: u8) -> bool {
                $rules(u32::from(direction)) != 0
            }
        }
    };
}

parked!([u8; 4], headers4, rules4);
parked!([u8; 16], headers6, rules6);
