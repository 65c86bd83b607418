//! Per-CPU counters: nobody else writes this CPU's copy while a program runs, so a plain addition is exact.

use agent_common::types::{Counter, IfaceKey};

use crate::maps::{COUNTERS, LOST_BY_IFACE};

/// Adds `n` to a counter of this CPU.
#[inline(always)]
pub(crate) fn add(counter: Counter, n: u64) {
    if let Some(value) = COUNTERS.get_ptr_mut(counter as u32) {
        // SAFETY: the helper returned this CPU's copy of the value.
        unsafe { *value += n };
    }
}

/// Counts one packet lost at an interface.
#[inline(always)]
pub(crate) fn lost_at(netns: u32, ifindex: u32) {
    let key = IfaceKey { netns, ifindex };
    if let Some(lost) = LOST_BY_IFACE.get_ptr_mut(&key) {
        // SAFETY: the helper returned this CPU's copy of the value.
        unsafe { *lost += 1 };
    } else {
        // A full map leaves the loss in the total counters only.
        let _ = LOST_BY_IFACE.insert(&key, &1u64, 0);
    }
}
