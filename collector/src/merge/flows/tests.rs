use proptest::prelude::*;

use super::*;

const MS: u64 = 1_000_000;

fn record(port: u16, packets: u64, hosts: (&str, &str)) -> FlowRecord {
    let host = |name: &str| (!name.is_empty()).then(|| Arc::from(name));
    FlowRecord {
        src_addr: "10.0.0.1".parse().ok(),
        dst_addr: "10.0.1.1".parse().ok(),
        src_port: Some(port),
        dst_port: Some(80),
        proto: Some(6),
        packets: Some(packets),
        bytes: Some(packets * 100),
        flags: Some(1 << (packets % 8)),
        time_flow_start_ms: Some(packets),
        time_flow_end_ms: Some(packets + 1),
        interfaces: Some(Arc::from([Arc::from("eth0")])),
        if_directions: Some(Arc::from([1])),
        src_k8s_host_name: host(hosts.0),
        dst_k8s_host_name: host(hosts.1),
        ..FlowRecord::default()
    }
}

fn batch(node: &str, records: Vec<FlowRecord>) -> Batch {
    let body = Body::Flows(FlowBatch { records, observations: Vec::new() });
    Batch { body, ..empty(node.into(), 0) }
}

/// What was handed on: node, packets, bytes and port of each record; node, packets and record of each observation.
#[derive(Debug, Default)]
struct Got {
    records: Vec<(String, u64, u64, u16)>,
    observations: Vec<(String, u64, usize)>,
}

impl Got {
    fn take(&mut self, batches: Vec<Batch>) {
        for batch in batches {
            let Body::Flows(flows) = batch.body else { continue };
            let first = self.records.len();
            for seen in flows.observations {
                let at = usize::try_from(first as i64 + i64::from(seen.record)).unwrap();
                self.observations.push((batch.node.to_string(), seen.packets, at));
            }
            self.records.extend(flows.records.iter().map(|record| {
                let port = record.src_port.unwrap();
                (batch.node.to_string(), record.packets.unwrap(), record.bytes.unwrap(), port)
            }));
        }
    }

    fn rows(&self) -> Vec<(&str, u64)> {
        self.records.iter().map(|(node, packets, ..)| (node.as_str(), *packets)).collect()
    }
}

#[test]
fn the_node_of_the_source_decides_and_the_others_numbers_are_kept() {
    let hosts = ("a", "b");
    let (mut flows, mut got) = (Flows::new(SECOND), Got::default());
    got.take(flows.push(batch("a", Vec::new()), 0));
    got.take(flows.push(batch("b", vec![record(1, 9, hosts)]), 10 * MS));
    assert!(got.records.is_empty(), "it waits for the source");
    got.take(flows.push(batch("a", vec![record(1, 10, hosts)]), 300 * MS));
    got.take(flows.push(batch("b", vec![record(1, 1, hosts)]), 400 * MS));
    assert_eq!(got.rows(), [("a", 10)]);
    let expected = [("a".to_owned(), 10, 0), ("b".to_owned(), 9, 0), ("b".to_owned(), 1, 0)];
    assert_eq!(got.observations, expected);
    assert_eq!(flows.held.len(), 0, "nothing waits");
}

#[test]
fn without_the_source_the_destination_counts_after_an_interval() {
    let hosts = ("a", "b");
    let (mut flows, mut got) = (Flows::new(SECOND), Got::default());
    got.take(flows.push(batch("a", Vec::new()), 0));
    got.take(flows.push(batch("b", vec![record(1, 9, hosts)]), 0));
    assert_eq!(flows.due(), Some(1500 * MS));
    got.take(flows.release(1500 * MS));
    assert_eq!(got.rows(), [("b", 9)]);
    got.take(flows.push(batch("a", vec![record(1, 10, hosts)]), 1600 * MS));
    assert_eq!(got.rows(), [("b", 9), ("a", 1)], "what the source has seen besides");
}

#[test]
fn nobody_waits_for_a_node_without_an_agent_and_loopback_is_never_merged() {
    let (mut flows, mut got) = (Flows::new(SECOND), Got::default());
    got.take(flows.push(batch("b", vec![record(1, 9, ("gone", "b"))]), 2 * SILENT));
    let lo = |packets| FlowRecord {
        src_addr: "127.0.0.1".parse().ok(),
        dst_addr: "127.0.0.1".parse().ok(),
        ..record(2, packets, ("", ""))
    };
    got.take(flows.push(batch("a", vec![lo(5)]), 2 * SILENT));
    got.take(flows.push(batch("b", vec![lo(5)]), 2 * SILENT));
    assert_eq!(got.rows(), [("b", 9), ("a", 5), ("b", 5)]);
    assert!(got.observations.is_empty(), "one node saw each");
}

#[test]
fn flags_and_times_of_both_sides_are_in_what_is_handed_on() {
    let hosts = ("", "");
    let mut flows = Flows::new(SECOND);
    flows.push(batch("a", vec![record(1, 5, hosts)]), 0);
    let seen = FlowRecord { flags: Some(0x100), time_flow_end_ms: Some(50), ..record(1, 4, hosts) };
    flows.push(batch("b", vec![seen]), 1);
    let later = FlowRecord { time_flow_start_ms: Some(20), time_flow_end_ms: Some(30), ..record(1, 2, hosts) };
    let Body::Flows(out) = flows.push(batch("a", vec![later]), 2).remove(0).body else { unreachable!() };
    let out = &out.records[0];
    assert_eq!((out.flags, out.time_flow_start_ms, out.time_flow_end_ms), (Some(0x104), Some(6), Some(50)));
}

#[test]
fn observations_of_the_agent_stay_with_their_records() {
    let hosts = ("", "");
    let mut flows = Flows::new(SECOND);
    let own = |record: i32| Observation { record, packets: 7, ..observation(&FlowRecord::default()) };
    let mut first = batch("a", vec![record(1, 5, hosts), record(2, 5, hosts)]);
    let Body::Flows(body) = &mut first.body else { unreachable!() };
    body.observations = vec![own(1), own(0), own(1)];
    let Body::Flows(out) = flows.push(first, 0).remove(0).body else { unreachable!() };
    assert_eq!(out.observations.iter().map(|seen| seen.record).collect::<Vec<_>>(), [0, 1, 1]);
}

#[test]
fn memory_is_bounded() {
    let mut flows = Flows::new(SECOND);
    for n in 0..10_u32 {
        let records = (0..40_000_u32).map(|m| FlowRecord {
            src_addr: Some(std::net::Ipv4Addr::from(0x0a00_0000 + n * 40_000 + m).into()),
            ..record(1, 1, ("", ""))
        });
        flows.push(batch("a", records.collect()), 0);
    }
    assert!(flows.known.len() <= FULL + 40_000, "{}", flows.known.len());
    assert!(flows.unmerged() >= FULL as u64);
    flows.push(batch("a", Vec::new()), KEEP + SWEEP);
    assert_eq!(flows.known.len(), 0);
}

/// All records of `batches`, with the node that told.
fn told(batches: Vec<Batch>) -> Vec<(String, FlowRecord)> {
    let mut told = Vec::new();
    for batch in batches {
        let Body::Flows(flows) = batch.body else { continue };
        told.extend(flows.records.into_iter().map(|record| (batch.node.to_string(), record)));
    }
    told
}

#[test]
fn what_only_the_destination_has_seen_goes_with_the_next_record_or_alone() {
    let hosts = ("a", "b");
    let drop = || FlowRecord {
        pkt_drop_packets: Some(3),
        pkt_drop_latest_drop_cause: Some("NO_SOCKET".into()),
        dst_process: Some("nginx".into()),
        ..record(1, 10, hosts)
    };
    let mut flows = Flows::new(SECOND);
    flows.push(batch("b", Vec::new()), 0);
    assert_eq!(told(flows.push(batch("a", vec![record(1, 10, hosts)]), 0)).len(), 1);
    assert!(told(flows.push(batch("b", vec![drop()]), 300 * MS)).is_empty(), "it brings no growth");
    let next = told(flows.push(batch("a", vec![record(1, 4, hosts)]), 1000 * MS));
    let (node, next) = &next[0];
    assert_eq!((node.as_str(), next.packets, next.pkt_drop_packets), ("a", Some(4), Some(3)));
    assert_eq!(
        (next.pkt_drop_latest_drop_cause.as_deref(), next.dst_process.as_deref()),
        (Some("NO_SOCKET"), Some("nginx"))
    );
    // The flow is over for the source: the drops are told by themselves, what was told before is not told again.
    assert!(
        told(flows.push(batch("b", vec![FlowRecord { packets: Some(4), bytes: Some(400), ..drop() }]), 1300 * MS))
            .is_empty()
    );
    let alone = told(flows.release(2800 * MS));
    let (node, alone) = &alone[0];
    assert_eq!((node.as_str(), alone.packets, alone.bytes, alone.pkt_drop_packets), ("b", None, None, Some(3)));
    assert_eq!((alone.dst_process.as_deref(), alone.src_port), (None, Some(1)));
    assert!(told(flows.release(u64::MAX)).is_empty());
}

#[test]
fn a_dns_message_that_two_nodes_saw_is_told_once_and_each_message_has_a_record() {
    let hosts = ("a", "b");
    let extra = |id| FlowRecord {
        packets: None,
        bytes: None,
        dns_id: Some(id),
        dns_latency_ms: Some(3),
        ..record(1, 1, hosts)
    };
    let counted = |id| FlowRecord { dns_id: Some(id), ..record(1, 10, hosts) };
    let mut flows = Flows::new(SECOND);
    flows.push(batch("b", Vec::new()), 0);
    let mut all = told(flows.push(batch("a", vec![counted(1), extra(2)]), 0));
    all.extend(told(flows.push(batch("b", vec![counted(1), extra(2), extra(3)]), 10 * MS)));
    all.extend(told(flows.release(u64::MAX)));
    let ids: Vec<_> = all.iter().map(|(node, record)| (node.as_str(), record.dns_id, record.packets)).collect();
    assert_eq!(ids, [("a", Some(1), Some(10)), ("a", Some(2), None), ("b", Some(3), None)]);
}

#[test]
fn drops_without_any_packet_pass_and_are_never_taken_for_growth() {
    let dropped = || FlowRecord {
        packets: None,
        bytes: None,
        pkt_drop_packets: Some(2),
        pkt_drop_bytes: Some(120),
        ..record(1, 1, ("", ""))
    };
    let mut flows = Flows::new(SECOND);
    let mut all = told(flows.push(batch("a", vec![dropped(), record(1, 5, ("", ""))]), 0));
    all.extend(told(flows.push(batch("b", vec![dropped(), record(1, 5, ("", ""))]), 1)));
    all.extend(told(flows.release(u64::MAX)));
    let sum = |of: fn(&FlowRecord) -> Option<u64>| all.iter().filter_map(|(_, record)| of(record)).sum::<u64>();
    assert_eq!((sum(|record| record.packets), sum(|record| record.pkt_drop_packets)), (5, 4));
    assert_eq!(all[0].1, dropped(), "unharmed");
}

/// What an agent delivers of a flow: when, which flow, how many packets.
#[derive(Clone, Debug)]
struct Delivered {
    at: u64,
    node: usize,
    port: u16,
    packets: u64,
}

const NODES: [&str; 3] = ["a", "b", "c"];

fn deliveries() -> impl Strategy<Value = Vec<Delivered>> {
    let one = (0..20_000_u64, 0..3_usize, 0..3_u16, 0..50_u64);
    proptest::collection::vec(one, 0..80).prop_map(|list| {
        let mut list: Vec<_> =
            list.into_iter().map(|(at, node, port, packets)| Delivered { at: at * MS, node, port, packets }).collect();
        list.sort_by_key(|delivered| delivered.at);
        list
    })
}

proptest! {
    /// Whatever each side delivered and when, lost to a restart or never saw: the sum is that of the side that saw most, and
    /// every node's own sum is among the observations where two agents see the flow.
    #[test]
    fn the_sum_is_that_of_the_side_that_saw_most(list in deliveries(), known in any::<[bool; 3]>(), interval in 1..3000_u64) {
        let (mut flows, mut got) = (Flows::new(interval * MS), Got::default());
        for node in NODES {
            got.take(flows.push(batch(node, Vec::new()), 0));
        }
        let hosts = |port: u16| if known[usize::from(port)] { (NODES[usize::from(port)], NODES[(usize::from(port) + 1) % 3]) } else { ("", "") };
        let mut sides = [[0_u64; 3]; 3];
        for delivered in &list {
            while flows.due().is_some_and(|due| due <= delivered.at) {
                let due = flows.due().unwrap();
                got.take(flows.release(due));
            }
            let Delivered { at, node, port, packets } = *delivered;
            sides[usize::from(port)][node] += packets;
            got.take(flows.push(batch(NODES[node], vec![record(port, packets, hosts(port))]), at));
        }
        got.take(flows.release(u64::MAX));
        prop_assert_eq!(flows.held.len(), 0);
        for port in 0..3_u16 {
            let of_port: Vec<_> = got.records.iter().filter(|record| record.3 == port).collect();
            let truth = *sides[usize::from(port)].iter().max().unwrap();
            prop_assert_eq!(of_port.iter().map(|record| record.1).sum::<u64>(), truth);
            prop_assert_eq!(of_port.iter().map(|record| record.2).sum::<u64>(), truth * 100);
            if known[usize::from(port)] {
                for (node, expected) in sides[usize::from(port)].iter().enumerate() {
                    let seen = got.observations.iter().filter(|seen| seen.0 == NODES[node] && got.records[seen.2].3 == port);
                    // Where nothing was ever handed on there is no record to observe.
                    let sum: u64 = seen.map(|seen| seen.1).sum();
                    prop_assert_eq!(sum, *expected, "node {}", NODES[node]);
                }
            }
        }
    }
}
