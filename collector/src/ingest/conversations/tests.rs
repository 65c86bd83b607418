use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

const MS: u64 = 1_000_000;

/// Of connection `port`, from its client or back, seen by nobody else.
fn record(port: u16, back: bool, packets: u64) -> FlowRecord {
    let mut record = FlowRecord {
        src_addr: "10.0.0.1".parse().ok(),
        dst_addr: "10.0.1.1".parse().ok(),
        src_port: Some(40_000 + port),
        dst_port: Some(80),
        proto: Some(6),
        packets: Some(packets),
        bytes: Some(packets * 100),
        ..FlowRecord::default()
    };
    if back {
        record.turn_round();
    }
    record
}

fn observation(record: i32, packets: u64) -> Observation {
    Observation { record, node: None, netns: "".into(), interface: "eth0".into(), direction: 0, bytes: 0, packets }
}

fn batch(node: &str, records: Vec<FlowRecord>, observations: Vec<Observation>) -> Batch {
    Batch::bare(node.into(), 0, Body::Flows(FlowBatch { records, observations }))
}

/// All records that came out, and the packets of each observation with the port of its record.
#[derive(Default)]
struct Got {
    records: Vec<FlowRecord>,
    observations: Vec<(u16, u64)>,
}

impl Got {
    fn take(&mut self, batches: Vec<Batch>) {
        for batch in batches {
            let Body::Flows(flows) = batch.body else { continue };
            let first = self.records.len() as i64;
            self.records.extend(flows.records);
            for seen in flows.observations {
                let record = &self.records[usize::try_from(first + i64::from(seen.record)).unwrap()];
                self.observations.push((record.src_port.unwrap(), seen.packets));
            }
        }
    }
}

#[test]
fn one_agent_delivers_both_directions_together_and_one_record_goes_on_at_once() {
    let mut tied = Conversations::new(0);
    let came = batch("n", vec![record(1, false, 3), record(2, false, 5), record(1, true, 4)], vec![observation(2, 4)]);
    let mut got = Got::default();
    got.take(tied.push(came, 0));
    let told: Vec<_> = got.records.iter().map(|r| (r.src_port, r.packets, r.packets_ab, r.packets_ba)).collect();
    assert_eq!(told, [(Some(40_001), Some(7), Some(3), Some(4)), (Some(40_002), Some(5), Some(5), Some(0))]);
    assert_eq!(got.records[0].hash_id.as_deref().map(str::len), Some(16));
    assert_eq!((got.observations, tied.due()), (vec![(40_001, 4)], None));
}

#[test]
fn directions_of_two_nodes_wait_for_each_other_for_an_interval() {
    let mut tied = Conversations::new(1000 * MS);
    let mut got = Got::default();
    got.take(tied.push(batch("a", vec![record(1, false, 3)], Vec::new()), 0));
    got.take(tied.push(batch("b", vec![record(1, true, 4)], vec![observation(0, 4)]), 600 * MS));
    assert!(got.records.is_empty());
    assert_eq!(tied.due(), Some(1000 * MS));
    got.take(tied.release(1000 * MS));
    assert_eq!((got.records.len(), got.records[0].packets_ab, got.records[0].packets_ba), (1, Some(3), Some(4)));
    // What refers to a record that has gone on refers to its conversation's.
    got.take(tied.push(batch("b", Vec::new(), vec![observation(-1, 9)]), 1100 * MS));
    assert_eq!(got.observations, [(40_001, 4), (40_001, 9)]);
}

#[test]
fn words_and_counters_do_not_wait() {
    let mut tied = Conversations::new(1000 * MS);
    let mut first = batch("a", vec![record(1, false, 3)], Vec::new());
    first.notices.push("attached".into());
    let passed = tied.push(first, 0);
    assert!(passed.len() == 1 && passed[0].notices.len() == 1 && matches!(passed[0].body, Body::None));
    assert_eq!(tied.finish().len(), 1);
    assert!(tied.finish().is_empty());
}

proptest! {
    /// Whatever comes when and from whom: the sums of both directions are those of the flows, nothing comes twice, and
    /// observations stay with their connection.
    #[test]
    fn sums_of_conversations_are_those_of_their_flows(
        list in proptest::collection::vec((0..3000_u64, 0..2_usize, 0..4_u16, any::<bool>(), 0..50_u64), 0..100),
        hold in prop_oneof![Just(0), 1..1500_u64], size in 1..5_usize,
    ) {
        let mut list = list;
        list.sort_by_key(|one| one.0);
        let mut tied = Conversations::new(hold * MS);
        let mut got = Got::default();
        let (mut truth, mut seen) = (HashMap::<u16, (u64, u64)>::new(), HashMap::<u16, u64>::new());
        for run in list.chunks(size) {
            let (at, node, ..) = run[0];
            let records = run.iter().map(|(_, _, port, back, packets)| record(*port, *back, *packets)).collect();
            let observations = run.iter().enumerate().map(|(n, one)| observation(n as i32, one.4)).collect();
            for (_, _, port, back, packets) in run {
                let sums = truth.entry(40_000 + port).or_default();
                *(if *back { &mut sums.1 } else { &mut sums.0 }) += packets;
                *seen.entry(40_000 + port).or_default() += packets;
            }
            got.take(tied.release(at * MS));
            got.take(tied.push(batch(["a", "b"][node], records, observations), at * MS));
        }
        got.take(tied.finish());
        let mut told = HashMap::<u16, (u64, u64)>::new();
        for record in &got.records {
            prop_assert_eq!(record.dst_port, Some(80), "the client is the source");
            let (there, back) = (record.packets_ab.unwrap_or_default(), record.packets_ba.unwrap_or_default());
            prop_assert_eq!(record.packets, Some(there + back));
            prop_assert_eq!(record.bytes, Some(100 * (there + back)));
            prop_assert_eq!(record.bytes_ab.unwrap_or_default(), 100 * there);
            let sums = told.entry(record.src_port.unwrap()).or_default();
            *sums = (sums.0 + there, sums.1 + back);
        }
        prop_assert_eq!(told, truth);
        let mut observed = HashMap::<u16, u64>::new();
        got.observations.iter().for_each(|(port, packets)| *observed.entry(*port).or_default() += packets);
        prop_assert_eq!(observed, seen);
    }
}
