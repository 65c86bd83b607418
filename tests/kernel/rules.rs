//! Rules joined by `or`: order, rejection, number.

use lab::{need, needs};

use super::filters::{Case, check};
use crate::flows;

#[test]
fn rules_that_overlap_all_count() {
    needs!("tcpdump", "ethtool");
    let cases: [Case<'_>; 3] = [
        ("--protocol=TCP --port=8080 or --protocol=UDP", &|frame| {
            frame.proto(6) && frame.port(|port| port == 8080) || frame.proto(17)
        }),
        ("--cidr=198.18.0.0/16 --protocol=ICMP or --cidr=198.18.0.0/16 --protocol=TCP --dport=443", &|frame| {
            frame.touches("198.18.") && (frame.proto(1) || frame.proto(6) && frame.target_port(|port| port == 443))
        }),
        ("--port 53 or --port 443 or --protocol ICMPv6", &|frame| {
            frame.port(|port| port == 53 || port == 443) || frame.proto(58)
        }),
    ];
    check(30, &cases);
}

#[test]
fn reject_alone_leaves_the_rest() {
    needs!("tcpdump", "ethtool");
    let cases: [Case<'_>; 4] = [
        ("--cidr=198.18.1.0/24 --action=Reject", &|frame| !frame.touches("198.18.1.")),
        ("--action Reject --protocol=TCP or --action Reject --protocol UDP", &|frame| {
            !frame.proto(6) && !frame.proto(17)
        }),
        // The first match decides, and what no rule matches is left out once one accepts.
        ("--protocol=TCP --port=8080 --action=Reject or --protocol=TCP", &|frame| {
            frame.proto(6) && !frame.port(|port| port == 8080)
        }),
        ("--protocol=TCP or --protocol=TCP --port=8080 --action=Reject", &|frame| frame.proto(6)),
    ];
    check(31, &cases);
}

/// `count` rules, each for one port that nobody uses; the last for 443.
fn many(count: u16) -> String {
    let rules: Vec<_> = (1..count).map(|n| format!("--protocol=TCP --port={}", 20000 + n)).collect();
    format!("{} or --protocol=TCP --port=443", rules.join(" or "))
}

#[test]
fn the_sixty_fourth_rule_counts_like_the_first() {
    needs!("tcpdump", "ethtool");
    check(32, &[(&many(64), &|frame| frame.proto(6) && frame.port(|port| port == 443))]);
}

#[test]
fn a_rule_too_many_is_refused_before_anything_happens() {
    needs!();
    let _turn = need::beside_others().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let output = flows().args(&many(65)).command(directory.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("64"), "{output:?}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "something was created");
}
