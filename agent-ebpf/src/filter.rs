//! Sampling and rules: whether a packet is taken.

use agent_common::{
    parse::Headers,
    rules::verdict_within,
    types::{ACTION_ACCEPT, ACTION_OWN, Counter},
};
use aya_ebpf::helpers::bpf_get_prandom_u32;

use crate::{
    counters,
    maps::{RULES, RULES_ACTIVE},
    settings::{RULES_ROOM, SAMPLING},
    work::Parked,
};

/// Whether sampling takes this packet; counts it when not.
#[inline(always)]
pub(crate) fn sampled() -> bool {
    let one_of = SAMPLING.load();
    // SAFETY: the helper has no preconditions.
    if one_of <= 1 || unsafe { bpf_get_prandom_u32() } % one_of == 0 {
        return true;
    }
    counters::add(Counter::SampledOut, 1);
    false
}

/// Whether the rules take this packet; counts it when not.
///
/// The headers go through map memory, not the stack, of which the verifier allows 512 bytes to all callers together.
#[inline(always)]
pub(crate) fn accepted<A: Parked>(headers: &Headers<A>, direction: u8) -> bool {
    if RULES_ROOM.load() == 0 {
        return true;
    }
    let Some(parked) = A::headers() else { return true };
    *parked = *headers;
    A::by_rules(direction)
}

/// Decides over the headers in work memory.
#[inline(always)]
pub(crate) fn by_rules<A: Parked>(direction: u8) -> bool {
    let Some(headers) = A::headers() else { return true };
    let active = RULES_ACTIVE.get(0).copied().unwrap_or(0);
    let Some(table) = RULES.get(active & 1) else { return true };
    match verdict_within(table, RULES_ROOM.load(), headers, direction) {
        ACTION_ACCEPT => return true,
        ACTION_OWN => counters::add(Counter::Own, 1),
        _ => counters::add(Counter::Rejected, 1),
    }
    false
}
