use super::*;
use crate::rules::{Direction, TcpFlags};

fn options(text: &str) -> Options {
    let pairs = text.split_whitespace().map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(option, value)| (option.to_owned(), value.to_owned())).collect()
}

fn one(text: &str) -> Result<Rule, RuleError> {
    parse(&[options(text)], 0).map(|mut rules| rules.remove(0))
}

fn ports(first: (u16, u16), second: Option<(u16, u16)>) -> Ports {
    Ports { first, second }
}

#[test]
fn nothing_typed_is_no_rule() {
    assert_eq!(parse(&[], 0), Ok(vec![]));
    assert_eq!(parse(&[vec![]], 0), Ok(vec![]));
}

#[test]
fn every_option_lands_in_its_own_condition() {
    let rule = one(
        "protocol=tcp cidr=10.1.2.3/8 peer-ip=10.0.0.1 direction=EGRESS sport=1-2 dports=3,4 port=80 action=reject",
    );
    let expected = Rule {
        action: Action::Reject,
        net: Some("10.0.0.0/8".parse().unwrap()),
        peer: Some("10.0.0.1/32".parse().unwrap()),
        direction: Some(Direction::Egress),
        protocol: Some(6),
        port: Some(ports((80, 80), None)),
        sport: Some(ports((1, 2), None)),
        dport: Some(ports((3, 3), Some((4, 4)))),
        ..Rule::default()
    };
    assert_eq!(rule, Ok(expected));
    assert_eq!(one("icmp-type=0 icmp-code=3").unwrap().icmp_type, Some(0));
    assert_eq!(one("protocol=ICMPv6").unwrap().protocol, Some(58));
    assert_eq!(one("protocol=253").unwrap().protocol, Some(253));
}

#[test]
fn every_option_of_the_list_is_understood() {
    for option in OPTIONS {
        assert!(slot(option).is_some(), "{option}");
    }
}

#[test]
fn ports_are_one_a_range_or_two() {
    for (text, expected) in [
        ("port=80", ports((80, 80), None)),
        ("port=80-90", ports((80, 90), None)),
        ("port=80,443", ports((80, 80), Some((443, 443)))),
        ("port=80,8000-8010", ports((80, 80), Some((8000, 8010)))),
        ("ports=80,443", ports((80, 80), Some((443, 443)))),
        ("port-range=1-65535", ports((1, 65535), None)),
    ] {
        assert_eq!(one(text).unwrap().port, Some(expected), "{text}");
    }
}

#[test]
fn tcp_flags_are_masks() {
    for (name, mask, value) in [
        ("SYN", 0x12, 0x02),
        ("syn-ack", 0x12, 0x12),
        ("SYN_ACK", 0x12, 0x12),
        ("ACK", 0x17, 0x10),
        ("FIN", 0x01, 0x01),
        ("FIN-ACK", 0x11, 0x11),
        ("RST", 0x04, 0x04),
        ("RST-ACK", 0x14, 0x14),
        ("PSH", 0x08, 0x08),
        ("PUSH", 0x08, 0x08),
        ("URG", 0x20, 0x20),
        ("ECE", 0x40, 0x40),
        ("CWR", 0x80, 0x80),
    ] {
        let rule = one(&format!("tcp-flags={name}")).unwrap();
        assert_eq!(rule.tcp_flags, Some(TcpFlags { mask, value }), "{name}");
    }
}

#[test]
fn wrong_values_say_what_is_allowed() {
    for (text, sentence) in [
        ("port=70000", "--port 70000: not a port; a port is a number from 1 to 65535"),
        ("sport=0", "--sport 0: not a port; a port is a number from 1 to 65535"),
        ("dport=http", "--dport http: not a port; a port is a number from 1 to 65535"),
        ("port=+80", "--port +80: not a port; a port is a number from 1 to 65535"),
        (
            "port-range=90-80",
            "--port-range 90-80: not a port range; a range is first-last, from 1 to 65535, the smaller number first",
        ),
        (
            "dports=1,2,3",
            "--dports 1,2,3: not a list of ports; at most two ports or ranges, like 80,443 (join rules with the word `or` for more)",
        ),
        ("direction=up", "--direction up: not a direction; allowed are Ingress and Egress"),
        ("action=drop", "--action drop: not an action; allowed are Accept and Reject"),
        ("icmp-type=256", "--icmp-type 256: not an ICMP type or code; allowed are numbers from 0 to 255"),
        ("peer-ip=10.0.0", "--peer-ip 10.0.0: not an IP address; an address is like 10.0.0.1 or fd00::1"),
        (
            "cidr=10.0.0.0/33",
            "--cidr 10.0.0.0/33: not a network; a network is an address and a prefix length, like 10.0.0.0/8 or fd00::/8",
        ),
        (
            "protocol=quic",
            "--protocol quic: not a protocol; allowed are TCP, UDP, SCTP, ICMP, ICMPv6 or a number from 0 to 255",
        ),
        ("port=80 ports=1,2", "--ports 1,2: this rule already has --port; join two rules with the word `or`"),
    ] {
        assert_eq!(one(text).unwrap_err().to_string(), sentence, "{text}");
    }
    assert!(one("tcp-flags=SYN-FIN").is_err() && one("tcp-flags=ACK-ACK").is_err());
}

#[test]
fn what_no_packet_can_meet_is_refused() {
    for (text, start) in [
        ("protocol=ICMP port=80", "--protocol ICMP: has no ports"),
        ("protocol=UDP tcp-flags=SYN", "--tcp-flags: goes with --protocol TCP, not with UDP"),
        ("protocol=TCP icmp-type=8", "--icmp-type, --icmp-code: go with --protocol ICMP or ICMPv6, not with TCP"),
        ("port=80 icmp-type=8", "--icmp-type, --icmp-code: do not go with ports"),
        ("cidr=10.0.0.0/8 peer-ip=fd00::1", "--cidr 10.0.0.0/8, peer fd00::1/128: one is IPv4"),
        ("protocol=ICMPv6 cidr=10.0.0.0/8", "--protocol ICMPv6: never occurs with 10.0.0.0/8; ICMP is"),
        ("action=Reject", "--action Reject: without a condition"),
    ] {
        let sentence = one(text).unwrap_err().to_string();
        assert!(sentence.starts_with(start), "{text}: {sentence}");
    }
}

#[test]
fn the_number_of_rules_has_a_limit_and_own_traffic_takes_its_share() {
    let groups = |count| vec![options("port=80"); count];
    assert_eq!(parse(&groups(64), 0).unwrap().len(), 64);
    assert_eq!(parse(&groups(65), 0).unwrap_err().to_string(), "or: 65 rules, but at most 64 fit");
    let sentence = parse(&groups(64), 1).unwrap_err().to_string();
    assert_eq!(sentence, "or: 64 rules, but at most 63 fit beside the capture's own traffic");
}

#[test]
fn the_word_or_wants_a_rule_on_both_sides() {
    let after = parse(&[options("port=80"), vec![]], 0).unwrap_err();
    assert_eq!(after.to_string(), "or: joins two rules, but there is no filter option after it");
    let before = parse(&[vec![], options("port=80")], 0).unwrap_err();
    assert_eq!(before.to_string(), "or: joins two rules, but there is no filter option before it");
}
