use std::sync::atomic::{AtomicU64, Ordering};

use flow::{Body, Observation};

use super::*;

/// Knows 10.0.0.N from a number of questions on; addresses from 200 on are never pods'.
#[derive(Default)]
struct Tells(AtomicU64);

impl Tells {
    fn knows(&self, address: Option<IpAddr>) -> Option<Arc<str>> {
        let Some(IpAddr::V4(address)) = address else { return None };
        let last = address.octets()[3];
        (u64::from(last) <= self.0.load(Ordering::Relaxed)).then(|| format!("pod-{last}").into())
    }
}

impl Enrich for Tells {
    fn enrich(&mut self, batch: &mut Batch) {
        let Body::Flows(flows) = &mut batch.body else { panic!("only flows wait") };
        for record in &mut flows.records {
            record.src_k8s_name = self.knows(record.src_addr);
        }
    }

    fn pending(&self, record: &FlowRecord, _: u64) -> bool {
        let Some(IpAddr::V4(address)) = record.src_addr else { return false };
        address.octets()[3] < 200 && self.knows(record.src_addr).is_none()
    }
}

fn record(last: u8, packets: u64) -> FlowRecord {
    let ip = |last| Some(IpAddr::from([10, 0, 0, last]));
    FlowRecord { src_addr: ip(last), dst_addr: ip(250), packets: Some(packets), ..FlowRecord::default() }
}

fn batch(node: &str, records: Vec<FlowRecord>) -> Batch {
    of_node(node.into(), 0, FlowBatch { records, observations: Vec::new() })
}

fn now(ms: u64) -> Now {
    Now { elapsed: ms * MS, wall_ms: ms }
}

/// Packets of the records, in order, and their names.
fn told(batches: &[Batch]) -> Vec<(u64, String)> {
    let flows = |batch: &Batch| match &batch.body {
        Body::Flows(flows) => flows.records.clone(),
        _ => Vec::new(),
    };
    let name = |record: &FlowRecord| record.src_k8s_name.as_deref().unwrap_or("-").to_owned();
    batches.iter().flat_map(flows).map(|record| (record.packets.unwrap(), name(&record))).collect()
}

#[test]
fn a_record_waits_for_its_name_and_the_others_do_not() {
    let (mut hold, mut names) = (Hold::default(), Tells(3.into()));
    assert_eq!(hold.due(), None);
    let mut first = batch("n1", vec![record(1, 1), record(4, 2), record(201, 3)]);
    hold.keep(&mut first, &names, now(0));
    assert_eq!(told(&[first]), [(1, "-".to_owned()), (3, "-".to_owned())]);
    assert_eq!(hold.due(), Some(AGAIN));
    assert_eq!(told(&hold.release(&mut names, now(200))), []);
    assert_eq!(hold.due(), Some(2 * AGAIN));
    names.0.store(4, Ordering::Relaxed);
    assert_eq!(told(&hold.release(&mut names, now(400))), [(2, "pod-4".to_owned())]);
    assert_eq!(hold.due(), None);
}

#[test]
fn a_batch_all_of_whose_records_wait_still_tells_the_rest() {
    let (mut hold, names) = (Hold::default(), Tells::default());
    let mut whole = Batch { notices: vec!["hello".into()], sequence: 7, ..batch("n1", vec![record(1, 1)]) };
    hold.keep(&mut whole, &names, now(0));
    assert!(matches!(whole.body, Body::None));
    assert_eq!((whole.sequence, whole.notices.len()), (7, 1));
}

#[test]
fn nothing_waits_longer_than_three_seconds_or_beyond_the_end() {
    let (mut hold, mut names) = (Hold::default(), Tells::default());
    hold.keep(&mut batch("n1", vec![record(1, 1)]), &names, now(0));
    hold.keep(&mut batch("n2", vec![record(2, 2)]), &names, now(1_000));
    assert_eq!(told(&hold.release(&mut names, now(2_999))), []);
    assert_eq!(told(&hold.release(&mut names, now(3_000))), [(1, "-".to_owned())]);
    assert_eq!(told(&hold.finish(&mut names)), [(2, "-".to_owned())]);
    assert_eq!(hold.due(), None);
}

#[test]
fn records_of_the_same_ends_keep_their_order() {
    let (mut hold, mut names) = (Hold::default(), Tells::default());
    hold.keep(&mut batch("n1", vec![record(1, 1)]), &names, now(0));
    names.0.store(1, Ordering::Relaxed);
    let mut later = batch("n1", vec![record(1, 2), record(203, 3)]);
    hold.keep(&mut later, &names, now(100));
    assert_eq!(told(&[later]), [(3, "-".to_owned())], "the record before it still waits");
    let released = told(&hold.release(&mut names, now(200)));
    assert_eq!(released, [(1, "pod-1".to_owned()), (2, "pod-1".to_owned())]);
}

#[test]
fn observations_stay_with_their_records() {
    let seen = |record, packets| Observation {
        record,
        node: None,
        netns: "".into(),
        interface: "eth0".into(),
        direction: 0,
        bytes: 0,
        packets,
    };
    let (mut hold, mut names) = (Hold::default(), Tells(1.into()));
    let mut whole = batch("n1", vec![record(2, 20), record(1, 10), record(3, 30)]);
    let Body::Flows(flows) = &mut whole.body else { unreachable!() };
    flows.observations = vec![seen(0, 20), seen(1, 10), seen(2, 30), seen(2, 31)];
    hold.keep(&mut whole, &names, now(0));
    let pairs = |batch: &Batch| {
        let Body::Flows(flows) = &batch.body else { unreachable!() };
        let of = |seen: &Observation| (flows.records[seen.record as usize].packets.unwrap(), seen.packets);
        flows.observations.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(pairs(&whole), [(10, 10)]);
    assert_eq!(pairs(&hold.finish(&mut names)[0]), [(20, 20), (30, 30), (30, 31)]);
}

#[test]
fn there_is_room_for_so_many() {
    let (mut hold, names) = (Hold::default(), Tells::default());
    let mut many = batch("n1", vec![record(1, 1); MOST + 5]);
    hold.keep(&mut many, &names, now(0));
    assert_eq!(told(&[many]).len(), 5);
    let mut more = batch("n1", vec![record(1, 1)]);
    hold.keep(&mut more, &names, now(1));
    assert_eq!(told(&[more]).len(), 1);
}
