//! Rule matching. The defects named below are those of NetObserv's agent and CLI up to 1.9; each test shows ours right.

use super::*;
use crate::{
    frames::{self, ethernet, tcp, tcp4, udp},
    parse::{self, Layer, Piece},
    types::{ACTION_OWN, DIR_EGRESS, NO_FAMILY},
};

const TCP_RULE: Rule = Rule { conditions: COND_PROTO, proto: TCP, ..accept() };

const fn accept() -> Rule {
    Rule { action: ACTION_ACCEPT, ..Rule::ANY }
}

const fn one(port: u16) -> [[u16; 2]; 2] {
    [[port, port], [1, 0]]
}

fn net4(net: [u8; 4], bits: u32, rule: Rule) -> Rule {
    let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0).to_be();
    Rule { conditions: rule.conditions | COND_NET, family: 4, net: words(net), net_mask: [mask, 0, 0, 0], ..rule }
}

fn words(address: [u8; 4]) -> [u32; 4] {
    [u32::from_ne_bytes(address), 0, 0, 0]
}

fn decide4(rules: &[Rule], frame: &[u8], direction: u8) -> u8 {
    let headers = parse::ipv4(frame, parse::link(frame, Layer::Ethernet).l3).unwrap();
    verdict(&RuleTable::new(rules).unwrap(), &headers, direction, |_| 0)
}

fn decide6(rules: &[Rule], frame: &[u8]) -> u8 {
    let headers = parse::ipv6(frame, parse::link(frame, Layer::Ethernet).l3).unwrap();
    verdict(&RuleTable::new(rules).unwrap(), &headers, 0, |_| 0)
}

fn udp4(src: u16, dst: u16) -> Vec<u8> {
    ethernet(&[0x0800], &frames::ipv4(17, 0, &[], &udp(src, dst, b"")))
}

fn icmp4(kind: u8, code: u8) -> Vec<u8> {
    ethernet(&[0x0800], &frames::ipv4(1, 0, &[], &[kind, code, 0, 0, 0, 0, 0, 0]))
}

fn icmp6(kind: u8, code: u8) -> Vec<u8> {
    ethernet(&[0x86dd], &frames::ipv6(58, &[kind, code, 0, 0, 0, 0, 0, 0]))
}

#[test]
fn defect_1_the_source_port_is_a_condition() {
    let rules = [Rule { conditions: COND_SPORT, sport: one(1000), ..accept() }];
    assert_eq!(decide4(&rules, &tcp4(1000, 443, 2), 0), ACTION_ACCEPT);
    assert_eq!(decide4(&rules, &tcp4(443, 1000, 2), 0), ACTION_REJECT);
}

#[test]
fn defect_2_rules_over_the_same_addresses_stand_side_by_side() {
    // --protocol=TCP --port=8080 or --protocol=UDP
    let tcp8080 = Rule { conditions: COND_PROTO | COND_PORT, proto: TCP, port: one(8080), ..accept() };
    let any_udp = Rule { conditions: COND_PROTO, proto: UDP, ..accept() };
    let rules = [tcp8080, any_udp];
    assert_eq!(decide4(&rules, &tcp4(5, 8080, 2), 0), ACTION_ACCEPT);
    assert_eq!(decide4(&rules, &tcp4(8080, 5, 2), 0), ACTION_ACCEPT);
    assert_eq!(decide4(&rules, &udp4(1, 2), 0), ACTION_ACCEPT);
    assert_eq!(decide4(&rules, &tcp4(5, 80, 2), 0), ACTION_REJECT);
}

#[test]
fn the_first_rule_that_matches_decides_and_not_the_narrowest() {
    let wide = net4([10, 0, 0, 0], 8, Rule::ANY);
    let narrow = net4([10, 9, 9, 1], 32, accept());
    assert_eq!(decide4(&[wide, narrow], &tcp4(1, 2, 2), 0), ACTION_REJECT);
    assert_eq!(decide4(&[narrow, wide], &tcp4(1, 2, 2), 0), ACTION_ACCEPT);
}

#[test]
fn defect_3_icmp_type_and_code_are_conditions_and_zero_is_a_value() {
    let reply = [Rule { conditions: COND_ICMP_TYPE, icmp_type: 0, ..accept() }];
    assert_eq!(decide4(&reply, &icmp4(0, 0), 0), ACTION_ACCEPT);
    assert_eq!(decide4(&reply, &icmp4(8, 0), 0), ACTION_REJECT);
    let net_unreachable =
        [Rule { conditions: COND_ICMP_TYPE | COND_ICMP_CODE, icmp_type: 3, icmp_code: 0, ..accept() }];
    assert_eq!(decide4(&net_unreachable, &icmp4(3, 0), 0), ACTION_ACCEPT);
    assert_eq!(decide4(&net_unreachable, &icmp4(3, 1), 0), ACTION_REJECT);
    assert_eq!(decide4(&reply, &tcp4(0, 0, 2), 0), ACTION_REJECT, "ports are no type and code");
}

#[test]
fn icmp_conditions_hold_for_the_icmp_of_each_family() {
    let rules = [Rule { conditions: COND_ICMP_TYPE, icmp_type: 135, ..accept() }];
    assert_eq!(decide6(&rules, &icmp6(135, 0)), ACTION_ACCEPT);
    assert_eq!(decide6(&rules, &icmp6(136, 0)), ACTION_REJECT);
    let wrong = ethernet(&[0x0800], &frames::ipv4(58, 0, &[], &[135, 0, 0, 0]));
    assert_eq!(decide4(&rules, &wrong, 0), ACTION_REJECT, "ICMPv6 in IPv4 is none");
}

#[test]
fn defect_4_each_flag_matches_whatever_stands_beside_it() {
    for bit in [0x01, 0x04, 0x08, 0x20, 0x40, 0x80_u8] {
        let rules = [Rule { conditions: COND_TCP, tcp_mask: bit, tcp_value: bit, ..accept() }];
        assert_eq!(decide4(&rules, &tcp4(1, 2, bit), 0), ACTION_ACCEPT, "{bit:#x} alone");
        assert_eq!(decide4(&rules, &tcp4(1, 2, bit | 0x10), 0), ACTION_ACCEPT, "{bit:#x} with ACK");
        assert_eq!(decide4(&rules, &tcp4(1, 2, 0x10), 0), ACTION_REJECT, "{bit:#x} not set");
    }
    let syn = [Rule { conditions: COND_TCP, tcp_mask: 0x12, tcp_value: 0x02, ..accept() }];
    assert_eq!(decide4(&syn, &tcp4(1, 2, 0x02), 0), ACTION_ACCEPT);
    assert_eq!(decide4(&syn, &tcp4(1, 2, 0xc2), 0), ACTION_ACCEPT, "a SYN that asks for ECN is a SYN");
    assert_eq!(decide4(&syn, &tcp4(1, 2, 0x12), 0), ACTION_REJECT, "SYN means SYN without ACK");
}

#[test]
fn defect_5_a_port_or_flag_lets_no_other_protocol_through() {
    let port = [Rule { conditions: COND_PORT, port: [[0, 65_535], [1, 0]], ..accept() }];
    assert_eq!(decide4(&port, &udp4(1, 2), 0), ACTION_ACCEPT);
    assert_eq!(decide4(&port, &icmp4(8, 0), 0), ACTION_REJECT);
    let gre = ethernet(&[0x0800], &frames::ipv4(47, 0, &[], &[0; 8]));
    assert_eq!(decide4(&port, &gre, 0), ACTION_REJECT);
    let flags = [Rule { conditions: COND_TCP, ..accept() }];
    assert_eq!(decide4(&flags, &udp4(1, 2), 0), ACTION_REJECT);
    assert_eq!(decide4(&flags, &tcp4(1, 2, 2), 0), ACTION_ACCEPT);
}

#[test]
fn defect_6_families_never_mix() {
    // fd00::/8 begins with the byte of 253.0.0.0/8.
    let rules = [net4([0xfd, 0, 0, 0], 8, accept())];
    let frame = ethernet(&[0x86dd], &frames::ipv6(6, &tcp(1, 2, 2, 0)));
    assert_eq!(decide6(&rules, &frame), ACTION_REJECT);
    let all4 = [net4([0; 4], 0, accept())];
    assert_eq!(decide6(&all4, &frame), ACTION_REJECT, "0.0.0.0/0 is not ::/0");
    assert_eq!(decide4(&all4, &tcp4(1, 2, 2), 0), ACTION_ACCEPT);
    let all6 = [Rule { conditions: COND_NET, family: 6, ..accept() }];
    assert_eq!(decide6(&all6, &frame), ACTION_ACCEPT);
    assert_eq!(decide4(&all6, &tcp4(1, 2, 2), 0), ACTION_REJECT);
}

#[test]
fn defect_7_reject_alone_lets_the_rest_through() {
    let rules = [net4([10, 9, 9, 1], 32, Rule::ANY)];
    assert_eq!(decide4(&rules, &tcp4(1, 2, 2), 0), ACTION_REJECT);
    let elsewhere = [net4([192, 168, 0, 0], 16, Rule::ANY)];
    assert_eq!(decide4(&elsewhere, &tcp4(1, 2, 2), 0), ACTION_ACCEPT);
}

#[test]
fn defect_8_direction_is_a_condition() {
    let rules = [Rule { conditions: COND_DIRECTION, direction: 1, ..accept() }];
    assert_eq!(decide4(&rules, &tcp4(1, 2, 2), DIR_EGRESS), ACTION_ACCEPT);
    assert_eq!(decide4(&rules, &tcp4(1, 2, 2), 0), ACTION_REJECT);
}

#[test]
fn defect_9_a_peer_belongs_to_its_own_rule() {
    let with_peer = |net: [u8; 4], peer: [u8; 4]| Rule {
        peer: words(peer),
        peer_mask: [u32::MAX, 0, 0, 0],
        ..net4(net, 32, accept())
    };
    let rules = [with_peer([10, 9, 9, 1], [10, 0, 0, 7]), with_peer([10, 0, 0, 8], [10, 9, 9, 2])];
    assert_eq!(
        decide4(&rules, &tcp4(1, 2, 2), 0),
        ACTION_REJECT,
        "the peer of the second rule is not one of the first"
    );
    assert_eq!(decide4(&[with_peer([10, 9, 9, 1], [10, 9, 9, 2])], &tcp4(1, 2, 2), 0), ACTION_ACCEPT);
    assert_eq!(
        decide4(&[with_peer([10, 9, 9, 2], [10, 9, 9, 1])], &tcp4(1, 2, 2), 0),
        ACTION_ACCEPT,
        "either way round"
    );
    assert_eq!(
        decide4(&[with_peer([10, 9, 9, 1], [10, 9, 9, 1])], &tcp4(1, 2, 2), 0),
        ACTION_REJECT,
        "two ends, not one"
    );
}

#[test]
fn all_words_of_a_long_address_count() {
    let frame = ethernet(&[0x86dd], &frames::ipv6(6, &tcp(1, 2, 2, 0)));
    let host = |address: [u8; 16]| Rule {
        conditions: COND_NET,
        family: 6,
        net: address.words(),
        net_mask: [u32::MAX; 4],
        ..accept()
    };
    assert_eq!(decide6(&[host(frames::SRC6)], &frame), ACTION_ACCEPT);
    assert_eq!(decide6(&[host(frames::DST6)], &frame), ACTION_ACCEPT);
    let mut other = frames::SRC6;
    other[15] = 3;
    assert_eq!(decide6(&[host(other)], &frame), ACTION_REJECT);
}

#[test]
fn two_ranges_are_one_condition() {
    let rules = [Rule { conditions: COND_DPORT, dport: [[80, 80], [8000, 8099]], ..accept() }];
    for (port, action) in
        [(80, ACTION_ACCEPT), (81, ACTION_REJECT), (8000, ACTION_ACCEPT), (8099, ACTION_ACCEPT), (8100, ACTION_REJECT)]
    {
        assert_eq!(decide4(&rules, &tcp4(5, port, 2), 0), action, "{port}");
    }
    assert_eq!(decide4(&rules, &tcp4(80, 5, 2), 0), ACTION_REJECT);
    let unused = [Rule { conditions: COND_PORT, ..accept() }];
    assert_eq!(decide4(&unused, &tcp4(1, 0, 2), 0), ACTION_REJECT, "an unused range holds nothing");
}

#[test]
fn own_traffic_is_told_apart_and_does_not_turn_the_default() {
    let own = Rule { conditions: COND_PORT, port: one(9999), action: ACTION_OWN, ..Rule::ANY };
    assert_eq!(decide4(&[own], &tcp4(1, 9999, 2), 0), ACTION_OWN);
    assert_eq!(decide4(&[own], &tcp4(1, 2, 2), 0), ACTION_ACCEPT);
    assert_eq!(decide4(&[own, TCP_RULE], &udp4(1, 2), 0), ACTION_REJECT);
}

#[test]
fn a_later_fragment_has_ports_once_its_first_one_was_seen() {
    let rules = [Rule { conditions: COND_DPORT, dport: one(4), ..accept() }];
    let frame = ethernet(&[0x0800], &frames::ipv4(17, 6, &[], &[0; 16]));
    let mut headers = parse::ipv4(&frame[..], 14).unwrap();
    assert_eq!(headers.piece, Piece::Later);
    let table = RuleTable::new(&rules).unwrap();
    assert_eq!(verdict(&table, &headers, 0, |_| 0), ACTION_REJECT);
    headers.selector = [3, 4];
    headers.selector_known = true;
    assert_eq!(verdict(&table, &headers, 0, |_| 0), ACTION_ACCEPT);
    headers.proto = TCP;
    let flags = RuleTable::new(&[Rule { conditions: COND_TCP, ..accept() }]).unwrap();
    assert_eq!(verdict(&flags, &headers, 0, |_| 0), ACTION_REJECT, "it has no flags of its own");
}

#[test]
fn a_frame_that_is_not_ip_matches_no_condition_on_ip() {
    let frame = ethernet(&[0x0806], &[0; 28]);
    let headers = parse::other(&frame[..], Layer::Ethernet, parse::link(&frame[..], Layer::Ethernet), false);
    for rule in [
        Rule { conditions: COND_PROTO, ..accept() },
        net4([0; 4], 0, accept()),
        Rule { conditions: COND_ICMP_TYPE, ..accept() },
    ] {
        assert_eq!(verdict(&RuleTable::new(&[rule]).unwrap(), &headers, 0, |_| 0), ACTION_REJECT);
    }
    assert_eq!(verdict(&RuleTable::new(&[accept()]).unwrap(), &headers, 0, |_| 0), ACTION_ACCEPT);
}

#[test]
fn the_table_holds_64_rules_and_uses_the_last() {
    let mut rules = vec![Rule { conditions: COND_DPORT, dport: one(1), ..accept() }; MAX_RULES];
    rules[MAX_RULES - 1].dport = one(443);
    assert_eq!(decide4(&rules, &tcp4(5, 443, 2), 0), ACTION_ACCEPT);
    rules.push(accept());
    assert!(RuleTable::new(&rules).is_none());
    assert_eq!(decide4(&[], &tcp4(5, 443, 2), 0), ACTION_ACCEPT, "without rules everything is taken");
}

/// What a rule says of a TCP packet from `SRC4` to `DST4` and of the way back, with the source in sets 0 and 3 and the
/// destination in set 1.
fn both_ways(rule: Rule) -> [u8; 2] {
    let frame = tcp4(1, 2, 2);
    let there = parse::ipv4(&frame[..], 14).unwrap();
    let back = Headers { src: there.dst, dst: there.src, ..there };
    let sets = |address: &[u8; 4]| if *address == there.src { 0b1001 } else { 0b10 };
    [there, back].map(|headers| verdict(&RuleTable::new(&[rule]).unwrap(), &headers, 0, sets))
}

#[test]
fn sets_of_either_end_and_of_one_end() {
    let either = |net_set, peer_set| Rule { conditions: COND_NET, net_set, peer_set, ..accept() };
    let directed = |src_set, dst_set| Rule { conditions: COND_DIRECTED, src_set, dst_set, ..accept() };
    assert_eq!(both_ways(either(1, 0)), [ACTION_ACCEPT; 2]);
    assert_eq!(both_ways(either(0, 1)), [ACTION_ACCEPT; 2]);
    assert_eq!(both_ways(either(2, 1)), [ACTION_ACCEPT; 2]);
    assert_eq!(both_ways(either(1, 1)), [ACTION_REJECT; 2], "two ends, not one");
    assert_eq!(both_ways(either(0b1001, 0)), [ACTION_ACCEPT; 2], "in both sets");
    assert_eq!(both_ways(either(0b101, 0)), [ACTION_REJECT; 2], "in one of two sets");
    assert_eq!(both_ways(directed(1, 2)), [ACTION_ACCEPT, ACTION_REJECT]);
    assert_eq!(both_ways(directed(0, 1)), [ACTION_REJECT, ACTION_ACCEPT]);
}

#[test]
fn directed_networks_look_at_their_end_only() {
    let host = words(frames::SRC4);
    let src = Rule { conditions: COND_DIRECTED, family: 4, src: host, src_mask: [u32::MAX, 0, 0, 0], ..accept() };
    let dst = Rule { conditions: COND_DIRECTED, family: 4, dst: host, dst_mask: [u32::MAX, 0, 0, 0], ..accept() };
    assert_eq!(both_ways(src), [ACTION_ACCEPT, ACTION_REJECT]);
    assert_eq!(both_ways(dst), [ACTION_REJECT, ACTION_ACCEPT]);
    assert_eq!(both_ways(Rule { family: 6, ..src }), [ACTION_REJECT; 2]);
    assert_eq!(both_ways(Rule { family: NO_FAMILY, conditions: COND_NET, ..accept() }), [ACTION_REJECT; 2]);
    let with_set = |net_set| Rule { conditions: COND_DIRECTED | COND_NET, net_set, ..src };
    assert_eq!(both_ways(with_set(2)), [ACTION_ACCEPT, ACTION_REJECT]);
    assert_eq!(both_ways(with_set(4)), [ACTION_REJECT; 2]);
}

#[test]
fn sets_are_asked_for_only_where_rules_refer_to_them_and_never_of_mac_addresses() {
    let frame = tcp4(1, 2, 2);
    let headers = parse::ipv4(&frame[..], 14).unwrap();
    let never = |_: &[u8; 4]| -> u32 { panic!("asked") };
    assert_eq!(verdict(&RuleTable::new(&[TCP_RULE]).unwrap(), &headers, 0, never), ACTION_ACCEPT);
    let arp = ethernet(&[0x0806], &[0; 28]);
    let headers = parse::other(&arp[..], Layer::Ethernet, parse::link(&arp[..], Layer::Ethernet), false);
    let of_set = Rule { conditions: COND_NET, net_set: 1, ..accept() };
    let table = RuleTable::new(&[of_set]).unwrap();
    assert_eq!(table.sets, 1);
    assert_eq!(verdict(&table, &headers, 0, |_| panic!("asked")), ACTION_REJECT);
}
