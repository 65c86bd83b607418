//! No room for what is to be written: the capture ends by itself, says why, counts what is missing, and leaves files
//! that read well.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{env, fs, path::Path, process::Command};

use collector::{
    Started, Summary,
    bench::{self, data},
};
use flow::{FlowRecord, Reason, Sink as _, Stop, config::Mode};

const CHILD: &str = "COLLECTOR_FULL_TEST_DIR";

/// Captures `count` batches; stops delivering when the end is requested, as an agent does.
fn capture(mode: Mode, dir: &Path, count: u64) -> (Summary, u64, Stop) {
    let stop = Stop::default();
    let Started { mut input, collector, .. } =
        collector::start(bench::options(data::config(mode), dir), stop.clone()).unwrap();
    let mut delivered = 0;
    for n in 0..count {
        if stop.requested() {
            break;
        }
        let batch = match mode {
            Mode::Flows => data::flows(n, n * 200, 200),
            Mode::Packets => data::packets(n, n * 200, 200, 512),
        };
        input.deliver(batch).unwrap();
        delivered += 200;
    }
    (collector.finish(), delivered, stop)
}

fn check_reason(stop: &Stop, expected: &str) {
    let Some(Reason::Failed(what)) = stop.reason() else { panic!("{:?}", stop.reason()) };
    assert!(what.starts_with("cannot write ") && what.contains(expected), "{what}");
}

fn check_flows(summary: &Summary, delivered: u64) {
    let [json, db] = &summary.files[..] else { panic!("{:?}", summary.files) };
    let records: Vec<FlowRecord> = serde_json::from_slice(&fs::read(&json.path).unwrap()).unwrap();
    assert_eq!(records.len() as u64, json.written);
    assert_eq!(fs::metadata(&json.path).unwrap().len(), json.bytes);
    let connection = rusqlite::Connection::open(&db.path).unwrap();
    let verdict: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    let rows: i64 = connection.query_row("SELECT COUNT(*) FROM flow", [], |row| row.get(0)).unwrap();
    assert_eq!((verdict.as_str(), rows as u64), ("ok", db.written));
    let least = summary.files.iter().filter(|file| file.error.is_some()).map(|file| file.written).min().unwrap();
    assert_eq!(summary.counters.lost_store, delivered - least, "lost is what is missing from the shortest file");
    for file in summary.files.iter().filter(|file| file.error.is_none()) {
        assert_eq!(file.written, delivered, "{file:?}");
    }
}

/// Files may not grow beyond `bytes`; writing further is an error, not a signal.
fn limit_file_size(bytes: u64) {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    // SAFETY: `limit` lives through the call; ignoring a signal has no handler to be unsound.
    unsafe {
        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit), 0);
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}

/// Runs `test` again in a process of its own; true in the parent.
fn in_child(test: &str) -> bool {
    if env::var_os(CHILD).is_some() {
        return false;
    }
    let dir = tempfile::tempdir().unwrap();
    let args = [test, "--exact", "--nocapture"];
    let output = Command::new(env::current_exe().unwrap()).args(args).env(CHILD, dir.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    true
}

#[test]
fn flows_when_a_file_may_not_grow() {
    if in_child("flows_when_a_file_may_not_grow") {
        return;
    }
    limit_file_size(1_000_000);
    let (summary, delivered, stop) = capture(Mode::Flows, Path::new(&env::var_os(CHILD).unwrap()), 100);
    check_reason(&stop, ".json: File too large");
    check_flows(&summary, delivered);
}

#[test]
fn packets_when_a_file_may_not_grow() {
    if in_child("packets_when_a_file_may_not_grow") {
        return;
    }
    limit_file_size(1_000_000);
    let (summary, delivered, stop) = capture(Mode::Packets, Path::new(&env::var_os(CHILD).unwrap()), 100);
    check_reason(&stop, ".pcapng: File too large");
    let file = &summary.files[0];
    assert_eq!(summary.counters.lost_store, delivered - file.written);
    let opened = collector::open::open(&file.path).unwrap();
    assert!(opened.notices.is_empty(), "it ends at the end of a block: {:?}", opened.notices);
    let read: usize = opened
        .map(|batch| match batch.unwrap().body {
            flow::Body::Packets(packets) => packets.packets.len(),
            _ => 0,
        })
        .sum();
    assert_eq!(read as u64, file.written);
}

#[test]
fn flows_when_the_disk_is_full() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().to_str().unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "none", target]).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        println!("SKIP: a small file system cannot be mounted here (needs root)");
        return;
    }
    let (summary, delivered, stop) = capture(Mode::Flows, dir.path(), 100);
    let checked = std::panic::catch_unwind(|| {
        check_reason(&stop, "");
        check_flows(&summary, delivered);
    });
    assert!(Command::new("umount").arg(target).status().unwrap().success());
    checked.unwrap();
}

#[test]
fn max_bytes_ends_the_capture_near_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = data::config(Mode::Packets);
    config.limits.bytes = Some(3_000_000);
    let stop = Stop::default();
    let mut started = collector::start(bench::options(config, dir.path()), stop.clone()).unwrap();
    for n in 0..20 {
        started.input.deliver(data::packets(n, n * 2000, 2000, 1000)).unwrap();
    }
    let summary = started.collector.finish();
    assert_eq!(stop.reason(), Some(Reason::Bytes));
    let file = &summary.files[0];
    assert!((3_000_000..4_200_000).contains(&file.bytes), "{file:?}");
    assert_eq!(file.written + summary.counters.past_limit, 40_000, "every packet is written or counted");
    assert_eq!(summary.counters.lost_store, 0);
}
