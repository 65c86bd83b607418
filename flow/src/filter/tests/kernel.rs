//! What the kernel judges and what is judged after it are together the whole.

use std::net::IpAddr;

use proptest::prelude::*;

use super::{
    random::{MEMBERS, Seen, expression, packet},
    *,
};
use crate::rules::{Action, Sets, verdict};

/// Whether a packet comes through both parts.
fn comes_through(split: &Split, seen: &Seen) -> bool {
    let members = || MEMBERS.iter().map(|member| member.parse().unwrap()).collect::<Vec<IpAddr>>();
    let sets: Vec<_> = split
        .sets
        .iter()
        .map(|source| match source {
            SetSource::Addresses(addresses) => addresses.clone(),
            SetSource::Object(_) => members(),
        })
        .collect();
    let kernel = verdict(&split.rules, &Sets::new(&sets), &seen.subject()) == Action::Accept;
    kernel && (!split.drops_only || seen.is_drop()) && split.after.as_ref().is_none_or(|after| after.matches(seen))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    /// 2,000 expressions, eight packets each, for both modes: 32,000 cases.
    #[test]
    fn kernel_and_collector_together_are_the_filter(
        text in expression(),
        packets in proptest::collection::vec(packet(), 8),
    ) {
        let filter = Filter::parse(&text).unwrap();
        for mode in [Mode::Packets, Mode::Flows] {
            let split = filter.split(mode);
            prop_assert!(split.rules.len() <= 40 && split.sets.len() <= 32);
            prop_assert!(mode == Mode::Packets || split.rules.iter().all(|rule| rule.tcp_flags.is_none()));
            for seen in &packets {
                prop_assert_eq!(comes_through(&split, seen), filter.matches(seen), "{} {:?} {:?}", text, mode, split);
            }
        }
    }

    #[test]
    fn with_other_rules_both_have_to_take_a_packet(
        text in expression(),
        other in expression(),
        packets in proptest::collection::vec(packet(), 8),
    ) {
        let filter = Filter::parse(&text).unwrap();
        let rules: Vec<_> = Filter::parse(&other).unwrap().split(Mode::Packets).rules;
        prop_assume!(rules.iter().all(|rule| rule.net_set.or(rule.src_set).or(rule.dst_set).is_none()));
        let split = filter.split(Mode::Packets).within(&rules);
        for seen in &packets {
            let wanted = filter.matches(seen) && verdict(&rules, &Sets::default(), &seen.subject()) == Action::Accept;
            prop_assert_eq!(comes_through(&split, seen), wanted, "{} within {:?}: {:?}", text, rules, split);
        }
    }
}

fn split(text: &str, mode: Mode) -> Split {
    Filter::parse(text).unwrap().split(mode)
}

#[test]
fn what_the_kernel_can_judge_it_judges_alone() {
    for text in [
        "tcp port 443",
        "host 10.0.0.1 and not port 22",
        "src.addr in 10.0.0.0/8 and dst.addr in 10.1.0.0/16 and dst.port in (80, 443, 8000-8100)",
        "host 10.0.0.1 and host 10.0.0.2",
        "icmp.type = EchoRequest",
        "pod = shop/web and dst.port = 443",
        "not (pod = shop/web or namespace = kube-system)",
        "direction = egress and ip6",
        "drops and tcp",
        "addr in (10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, 10.0.0.5)",
        "port > 1024",
    ] {
        for mode in [Mode::Flows, Mode::Packets] {
            let split = split(text, mode);
            assert_eq!(split.after, None, "{text}");
            assert!(!split.rules.is_empty(), "{text}");
        }
    }
}

#[test]
fn what_it_cannot_is_left_for_after_it_and_no_more() {
    let after = |text: &str, mode| split(text, mode).after.map(|after| after.to_string()).unwrap_or_default();
    assert_eq!(after("port = 443 and bytes > 1MB", Mode::Flows), "bytes > 1MB");
    assert_eq!(after("port = 443 and flags = SYN", Mode::Packets), "");
    assert_eq!(after("port = 443 and flags = SYN", Mode::Flows), "flags = SYN");
    assert_eq!(after("port = 443 and rtt > 5ms", Mode::Flows), "rtt > 5ms");
    assert_eq!(split("rtt > 5ms", Mode::Flows).rules.len(), 1, "TCP only");
    assert_eq!(after("drops and drop.cause = NO_SOCKET", Mode::Flows), "drop.cause = NO_SOCKET");
}

#[test]
fn drops_alone_are_enough_only_where_nothing_else_of_the_flow_is_asked_for() {
    assert!(split("drops", Mode::Flows).drops_only && split("drop.cause =~ X and tcp", Mode::Flows).drops_only);
    assert!(!split("drops and bytes > 1MB", Mode::Flows).drops_only);
    assert!(!split("drops or tcp", Mode::Flows).drops_only && !split("not drops", Mode::Flows).drops_only);
}

#[test]
fn too_many_rules_become_fewer_conditions_never_a_wrong_answer() {
    let many: Vec<_> = (0..50).map(|n| format!("(src.addr = 10.0.{n}.1 and dst.port = {})", 1000 + n)).collect();
    let split = split(&format!("tcp and ({})", many.join(" or ")), Mode::Flows);
    assert!(split.rules.len() <= 40 && split.after.is_some());
}

#[test]
fn sets_that_no_rule_uses_are_forgotten() {
    let split = split("pod = a/b and namespace = c and pod = a/b", Mode::Flows);
    assert_eq!(split.after.map(|after| after.to_string()), None);
    assert_eq!(split.sets.len(), 2);
}

#[test]
fn rules_that_find_no_room_stay_and_the_filter_runs_after_them() {
    let rule = |n: u16| crate::Rule {
        sport: Some(crate::rules::Ports { first: (n, n), second: None }),
        ..crate::Rule::default()
    };
    let rules: Vec<_> = (1..40).map(rule).collect();
    let split = split("dst.port in (1, 3, 5, 7, 9, 11)", Mode::Flows).within(&rules);
    assert_eq!(split.rules, rules);
    assert_eq!(split.after.unwrap().to_string(), "dst.port in (1, 3) or dst.port in (5, 7) or dst.port in (9, 11)");
}
