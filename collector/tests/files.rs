//! What we write, read by the programs that users read it with: jq, sqlite3, tshark, capinfos, editcap, mergecap.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use collector::{
    Summary,
    bench::{self, data},
};
use flow::{Batch, Body, Interface, InterfaceCounts, LinkType, Packet, PacketBatch, Sink as _, Stop, config::Mode};
use tempfile::TempDir;

/// Whether `tool` is here; says loudly if not.
fn has(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok();
    if !found {
        println!("SKIP: {tool} is not installed");
    }
    found
}

/// Runs a program that must succeed and say nothing on standard error.
fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let errors: Vec<_> = errors.lines().filter(|line| !line.starts_with("Running as user")).collect();
    assert!(output.status.success(), "{program} {args:?}: {errors:?}");
    assert!(errors.is_empty(), "{program} {args:?}: {errors:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn capture(mode: Mode, batches: Vec<Batch>) -> (TempDir, Summary) {
    let dir = tempfile::tempdir().unwrap();
    let mut config = data::config(mode);
    config.rules.push(flow::Rule { protocol: Some(17), ..flow::Rule::default() });
    let started = collector::start(bench::options(config, dir.path()), Stop::default()).unwrap();
    let mut input = started.input;
    for batch in batches {
        input.deliver(batch).unwrap();
    }
    (dir, started.collector.finish())
}

fn path(summary: &Summary, extension: &str) -> String {
    let found = summary.files.iter().find(|file| file.path.extension().unwrap() == extension);
    found.unwrap().path.to_str().unwrap().to_owned()
}

#[test]
fn jq_reads_the_json() {
    if !has("jq") {
        return;
    }
    let (_dir, summary) = capture(Mode::Flows, vec![data::flows(0, 0, 3000), data::flows(1, 3000, 1)]);
    assert_eq!(
        run("jq", &["length, .[2].DstPort, (.[0] | has(\"id\"))", &path(&summary, "json")]),
        "3001\n443\nfalse\n"
    );
    let (_dir, empty) = capture(Mode::Flows, vec![]);
    assert_eq!(run("jq", &["length", &path(&empty, "json")]), "0\n");
}

#[test]
fn sqlite3_runs_the_incumbents_query_and_the_views() {
    if !has("sqlite3") {
        return;
    }
    let (_dir, summary) = capture(Mode::Flows, vec![data::flows(0, 0, 3000)]);
    let db = path(&summary, "db");
    let query = "SELECT DnsLatencyMs, DnsFlagsResponseCode, DnsId, DstAddr, DstPort, Interface, Proto, SrcAddr, SrcPort, \
        Bytes, Packets FROM flow WHERE DnsLatencyMs > 10 LIMIT 1";
    assert_eq!(
        run("sqlite3", &[&db, query]),
        "11|dnsflagsresponsecode-11|11|10.128.0.10|443|eth0|11|10.128.0.11|32779|16500|12\n"
    );
    assert_eq!(
        run("sqlite3", &[&db, "PRAGMA integrity_check; PRAGMA journal_mode; PRAGMA user_version"]),
        "ok\ndelete\n1\n"
    );
    assert_eq!(run("sqlite3", &[&db, "SELECT COUNT(*) FROM drops; SELECT COUNT(*) FROM dns"]), "2985\n3000\n");
    assert_eq!(
        run("sqlite3", &[&db, "SELECT value FROM capture WHERE key IN ('ended', 'rows') ORDER BY key"]),
        "done\n3000\n"
    );
    let plan = run("sqlite3", &[&db, "EXPLAIN QUERY PLAN SELECT 1 FROM flow WHERE SrcAddr = '10.0.0.1'"]);
    assert!(plan.contains("flow_src"), "{plan}");
    assert!(!PathBuf::from(format!("{db}-wal")).exists(), "one file at the end");
}

#[test]
fn a_conversation_is_one_row_and_its_client_is_who_sent_the_syn() {
    if !has("sqlite3") {
        return;
    }
    let record = |src: &str, sport, dst: &str, dport, flags, bytes| flow::FlowRecord {
        src_addr: src.parse().ok(),
        dst_addr: dst.parse().ok(),
        src_port: Some(sport),
        dst_port: Some(dport),
        proto: Some(6),
        flags: Some(flags),
        bytes: Some(bytes),
        packets: Some(1),
        ..flow::FlowRecord::default()
    };
    let records = vec![
        // The server has the higher port, and only the handshake tells.
        record("10.0.0.9", 1000, "10.0.0.1", 8080, 0x02, 60),
        record("10.0.0.1", 8080, "10.0.0.9", 1000, 0x112, 70),
        record("10.0.0.9", 1000, "10.0.0.1", 8080, 0x10, 1),
        // No handshake: the lower port is the server.
        record("10.0.0.1", 443, "10.0.0.2", 50000, 0x18, 500),
        record("10.0.0.2", 50000, "10.0.0.1", 443, 0x10, 5),
    ];
    let flows = flow::FlowBatch { records, observations: Vec::new() };
    let (_dir, summary) = capture(Mode::Flows, vec![data::batch(0, Body::Flows(flows))]);
    let query = "SELECT ClientAddr, ClientPort, ServerAddr, ServerPort, BytesToServer, BytesToClient FROM conversations \
        ORDER BY ServerPort";
    let rows = run("sqlite3", &[&path(&summary, "db"), query]);
    assert_eq!(rows, "10.0.0.2|50000|10.0.0.1|443|5|500\n10.0.0.9|1000|10.0.0.1|8080|61|70\n");
}

#[test]
fn observations_refer_to_their_records() {
    if !has("sqlite3") {
        return;
    }
    let mut batch = data::flows(0, 0, 600);
    let Body::Flows(flows) = &mut batch.body else { unreachable!() };
    for record in [599, 3, 300] {
        flows.observations.push(flow::Observation {
            record,
            node: None,
            netns: "blue".into(),
            interface: "eth0".into(),
            direction: 1,
            bytes: record as u64,
            packets: 1,
        });
    }
    let (_dir, summary) = capture(Mode::Flows, vec![data::flows(0, 0, 1), Batch { sequence: 1, ..batch }]);
    let query = "SELECT o.bytes, f.id FROM observation o JOIN flow f ON f.id = o.record ORDER BY 2";
    assert_eq!(run("sqlite3", &[&path(&summary, "db"), query]), "3|5\n300|302\n599|601\n");
}

/// Two interfaces, the second of which comes later and has no Ethernet header, and losses.
fn mixed() -> Vec<Batch> {
    let mut first = data::packets(0, 0, 500, 128);
    first.interface_counts.push(InterfaceCounts { interface: 0, delivered: 500, lost: 3 });
    let bytes = [0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0x66, 0xcf, 10, 0, 0, 1, 10, 0, 0, 2, 0, 53, 4, 0, 0, 8, 0, 0];
    let packet =
        |time_ns| Packet { time_ns, interface: 1, len: 28, caplen: 28, offset: 0, direction: 1, ..Packet::default() };
    let body = PacketBatch {
        data: bytes.to_vec(),
        packets: vec![packet(1_782_123_073_000_000_007)],
        drops: Vec::new(),
        ..PacketBatch::default()
    };
    let mut second = data::batch(1, Body::Packets(body));
    let (netns, name) = ("blue".into(), "wg0".into());
    second.interfaces.push(Interface {
        id: 1,
        netns,
        index: 9,
        name,
        link_type: LinkType::RawIp,
        ..Interface::default()
    });
    vec![first, second]
}

#[test]
fn wiresharks_programs_read_the_pcapng_without_a_warning() {
    if !has("tshark") || !has("capinfos") || !has("editcap") || !has("mergecap") {
        return;
    }
    let (dir, summary) = capture(Mode::Packets, mixed());
    let file = path(&summary, "pcapng");
    let fields =
        ["frame.time_epoch", "frame.interface_name", "frame.packet_flags_direction", "frame.drop_count", "udp.srcport"];
    let mut args = vec!["-n", "-r", &file, "-T", "fields"];
    for field in fields {
        args.extend(["-e", field]);
    }
    let text = run("tshark", &args);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 501);
    assert!(lines[0].starts_with("1782123072.000000001\teth0\t0x00000001\t3\t40000"), "{}", lines[0]);
    assert_eq!(lines[500], "1782123073.000000007\twg0@blue\t0x00000002\t\t53");
    assert_eq!(run("tshark", &["-n", "-r", &file, "-Y", "_ws.malformed || ip.checksum.status == 0"]), "");
    let infos = run("capinfos", &[&file]);
    for expected in [
        "Number of packets:   501",
        "oc-netobserv",
        "Filter string = --action=Accept --protocol=17",
        "nanoseconds (9)",
        "Name = wg0@blue",
    ] {
        assert!(infos.contains(expected), "no `{expected}` in {infos}");
    }
    let copy = dir.path().join("copy.pcapng");
    run("editcap", &[&file, copy.to_str().unwrap()]);
    run("mergecap", &["-w", copy.to_str().unwrap(), &file, &file]);
    assert_eq!(run("tshark", &["-n", "-r", copy.to_str().unwrap()]).lines().count(), 1002);
}

#[test]
fn another_reader_agrees_block_by_block() {
    let (_dir, summary) = capture(Mode::Packets, mixed());
    let file = std::fs::File::open(path(&summary, "pcapng")).unwrap();
    let mut reader = pcap_file::pcapng::PcapNgReader::new(file).unwrap();
    let mut kinds = std::collections::BTreeMap::new();
    while let Some(block) = reader.next_block() {
        let kind = match block.unwrap() {
            pcap_file::pcapng::Block::EnhancedPacket(_) => "packet",
            pcap_file::pcapng::Block::InterfaceDescription(_) => "interface",
            pcap_file::pcapng::Block::InterfaceStatistics(_) => "statistics",
            _ => "other",
        };
        *kinds.entry(kind).or_insert(0) += 1;
    }
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), [("interface", 2), ("packet", 501), ("statistics", 2)]);
}

#[test]
fn the_summary_lists_the_files_with_their_sizes() {
    let (dir, summary) = capture(Mode::Packets, mixed());
    let text = std::fs::read(summary.path.as_ref().unwrap()).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let size = Path::new(&path(&summary, "pcapng")).metadata().unwrap().len();
    assert_eq!((&value["files"][0]["bytes"], &value["files"][0]["written"]), (&size.into(), &501.into()));
    assert_eq!((&value["packets"], &value["nodes"][0]), (&501.into(), &"bench".into()));
    assert!(summary.path.unwrap().starts_with(dir.path().join("pcap")));
}
