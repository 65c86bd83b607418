//! `bench storm`: new flows of one packet each at a steady rate; where each packet ended up, and what it cost.

#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use lab::{Capture, Finished, Pair, RawSocket, raw, topology::MAC_NOBODY};

use super::program;

/// What to send.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// New flows a second
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 40_000, 80_000, 120_000])]
    rates: Vec<u32>,
    /// Seconds at each rate
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// More options of the capture
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    options: String,
    /// Executable to measure, else a release build
    #[arg(long)]
    program: Option<PathBuf>,
}

/// Runs it.
pub(crate) fn run(args: &Args) -> Result<()> {
    let program = program::get(args.program.as_ref())?.display().to_string();
    let _turn = lab::need::alone()?;
    println!("one-packet flows, {} s each, options {:?}", args.seconds, args.options);
    println!(
        "{:>8} {:>9} {:>9} {:>9} {:>7} {:>9} {:>9} {:>7} {:>7}",
        "flows/s", "sent", "recorded", "lost", "%", "fallback", "RSS peak", "CPU s", "close s"
    );
    let mut exact = true;
    for rate in &args.rates {
        exact &= one(args, &program, *rate)?;
    }
    ensure!(exact, "records and admitted losses are not what was sent");
    Ok(())
}

/// One rate; whether the sum is exact.
fn one(args: &Args, program: &str, rate: u32) -> Result<bool> {
    let pair = Pair::new(91)?;
    pair.silence()?;
    let capture =
        Capture::new(program, "flows").of(&pair.a, "a0").args("--max-bytes 4GB --max-time 0").args(&args.options);
    let running = capture.start()?;
    let socket = RawSocket::open(&pair.a, "a0")?;
    let frame = lab::Ends { target_mac: MAC_NOBODY, ..pair.ends4() }.udp((0, 53), &[0; 18]);
    let sent = raw::paced(&socket, &frame, u64::from(rate) * args.seconds, Some(rate), |number, frame| {
        let number = number.to_be_bytes();
        frame[27..30].copy_from_slice(&number[3..6]);
        frame[34..36].copy_from_slice(&number[6..]);
    })?;
    let (peak, cpu) = (status(running.id(), "VmHWM:")?, cpu(running.id())?);
    let finished = running.stop()?;
    let (kept, lost) = accounted(&finished)?;
    let percent = kept as f64 * 100.0 / sent.frames as f64;
    let close = finished.files.summary()?["close_s"].as_f64().unwrap_or_default();
    let fallback = finished.files.counter("fallback")?;
    let achieved = sent.rate();
    println!(
        "{achieved:>8.0} {:>9} {kept:>9} {lost:>9} {percent:>7.2} {fallback:>9} {:>6} MB {cpu:>7.1} {close:>7.1}",
        sent.frames,
        peak / 1024
    );
    Ok(kept + lost == sent.frames)
}

fn accounted(finished: &Finished) -> Result<(u64, u64)> {
    let files = &finished.files;
    let kept = files.query("SELECT IFNULL(SUM(Packets), 0) FROM flow WHERE DstPort = 53")?.parse()?;
    let lost = ["lost_flow_packets", "lost_unreadable", "lost_queue", "lost_store"].map(|name| files.counter(name));
    Ok((kept, lost.into_iter().sum::<Result<u64>>()?))
}

/// A line of /proc/PID/status in kB.
fn status(pid: u32, key: &str) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let value = text.lines().find_map(|line| line.strip_prefix(key)).context("status")?;
    Ok(value.trim().trim_end_matches(" kB").parse()?)
}

/// Processor time so far, s: utime and stime of /proc/PID/stat, which counts in 1/100 s.
fn cpu(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().context("stat")?.split_whitespace().collect();
    let ticks: f64 = fields.get(11..13).context("stat")?.iter().filter_map(|field| field.parse::<f64>().ok()).sum();
    Ok(ticks / 100.0)
}
