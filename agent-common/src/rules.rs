//! Rule matching: the very function that decides in the kernel, so that tests on the host test the filter itself.
//! Must not know how rules are written or loaded.

use crate::{
    parse::{Address, Headers, ICMP, ICMPV6, SCTP, TCP, UDP},
    types::{
        ACTION_ACCEPT, ACTION_REJECT, COND_DIRECTED, COND_DIRECTION, COND_DPORT, COND_ICMP_CODE, COND_ICMP_TYPE,
        COND_NET, COND_PORT, COND_PROTO, COND_SPORT, COND_TCP, MAX_RULES, Rule,
    },
};

/// Conditions on ports.
const ANY_PORT: u32 = COND_PORT | COND_SPORT | COND_DPORT;
/// Conditions on addresses.
const ANY_END: u32 = COND_NET | COND_DIRECTED;
/// Conditions on ICMP.
const ANY_ICMP: u32 = COND_ICMP_TYPE | COND_ICMP_CODE;

/// Rules that are looked at in one go; see [`decided_by`].
pub const GROUP: u32 = 4;
/// How many groups a table has.
pub const GROUPS: u32 = MAX_RULES as u32 / GROUP;

const _: () = assert!(GROUPS.is_power_of_two() && (GROUPS * GROUP) as usize == MAX_RULES);

/// Value of the rule map: all rules in order, and what becomes of packets that none of them matches.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleTable {
    /// How many of `rules` are in use.
    pub count: u32,
    /// `ACTION_*` for packets that no rule matches.
    pub default_action: u32,
    /// Sets that rules refer to, as bits: where there are none, nobody looks for the sets of addresses.
    pub sets: u32,
    /// The rules; first match decides.
    pub rules: [Rule; MAX_RULES],
}

const _: () = assert!(size_of::<RuleTable>() == 12 + MAX_RULES * size_of::<Rule>());

impl RuleTable {
    /// A table of these rules, or `None` when there are more than [`MAX_RULES`].
    ///
    /// Packets that no rule matches are rejected if any rule accepts, else accepted; rules for the capture's own traffic
    /// do not count as accepting.
    pub fn new(rules: &[Rule]) -> Option<Self> {
        let default_action = u32::from(ACTION_ACCEPT);
        let mut table = Self { count: 0, default_action, sets: 0, rules: [Rule::ANY; MAX_RULES] };
        for (slot, rule) in table.rules.get_mut(..rules.len())?.iter_mut().zip(rules) {
            *slot = *rule;
            table.sets |= rule.net_set | rule.peer_set | rule.src_set | rule.dst_set;
            if rule.action == ACTION_ACCEPT {
                table.default_action = u32::from(ACTION_REJECT);
            }
        }
        table.count = rules.len() as u32;
        Some(table)
    }
}

impl Rule {
    /// A rule without conditions that rejects: what the others are made from.
    pub const ANY: Self = Self {
        conditions: 0,
        action: ACTION_REJECT,
        proto: 0,
        family: 0,
        direction: 0,
        tcp_mask: 0,
        tcp_value: 0,
        icmp_type: 0,
        icmp_code: 0,
        port: [[1, 0]; 2],
        sport: [[1, 0]; 2],
        dport: [[1, 0]; 2],
        net: [0; 4],
        net_mask: [0; 4],
        peer: [0; 4],
        peer_mask: [0; 4],
        src: [0; 4],
        src_mask: [0; 4],
        dst: [0; 4],
        dst_mask: [0; 4],
        net_set: 0,
        peer_set: 0,
        src_set: 0,
        dst_set: 0,
    };
}

/// What becomes of a packet: one of `ACTION_*`. `direction` is 0 for ingress, 1 for egress; `sets` tells the sets of an
/// address as bits, and is asked only if rules refer to sets.
pub fn verdict<A: Address>(table: &RuleTable, headers: &Headers<A>, direction: u8, sets: impl Fn(&A) -> u32) -> u8 {
    let has_sets = table.sets != 0 && headers.family != 0;
    let ends = if has_sets { [sets(&headers.src), sets(&headers.dst)] } else { [0; 2] };
    let decided = (0..GROUPS).find_map(|group| decided_by(table, group, headers, ends, direction));
    decided.unwrap_or(table.default_action as u8)
}

/// What the first rule of a group that matches says, or the default where the rules end in this group; `None` when the next
/// group has to be asked.
///
/// The kernel's verifier walks through this once, whichever group it is, and not once for each rule of the table.
#[inline(always)]
pub fn decided_by<A: Address>(
    table: &RuleTable,
    group: u32,
    headers: &Headers<A>,
    ends: [u32; 2],
    direction: u8,
) -> Option<u8> {
    // A power of two, so that the verifier sees from the mask alone that this is inside of the table.
    let group = group & (GROUPS - 1);
    let (groups, _) = table.rules.as_chunks::<{ GROUP as usize }>();
    for (number, rule) in groups.get(group as usize)?.iter().enumerate() {
        if group * GROUP + number as u32 >= table.count {
            break;
        }
        if matches(rule, headers, ends, direction) {
            return Some(rule.action);
        }
    }
    ((group + 1) * GROUP >= table.count).then_some(table.default_action as u8)
}

/// Whether every condition of `rule` holds; the cheapest are tested first.
#[inline(always)]
pub fn matches<A: Address>(rule: &Rule, headers: &Headers<A>, ends: [u32; 2], direction: u8) -> bool {
    let conditions = rule.conditions;
    if conditions & COND_PROTO != 0 && (rule.proto != headers.proto || headers.family == 0) {
        return false;
    }
    if conditions & COND_DIRECTION != 0 && rule.direction != direction {
        return false;
    }
    if conditions & ANY_PORT != 0 && !ports_match(rule, headers) {
        return false;
    }
    if conditions & COND_TCP != 0 && !flags_match(rule, headers) {
        return false;
    }
    if conditions & ANY_ICMP != 0 && !icmp_matches(rule, headers) {
        return false;
    }
    conditions & ANY_END == 0 || ends_match(rule, headers, ends)
}

#[inline(always)]
fn ports_match<A>(rule: &Rule, headers: &Headers<A>) -> bool {
    if !headers.selector_known || !matches!(headers.proto, TCP | UDP | SCTP) {
        return false;
    }
    let [source, destination] = headers.selector;
    let conditions = rule.conditions;
    (conditions & COND_DPORT == 0 || within(&rule.dport, destination))
        && (conditions & COND_SPORT == 0 || within(&rule.sport, source))
        && (conditions & COND_PORT == 0 || within(&rule.port, destination) || within(&rule.port, source))
}

#[inline(always)]
const fn within(ranges: &[[u16; 2]; 2], port: u16) -> bool {
    let [[low, high], [low2, high2]] = *ranges;
    (low <= port && port <= high) || (low2 <= port && port <= high2)
}

#[inline(always)]
fn flags_match<A>(rule: &Rule, headers: &Headers<A>) -> bool {
    headers.proto == TCP && headers.flags_known && headers.tcp_flags as u8 & rule.tcp_mask == rule.tcp_value
}

#[inline(always)]
fn icmp_matches<A>(rule: &Rule, headers: &Headers<A>) -> bool {
    let icmp = matches!((headers.family, headers.proto), (4, ICMP) | (6, ICMPV6));
    let [kind, code] = headers.selector;
    icmp && headers.selector_known
        && (rule.conditions & COND_ICMP_TYPE == 0 || u16::from(rule.icmp_type) == kind)
        && (rule.conditions & COND_ICMP_CODE == 0 || u16::from(rule.icmp_code) == code)
}

/// Source and destination where they are asked for, and one end in `net` and the other in `peer`, either way round.
#[inline(always)]
fn ends_match<A: Address>(rule: &Rule, headers: &Headers<A>, ends: [u32; 2]) -> bool {
    if rule.family != headers.family && rule.family != 0 {
        return false;
    }
    let (src, dst) = ((&headers.src, ends[0]), (&headers.dst, ends[1]));
    if rule.conditions & COND_DIRECTED != 0
        && !(is_in::<A>(&rule.src, &rule.src_mask, rule.src_set, src)
            && is_in::<A>(&rule.dst, &rule.dst_mask, rule.dst_set, dst))
    {
        return false;
    }
    let net = |end| is_in::<A>(&rule.net, &rule.net_mask, rule.net_set, end);
    let peer = |end| is_in::<A>(&rule.peer, &rule.peer_mask, rule.peer_set, end);
    rule.conditions & COND_NET == 0 || (net(src) && peer(dst)) || (net(dst) && peer(src))
}

/// Whether an end, its address and its sets, is in a network and in sets.
#[inline(always)]
fn is_in<A: Address>(net: &[u32; 4], mask: &[u32; 4], set: u32, (address, sets): (&A, u32)) -> bool {
    set & !sets == 0 && contains::<A>(net, mask, address)
}

#[inline(always)]
fn contains<A: Address>(net: &[u32; 4], mask: &[u32; 4], address: &A) -> bool {
    let address = address.words();
    (address[0] ^ net[0]) & mask[0] == 0
        && (A::WORDS == 1
            || ((address[1] ^ net[1]) & mask[1] == 0
                && (address[2] ^ net[2]) & mask[2] == 0
                && (address[3] ^ net[3]) & mask[3] == 0))
}

#[cfg(test)]
mod tests;
