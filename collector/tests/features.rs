//! What features find out, in all stores and back: dropped packets, conversations, the filter that runs after the kernel.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{path::PathBuf, process::Command, sync::Arc};

use collector::{
    Format, Summary,
    bench::{self, data},
    lines, open,
};
use flow::{
    Batch, Body, CaptureConfig, Drop, Feature, Field, FlowBatch, FlowRecord, Observation, Sink as _, Stop, config::Mode,
};

const REASON: &str = "SKB_DROP_REASON_NO_SOCKET";

fn capture(config: CaptureConfig, batches: Vec<Batch>) -> (tempfile::TempDir, Summary) {
    let dir = tempfile::tempdir().unwrap();
    let started = collector::start(bench::options(config, dir.path()), Stop::default()).unwrap();
    let mut input = started.input;
    for batch in batches {
        input.deliver(batch).unwrap();
    }
    drop(input);
    (dir, started.collector.finish())
}

fn path(summary: &Summary, extension: &str) -> PathBuf {
    let is = |path: &PathBuf| path.extension().is_some_and(|found| found == extension);
    summary.files.iter().map(|file| file.path.clone()).find(is).unwrap()
}

/// Records of the file, whatever its format.
fn records(summary: &Summary, extension: &str) -> Vec<FlowRecord> {
    let opened = open::open(&path(summary, extension)).unwrap();
    let bodies = opened.map(|batch| batch.unwrap().body);
    bodies.flat_map(|body| if let Body::Flows(flows) = body { flows.records } else { Vec::new() }).collect()
}

/// Dropped packets of the batches: their times and reasons.
fn drops(batches: impl Iterator<Item = Batch>) -> Vec<(u64, String)> {
    let mut found = Vec::new();
    for batch in batches {
        let Body::Packets(packets) = batch.body else { continue };
        found.extend(
            packets.drops.iter().map(|drop| (packets.packets[drop.packet as usize].time_ns, drop.cause.to_string())),
        );
    }
    found
}

/// Three thousand packets in three batches, every hundredth of which was dropped; more bytes than one piece of a store holds.
fn dropped_packets() -> Vec<Batch> {
    let batch = |n: u64| {
        let mut batch = data::packets(n, n * 1000, 1000, 1400);
        if let Body::Packets(packets) = &mut batch.body {
            packets.drops = (0..10).map(|at| Drop { packet: at * 100 + 7, cause: REASON.into() }).collect();
        }
        batch
    };
    (0..3).map(batch).collect()
}

#[test]
fn dropped_packets_are_such_in_the_pcapng_in_lines_and_when_read_again() {
    let (_dir, summary) = capture(data::config(Mode::Packets), dropped_packets());
    let file = path(&summary, "pcapng");
    let written = drops(dropped_packets().into_iter());
    let read = drops(open::open(&file).unwrap().map(Result::unwrap));
    assert_eq!(read.len(), 30);
    assert_eq!(read, written);
    let mut lines = Vec::new();
    lines::print(open::open(&file).unwrap(), Format::Wide, &mut lines, &Stop::default()).unwrap();
    let lines = String::from_utf8(lines).unwrap();
    assert_eq!(lines.lines().filter(|line| line.ends_with(&format!("length 1400, dropped {REASON}"))).count(), 30);
    let mut json = Vec::new();
    lines::print(open::open(&file).unwrap(), Format::Json, &mut json, &Stop::default()).unwrap();
    let values = json.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let dropped = values.map(|line| serde_json::from_slice::<FlowRecord>(line).unwrap().pkt_drop_latest_drop_cause);
    assert_eq!(dropped.flatten().filter(|cause| &**cause == REASON).count(), 30);
    let Ok(tshark) =
        Command::new("tshark").args(["-n", "-r"]).arg(&file).args(["-T", "fields", "-e", "frame.comment"]).output()
    else {
        return;
    };
    let comments = String::from_utf8(tshark.stdout).unwrap();
    assert_eq!(comments.lines().nth(7), Some("k8s drop=SKB_DROP_REASON_NO_SOCKET"));
    assert_eq!(comments.lines().filter(|line| !line.is_empty()).count(), 30);
}

#[test]
fn a_limit_cuts_drops_with_their_packets() {
    let mut config = data::config(Mode::Packets);
    config.limits.packets = Some(1150);
    let (_dir, summary) = capture(config, dropped_packets());
    let read = drops(open::open(&path(&summary, "pcapng")).unwrap().map(Result::unwrap));
    assert_eq!((summary.packets, read.len()), (1150, 12));
}

fn observation(record: i32, interface: &str) -> Observation {
    let (netns, interface) = ("".into(), interface.into());
    Observation { record, node: None, netns, interface, direction: 0, bytes: 1, packets: 1 }
}

/// A connection of a client with the lower port, whose SYN tells; both directions in each of two intervals.
fn connection() -> Vec<Batch> {
    let record = |from_client: bool, flags, bytes| {
        let (client, server) = (("10.0.0.9", 1000), ("10.0.0.1", 8080));
        let (src, dst) = if from_client { (client, server) } else { (server, client) };
        FlowRecord {
            src_addr: src.0.parse().ok(),
            dst_addr: dst.0.parse().ok(),
            src_port: Some(src.1),
            dst_port: Some(dst.1),
            proto: Some(6),
            flags: Some(flags),
            bytes: Some(bytes),
            packets: Some(2),
            tcp_result: Some(if from_client { "reset by destination" } else { "reset by source" }.into()),
            ..FlowRecord::default()
        }
    };
    let batch = |n, records: Vec<FlowRecord>| {
        let observations = vec![observation(0, "a"), observation(1, "b")];
        data::batch(n, Body::Flows(FlowBatch { records, observations }))
    };
    vec![
        batch(0, vec![record(false, 0x112, 70), record(true, 0x02, 60)]),
        batch(1, vec![record(false, 0x10, 1000), record(true, 0x10, 5)]),
    ]
}

#[test]
fn conversations_are_one_record_an_interval_in_json_and_sqlite_and_sums_are_right() {
    let config = CaptureConfig { features: vec![Feature::Conversations], ..data::config(Mode::Flows) };
    let (_dir, summary) = capture(config, connection());
    assert_eq!((summary.records, summary.packets, summary.bytes), (2, 8, 1135));
    for extension in ["json", "db"] {
        let records = records(&summary, extension);
        let told: Vec<_> =
            records.iter().map(|r| (r.src_port, r.bytes, r.bytes_ab, r.bytes_ba, r.packets_ab)).collect();
        assert_eq!(
            told,
            [
                (Some(1000), Some(130), Some(60), Some(70), Some(2)),
                (Some(1000), Some(1005), Some(5), Some(1000), Some(2))
            ]
        );
        assert_eq!(records[0].hash_id, records[1].hash_id);
        assert_eq!(records[0].tcp_result.as_deref(), Some("reset by destination"));
    }
    // The view gives the same for conversations as for the flows that they were made of.
    let (_other, flows) = capture(data::config(Mode::Flows), connection());
    let query = "SELECT ClientAddr, ClientPort, BytesToServer, BytesToClient, PacketsToServer, PacketsToClient FROM conversations";
    let view = |summary: &Summary| {
        let db = rusqlite::Connection::open(path(summary, "db")).unwrap();
        let row = db.query_row(query, [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
        });
        let row: (String, u16, i64, i64, i64, i64) = row.unwrap();
        let observed: u32 = db
            .query_row("SELECT COUNT(*) FROM observation JOIN flow ON flow.id = record", [], |row| row.get(0))
            .unwrap();
        (row, observed)
    };
    assert_eq!(view(&summary), (("10.0.0.9".to_owned(), 1000, 65, 1070, 4, 4), 4));
    assert_eq!(view(&flows), view(&summary));
}

#[test]
fn the_rest_of_the_filter_is_applied_before_limits_and_counted() {
    let mut config = data::config(Mode::Flows);
    config.after = Some("src.port = 1000 and bytes < 50".to_owned());
    let (_dir, summary) = capture(config, connection());
    assert_eq!((summary.records, summary.bytes, summary.counters.filtered), (1, 5, 3));
    assert_eq!(records(&summary, "json").len(), 1);
    let mut config = data::config(Mode::Packets);
    config.after = Some(format!("drop.cause = {REASON}"));
    config.limits.packets = Some(15);
    let (_dir, summary) = capture(config, dropped_packets());
    assert_eq!((summary.packets, summary.counters.filtered, summary.counters.past_limit), (15, 2970, 15));
}

#[test]
fn a_filter_that_is_none_is_refused_before_anything_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let config = CaptureConfig { after: Some("port = (".to_owned()), ..data::config(Mode::Flows) };
    let error = collector::start(bench::options(config, dir.path()), Stop::default()).unwrap_err();
    assert!(error.to_string().starts_with("the filter cannot be read: "), "{error}");
    assert_eq!(dir.path().read_dir().unwrap().count(), 0);
}

#[test]
fn every_field_of_every_feature_is_in_json_and_sqlite_and_reads_back() {
    let (_dir, summary) = capture(data::config(Mode::Flows), vec![data::flows(0, 0, 20)]);
    for extension in ["json", "db"] {
        for (n, record) in records(&summary, extension).iter().enumerate() {
            assert_eq!(record, &data::full_record(n as u64), "{extension}");
            assert!(Field::ALL.iter().all(|field| record.get(*field).is_some()));
        }
    }
    let db = rusqlite::Connection::open(path(&summary, "db")).unwrap();
    for view in ["conversations", "drops", "dns"] {
        let rows: u32 = db.query_row(&format!("SELECT COUNT(*) FROM {view}"), [], |row| row.get(0)).unwrap();
        assert!(rows > 0, "{view}");
    }
}

#[test]
fn a_relay_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let config = CaptureConfig {
        features: vec![Feature::Conversations],
        after: Some("port = 1".to_owned()),
        ..data::config(Mode::Flows)
    };
    let options = collector::Options { origin: collector::Origin::Relay, ..bench::options(config, dir.path()) };
    let started = collector::start(options, Stop::default()).unwrap();
    let (hub, mut input) = (started.hub.clone(), started.input);
    let feed = hub.view();
    for batch in connection() {
        input.deliver(batch).unwrap();
    }
    drop(input);
    let summary = started.collector.finish();
    assert_eq!((summary.records, summary.counters.filtered), (4, 0));
    let batches: Vec<Arc<Batch>> = feed.into_channel().unwrap().iter().collect();
    assert_eq!(batches.len(), 2);
}
