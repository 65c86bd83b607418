//! A sentence per case; the filter defects of NetObserv that this project set out to do right are named by theirs.

use super::*;
use crate::rules::{Directions, parse};

/// Rules from `protocol=TCP port=80 or protocol=UDP`.
fn rules(text: &str) -> Vec<Rule> {
    let groups = text.split(" or ").map(|group| -> Vec<_> {
        let pairs = group.split_whitespace().map(|pair| pair.split_once('=').unwrap());
        pairs.map(|(option, value)| (option.to_owned(), value.to_owned())).collect()
    });
    parse(&groups.collect::<Vec<_>>(), 0).unwrap()
}

fn packet(src: &str, dst: &str, protocol: u8) -> Subject {
    Subject {
        protocol: Some(protocol),
        src: Some(src.parse().unwrap()),
        dst: Some(dst.parse().unwrap()),
        directions: Directions::of(0),
        ..Subject::default()
    }
}

fn with_ports(protocol: u8, source: u16, destination: u16) -> Subject {
    Subject { ports: Some((source, destination)), ..packet("10.0.0.1", "10.0.0.2", protocol) }
}

fn tcp(flags: u8) -> Subject {
    Subject { flags: Some(FlagsSeen::Packet(flags)), ..with_ports(6, 40000, 80) }
}

fn icmp(kind: u8, code: u8) -> Subject {
    Subject { icmp: Some((kind, code)), ..packet("10.0.0.1", "10.0.0.2", 1) }
}

fn icmp6(kind: u8, code: u8) -> Subject {
    Subject { icmp: Some((kind, code)), ..packet("fd00::1", "fd00::2", 58) }
}

#[track_caller]
fn check(text: &str, taken: &[Subject], left: &[Subject]) {
    let rules = rules(text);
    for subject in taken {
        assert_eq!(verdict(&rules, &Sets::default(), subject), Action::Accept, "{text} takes {subject:?}");
    }
    for subject in left {
        assert_eq!(verdict(&rules, &Sets::default(), subject), Action::Reject, "{text} leaves out {subject:?}");
    }
}

#[test]
fn without_rules_everything_is_taken() {
    assert_eq!(verdict(&[], &Sets::default(), &Subject::default()), Action::Accept);
}

#[test]
fn defect_1_sport_is_the_source_port_and_works() {
    check("sport=80", &[with_ports(6, 80, 40000)], &[with_ports(6, 40000, 80)]);
    check("dport=80", &[with_ports(6, 40000, 80)], &[with_ports(6, 80, 40000)]);
    check("port=80", &[with_ports(6, 40000, 80), with_ports(6, 80, 40000)], &[with_ports(6, 81, 82)]);
    check("sport=80 dport=90", &[with_ports(6, 80, 90)], &[with_ports(6, 80, 91), with_ports(6, 90, 80)]);
}

#[test]
fn defect_2_rules_without_addresses_stand_beside_each_other() {
    check(
        "protocol=TCP port=8080 or protocol=UDP",
        &[with_ports(6, 1, 8080), with_ports(17, 1, 2)],
        &[with_ports(6, 1, 2), icmp(8, 0)],
    );
}

#[test]
fn defect_3_icmp_type_and_code_are_tested_and_zero_is_a_type() {
    check("icmp-type=0", &[icmp(0, 0)], &[icmp(8, 0), with_ports(6, 1, 2)]);
    check("icmp-type=3 icmp-code=1", &[icmp(3, 1)], &[icmp(3, 3), icmp(0, 1)]);
    check("icmp-type=128", &[icmp6(128, 0), icmp(128, 0)], &[icmp6(129, 0)]);
    check("protocol=ICMPv6 icmp-type=128", &[icmp6(128, 0)], &[icmp(128, 0)]);
}

#[test]
fn defect_4_flags_match_whatever_else_is_set() {
    check("tcp-flags=PSH", &[tcp(0x18), tcp(0x08)], &[tcp(0x10)]);
    check("tcp-flags=URG", &[tcp(0x30)], &[tcp(0x10)]);
    check("tcp-flags=ECE", &[tcp(0xc2)], &[tcp(0x82)]);
    check("tcp-flags=CWR", &[tcp(0x90)], &[tcp(0x50)]);
    check("tcp-flags=SYN", &[tcp(0x02), tcp(0xc2)], &[tcp(0x12), tcp(0x10)]);
    check("tcp-flags=SYN-ACK", &[tcp(0x12)], &[tcp(0x02)]);
    check("tcp-flags=ACK", &[tcp(0x10), tcp(0x18)], &[tcp(0x11), tcp(0x12), tcp(0x14)]);
    check("tcp-flags=FIN", &[tcp(0x11), tcp(0x01)], &[tcp(0x10)]);
    check("tcp-flags=RST-ACK", &[tcp(0x14)], &[tcp(0x04), tcp(0x10)]);
}

#[test]
fn defect_5_a_port_or_flag_takes_no_other_protocol_along() {
    let gre = packet("10.0.0.1", "10.0.0.2", 47);
    check("port=80", &[with_ports(6, 1, 80), with_ports(17, 1, 80), with_ports(132, 1, 80)], &[icmp(8, 0), gre]);
    check("tcp-flags=SYN", &[tcp(2)], &[with_ports(17, 1, 80), icmp(8, 0), gre]);
}

#[test]
fn defect_6_families_never_mix() {
    check("cidr=10.0.0.0/8", &[packet("10.1.1.1", "1.1.1.1", 17)], &[packet("a00::1", "a00::2", 17)]);
    check("cidr=0.0.0.0/0", &[packet("1.1.1.1", "2.2.2.2", 6)], &[packet("fd00::1", "fd00::2", 6)]);
    check("cidr=::/0", &[packet("fd00::1", "fd00::2", 6)], &[packet("1.1.1.1", "2.2.2.2", 6)]);
}

#[test]
fn defect_7_reject_alone_leaves_out_only_what_it_names() {
    check("port=22 action=Reject", &[with_ports(6, 1, 80), icmp(8, 0)], &[with_ports(6, 1, 22)]);
    check(
        "port=22 action=Reject or protocol=TCP",
        &[with_ports(6, 1, 80)],
        &[with_ports(6, 1, 22), with_ports(17, 1, 2)],
    );
}

#[test]
fn defect_8_direction_is_that_of_the_packet() {
    let egress = Subject { directions: Directions::of(1), ..icmp(8, 0) };
    check("direction=Egress", &[egress], &[icmp(8, 0)]);
    check("direction=Ingress", &[icmp(8, 0)], &[egress]);
    check("direction=Egress or direction=Ingress", &[icmp(8, 0), egress], &[]);
}

#[test]
fn defect_9_each_rule_has_a_peer_of_its_own() {
    check(
        "cidr=10.1.0.0/16 peer-ip=10.2.0.1 or cidr=10.3.0.0/16 peer-ip=10.4.0.1",
        &[packet("10.1.0.9", "10.2.0.1", 6), packet("10.4.0.1", "10.3.0.9", 6)],
        &[packet("10.1.0.9", "10.4.0.1", 6), packet("10.3.0.9", "10.2.0.1", 6), packet("10.1.0.9", "10.1.0.8", 6)],
    );
    check(
        "peer-ip=10.2.0.1",
        &[packet("9.9.9.9", "10.2.0.1", 6), packet("10.2.0.1", "9.9.9.9", 6)],
        &[packet("9.9.9.9", "8.8.8.8", 6)],
    );
}

#[test]
fn a_wide_rule_may_follow_a_narrow_one() {
    check(
        "cidr=10.0.0.0/24 port=80 or cidr=10.0.0.0/8 protocol=UDP",
        &[with_ports(6, 1, 80), with_ports(17, 1, 2)],
        &[with_ports(6, 1, 2)],
    );
}

#[test]
fn of_a_record_flags_are_those_that_some_packet_can_have_had() {
    let flow = |seen| Subject { flags: Some(FlagsSeen::Flow(seen)), ..with_ports(6, 1, 2) };
    check("tcp-flags=SYN", &[flow(0x02), flow(0x1b)], &[flow(0x112), flow(0x10)]);
    check("tcp-flags=SYN-ACK", &[flow(0x112)], &[flow(0x12), flow(0x02)]);
    check("tcp-flags=FIN-ACK", &[flow(0x211)], &[flow(0x11)]);
    check("tcp-flags=RST", &[flow(0x414), flow(0x04)], &[flow(0x10)]);
    check("tcp-flags=ACK", &[flow(0x10), flow(0x112)], &[flow(0x02)]);
}

#[test]
fn a_record_is_judged_by_its_fields() {
    let record: crate::FlowRecord = serde_json::from_str(
        r#"{"SrcAddr":"10.0.0.1","DstAddr":"10.0.0.2","SrcPort":1,"DstPort":80,"Proto":6,"Flags":2,"IfDirections":[0,1]}"#,
    )
    .unwrap();
    check("protocol=TCP dport=80 direction=Egress tcp-flags=SYN", &[Subject::from(&record)], &[]);
    check("protocol=UDP", &[], &[Subject::from(&record)]);
}

#[test]
fn a_frame_that_is_not_ip_is_taken_only_without_conditions_on_ip() {
    let arp = Subject { directions: Directions::of(0), ..Subject::default() };
    check("direction=Ingress", &[arp], &[]);
    check("protocol=TCP or cidr=0.0.0.0/0 or port=1", &[], &[arp]);
}

/// Whether one rule takes a packet from `src` to `dst`, with 10.0.0.1 and fd00::1 in set 0 and 10.0.0.2 in set 1.
fn takes(rule: Rule, src: &str, dst: &str) -> bool {
    let set = |text: &str| text.split(' ').map(|address| address.parse().unwrap()).collect();
    let sets = Sets::new(&[set("10.0.0.1 fd00::1"), set("10.0.0.2")]);
    verdict(&[rule], &sets, &packet(src, dst, 6)) == Action::Accept
}

#[test]
fn directed_networks_look_at_their_end_only() {
    let net = |text: &str| Some(text.parse().unwrap());
    let src = || Rule { src: net("10.0.0.1/32"), ..Rule::default() };
    assert!(takes(src(), "10.0.0.1", "10.0.0.2"));
    assert!(!takes(src(), "10.0.0.2", "10.0.0.1"));
    let both = || Rule { dst: net("10.0.0.2/32"), ..src() };
    assert!(takes(both(), "10.0.0.1", "10.0.0.2"));
    assert!(!takes(both(), "10.0.0.1", "10.0.0.3"));
    let with_peer = || Rule { peer: net("10.0.0.2/32"), ..src() };
    assert!(takes(with_peer(), "10.0.0.1", "10.0.0.2"));
    assert!(!takes(with_peer(), "10.0.0.1", "10.0.0.1"));
}

#[test]
fn sets_are_conditions_like_networks() {
    let either = |net_set, peer_set| Rule { net_set, peer_set, ..Rule::default() };
    for (src, dst) in [("10.0.0.1", "10.0.0.9"), ("10.0.0.9", "10.0.0.1"), ("fd00::1", "fd00::9")] {
        assert!(takes(either(Some(0), None), src, dst), "{src} {dst}");
        assert!(!takes(either(Some(0), Some(1)), src, dst), "{src} {dst}");
        assert!(!takes(either(Some(7), None), src, dst), "no such set: {src} {dst}");
    }
    assert!(takes(either(Some(0), Some(1)), "10.0.0.2", "10.0.0.1"), "either way round");
    assert!(!takes(either(Some(0), Some(0)), "10.0.0.1", "10.0.0.2"), "two ends, not one");
    let directed = || Rule { src_set: Some(0), dst_set: Some(1), ..Rule::default() };
    assert!(takes(directed(), "10.0.0.1", "10.0.0.2"));
    assert!(!takes(directed(), "10.0.0.2", "10.0.0.1"));
}

#[test]
fn a_set_and_a_network_of_one_end_both_hold_for_it() {
    let rule = || Rule { net_set: Some(0), net: Some("10.0.0.2/32".parse().unwrap()), ..Rule::default() };
    assert!(!takes(rule(), "10.0.0.1", "10.0.0.2"), "the one holds for one end, the other for the other");
}
