//! Counts against the sender's.

use std::time::Duration;

use flow::{Mac, config::NetNs};

use crate::{
    capture::{Capture, bytes, config, packets},
    lab::{Lab, can_run, inside, path, run, send},
};

#[test]
fn kernel_counts_are_exact_and_a_veth_pair_is_one_row() {
    if !can_run("kernel_counts_are_exact_and_a_veth_pair_is_one_row") {
        return;
    }
    let mut lab = Lab::new();
    let [a, _, one, other] = lab.pair();
    let capture = Capture::start(config(&lab.prefix));
    assert_eq!((capture.attached().interfaces, capture.attached().namespaces), (2, 2));
    assert_eq!(send(&a, "10.9.0.2:9999", 1000, 1000, 100), 1000);
    let outcome = capture.finish();
    let records = outcome.to_port(9999);
    assert_eq!((packets(&records), bytes(&records)), (1000, 1000 * (14 + 20 + 8 + 100)));
    for record in records {
        let names: Vec<_> = record.interfaces.iter().flat_map(|names| names.iter().map(ToString::to_string)).collect();
        assert_eq!(names, [one.clone(), other.clone()]);
        assert_eq!(record.if_directions.as_deref(), Some([1, 0].as_slice()));
        assert_eq!(record.net_ns.as_deref(), Some(a.as_str()));
        assert_eq!((record.src_port, record.proto, record.flow_direction), (Some(1000), Some(17), Some(2)));
        assert_eq!(record.src_mac, Some(Mac([2, 0, 0, 0, 0, 1])));
        assert_eq!(record.dst_mac, Some(Mac([2, 0, 0, 0, 0, 2])));
        assert_eq!((record.flags, record.vlan_id, record.sampling), (None, None, None));
    }
    // Its receiver has no such port: an ICMP answer quotes the packet, as a flow of its own.
    assert!(outcome.records().any(|record| (record.icmp_type, record.icmp_code) == (Some(3), Some(3))));
    assert_eq!(outcome.counters.losses().count(), 0);
}

#[test]
fn kernel_a_hot_flow_with_eviction_every_100_ms_is_counted_exactly() {
    if !can_run("kernel_a_hot_flow_with_eviction_every_100_ms_is_counted_exactly") {
        return;
    }
    let mut lab = Lab::new();
    let [a, b, ..] = lab.pair();
    let receiver = inside(&b, || std::net::UdpSocket::bind("0.0.0.0:9999").unwrap()).join().unwrap();
    let mut config = config(&lab.prefix);
    config.cache_active_timeout = Duration::from_millis(100);
    let capture = Capture::start(config);
    let begun = std::time::Instant::now();
    let mut sent = 0;
    while begun.elapsed() < Duration::from_secs(4) {
        sent += send(&a, "10.9.0.2:9999", 1000, 50_000, 60);
    }
    let rate = sent as f64 / begun.elapsed().as_secs_f64();
    let outcome = capture.finish();
    let records = outcome.to_port(9999);
    println!("{sent} packets at {rate:.0}/s in {} records", records.len());
    assert_eq!((packets(&records), bytes(&records)), (sent, sent * 102));
    assert!(records.len() > 20);
    drop(receiver);
}

#[test]
fn kernel_equal_tuples_of_unrelated_namespaces_stay_apart() {
    if !can_run("kernel_equal_tuples_of_unrelated_namespaces_stay_apart") {
        return;
    }
    let mut lab = Lab::new();
    let [a, ..] = lab.pair();
    let (c, d) = (lab.namespace("c"), lab.namespace("d"));
    lab.join((&c, "1"), (&d, "2"));
    let capture = Capture::start(config(&lab.prefix));
    assert_eq!(capture.attached().interfaces, 4);
    send(&a, "10.9.0.2:9999", 1000, 300, 100);
    send(&c, "10.9.0.2:9999", 1000, 200, 100);
    let outcome = capture.finish();
    let of = |name: &str| {
        let mut records = outcome.to_port(9999);
        records.retain(|record| record.net_ns.as_deref() == Some(name));
        packets(&records)
    };
    assert_eq!((of(&a), of(&c), packets(&outcome.to_port(9999))), (300, 200, 500));
}

#[test]
fn kernel_a_packet_through_a_router_and_a_bridge_counts_once() {
    if !can_run("kernel_a_packet_through_a_router_and_a_bridge_counts_once") {
        return;
    }
    let mut lab = Lab::new();
    let (a, b, bridge) = (lab.namespace("a"), lab.namespace("b"), lab.namespace("r"));
    let (_, left) = lab.join((&a, "1"), (&bridge, "3"));
    let (_, right) = lab.join((&b, "2"), (&bridge, "4"));
    let name = format!("{}br", lab.prefix);
    run(&format!("ip -n {bridge} link add {name} type bridge && ip -n {bridge} link set {name} up"));
    for end in [&left, &right] {
        run(&format!("ip -n {bridge} address flush dev {end} && ip -n {bridge} link set {end} master {name}"));
    }
    run(&format!("ip -n {a} neigh replace 10.9.0.2 lladdr 02:00:00:00:00:02 dev {}", ends(&a, &lab.prefix)));
    run(&format!("ip -n {b} neigh replace 10.9.0.1 lladdr 02:00:00:00:00:01 dev {}", ends(&b, &lab.prefix)));
    let capture = Capture::start(config(&lab.prefix));
    assert_eq!(send(&a, "10.9.0.2:9999", 1000, 500, 100), 500);
    let outcome = capture.finish();
    let records = outcome.to_port(9999);
    assert_eq!(packets(&records), 500);
    let crossed = records.iter().filter_map(|record| record.interfaces.as_ref()).map(|names| names.len()).max();
    assert!(crossed >= Some(4), "{records:?}");
    assert!(records.iter().all(|record| record.net_ns.as_deref() == Some(a.as_str())));
}

fn ends(namespace: &str, prefix: &str) -> String {
    run(&format!("ip -n {namespace} -o link | grep -o '{prefix}[^@:]*' | head -1")).trim().to_owned()
}

#[test]
fn kernel_a_single_namespace_by_its_path() {
    if !can_run("kernel_a_single_namespace_by_its_path") {
        return;
    }
    let mut lab = Lab::new();
    let [a, b, _, other] = lab.pair();
    let mut config = config(&lab.prefix);
    config.netns = NetNs::Path(path(&b));
    config.observations = true;
    let capture = Capture::start(config);
    assert_eq!(capture.attached().interfaces, 1);
    send(&a, "10.9.0.2:9999", 1000, 100, 100);
    let outcome = capture.finish();
    let records = outcome.to_port(9999);
    assert_eq!((packets(&records), records[0].net_ns.as_deref()), (100, Some(b.as_str())));
    let observed = outcome.batches.iter().filter_map(|batch| match &batch.body {
        flow::Body::Flows(flows) => Some(flows),
        _ => None,
    });
    let of_port = observed.flat_map(|flows| {
        let wanted = |record: i32| flows.records[record as usize].dst_port == Some(9999);
        flows.observations.iter().filter(move |observation| wanted(observation.record))
    });
    let counts: Vec<_> = of_port.map(|of| (of.interface.to_string(), of.direction, of.packets)).collect();
    assert_eq!(counts.iter().map(|count| count.2).sum::<u64>(), 100);
    assert!(counts.iter().all(|count| count.0 == other && count.1 == 0));
}

#[test]
fn kernel_a_stop_by_anybody_ends_the_capture_with_all_its_records() {
    if !can_run("kernel_a_stop_by_anybody_ends_the_capture_with_all_its_records") {
        return;
    }
    let mut lab = Lab::new();
    let [a, ..] = lab.pair();
    let mut config = config(&lab.prefix);
    config.cache_active_timeout = Duration::from_mins(1);
    let capture = Capture::start(config);
    send(&a, "10.9.0.2:9999", 1000, 1000, 100);
    capture.stop.request(flow::stop::Reason::User);
    let outcome = capture.finish();
    assert_eq!(packets(&outcome.to_port(9999)), 1000);
}
