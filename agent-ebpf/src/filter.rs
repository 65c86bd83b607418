//! Sampling and rules: whether a packet is taken.

use agent_common::{
    parse::Headers,
    rules::{GROUPS, decided_by},
    types::{ACTION_ACCEPT, ACTION_OWN, Counter},
};
use aya_ebpf::helpers::bpf_get_prandom_u32;

use crate::{
    counters,
    maps::{RULES, RULES_ACTIVE},
    settings::{RULES_ROOM, SAMPLING, SETS_ROOM},
    work::{self, Parked},
};

/// No rule of a group matches, and there are more.
const UNDECIDED: u32 = u32::MAX;

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
    by_rules::<A>(direction)
}

/// Decides over the headers in work memory.
#[inline(always)]
pub(crate) fn by_rules<A: Parked>(direction: u8) -> bool {
    // Read once: all groups are of the same table.
    let active = RULES_ACTIVE.get(0).copied().unwrap_or(0) & 1;
    if SETS_ROOM.load() != 0 {
        A::ends(active);
    }
    let mut action = UNDECIDED;
    for group in 0..GROUPS {
        action = A::by_group(active, group, u32::from(direction));
        if action != UNDECIDED {
            break;
        }
    }
    match action as u8 {
        ACTION_ACCEPT => return true,
        ACTION_OWN => counters::add(Counter::Own, 1),
        _ => counters::add(Counter::Rejected, 1),
    }
    false
}

/// Puts the sets of source and destination of the headers in work memory beside them.
#[inline(always)]
pub(crate) fn ends<A: Parked>(active: u32) -> Option<()> {
    if SETS_ROOM.load() == 0 {
        return None;
    }
    let (headers, table, ends) = (A::headers()?, RULES.get(active)?, work::ends()?);
    *ends = [0; 2];
    // Frames that are not IP have MAC addresses in the place of addresses.
    if table.sets != 0 && headers.family != 0 {
        let sets = |address: &A| address.masks().map_or(0, |[zero, one]| if active & 1 == 0 { *zero } else { *one });
        ends[0] = sets(&headers.src);
        ends[1] = sets(&headers.dst);
    }
    Some(())
}

/// What one group of rules says: `ACTION_*`, or [`UNDECIDED`].
#[inline(always)]
pub(crate) fn by_group<A: Parked>(active: u32, group: u32, direction: u32) -> u32 {
    if RULES_ROOM.load() == 0 {
        return u32::from(ACTION_ACCEPT);
    }
    let (Some(headers), Some(table)) = (A::headers(), RULES.get(active)) else { return u32::from(ACTION_ACCEPT) };
    let ends = if SETS_ROOM.load() == 0 { [0; 2] } else { work::ends().map_or([0; 2], |ends| *ends) };
    decided_by(table, group, headers, ends, direction as u8).map_or(UNDECIDED, u32::from)
}
