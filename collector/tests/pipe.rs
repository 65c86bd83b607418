//! Standard output as a pipe: pcapng for Wireshark, lines for other programs, and readers that go away.
//!
//! The child is this test program itself, started again with `CHILD` in its environment; it ends by `exit`, so that the
//! test harness adds nothing to what it wrote (what it says at the start is skipped).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    env,
    io::{Read as _, Write as _},
    path::Path,
    process::{Child, Command, Stdio, exit},
    time::Duration,
};

use collector::{
    Format, Options, Stdout,
    bench::{self, data},
};
use flow::{Batch, Reason, Sink as _, Stop, config::Mode};

const CHILD: &str = "COLLECTOR_PIPE_TEST";

fn spawn(test: &str) -> Child {
    let args = [test, "--exact", "--nocapture"];
    Command::new(env::current_exe().unwrap()).args(args).env(CHILD, "1").stdout(Stdio::piped()).spawn().unwrap()
}

/// Captures `batches` to standard output only, or, without an end, until the reader has gone.
fn capture(mode: Mode, stdout: Stdout, batches: impl Iterator<Item = Batch>) -> ! {
    let stop = Stop::default();
    let options = Options { output_dir: None, stdout, ..bench::options(data::config(mode), Path::new("")) };
    let mut started = collector::start(options, stop.clone()).unwrap();
    for batch in batches {
        if stop.requested() || started.input.deliver(batch).is_err() {
            break;
        }
    }
    let summary = started.collector.finish();
    let lost = summary.counters.lost_store;
    exit(match stop.reason() {
        _ if lost > 0 => 4,
        None => 0,
        Some(Reason::BrokenPipe) => 3,
        Some(_) => 5,
    })
}

/// All that the child writes, from `mark` on, and its exit code.
fn read(mut child: Child, mark: &[u8]) -> (Vec<u8>, Option<i32>) {
    let mut bytes = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut bytes).unwrap();
    let start = bytes.windows(mark.len()).position(|window| window == mark).unwrap();
    (bytes.split_off(start), child.wait().unwrap().code())
}

#[test]
fn pcapng_through_a_pipe_is_read_by_tshark() {
    if env::var_os(CHILD).is_some() {
        capture(Mode::Packets, Stdout::Pcapng, (0..4).map(|n| data::packets(n, n * 100, 100, 200)));
    }
    let (bytes, code) = read(spawn("pcapng_through_a_pipe_is_read_by_tshark"), &[0x0A, 0x0D, 0x0D, 0x0A]);
    assert_eq!((code, collector::open::fuzz(&bytes)), (Some(0), 400));
    let tshark = Command::new("tshark").args(["-n", "-r", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut tshark) = tshark else {
        println!("SKIP: tshark is not installed");
        return;
    };
    tshark.stdin.take().unwrap().write_all(&bytes).unwrap();
    let output = tshark.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 400);
}

#[test]
fn each_batch_is_on_the_pipe_before_the_next() {
    if env::var_os(CHILD).is_some() {
        // The second batch never comes; what is read must be the first.
        let endless = std::iter::once(data::packets(0, 0, 3, 200)).chain(std::iter::repeat_with(|| {
            std::thread::sleep(Duration::from_mins(1));
            data::batch(9, flow::Body::None)
        }));
        capture(Mode::Packets, Stdout::Pcapng, endless);
    }
    let mut child = spawn("each_batch_is_on_the_pipe_before_the_next");
    let mut output = child.stdout.take().unwrap();
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    let packets = |bytes: &[u8]| {
        let start = bytes.windows(4).position(|window| window == [0x0A, 0x0D, 0x0D, 0x0A]);
        start.map_or(0, |start| collector::open::fuzz(&bytes[start..]))
    };
    while packets(&bytes) < 3 {
        let read = output.read(&mut chunk).unwrap();
        assert_ne!(read, 0, "the child has ended");
        bytes.extend_from_slice(&chunk[..read]);
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn json_lines_through_a_pipe_are_records() {
    if env::var_os(CHILD).is_some() {
        let lines = Stdout::Lines(Format::Json);
        capture(Mode::Flows, lines, (0..4).map(|n| data::flows(n, n * 100, 100)));
    }
    let (bytes, code) = read(spawn("json_lines_through_a_pipe_are_records"), b"{\"TimeFlowStartMs\"");
    let text = String::from_utf8(bytes).unwrap();
    let records: Vec<flow::FlowRecord> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((code, records.len()), (Some(0), 400));
    assert_eq!(records[399], data::full_record(399));
}

#[test]
fn a_reader_of_pcapng_that_goes_away_ends_the_capture_without_a_loss() {
    if env::var_os(CHILD).is_some() {
        capture(Mode::Packets, Stdout::Pcapng, (0..).map(|n| data::packets(n, n * 100, 100, 200)));
    }
    gone("a_reader_of_pcapng_that_goes_away_ends_the_capture_without_a_loss");
}

#[test]
fn a_reader_of_lines_that_goes_away_ends_the_capture_without_a_loss() {
    if env::var_os(CHILD).is_some() {
        capture(Mode::Flows, Stdout::Lines(Format::Wide), (0..).map(|n| data::flows(n, n * 100, 100)));
    }
    gone("a_reader_of_lines_that_goes_away_ends_the_capture_without_a_loss");
}

/// Reads a little, closes the pipe, and expects the child to end by itself.
fn gone(test: &str) {
    let mut child = spawn(test);
    let mut output = child.stdout.take().unwrap();
    output.read_exact(&mut [0; 1000]).unwrap();
    drop(output);
    assert_eq!(child.wait().unwrap().code(), Some(3));
}
