use std::net::Ipv4Addr;

use flow::{Drop, Observation, Packet, filter::ObjectKind};

use super::*;
use crate::bench::data;

fn sieve(text: &str) -> Sieve {
    Sieve::new(Filter::parse(text).unwrap(), None)
}

fn record(port: u16) -> FlowRecord {
    FlowRecord {
        proto: Some(6),
        src_addr: Some(Ipv4Addr::new(10, 0, 0, 1).into()),
        dst_addr: Some(Ipv4Addr::new(10, 0, 0, 2).into()),
        src_port: Some(40_000),
        dst_port: Some(port),
        ..FlowRecord::default()
    }
}

fn observation(record: i32, name: &str) -> Observation {
    let (netns, interface) = ("".into(), name.into());
    Observation { record, node: None, netns, interface, direction: 0, bytes: 0, packets: 0 }
}

fn flows(ports: &[u16], observations: Vec<Observation>) -> Batch {
    let records = ports.iter().map(|port| record(*port)).collect();
    data::batch(0, Body::Flows(FlowBatch { records, observations }))
}

fn seen(batch: &Batch) -> Vec<(i32, &str)> {
    let Body::Flows(flows) = &batch.body else { return Vec::new() };
    flows.observations.iter().map(|seen| (seen.record, &*seen.interface)).collect()
}

#[test]
fn observations_follow_their_records_also_into_later_batches() {
    let mut sieve = sieve("dst.port = 80");
    let mut first = flows(&[80, 443, 80, 443], (0..4).map(|n| observation(n, &format!("if{n}"))).collect());
    assert_eq!(sieve.apply(&mut first), 2);
    assert_eq!(seen(&first), [(0, "if0"), (1, "if2")]);
    // The records of the first batch stand 4 to 1 before those of this one; two of them went.
    let late = [(-1, "443"), (-2, "second 80"), (-4, "first 80"), (0, "443"), (1, "80")];
    let mut second = flows(&[443, 80], late.iter().map(|(n, name)| observation(*n, name)).collect());
    assert_eq!(sieve.apply(&mut second), 1);
    assert_eq!(seen(&second), [(-1, "second 80"), (-2, "first 80"), (0, "80")]);
}

#[test]
fn what_is_announced_passes_though_all_data_goes() {
    let mut batch = flows(&[443], Vec::new());
    batch.notices.push("attached".into());
    batch.interfaces.push(data::interface(7, "blue"));
    assert_eq!(sieve("port = 80").apply(&mut batch), 1);
    assert!(matches!(batch.body, Body::None) && batch.notices.len() == 1 && batch.interfaces.len() == 1);
}

#[test]
fn packets_are_judged_by_headers_place_direction_and_reason() {
    let taken = |text: &str| {
        let mut batch = data::packets(0, 0, 4, 60);
        let Body::Packets(packets) = &mut batch.body else { unreachable!() };
        packets.drops.push(Drop { packet: 2, cause: "SKB_DROP_REASON_NO_SOCKET".into() });
        let gone = sieve(text).apply(&mut batch);
        let Body::Packets(packets) = &batch.body else { return (gone, Vec::new(), Vec::new()) };
        let times = packets.packets.iter().map(|packet: &Packet| (packet.time_ns - 1_782_123_072_000_000_001) / 2500);
        (gone, times.collect::<Vec<_>>(), packets.drops.iter().map(|drop| drop.packet).collect())
    };
    assert_eq!(taken("udp and src host 10.0.0.1 and dst port 5000"), (0, vec![0, 1, 2, 3], vec![2]));
    assert_eq!(taken("tcp"), (4, vec![], vec![]));
    assert_eq!(taken("direction = egress"), (2, vec![1, 3], vec![]));
    assert_eq!(taken("drop.cause =~ NO_SOCKET"), (3, vec![2], vec![0]));
    assert_eq!(taken("Bytes > 60"), (4, vec![], vec![]));
    assert_eq!(taken("Interfaces = eth0").0, 0);
}

#[test]
fn objects_are_judged_by_who_knows_them() {
    let knows: Objects = Arc::new(|object: &Object, address: IpAddr| {
        assert_eq!(object.kind, ObjectKind::Selector);
        Some(address == IpAddr::from([10, 0, 0, 1]))
    });
    let mut batch = flows(&[80], Vec::new());
    let filter = Filter::parse("src.label.app = web").unwrap();
    assert_eq!(Sieve::new(filter.clone(), Some(knows)).apply(&mut batch), 0);
    assert_eq!(Sieve::new(filter, None).apply(&mut batch), 1);
}
