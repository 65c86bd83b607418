use flow::{Reason, Sink as _, Stop, config::Mode};

use super::*;
use crate::{
    Options, Origin, Received, Started,
    bench::{data, options},
};

fn start(dir: &Path, mode: Mode) -> (Started, Stop) {
    let stop = Stop::default();
    let mut config = data::config(mode);
    config.limits.packets = Some(1_000_000);
    let options = Options {
        origin: Origin::Cluster,
        history_bytes: Options::HISTORY_BYTES,
        follow_bytes: Options::FOLLOW_BYTES,
        ..options(config, dir)
    };
    (crate::start(options, stop.clone()).unwrap(), stop)
}

/// A life that ends by a fault: what is in the directory at some moment is all that is left of it.
fn crash(from: &Path, to: &Path) {
    for folder in ["", "flow", "pcap"] {
        let _ = fs::create_dir(to.join(folder));
        for entry in fs::read_dir(from.join(folder)).into_iter().flatten().flatten() {
            if entry.path().is_file() {
                fs::copy(entry.path(), to.join(folder).join(entry.file_name())).unwrap();
            }
        }
    }
}

fn wait_for(what: impl Fn() -> bool) {
    let begun = Instant::now();
    while !what() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it does not come to pass");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn life_after_life(mode: Mode) {
    let (first_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let batch = |n: u64, count: u64| match mode {
        Mode::Flows => data::flows(n, n * 1000, count),
        Mode::Packets => data::packets(n, n * 1000, count, 100),
    };
    let (mut first, _) = start(first_dir.path(), mode);
    first.input.deliver(batch(0, 500)).unwrap();
    let written = || first.status.snapshot().files.iter().map(|file| file.written).min();
    wait_for(|| written() == Some(500));
    // Past the next state file.
    std::thread::sleep(EVERY + Duration::from_millis(600));
    let before = first.status.snapshot();
    crash(first_dir.path(), dir.path());
    assert!(finished(dir.path()).is_none());

    let (mut second, stop) = start(dir.path(), mode);
    second.input.deliver(batch(7, 300)).unwrap();
    let Received::Item(batch) = second.hub.view().recv_timeout(Duration::from_secs(5)) else { panic!() };
    assert!(batch.notices[0].starts_with("the collector was started again: 500 "), "{:?}", batch.notices);
    stop.request(Reason::User);
    let summary = second.collector.finish();
    let per_life = if mode == Mode::Flows { 2 } else { 1 };
    let earlier: Vec<_> = summary.files.iter().map(|file| (file.earlier, file.written)).collect();
    let expected = [vec![(true, 500); per_life], vec![(false, 300); per_life]].concat();
    assert_eq!(earlier, expected);
    assert_eq!(summary.counters.lost_sequence, 0, "the first batch of a life may bear any number");
    assert_eq!(summary.counters.lost_store, 0);
    assert_eq!(summary.counters.seen, data::flows(7, 0, 1).counters.seen, "an agent that lived on counted on");
    assert!(summary.packets > before.packets, "totals go on");
    assert!(summary.started < time_now());
    for file in summary.all_files() {
        assert_eq!(file.sha256, hash::of_file(&file.path).unwrap(), "{file:?}");
    }
    let known = finished(dir.path()).unwrap();
    assert_eq!(known.all_files(), summary.all_files());
    drop(first);
}

fn time_now() -> String {
    crate::about::time_text(crate::about::now_ns())
}

#[test]
fn flows_of_two_lives() {
    life_after_life(Mode::Flows);
}

#[test]
fn packets_of_two_lives() {
    life_after_life(Mode::Packets);
}

#[test]
fn what_was_in_memory_is_counted_and_limits_count_on() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("flow")).unwrap();
    fs::write(dir.path().join("flow/a.json"), "[\n{\"Packets\":5},\n{\"Packets\":2}\n]\n").unwrap();
    fs::write(dir.path().join("flow/empty.db"), "").unwrap();
    fs::write(dir.path().join(NAME), r#"{"started_ns":5,"life":2,"taken":10,"summary":null}"#).unwrap();
    let earlier = Earlier::find(dir.path(), Mode::Flows, 9);
    assert_eq!((earlier.saved.life, earlier.saved.started_ns), (3, 5));
    assert_eq!(earlier.files.len(), 1);
    assert!(!dir.path().join("flow/empty.db").exists());
    assert_eq!((earlier.records, earlier.packets, earlier.saved.own.lost_store), (2, 7, 8));
}
