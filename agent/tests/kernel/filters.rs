//! Rules and own traffic that are replaced while packets flow.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use agent::AgentError;
use flow::{
    CaptureConfig, Own, Rule,
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
    let done = Arc::new(AtomicBool::new(false));
    let sender = std::thread::spawn({
        let (a, done) = (a.clone(), done.clone());
        move || {
            let mut sent = 0;
            while !done.load(Ordering::Relaxed) {
                sent += send(&a, "10.9.0.2:9999", 1000, 5000, 100);
            }
            sent
        }
    });
    let own = [Own::Address("10.9.0.1".parse().unwrap())];
    let filters: [(&[Rule], &[Own]); 3] =
        [(&[], &own), (&[to_port(Action::Reject, 9999)], &[]), (&[to_port(Action::Accept, 9999)], &[])];
    for (rules, own) in filters.into_iter().cycle().take(60) {
        capture.set_filter(rules, own).unwrap();
        std::thread::sleep(Duration::from_millis(10));
    }
    done.store(true, Ordering::Relaxed);
    let sent = sender.join().unwrap();
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
