//! Packets that the kernel drops, made on purpose.

use std::{net::UdpSocket, time::Duration};

use flow::{Body, CaptureConfig, Counters, Feature, FlowRecord, Rule, config::Mode};

use crate::{
    capture::{Capture, Outcome, config},
    lab::{Lab, bind, can_run, inside, run, send},
};

fn with_drops(prefix: &str) -> CaptureConfig {
    CaptureConfig { features: vec![Feature::PktDrop], ..config(prefix) }
}

fn drops<'a>(records: &[&'a FlowRecord]) -> (u64, u64, Vec<&'a str>) {
    let sum = |of: fn(&FlowRecord) -> Option<u64>| records.iter().filter_map(|record| of(record)).sum();
    let causes = records.iter().filter_map(|record| record.pkt_drop_latest_drop_cause.as_deref());
    let mut causes: Vec<_> = causes.collect();
    causes.sort_unstable();
    causes.dedup();
    (sum(|record| record.pkt_drop_packets), sum(|record| record.pkt_drop_bytes), causes)
}

fn packets(records: &[&FlowRecord]) -> u64 {
    records.iter().filter_map(|record| record.packets).sum()
}

fn losses(counters: &Counters) -> Vec<(&'static str, u64)> {
    counters.losses().map(|entry| (entry.name, entry.value)).collect()
}

/// Drops in `nft` by a rule at a hook; how many it counted.
fn forbid(namespace: &str, hook: &str, port: u16) {
    run(&format!("ip netns exec {namespace} nft add table inet t"));
    run(&format!("ip netns exec {namespace} nft add chain inet t c '{{ type filter hook {hook} priority 0 ; }}'"));
    run(&format!("ip netns exec {namespace} nft add rule inet t c udp dport {port} counter drop"));
}

fn counted(namespace: &str) -> u64 {
    let text = run(&format!("ip netns exec {namespace} nft list chain inet t c"));
    let mut words = text.split_whitespace();
    words.find(|word| *word == "packets");
    words.next().unwrap().parse().unwrap()
}

#[test]
fn kernel_a_closed_port_is_named_in_the_record_of_its_flow() {
    if !can_run("kernel_a_closed_port_is_named_in_the_record_of_its_flow") {
        return;
    }
    let mut lab = Lab::new();
    let [a, ..] = lab.pair();
    let capture = Capture::start(with_drops(&lab.prefix));
    assert_eq!(capture.limits(), [""; 0]);
    assert_eq!(send(&a, "10.9.0.2:9999", 1000, 500, 100), 500);
    let outcome = capture.finish();
    let records = outcome.to_port(9999);
    println!("{records:?}");
    assert_eq!(packets(&records), 500);
    assert_eq!(drops(&records), (500, 500 * 142, vec!["SKB_DROP_REASON_NO_SOCKET"]));
    assert_eq!(losses(&outcome.counters), []);
}

#[test]
fn kernel_drops_by_nftables_are_as_many_as_it_counts_also_where_no_packet_was_seen() {
    if !can_run("kernel_drops_by_nftables_are_as_many_as_it_counts_also_where_no_packet_was_seen") {
        return;
    }
    for (side, hook) in [(0, "output"), (1, "input")] {
        let mut lab = Lab::new();
        let pair = lab.pair();
        let receiver = inside(&pair[1], || bind(9999)).join().unwrap();
        forbid(&pair[side], hook, 9999);
        let capture = Capture::start(with_drops(&lab.prefix));
        send(&pair[0], "10.9.0.2:9999", 1000, 300, 100);
        let dropped = counted(&pair[side]);
        let outcome = capture.finish();
        drop(receiver);
        let records = outcome.to_port(9999);
        println!("{hook}: {dropped} {records:?}");
        // At OUTPUT there is no Ethernet header yet.
        let bytes = if hook == "output" { 128 } else { 142 };
        assert_eq!(drops(&records), (dropped, dropped * bytes, vec!["SKB_DROP_REASON_NETFILTER_DROP"]), "{hook}");
        assert_eq!(packets(&records), if hook == "output" { 0 } else { 300 });
        assert!(records.iter().all(|record| record.net_ns.as_deref() == Some(&pair[0])), "{hook}: {records:?}");
    }
}

#[test]
fn kernel_rules_apply_to_drops_and_drops_only_counts_nothing_else() {
    if !can_run("kernel_rules_apply_to_drops_and_drops_only_counts_nothing_else") {
        return;
    }
    let mut lab = Lab::new();
    let [a, ..] = lab.pair();
    let rules = flow::rules::parse(&[vec![("port".to_owned(), "9998".to_owned())]], 0);
    let rules: Vec<Rule> = rules.unwrap();
    let config = CaptureConfig { rules, drops_only: true, ..with_drops(&lab.prefix) };
    let capture = Capture::start(config);
    send(&a, "10.9.0.2:9999", 1000, 50, 100);
    send(&a, "10.9.0.2:9998", 1000, 70, 100);
    let outcome = capture.finish();
    assert_eq!(drops(&outcome.to_port(9999)).0, 0);
    let records = outcome.to_port(9998);
    assert_eq!((drops(&records).0, packets(&records)), (70, 0));
    assert_eq!(outcome.counters.seen, 0, "nothing is attached to interfaces");
}

#[test]
fn kernel_a_dropped_packet_is_copied_with_its_cause() {
    if !can_run("kernel_a_dropped_packet_is_copied_with_its_cause") {
        return;
    }
    let mut lab = Lab::new();
    let pair = lab.pair();
    forbid(&pair[0], "output", 9998);
    let capture = Capture::start(CaptureConfig { mode: Mode::Packets, drops_only: true, ..with_drops(&lab.prefix) });
    assert_eq!(capture.limits(), [""; 0]);
    send(&pair[0], "10.9.0.2:9999", 1000, 30, 100);
    let socket = inside(&pair[0], || UdpSocket::bind("0.0.0.0:1000").unwrap()).join().unwrap();
    let refused = (0..20).filter(|_| socket.send_to(&[7; 100], "10.9.0.2:9998").is_err()).count();
    std::thread::sleep(Duration::from_millis(50));
    let outcome = capture.finish();
    let found = copies(&outcome);
    println!("{refused} refused; {found:?}");
    let of = |cause: &str, device: &str, len: u32| {
        found.iter().filter(|copy| copy.0 == cause && (copy.1 == device, copy.2) == (true, len)).count()
    };
    assert_eq!(of("SKB_DROP_REASON_NO_SOCKET", &pair[3], 142), 30);
    assert_eq!(of("SKB_DROP_REASON_NETFILTER_DROP", "dropped", 128), 20);
    assert_eq!(losses(&outcome.counters), []);
}

/// Cause, interface and length of every dropped packet.
fn copies(outcome: &Outcome) -> Vec<(String, String, u32)> {
    let mut found = Vec::new();
    for batch in &outcome.batches {
        let Body::Packets(packets) = &batch.body else { continue };
        for drop in &packets.drops {
            let packet = &packets.packets[drop.packet as usize];
            let interface = outcome.interfaces().find(|interface| interface.id == packet.interface).unwrap();
            found.push((drop.cause.to_string(), interface.name.to_string(), packet.len));
        }
    }
    found
}
