//! Every way in which a capture ends, and what it leaves behind.

use std::{
    fs,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use lab::{Capture, Pair, need, needs, netns::run, sockets};

use super::traffic;
use crate::{flows, packets};

/// What is attached to `a0`, in the words of bpftool and tc, and the number of TCX programs.
fn attached(pair: &Pair) -> String {
    let net = need::output_of(pair.a.command("bpftool").arg("net")).unwrap();
    let mut words = net.lines().filter(|line| line.contains("a0")).collect::<Vec<_>>().join("\n");
    for direction in ["ingress", "egress"] {
        words += &need::output_of(pair.a.command("tc").args(["filter", "show", "dev", "a0", direction])).unwrap();
    }
    words += &need::output_of(pair.a.command("tc").args(["qdisc", "show", "dev", "a0"])).unwrap();
    format!("{words}TCX programs: {:?}", need::tcx_programs(&pair.a, "a0").unwrap())
}

fn clean(pair: &Pair, before: &str) {
    let after = attached(pair);
    assert_eq!(after, before, "something is left");
}

/// Traffic until `end` says that it is enough.
fn traffic_until(pair: &Pair, mut end: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_mins(1);
    while !end() {
        assert!(Instant::now() < limit, "the capture did not end by itself");
        sockets::ping(&pair.a, pair.v4(2), 3).unwrap();
    }
}

/// A capture that ends by itself, its files whole.
fn ends_by_itself(net: u8, capture: impl Fn(&Pair) -> Capture) -> lab::Finished {
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(net).unwrap();
    let before = attached(&pair);
    let running = capture(&pair).start().unwrap();
    let pid = running.id();
    let ended = || fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "));
    traffic_until(&pair, ended);
    let finished = running.wait().unwrap();
    assert_eq!(finished.status.code(), Some(0), "{:?}", finished.stderr);
    clean(&pair, &before);
    finished
}

#[test]
fn the_time_limit_ends_a_capture_without_traffic() {
    needs!("bpftool", "tc", "ethtool");
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(70).unwrap();
    pair.silence().unwrap();
    let before = attached(&pair);
    let start = Instant::now();
    let finished = flows().of(&pair.a, "a0").args("--max-time 2s").start().unwrap().wait().unwrap();
    assert_eq!(finished.status.code(), Some(0), "{:?}", finished.stderr);
    let limit = Duration::from_secs(if need::is_short() { 30 } else { 6 });
    assert!((Duration::from_secs(2)..limit).contains(&start.elapsed()), "{:?}", start.elapsed());
    assert_eq!(finished.files.records().unwrap().len(), 0);
    clean(&pair, &before);
}

#[test]
fn the_packet_limit_is_exact_in_packets() {
    needs!("bpftool", "tc", "ethtool", "ping");
    let finished = ends_by_itself(71, |pair| packets().of(&pair.a, "a0").args("--max-packets 10 --protocol=ICMP"));
    assert_eq!(finished.files.packets().unwrap().packets.len(), 10);
}

#[test]
fn the_byte_limit_is_kept_by_the_files() {
    needs!("bpftool", "tc", "ethtool", "ping", "sqlite3");
    let finished =
        ends_by_itself(72, |pair| flows().of(&pair.a, "a0").args("--max-bytes 200KB --cache-active-timeout 100ms"));
    let sizes = [finished.files.json(), finished.files.db()].map(|path| fs::metadata(path.unwrap()).unwrap().len());
    assert!(sizes.iter().sum::<u64>() < 300_000, "{sizes:?}");
    finished.files.records().unwrap();
    assert_eq!(finished.files.query("PRAGMA integrity_check").unwrap(), "ok");
}

#[test]
fn signals_close_the_files_and_detach() {
    needs!("bpftool", "tc", "ethtool", "ping", "sqlite3");
    let _turn = need::beside_others().unwrap();
    for (attach, signal) in
        [("tc", libc::SIGTERM), ("any", libc::SIGINT), ("any", libc::SIGTERM), ("any", libc::SIGHUP)]
    {
        let pair = Pair::new(73).unwrap();
        let before = attached(&pair);
        let capture = flows().of(&pair.a, "a0").args("--tc-attach").arg(attach).start().unwrap();
        assert_ne!(attached(&pair), before, "nothing was attached");
        sockets::ping(&pair.a, pair.v4(2), 3).unwrap();
        traffic::settle();
        capture.signal(signal);
        let finished = capture.wait().unwrap();
        assert_eq!(finished.status.code(), Some(0), "{:?}", finished.stderr);
        assert!(!finished.files.records().unwrap().is_empty());
        assert_eq!(finished.files.query("PRAGMA integrity_check").unwrap(), "ok");
        let left = fs::read_dir(finished.files.db().unwrap().parent().unwrap()).unwrap();
        let names: Vec<_> = left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert!(names.iter().all(|name| !name.ends_with("-wal") && !name.ends_with("-shm")), "{names:?}");
        clean(&pair, &before);
    }
}

#[test]
fn what_others_put_there_stays() {
    needs!("bpftool", "tc", "ethtool", "ping");
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(74).unwrap();
    let filter = "filter add dev a0 ingress pref 7 handle 0x1 bpf da bytecode";
    run(pair.a.command("tc").args(["qdisc", "add", "dev", "a0", "clsact"])).unwrap();
    // A classic program of one instruction: return 0, no match.
    run(pair.a.command("tc").args(filter.split(' ')).arg("1,6 0 0 0")).unwrap();
    let before = attached(&pair);
    assert!(before.contains("clsact") && before.contains("pref 7"), "{before}");
    for attach in ["tc", "any"] {
        let capture = flows().of(&pair.a, "a0").args("--tc-attach").arg(attach).start().unwrap();
        let during = attached(&pair);
        assert!(during.contains("pref 7") && during != before, "{during}");
        sockets::ping(&pair.a, pair.v4(2), 2).unwrap();
        traffic::settle();
        assert!(!capture.stop().unwrap().files.records().unwrap().is_empty());
        clean(&pair, &before);
    }
}

#[test]
fn a_killed_capture_leaves_readable_files_and_its_successor_clears_up() {
    needs!("bpftool", "tc", "ethtool", "ping", "sqlite3");
    let _turn = need::beside_others().unwrap();
    for (attach, net) in [("any", 75), ("tc", 76)] {
        let pair = Pair::new(net).unwrap();
        let before = attached(&pair);
        let capture =
            flows().of(&pair.a, "a0").args("--cache-active-timeout 100ms --tc-attach").arg(attach).start().unwrap();
        sockets::ping(&pair.a, pair.v4(2), 20).unwrap();
        thread::sleep(Duration::from_secs(3));
        capture.signal(libc::SIGKILL);
        let killed = capture.wait().unwrap();
        assert_eq!(killed.files.query("PRAGMA integrity_check").unwrap(), "ok");
        let rows: u64 = killed.files.query("SELECT COUNT(*) FROM flow").unwrap().parse().unwrap();
        assert!(rows > 0, "no rows");
        for path in [killed.files.db().unwrap(), killed.files.json().unwrap()] {
            let seen = view(path, "json");
            assert!(seen.lines().count() > 0 && seen.contains("10."), "{}: {seen}", path.display());
        }
        // `view` has repaired it: one whole array.
        assert!(!killed.files.records().unwrap().is_empty());
        if attach == "any" && need::kernel() >= (6, 6) {
            clean(&pair, &before);
        }
        let next = flows().of(&pair.a, "a0").args("--tc-attach").arg(attach).start().unwrap();
        sockets::ping(&pair.a, pair.v4(2), 2).unwrap();
        traffic::settle();
        next.stop().unwrap();
        clean(&pair, &before);
    }
}

#[test]
fn a_killed_packet_capture_reads_in_tshark_after_view() {
    needs!("tshark", "ethtool", "ping");
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(77).unwrap();
    let capture = packets().of(&pair.a, "a0").start().unwrap();
    sockets::ping(&pair.a, pair.v4(2), 20).unwrap();
    thread::sleep(Duration::from_secs(2));
    capture.signal(libc::SIGKILL);
    let killed = capture.wait().unwrap();
    let path = killed.files.pcapng().unwrap();
    // Torn in the middle of a block, as a power cut leaves it.
    let length = fs::metadata(path).unwrap().len();
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(length - 5).unwrap();
    assert!(view(path, "wide").contains("10.77.0.1"));
    let tshark = Command::new("tshark").args(["-n", "-r"]).arg(path).args(["-Y", "icmp"]).output().unwrap();
    assert!(tshark.status.success(), "{tshark:?}");
    let lines = String::from_utf8_lossy(&tshark.stdout).lines().count();
    assert!((30..=40).contains(&lines), "{lines} of 40 packets");
}

/// What `view` writes of a file, without root's help.
fn view(path: &std::path::Path, format: &str) -> String {
    let program = std::env::var("OC_NETOBSERV_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_oc-netobserv").into());
    let output = Command::new(program).arg("view").arg(path).args(["-o", format]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
