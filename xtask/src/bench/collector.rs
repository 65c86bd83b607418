//! `bench collector`: records a second into JSON and SQLite together, packets a second into pcapng, on one core.

#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::path::PathBuf;

use anyhow::Context as _;
use collector::bench::{self, Took, data};
use flow::{Batch, config::Mode};

/// Goal: full-width records a second into JSON and SQLite together.
const GOAL: f64 = 100_000.0;

/// Records or packets of one batch.
const BATCH: u64 = 5000;

/// What to write, and where.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Flow records, every field of the schema filled.
    #[arg(long, default_value_t = 300_000)]
    records: u64,
    /// Packets.
    #[arg(long, default_value_t = 2_000_000)]
    packets: u64,
    /// Bytes of each packet.
    #[arg(long, default_value_t = 256)]
    length: usize,
    /// Core that everything runs on.
    #[arg(long, default_value_t = 0)]
    core: usize,
    /// Where the files are written, and removed again: a disk, as for a capture.
    #[arg(long, default_value = "target")]
    dir: PathBuf,
}

/// Runs it.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    pin(args.core)?;
    println!("one core (CPU {}), single thread, files in {}", args.core, args.dir.display());
    let flows: Vec<Batch> = (0..20).map(|n| data::flows(n, n * BATCH, BATCH)).collect();
    let took = measure(args, Mode::Flows, &flows, args.records)?;
    let rate = report("full-width records into JSON + SQLite", args.records, &took);
    println!("  goal {GOAL:.0}/s: {:.2} of it", rate / GOAL);
    println!("  indexes at close: {:.2} s", took.index.as_secs_f64());
    drop(flows);
    let packets: Vec<Batch> = (0..20).map(|n| data::packets(n, n * BATCH, BATCH, args.length)).collect();
    let took = measure(args, Mode::Packets, &packets, args.packets)?;
    report(&format!("packets of {} B into pcapng", args.length), args.packets, &took);
    Ok(())
}

/// Writes `batches` again and again until `count` is reached.
fn measure(args: &Args, mode: Mode, batches: &[Batch], count: u64) -> anyhow::Result<Took> {
    std::fs::create_dir_all(&args.dir)?;
    let dir = tempfile::tempdir_in(&args.dir)?;
    let batches = batches.iter().cycle().take(count.div_ceil(BATCH) as usize);
    bench::stores(dir.path(), data::config(mode), batches).context("writing")
}

/// Prints a result; returns the rate, by the clock.
fn report(what: &str, count: u64, took: &Took) -> f64 {
    let Took { write, cpu, bytes, .. } = took;
    let rate = count as f64 / write.as_secs_f64();
    println!("{what}: {count} in {:.2} s = {rate:.0}/s", write.as_secs_f64());
    println!(
        "  processor time {:.2} s = {:.2} µs each; {} B each in files, {:.0} MB/s",
        cpu.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / count as f64,
        bytes / count,
        *bytes as f64 / 1e6 / write.as_secs_f64()
    );
    rate
}

/// Keeps this thread, and those it starts, on one core.
fn pin(core: usize) -> anyhow::Result<()> {
    // SAFETY: a cpu_set_t is a bit mask, for which all zeroes is a value.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    anyhow::ensure!(core < libc::CPU_SETSIZE as usize, "there is no CPU {core}");
    // SAFETY: `core` lies within the set.
    unsafe { libc::CPU_SET(core, &mut set) };
    // SAFETY: the set lives through the call and its size is right; 0 is this thread.
    let result = unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()).context(format!("cannot pin to CPU {core}")) }
}
