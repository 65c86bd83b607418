use std::fs;

use flow::{FlowRecord, Reason};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::{
    Summary,
    bench::{self, data},
    testing::any_record,
};

/// A finished capture of `batches`, and its file with that extension.
fn capture(mode: Mode, batches: impl IntoIterator<Item = Batch>, extension: &str) -> (TempDir, PathBuf, Summary) {
    let dir = tempfile::tempdir().unwrap();
    let started = crate::start(bench::options(data::config(mode), dir.path()), flow::Stop::default()).unwrap();
    let mut input = started.input;
    for batch in batches {
        flow::Sink::deliver(&mut input, batch).unwrap();
    }
    let summary = started.collector.finish();
    let path = summary.files.iter().map(|file| file.path.clone()).find(|path| path.extension().unwrap() == extension);
    (dir, path.unwrap(), summary)
}

fn records(path: &Path) -> Vec<FlowRecord> {
    let mut records = Vec::new();
    for batch in open(path).unwrap() {
        if let Body::Flows(flows) = batch.unwrap().body {
            records.extend(flows.records);
        }
    }
    records
}

fn notices(path: &Path) -> String {
    let opened = open(path).unwrap();
    let mut notices = opened.notices.clone();
    notices.extend(opened.flat_map(|batch| batch.unwrap().notices).map(|notice| notice.to_string()));
    notices.join("; ")
}

fn packets(path: &Path) -> Vec<(u64, u32, u8, Vec<u8>)> {
    let mut all = Vec::new();
    for batch in open(path).unwrap() {
        if let Body::Packets(batch) = batch.unwrap().body {
            let packet =
                |packet: &flow::Packet| (packet.time_ns, packet.len, packet.direction, batch.bytes(packet).to_vec());
            all.extend(batch.packets.iter().map(packet));
        }
    }
    all
}

fn of_records(records: Vec<FlowRecord>) -> Batch {
    data::batch(0, Body::Flows(flow::FlowBatch { records, observations: Vec::new() }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn every_field_comes_back_from_json_and_sqlite(
        records_in in proptest::collection::vec(any_record(), 1..40),
        full in Just(data::full_record(7)),
    ) {
        let mut expected = records_in;
        expected.push(full);
        // An object without any known field is no record.
        expected.retain(|record| *record != FlowRecord::default());
        let (_dir, json, summary) = capture(Mode::Flows, [of_records(expected.clone())], "json");
        prop_assert_eq!(&records(&json), &expected);
        prop_assert_eq!(&serde_json::from_slice::<Vec<FlowRecord>>(&fs::read(&json).unwrap()).unwrap(), &expected);
        prop_assert_eq!(&records(&summary.files[1].path), &expected);
    }

    #[test]
    fn no_reader_panics_and_none_gives_more_than_there_was(
        kind in 0..3_usize,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = samples()[kind].clone();
        for (index, value) in changes {
            *index.get_mut(&mut bytes) = value;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        // A mutated length may make two packets of one, but never many.
        prop_assert!(fuzz(&bytes) <= 200);
    }

    #[test]
    fn a_damaged_database_is_an_error_or_rows_and_never_a_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.db");
        let mut bytes = database().to_vec();
        for (index, value) in changes {
            *index.get_mut(&mut bytes) = value;
        }
        fs::write(&path, bytes).unwrap();
        if let Ok(opened) = open(&path) {
            opened.for_each(drop);
        }
    }
}

/// A JSON, a pcapng and a pcap file.
fn samples() -> &'static [Vec<u8>; 3] {
    static SAMPLES: std::sync::LazyLock<[Vec<u8>; 3]> = std::sync::LazyLock::new(|| {
        let (_dir, json, _) = capture(Mode::Flows, [data::flows(0, 0, 20)], "json");
        let (_dir, pcapng, _) = capture(Mode::Packets, [data::packets(0, 0, 20, 80)], "pcapng");
        [fs::read(json).unwrap(), fs::read(pcapng).unwrap(), pcap_file(1, false)]
    });
    &SAMPLES
}

fn database() -> &'static [u8] {
    static DATABASE: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| {
        let (_dir, path, _) = capture(Mode::Flows, [data::flows(0, 0, 50)], "db");
        fs::read(path).unwrap()
    });
    &DATABASE
}

/// Twenty packets as pcap; big-endian and in microseconds if `foreign`.
fn pcap_file(link: u32, foreign: bool) -> Vec<u8> {
    let word = |n: u32| if foreign { n.to_be_bytes() } else { n.to_le_bytes() };
    let magic = if foreign { 0xA1B2_C3D4 } else { 0xA1B2_3C4D };
    let mut file: Vec<u8> = [magic, 0x0004_0002, 0, 0, 60, link].into_iter().flat_map(word).collect();
    for n in 0..20 {
        file.extend([1_500_000_000, n, 60, 90].into_iter().flat_map(word));
        file.extend([n as u8; 60]);
    }
    file
}

#[test]
fn packets_come_back_from_pcapng_with_time_direction_and_lengths() {
    let batches = [data::packets(0, 0, 300, 64), data::packets(1, 300, 300, 1500)];
    let (_dir, path, _) = capture(Mode::Packets, batches.clone(), "pcapng");
    let expected: Vec<_> = batches
        .iter()
        .flat_map(|batch| {
            let Body::Packets(body) = &batch.body else { unreachable!() };
            body.packets.iter().map(|p| (p.time_ns, p.len, p.direction, body.bytes(p).to_vec()))
        })
        .collect();
    assert_eq!(packets(&path), expected);
    let first = open(&path).unwrap().next().unwrap().unwrap();
    assert_eq!(first.interfaces, [data::interface(0, "")]);
    assert_eq!(&*first.node, "bench");
}

#[test]
fn a_namespace_in_an_interface_name_comes_back_apart() {
    let mut batch = data::packets(1, 0, 1, 64);
    batch.interfaces.push(data::interface(0, "blue"));
    let (_dir, path, _) = capture(Mode::Packets, [batch], "pcapng");
    let first = open(&path).unwrap().next().unwrap().unwrap();
    assert_eq!(first.interfaces, [data::interface(0, "blue")]);
}

#[test]
fn losses_told_by_the_agent_are_in_the_pcapng_and_come_back() {
    let mut batch = data::packets(0, 0, 5, 64);
    batch.interface_counts.push(flow::InterfaceCounts { interface: 0, delivered: 5, lost: 7 });
    let (_dir, path, _) = capture(Mode::Packets, [batch], "pcapng");
    let last = open(&path).unwrap().last().unwrap().unwrap();
    assert_eq!((last.counters.lost_packets, last.counters.accepted), (7, 12));
}

#[test]
fn pcap_of_both_byte_orders_and_resolutions_and_longer_than_its_snap_length() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("any.name");
    for (foreign, unit) in [(false, 1), (true, 1000)] {
        fs::write(&path, pcap_file(1, foreign)).unwrap();
        let packets = packets(&path);
        assert_eq!(packets.len(), 20);
        assert_eq!((packets[3].0, packets[3].1), (1_500_000_000_000_000_000 + 3 * unit, 90));
    }
    fs::write(&path, pcap_file(127, false)).unwrap();
    assert_eq!(notices(&path), "20 packets of other links than Ethernet and IP left out");
    fs::write(&path, &pcap_file(1, false)[..200]).unwrap();
    assert_eq!(packets(&path).len(), 2);
    assert_eq!(notices(&path), "the last packet is cut short and left out (24 bytes)");
}

#[test]
fn a_json_file_cut_by_a_kill_is_mended_once_and_then_whole() {
    let (_dir, path, _) = capture(Mode::Flows, [data::flows(0, 0, 20)], "json");
    let whole = fs::read(&path).unwrap();
    for cut in [whole.len() - 1000, whole.len() - 4, whole.len() - 3, 2, 1] {
        fs::write(&path, &whole[..cut]).unwrap();
        let found = notices(&path);
        assert!(found.starts_with("the capture was killed: "), "{cut}: {found}");
        let read: Vec<FlowRecord> = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(read.len(), if cut < 1000 { 0 } else { 19 + usize::from(cut == whole.len() - 3) }, "{cut}");
        assert_eq!(notices(&path), "");
    }
}

#[test]
fn a_pcapng_file_cut_by_a_kill_is_mended_but_a_foreign_one_is_left_alone() {
    let (_dir, path, _) = capture(Mode::Packets, [data::packets(0, 0, 20, 80)], "pcapng");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 200]).unwrap();
    assert!(notices(&path).starts_with("the capture was killed: "));
    assert_eq!(notices(&path), "");
    let at = whole.windows(12).position(|window| window == b"oc-netobserv").unwrap();
    let mut foreign = whole[..whole.len() - 200].to_vec();
    foreign[at] = b'x';
    fs::write(&path, &foreign).unwrap();
    assert!(notices(&path).starts_with("the last packet is cut short"));
    assert_eq!(fs::read(&path).unwrap(), foreign);
}

#[test]
fn a_file_that_is_being_written_is_read_but_not_mended() {
    let (_dir, path, _) = capture(Mode::Flows, [data::flows(0, 0, 20)], "json");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 100]).unwrap();
    let writer = File::open(&path).unwrap();
    writer.lock().unwrap();
    assert!(notices(&path).starts_with("the last record is cut short"));
    assert_eq!(fs::read(&path).unwrap().len(), whole.len() - 100);
}

#[test]
fn files_of_the_incumbent_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let (text, db) = (dir.path().join("x.txt"), dir.path().join("y.db"));
    fs::write(&text, "{\"Bytes\":66,\"K8S_FlowLayer\":\"app\"},\n{\"Bytes\":67},\n").unwrap();
    assert_eq!(records(&text).iter().map(|record| record.bytes).collect::<Vec<_>>(), [Some(66), Some(67)]);
    let connection = rusqlite::Connection::open(&db).unwrap();
    let table = "CREATE TABLE flow (DnsErrno INTEGER, DstAddr TEXT, Interface TEXT, Bytes INTEGER,
        DnsLatencyMs TIMESTAMP, TimeFlowRTTNs TIMESTAMP);
        INSERT INTO flow VALUES (NULL, '10.0.0.1', 'eth0', 66, 12, 13), (0, '', NULL, 1, NULL, NULL)";
    connection.execute_batch(table).unwrap();
    drop(connection);
    let before = fs::read(&db).unwrap();
    let read = records(&db);
    assert_eq!(read[0].interfaces.as_deref(), Some(&[Arc::from("eth0")][..]));
    assert_eq!((read[0].dns_latency_ms, read[0].time_flow_rtt_ns, read[1].bytes), (Some(12), Some(13), Some(1)));
    assert_eq!(fs::read(&db).unwrap(), before, "a file that is not ours is not touched");
}

#[test]
fn what_is_no_capture_is_said_in_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.json");
    let sqlite_of_others = dir.path().join("other.db");
    rusqlite::Connection::open(&sqlite_of_others).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    let cases: [(&[u8], &str); 9] = [
        (b"", "it is empty"),
        (b"hello", "it is neither JSON, SQLite, pcapng nor pcap"),
        (b"[1,2]", "it is not JSON at byte 1"),
        (b"{\"a\":1}", "its JSON objects are no flow records"),
        (b"[{\"a\":1},{\"b\":2}]", "its JSON objects are no flow records"),
        (&[0x0A, 0x0D, 0x0D, 0x0A, 0, 0, 0, 0, 0, 0, 0, 0, 0], "no block where one should begin, at byte 0"),
        (&[0xA1, 0xB2, 0xC3, 0xD4, 0], "its header is cut short"),
        (&fs::read(sqlite_of_others).unwrap(), "it has no table `flow` with columns of flow records"),
        (b"SQLite format 3\0 and then something else that is no page of a database", "damaged"),
    ];
    for (bytes, sentence) in cases {
        fs::write(&path, bytes).unwrap();
        let error = match open(&path) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("{sentence}: opened"),
        };
        assert!(error.contains(sentence) && error.starts_with(&path.display().to_string()), "{error}");
    }
    assert!(open(dir.path()).unwrap_err().to_string().ends_with("it is not a regular file"));
    assert!(open(Path::new("/nowhere")).unwrap_err().to_string().starts_with("cannot read /nowhere: "));
}

#[test]
fn records_before_a_damaged_place_are_given_first() {
    let (_dir, path, _) = capture(Mode::Flows, [data::flows(0, 0, 20)], "json");
    let mut bytes = fs::read(&path).unwrap();
    let comma = bytes.windows(3).rposition(|window| window == b",\n{").unwrap();
    bytes[comma] = b'x';
    fs::write(&path, bytes).unwrap();
    let results: Vec<_> = open(&path).unwrap().collect();
    assert_eq!(results.len(), 2);
    assert!(matches!(&results[0], Ok(batch) if crate::feed::data_count(&batch.body) == 19));
    assert!(results[1].as_ref().unwrap_err().to_string().contains("damaged"));
}

#[test]
fn the_reason_of_the_end_is_in_the_summary() {
    let dir = tempfile::tempdir().unwrap();
    let stop = flow::Stop::default();
    let started = crate::start(bench::options(data::config(Mode::Flows), dir.path()), stop.clone()).unwrap();
    stop.request(Reason::Time);
    let summary = started.collector.finish();
    let text = fs::read_to_string(summary.path.unwrap()).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["reason"], "--max-time is over");
}

#[test]
fn a_database_that_is_being_written_is_read_as_far_as_it_is_committed() {
    let dir = tempfile::tempdir().unwrap();
    let started = crate::start(bench::options(data::config(Mode::Flows), dir.path()), flow::Stop::default()).unwrap();
    let mut input = started.input;
    flow::Sink::deliver(&mut input, data::flows(0, 0, 30)).unwrap();
    let mut lost = data::batch(1, Body::None);
    lost.counters.lost_flow_packets = 5;
    flow::Sink::deliver(&mut input, lost).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1800));
    let path = started.status.snapshot().files[1].path.clone();
    assert_eq!(records(&path).len(), 30);
    assert_eq!(notices(&path), "");
    let connection = rusqlite::Connection::open(&path).unwrap();
    let query = "SELECT value FROM capture WHERE key = 'lost_flow_packets'";
    let told: i64 = connection.query_row(query, [], |row| row.get(0)).unwrap();
    assert_eq!(told, 5, "losses are noted without rows");
    drop(connection);
    let summary = started.collector.finish();
    assert_eq!((summary.files[1].written, &summary.files[1].error), (30, &None));
}
