//! Any bytes as a frame and as a rule: parsing and matching must neither panic nor contradict themselves.
#![no_main]

use agent_common::{
    parse::{self, Address, Headers, Layer},
    rules::{RuleTable, matches, verdict},
    types::{ACTION_ACCEPT, ACTION_OWN, ACTION_REJECT, Rule},
    wire::wire_counts,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((head, frame)) = data.split_first_chunk::<32>() else { return };
    let rule = rule(head);
    let layer = if head[23] & 1 == 0 { Layer::Ethernet } else { Layer::Ip };
    let link = parse::link(frame, layer);
    let details = parse::link_details(frame, layer);
    assert!(details.vlan.iter().all(|id| *id < 4096));
    assert!(parse::dscp(frame, link) < 64);
    if let Some(headers) = parse::ipv4(frame, link.l3) {
        if let Some(plain) = parse::plain4(frame, link.l3) {
            assert_eq!(plain, headers);
        }
        check(&rule, &headers, frame);
    }
    if let Some(headers) = parse::ipv6(frame, link.l3) {
        if let Some(plain) = parse::plain6(frame, link.l3) {
            assert_eq!(plain, headers);
        }
        check(&rule, &headers, frame);
    }
    check(&rule, &parse::other(frame, layer, link, false), frame);
});

/// A rule of these bytes.
fn rule(head: &[u8; 32]) -> Rule {
    let pair = |at: usize| [u16::from(head[at]) << 3, u16::from(head[at + 1]) << 8 | 0xff];
    Rule {
        conditions: u32::from(head[0]) | u32::from(head[1]) << 8,
        action: head[2] % 3,
        proto: head[3],
        family: head[4],
        direction: head[5] & 1,
        tcp_mask: head[6],
        tcp_value: head[7],
        icmp_type: head[8],
        icmp_code: head[9],
        port: [pair(10), [1, 0]],
        sport: [pair(12), [1, 0]],
        dport: [pair(14), pair(16)],
        net: [u32::from(head[18]); 4],
        net_mask: [u32::from(head[19]); 4],
        peer: [u32::from(head[20]); 4],
        peer_mask: [u32::from(head[21]); 4],
        src: [u32::from(head[22]); 4],
        src_mask: [u32::from(head[24]); 4],
        dst: [u32::from(head[25]); 4],
        dst_mask: [u32::from(head[26]); 4],
        net_set: u32::from(head[27] & 3),
        peer_set: u32::from(head[28] & 3),
        src_set: u32::from(head[29] & 3),
        dst_set: u32::from(head[30] & 3),
    }
}

/// The verdict over one rule is the rule's, or the opposite of accepting.
fn check<A: Address>(rule: &Rule, headers: &Headers<A>, frame: &[u8]) {
    let Some(table) = RuleTable::new(std::slice::from_ref(rule)) else { unreachable!("one rule fits") };
    // Every address is in the first set, none in the second.
    let action = verdict(&table, headers, 0, |_| 1);
    let default = if rule.action == ACTION_ACCEPT { ACTION_REJECT } else { ACTION_ACCEPT };
    let sets = rule.net_set | rule.peer_set | rule.src_set | rule.dst_set;
    let ends = if sets != 0 && headers.family != 0 { [1; 2] } else { [0; 2] };
    assert_eq!(action, if matches(rule, headers, ends, 0) { rule.action } else { default });
    assert!(action <= ACTION_OWN);
    let header_len = parse::segment_header_len(frame, headers.l4, headers.selector[1]) as u32;
    let wire = wire_counts(frame.len() as u32, u32::from(headers.selector[0]), header_len, 0);
    assert!(wire.packets >= 1 && wire.bytes >= frame.len() as u64);
}
