//! `bench table`: how long a frame of the live table takes, data taken in and sorted, drawn and turned into bytes.
#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use collector::{
    tui::{Offscreen, Source, TableSetup},
    view::{Code, Key},
};
use flow::{Batch, Body, Counters, FlowBatch, FlowRecord, config::Mode};

/// A frame has to be done in this time.
const BUDGET: Duration = Duration::from_millis(16);
/// Longest time that the table works on data between two frames, as when it runs in a terminal.
const SLICE: Duration = Duration::from_millis(6);
const SECOND: u64 = 1_000_000_000;

/// How much to show.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Records a second.
    #[arg(long, default_value_t = 10_000)]
    rate: u64,
    /// Seconds of capture to measure, after the table is full.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Frames a second.
    #[arg(long, default_value_t = 15)]
    frames: u64,
}

/// What the user does meanwhile.
#[derive(Clone, Copy)]
enum Doing {
    /// Looks at the first rows.
    Looking,
    /// Has gone to the end, which needs the order of all rows.
    AtTheEnd,
    /// Types a filter, a letter a second.
    Typing,
}

/// Runs it.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    println!("frame = up to 6 ms of taking in records + sorting + drawing + bytes for the terminal; budget 16 ms");
    println!(
        "only frames with something to do count; processor time, and beside it the clock, which others' work slows"
    );
    println!(
        "{:>8} {:>8} {:>10} {:>7} {:>8} {:>8} {:>8} {:>9} {:>10} {:>7}",
        "rows", "screen", "user", "frames", "p50", "p99", "max", "p99/16ms", "clock p99", "bytes"
    );
    for rows in [10_000, 100_000] {
        for size in [(80, 24), (200, 50)] {
            for doing in [Doing::Looking, Doing::AtTheEnd, Doing::Typing] {
                measure(args, rows, size, doing)?;
            }
        }
    }
    Ok(())
}

fn measure(args: &Args, rows: u64, size: (u16, u16), doing: Doing) -> anyhow::Result<()> {
    let interval = Duration::from_secs(1);
    let mut setup = TableSetup::new(Mode::Flows, Source::Live { interval });
    setup.max_flows = rows as usize;
    let mut now = 1_700_000_000 * SECOND;
    let mut table = Offscreen::new(setup, size, now)?;
    let fill = rows.div_ceil(args.rate) + 1;
    let (mut times, mut clocks, mut bytes) = (Vec::new(), Vec::new(), 0);
    for second in 0..fill + args.seconds {
        let batch = Arc::new(batch(second, args.rate, rows, now));
        if second >= fill {
            press(&mut table, doing, second);
        }
        let mut came = Some(batch);
        for _ in 0..args.frames {
            now += SECOND / args.frames;
            table.at(now);
            let (start, cpu) = (Instant::now(), cpu_time());
            came.take().into_iter().for_each(|batch| table.receive(batch));
            table.work(|| start.elapsed() > SLICE);
            let sent = if table.is_due() { table.frame()?.len() } else { 0 };
            let (took, clock) = (cpu_time().saturating_sub(cpu), start.elapsed());
            if second >= fill && sent > 0 {
                times.push(took);
                clocks.push(clock);
                bytes += sent;
            }
        }
    }
    report(rows, size, doing, (&mut times, &mut clocks, bytes));
    Ok(())
}

fn press(table: &mut Offscreen, doing: Doing, second: u64) {
    let code = match doing {
        Doing::Looking => return,
        Doing::AtTheEnd => Code::End,
        Doing::Typing if second.is_multiple_of(8) => {
            table.key(Key::ctrl('u'));
            return;
        }
        Doing::Typing => Code::Char(if second.is_multiple_of(2) { '1' } else { '2' }),
    };
    table.key(Key::plain(code));
}

fn report(rows: u64, (width, height): (u16, u16), doing: Doing, (times, clocks, bytes): Frames<'_>) {
    times.sort_unstable();
    clocks.sort_unstable();
    let doing = match doing {
        Doing::Looking => "looks",
        Doing::AtTheEnd => "at the end",
        Doing::Typing => "types",
    };
    println!(
        "{rows:>8} {:>8} {doing:>10} {:>7} {:>6.2}ms {:>6.2}ms {:>6.2}ms {:>9.2} {:>8.2}ms {:>7}",
        format!("{width}x{height}"),
        times.len(),
        ms(times, 500),
        ms(times, 990),
        ms(times, 1000),
        ms(times, 990) / (BUDGET.as_secs_f64() * 1e3),
        ms(clocks, 990),
        bytes / times.len().max(1),
    );
}

/// Processor times, times by the clock, bytes sent.
type Frames<'a> = (&'a mut [Duration], &'a mut [Duration], usize);

/// The time that `part` of a thousand do not exceed, ms.
fn ms(sorted: &[Duration], part: usize) -> f64 {
    let at = (sorted.len() * part / 1000).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}

/// Processor time of this thread so far.
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is ours and lives through the call.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// One second: `count` records of flows that take turns, `flows` of them in all.
fn batch(sequence: u64, count: u64, flows: u64, now_ns: u64) -> Batch {
    let records =
        (sequence * count..(sequence + 1) * count).map(|number| record(number, number % flows, now_ns)).collect();
    Batch {
        node: Arc::from("bench"),
        sequence,
        time_ns: now_ns,
        counters: Counters::default(),
        interfaces: Vec::new(),
        interface_counts: Vec::new(),
        notices: Vec::new(),
        body: Body::Flows(FlowBatch { records, observations: Vec::new() }),
        ..Batch::default()
    }
}

fn record(number: u64, flow: u64, now_ns: u64) -> FlowRecord {
    let end = |net: u8| IpAddr::from([10, net, (flow >> 8) as u8, flow as u8]);
    // Multiplying by a large odd number scatters the rates, so that the order changes all the time.
    let bytes = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    FlowRecord {
        time_flow_start_ms: Some(now_ns / 1_000_000 - 1000),
        time_flow_end_ms: Some(now_ns / 1_000_000),
        net_ns: Some(Arc::from("blue")),
        interfaces: Some(Arc::from([Arc::from("eth0"), Arc::from("br0")])),
        if_directions: Some(Arc::from([0, 1])),
        flow_direction: Some(0),
        etype: Some(0x0800),
        src_addr: Some(end(1)),
        src_port: Some(1024 + (flow >> 16) as u16),
        dst_addr: Some(end(2)),
        dst_port: Some(443),
        proto: Some(6),
        dscp: Some(0),
        flags: Some(0x118),
        bytes: Some(bytes),
        packets: Some(bytes / 1000 + 1),
        ..FlowRecord::default()
    }
}
