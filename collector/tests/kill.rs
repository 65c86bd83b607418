//! `kill -9` of a writing process at random moments: what is on disk is readable, at once or after it was opened.
//!
//! The child is this test program itself, started again with `CHILD` in its environment.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use collector::{
    bench::{self, data},
    open::open,
};
use flow::{Sink as _, Stop, config::Mode};
use serde::de::IgnoredAny;

const CHILD: &str = "COLLECTOR_KILL_TEST_DIR";
const ROUNDS: u64 = 20;

/// Starts a child that captures into `dir` until it is killed.
fn spawn(test: &str, dir: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(CHILD, dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The child's life: batches as fast as the stores take them.
fn capture_until_killed(mode: Mode, dir: &Path) {
    let started = collector::start(bench::options(data::config(mode), dir), Stop::default()).unwrap();
    let mut input = started.input;
    // Making up data takes longer than writing it.
    let batch = match mode {
        Mode::Flows => data::flows(0, 0, 500),
        Mode::Packets => data::packets(0, 0, 2000, 256),
    };
    for sequence in 0.. {
        input.deliver(flow::Batch { sequence, ..batch.clone() }).unwrap();
    }
}

/// Kills `ROUNDS` children, each a little later after its file is there, and gives their files to `check`.
fn rounds(test: &str, extension: &str, mut check: impl FnMut(PathBuf)) {
    for round in 0..ROUNDS {
        let dir = tempfile::tempdir().unwrap();
        let mut child = spawn(test, dir.path());
        let path = wait_for(dir.path(), extension);
        // Between 0.3 and 0.7 s, spread without a pattern.
        thread::sleep(Duration::from_millis(300 + round * 7919 % 400));
        child.kill().unwrap();
        child.wait().unwrap();
        check(path);
    }
}

fn wait_for(dir: &Path, extension: &str) -> PathBuf {
    loop {
        for folder in ["flow", "pcap"] {
            let entries = fs::read_dir(dir.join(folder)).into_iter().flatten().flatten();
            let mut paths = entries.map(|entry| entry.path());
            if let Some(path) = paths.find(|path| path.extension().is_some_and(|found| found == extension)) {
                return path;
            }
        }
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn flows_survive_kill_9() {
    if let Some(dir) = env::var_os(CHILD) {
        return capture_until_killed(Mode::Flows, Path::new(&dir));
    }
    let (mut whole, mut rows) = (0, 0);
    rounds("flows_survive_kill_9", "json", |json| {
        whole += u32::from(check_json(&json));
        rows += check_sqlite(&json.with_extension("db"));
    });
    println!("{whole} of {ROUNDS} JSON files needed no repair; {rows} rows in all");
    assert!(rows > 0, "the children wrote something");
}

/// True if the file was whole without repair.
fn check_json(path: &Path) -> bool {
    let parse = || serde_json::from_slice::<Vec<IgnoredAny>>(&fs::read(path).unwrap());
    let direct = parse().is_ok();
    let opened = open(path).unwrap();
    assert_eq!(opened.notices.is_empty(), direct, "repair happens, and is told, where it is needed");
    let read: usize = opened.map(|batch| count(&batch.unwrap())).sum();
    assert_eq!(parse().unwrap().len(), read);
    direct
}

fn check_sqlite(path: &Path) -> usize {
    let connection = rusqlite::Connection::open(path).unwrap();
    let verdict: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    let rows: i64 = connection.query_row("SELECT COUNT(*) FROM flow", [], |row| row.get(0)).unwrap();
    let told: i64 = connection.query_row("SELECT value FROM capture WHERE key = 'rows'", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, told, "the table `capture` is of the same transaction");
    drop(connection);
    let opened = open(path).unwrap();
    assert_eq!(opened.map(|batch| count(&batch.unwrap())).sum::<usize>(), rows as usize);
    assert!(open(path).unwrap().notices.is_empty(), "mended once");
    rows as usize
}

#[test]
fn packets_survive_kill_9() {
    if let Some(dir) = env::var_os(CHILD) {
        return capture_until_killed(Mode::Packets, Path::new(&dir));
    }
    let tshark = Command::new("tshark").arg("--version").output().is_ok();
    if !tshark {
        println!("SKIP: tshark is not installed");
    }
    let mut whole = 0;
    rounds("packets_survive_kill_9", "pcapng", |path| {
        let opened = open(&path).unwrap();
        whole += u32::from(opened.notices.is_empty());
        let read: usize = opened.map(|batch| count(&batch.unwrap())).sum();
        if tshark {
            // capinfos reads all of the file and fails where a block is cut, as tshark does, in a tenth of the time.
            let output = Command::new("capinfos").args(["-c", "-M", "-T", "-r"]).arg(&path).output().unwrap();
            assert!(output.status.success() && !String::from_utf8_lossy(&output.stderr).contains("cut short"));
            let text = String::from_utf8(output.stdout).unwrap();
            assert_eq!(text.trim().rsplit('\t').next().unwrap(), read.to_string(), "{text}");
        }
    });
    println!("{whole} of {ROUNDS} pcapng files needed no repair");
}

fn count(batch: &flow::Batch) -> usize {
    match &batch.body {
        flow::Body::Flows(flows) => flows.records.len(),
        flow::Body::Packets(packets) => packets.packets.len(),
        flow::Body::None => 0,
    }
}
