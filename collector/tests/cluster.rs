//! A capture of two nodes, from their batches to the files.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeSet, sync::Arc};

use collector::{
    Options, Origin, Started, Summary,
    bench::{self, data},
};
use flow::{Batch, Body, FlowRecord, Interface, LinkType, Sink as _, Stop, config::Mode};

/// Names everything after where it is: 10.0.0.0/24 on a, the rest on b.
struct Names;

impl flow::Enrich for Names {
    fn enrich(&mut self, batch: &mut Batch) {
        let Body::Flows(flows) = &mut batch.body else { return };
        for record in &mut flows.records {
            record.src_k8s_host_name = Some("a".into());
            record.dst_k8s_host_name = Some("b".into());
        }
    }
}

fn capture(mode: Mode, batches: Vec<Batch>) -> (tempfile::TempDir, Summary) {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        origin: Origin::Cluster,
        enrich: Some(Box::new(Names)),
        ..bench::options(data::config(mode), dir.path())
    };
    let Started { mut input, collector, .. } = collector::start(options, Stop::default()).unwrap();
    for batch in batches {
        input.deliver(batch).unwrap();
    }
    (dir, collector.finish())
}

fn of(node: &str, sequence: u64, batch: Batch) -> Batch {
    Batch { node: node.into(), sequence, ..batch }
}

fn flows(node: &str, sequence: u64, packets: u64) -> Batch {
    let record = FlowRecord {
        src_addr: "10.0.0.1".parse().ok(),
        dst_addr: "10.0.1.1".parse().ok(),
        proto: Some(6),
        packets: Some(packets),
        bytes: Some(packets * 100),
        interfaces: Some(Arc::from([Arc::from("eth0")])),
        if_directions: Some(Arc::from([1])),
        ..FlowRecord::default()
    };
    let mut batch = of(node, sequence, data::flows(sequence, 0, 1));
    batch.body = Body::Flows(flow::FlowBatch { records: vec![record], observations: Vec::new() });
    batch
}

#[test]
fn a_flow_that_two_nodes_see_counts_once_and_both_numbers_are_kept() {
    let batches = vec![flows("a", 40, 10), flows("b", 7, 9), flows("b", 8, 1), flows("a", 41, 5), flows("b", 9, 6)];
    let (_dir, summary) = capture(Mode::Flows, batches);
    assert_eq!((summary.packets, summary.bytes), (16, 1600));
    assert_eq!(summary.nodes, ["a", "b"]);
    assert_eq!(summary.counters.lost_sequence, 0);
    let db = summary.files.iter().find(|file| file.path.extension().unwrap() == "db").unwrap();
    let connection = rusqlite::Connection::open(&db.path).unwrap();
    let text = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(text("SELECT SUM(Bytes) || ' ' || SUM(Packets) FROM flow"), "1600 16");
    let by_node = "SELECT group_concat(node || ' ' || sum, ', ') FROM
        (SELECT node, SUM(packets) AS sum FROM observation GROUP BY node ORDER BY node)";
    assert_eq!(text(by_node), "a 15, b 16");
    let joined = "SELECT COUNT(*) || ' ' || COUNT(f.id) FROM observation o LEFT JOIN flow f ON f.id = o.record";
    assert_eq!(text(joined), "5 5", "each belongs to a row");
}

#[test]
fn packets_of_two_nodes_are_one_file_in_order_and_interfaces_are_named_with_their_node() {
    let packets = |node: &str, sequence: u64, first: u64| {
        let mut batch = of(node, sequence, data::packets(sequence, first, 50, 100));
        let interface = Interface {
            id: 1,
            netns: "".into(),
            index: 2,
            name: "eth0".into(),
            link_type: LinkType::Ethernet,
            ..Interface::default()
        };
        batch.interfaces = vec![interface.clone(), Interface { id: 0, ..interface }];
        let Body::Packets(body) = &mut batch.body else { unreachable!() };
        for (at, packet) in body.packets.iter_mut().enumerate() {
            packet.time_ns = 1_700_000_000_000_000_000 + first + 2 * at as u64;
            packet.interface = 1;
        }
        batch
    };
    // The times of the two are interleaved one by one.
    // An agent that has nothing to deliver says so.
    let idle = Batch { interfaces: Vec::new(), body: Body::None, ..packets("b", 0, 1) };
    let batches = vec![idle, packets("a", 0, 0), packets("b", 1, 1), packets("a", 1, 100), packets("b", 2, 101)];
    let (_dir, summary) = capture(Mode::Packets, batches);
    assert_eq!((summary.packets, summary.counters.out_of_order), (200, 0));
    let (mut times, mut names) = (Vec::new(), BTreeSet::new());
    for batch in collector::open::open(&summary.files[0].path).unwrap() {
        let batch = batch.unwrap();
        names.extend(batch.interfaces.iter().map(|interface| format!("{}@{}", interface.name, batch.node)));
        if let Body::Packets(body) = &batch.body {
            times.extend(body.packets.iter().map(|packet| packet.time_ns - 1_700_000_000_000_000_000));
        }
    }
    assert_eq!(times, (0..200).collect::<Vec<_>>());
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["eth0@a", "eth0@b"]);
}
