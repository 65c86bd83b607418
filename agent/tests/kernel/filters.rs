//! Rules and own traffic that are replaced while packets flow.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use agent::AgentError;
use flow::{
    CaptureConfig, Own, Rule, Selection,
    config::{Mode, NetNs},
    rules::{Action, Ports},
};

use crate::{
    capture::{Capture, config, packets},
    lab::{Lab, bind, can_run, inside, path, send},
};

/// One end of a pair, and room for rules that come later.
fn spare(lab: &Lab, namespace: &str) -> CaptureConfig {
    CaptureConfig { netns: NetNs::Path(path(namespace)), spare_rules: 1, ..config(&lab.prefix) }
}

fn to_port(action: Action, port: u16) -> Rule {
    Rule { action, dport: Some(Ports { first: (port, port), second: None }), ..Rule::default() }
}

/// A receiver without which answers of ICMP would be packets too.
fn receiver(namespace: &str) -> impl Drop {
    struct Kept(#[expect(dead_code, reason = "kept open")] std::net::UdpSocket);
    impl Drop for Kept {
        fn drop(&mut self) {}
    }
    Kept(inside(namespace, || bind(9999)).join().unwrap())
}

/// Sends from 10.9.0.1 to 10.9.0.2 until it is stopped.
struct Sender {
    done: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Sender {
    fn start(namespace: &str) -> Self {
        let (namespace, done) = (namespace.to_owned(), Arc::new(AtomicBool::new(false)));
        let seen = Arc::clone(&done);
        let thread = std::thread::spawn(move || {
            let mut sent = 0;
            while !seen.load(Ordering::Relaxed) {
                sent += send(&namespace, "10.9.0.2:9999", 1000, 5000, 100);
            }
            sent
        });
        Self { done, thread }
    }

    /// How many packets it sent.
    fn stop(self) -> u64 {
        self.done.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// A rule that refers to a set, and sets.
fn by_set(rule: Rule, sets: &[&[&str]]) -> Selection {
    let set = |texts: &&[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    Selection { rules: vec![rule], sets: sets.iter().map(set).collect(), own: Vec::new() }
}

/// So many addresses of 172.16.0.0/12, the first of which is number `first`.
fn many(first: u32, count: u32) -> Vec<IpAddr> {
    (first..first + count).map(|number| IpAddr::from(((172 << 24 | 16 << 16) + number).to_be_bytes())).collect()
}

#[test]
fn kernel_each_filter_decides_over_exactly_what_is_sent_while_it_is_in_force() {
    if !can_run("kernel_each_filter_decides_over_exactly_what_is_sent_while_it_is_in_force") {
        return;
    }
    for mode in [Mode::Flows, Mode::Packets] {
        let mut lab = Lab::new();
        let [a, b, ..] = lab.pair();
        let receiver = receiver(&b);
        let capture = Capture::start(CaptureConfig { mode, ..spare(&lab, &b) });
        let send = |count| assert_eq!(send(&a, "10.9.0.2:9999", 1000, count, 100), count);
        send(10);
        capture.set_filter(&[to_port(Action::Reject, 9999)], &[]).unwrap();
        send(20);
        // More rules than one group, the last of which matches.
        let others = (1..60).map(|port| to_port(Action::Accept, port));
        let many: Vec<Rule> = others.chain([to_port(Action::Accept, 9999)]).collect();
        capture.set_filter(&many, &[]).unwrap();
        send(40);
        capture.set_filter(&many[..59], &[]).unwrap();
        send(80);
        capture.set_filter(&many, &[Own::Address("10.9.0.1".parse().unwrap())]).unwrap();
        send(160);
        capture.set_filter(&[], &[]).unwrap();
        send(320);
        let counters = capture.finish().counters;
        assert_eq!((counters.seen, counters.accepted), (630, 10 + 40 + 320), "{mode:?}");
        assert_eq!((counters.rejected, counters.own), (20 + 80, 160), "{mode:?}");
        drop(receiver);
    }
}

#[test]
fn kernel_nothing_is_lost_or_counted_twice_while_the_filter_is_replaced() {
    if !can_run("kernel_nothing_is_lost_or_counted_twice_while_the_filter_is_replaced") {
        return;
    }
    let mut lab = Lab::new();
    let [a, b, ..] = lab.pair();
    let receiver = receiver(&b);
    let capture = Capture::start(spare(&lab, &b));
    let sender = Sender::start(&a);
    let own = [Own::Address("10.9.0.1".parse().unwrap())];
    let filters: [(&[Rule], &[Own]); 3] =
        [(&[], &own), (&[to_port(Action::Reject, 9999)], &[]), (&[to_port(Action::Accept, 9999)], &[])];
    for (rules, own) in filters.into_iter().cycle().take(60) {
        capture.set_filter(rules, own).unwrap();
        std::thread::sleep(Duration::from_millis(10));
    }
    let sent = sender.stop();
    let outcome = capture.finish();
    let flow::Counters { seen, accepted, rejected, own, .. } = outcome.counters;
    println!("{sent} sent: {accepted} accepted, {rejected} rejected, {own} own");
    assert_eq!((seen, accepted + rejected + own), (sent, sent));
    assert_eq!(packets(&outcome.to_port(9999)), accepted);
    assert!(accepted > 0 && rejected > 0 && own > 0);
    drop(receiver);
}

#[test]
fn kernel_a_filter_that_does_not_fit_leaves_the_old_one_in_force() {
    if !can_run("kernel_a_filter_that_does_not_fit_leaves_the_old_one_in_force") {
        return;
    }
    let mut lab = Lab::new();
    let [a, b, ..] = lab.pair();
    let receiver = receiver(&b);
    let capture = Capture::start(spare(&lab, &b));
    capture.set_filter(&[to_port(Action::Reject, 9999)], &[]).unwrap();
    let refused = capture.set_filter(&vec![Rule::default(); 65], &[]);
    assert!(matches!(refused, Err(AgentError::TooManyRules { given: 65, most: 64 })), "{refused:?}");
    send(&a, "10.9.0.2:9999", 1000, 10, 100);
    assert_eq!(capture.finish().counters.rejected, 10);
    let without = Capture::start(CaptureConfig { spare_rules: 0, ..spare(&lab, &b) });
    let refused = without.set_filter(&[Rule::default()], &[]);
    assert!(matches!(refused, Err(AgentError::NoRoomForRules { given: 1 })), "{refused:?}");
    without.set_filter(&[], &[]).unwrap();
    send(&a, "10.9.0.2:9999", 1000, 10, 100);
    assert_eq!(without.finish().counters.accepted, 10);
    drop(receiver);
}

#[test]
fn kernel_sets_decide_over_exactly_what_is_sent_while_they_are_in_force() {
    if !can_run("kernel_sets_decide_over_exactly_what_is_sent_while_they_are_in_force") {
        return;
    }
    let either = || Rule { net_set: Some(0), ..Rule::default() };
    let both = || Rule { src_set: Some(0), dst_set: Some(1), ..Rule::default() };
    for mode in [Mode::Flows, Mode::Packets] {
        let mut lab = Lab::new();
        let [a, b, ..] = lab.pair();
        let receiver = receiver(&b);
        let begin = by_set(either(), &[&["10.9.0.1", "fd00::1"]]);
        let capture = Capture::start(CaptureConfig { mode, spare_sets: 1, ..spare(&lab, &b) }.with(begin));
        let send = |count| assert_eq!(send(&a, "10.9.0.2:9999", 1000, count, 100), count);
        send(10);
        capture.select(&by_set(either(), &[&["10.9.0.3"]])).unwrap();
        send(20);
        capture.select(&by_set(either(), &[&["10.9.0.3", "10.9.0.2"]])).unwrap();
        send(40);
        capture.select(&by_set(both(), &[&["10.9.0.1"], &["10.9.0.2"]])).unwrap();
        send(80);
        capture.select(&by_set(both(), &[&["10.9.0.2"], &["10.9.0.1"]])).unwrap();
        send(160);
        capture.select(&by_set(Rule { action: Action::Reject, ..either() }, &[&["10.9.0.9"]])).unwrap();
        send(320);
        let src = || Rule { src: Some("10.9.0.0/31".parse().unwrap()), ..Rule::default() };
        capture.select(&by_set(src(), &[])).unwrap();
        send(640);
        capture.select(&by_set(Rule { dst: src().src, ..Rule::default() }, &[])).unwrap();
        send(1280);
        let counters = capture.finish().counters;
        assert_eq!(counters.accepted, 10 + 40 + 80 + 320 + 640, "{mode:?}");
        assert_eq!(counters.rejected, 20 + 160 + 1280, "{mode:?}");
        drop(receiver);
    }
}

/// Each of two filters leaves out all that is sent; the rules of the one with the sets of the other would take it.
#[test]
fn kernel_no_packet_is_judged_by_the_rules_of_one_filter_and_the_sets_of_another() {
    if !can_run("kernel_no_packet_is_judged_by_the_rules_of_one_filter_and_the_sets_of_another") {
        return;
    }
    let mut lab = Lab::new();
    let [a, b, ..] = lab.pair();
    let receiver = receiver(&b);
    let capture = Capture::start(CaptureConfig { spare_sets: 2, ..spare(&lab, &b) });
    let in_set = |set| Rule { net_set: Some(set), ..Rule::default() };
    let filters = [by_set(in_set(0), &[&[], &["10.9.0.1"]]), by_set(in_set(1), &[&["10.9.0.1"], &[]])];
    capture.select(&filters[1]).unwrap();
    let sender = Sender::start(&a);
    for filter in filters.iter().cycle().take(80) {
        capture.select(filter).unwrap();
        std::thread::sleep(Duration::from_millis(5));
    }
    let sent = sender.stop();
    // The test can see a packet that is taken.
    capture.select(&by_set(in_set(0), &[&["10.9.0.1"]])).unwrap();
    assert_eq!(send(&a, "10.9.0.2:9999", 1000, 10, 100), 10);
    let counters = capture.finish().counters;
    assert!(sent > 10_000, "{sent}");
    assert_eq!((counters.accepted, counters.rejected), (10, sent));
    drop(receiver);
}

#[test]
fn kernel_ten_thousand_addresses_are_replaced_in_well_under_a_second() {
    if !can_run("kernel_ten_thousand_addresses_are_replaced_in_well_under_a_second") {
        return;
    }
    let mut lab = Lab::new();
    let [a, b, ..] = lab.pair();
    let receiver = receiver(&b);
    let capture = Capture::start(CaptureConfig { spare_sets: 1, ..spare(&lab, &b) });
    let rule = Rule { net_set: Some(0), ..Rule::default() };
    let mut selection = Selection { rules: vec![rule], sets: vec![many(0, 10_000)], own: Vec::new() };
    // An emulated processor takes ten times as long.
    let longest = Duration::from_secs(if std::env::var_os("KERNEL_TIER_SHORT").is_some() { 10 } else { 1 });
    let mut select = |set: Vec<IpAddr>, what: &str| {
        selection.sets[0] = set;
        let begun = Instant::now();
        capture.select(&selection).unwrap();
        println!("{what}: {:?}", begun.elapsed());
        assert!(begun.elapsed() < longest, "{what}: {:?}", begun.elapsed());
    };
    select(many(0, 10_000), "10,000 addresses come");
    select(many(5_000, 10_000), "half of them change");
    select([many(5_000, 10_000), vec!["10.9.0.1".parse().unwrap()]].concat(), "one more comes");
    assert_eq!(send(&a, "10.9.0.2:9999", 1000, 10, 100), 10);
    select(many(0, 1), "all but one go");
    assert_eq!(send(&a, "10.9.0.2:9999", 1000, 20, 100), 20);
    let counters = capture.finish().counters;
    assert_eq!((counters.accepted, counters.rejected), (10, 20));
    drop(receiver);
}

#[test]
fn kernel_sets_that_do_not_fit_leave_the_old_ones_in_force() {
    if !can_run("kernel_sets_that_do_not_fit_leave_the_old_ones_in_force") {
        return;
    }
    let mut lab = Lab::new();
    let [a, b, ..] = lab.pair();
    let receiver = receiver(&b);
    let capture = Capture::start(CaptureConfig { spare_sets: 1, ..spare(&lab, &b) });
    let in_force = by_set(Rule { net_set: Some(0), ..Rule::default() }, &[&["10.9.0.1"]]);
    capture.select(&in_force).unwrap();
    let with = |sets| Selection { sets, ..in_force.clone() };
    let refused = capture.select(&with(vec![Vec::new(); 33]));
    assert!(matches!(refused, Err(AgentError::TooManySets { given: 33, most: 32 })), "{refused:?}");
    let refused = capture.select(&with(vec![many(0, 65_537)]));
    assert!(matches!(refused, Err(AgentError::TooManyAddresses { given: 65_537, .. })), "{refused:?}");
    assert_eq!(send(&a, "10.9.0.2:9999", 1000, 10, 100), 10);
    // As many as fit, replaced as a whole by others: both are there for a moment.
    capture.select(&with(vec![many(0, 65_536)])).unwrap();
    capture.select(&with(vec![many(65_536, 65_536)])).unwrap();
    assert_eq!(send(&a, "10.9.0.2:9999", 1000, 20, 100), 20);
    let counters = capture.finish().counters;
    assert_eq!((counters.accepted, counters.rejected), (10, 20));
    let without = Capture::start(spare(&lab, &b));
    let refused = without.select(&in_force);
    assert!(matches!(refused, Err(AgentError::NoRoomForSets)), "{refused:?}");
    assert_eq!(send(&a, "10.9.0.2:9999", 1000, 5, 100), 5);
    assert_eq!(without.finish().counters.accepted, 5);
    drop(receiver);
}
