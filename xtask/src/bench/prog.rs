//! `cargo xtask bench prog`: what one packet costs, by BPF_PROG_TEST_RUN, for each shape of packet and each way through the
//! programs; with `--peer`, the same packets through a program that something else has loaded.
//!
//! Owns the table. What is loaded is in `subject`, the packets in `shape`, the system calls in `sys`.
#![expect(clippy::print_stdout, reason = "a command that talks to people on a terminal")]

mod features;
mod shape;
mod subject;
mod sys;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use self::{
    shape::shapes,
    subject::{Case, Subject},
    sys::Program,
};

/// Arguments of `bench prog`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Also measure an already loaded program of this name, as it is, and print the ratio.
    #[arg(long, value_name = "NAME")]
    peer: Option<String>,
    /// Also measure this object beside ours: an older one, for what features cost that are off.
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Only features and filters, not the table of packets.
    #[arg(long)]
    features: bool,
    /// Runs of each case; the median is printed.
    #[arg(long, default_value_t = 7)]
    runs: usize,
    /// Packets in each run of a case that needs nothing done between packets.
    #[arg(long, default_value_t = 1_000_000)]
    repeat: u32,
}

/// Measures and prints.
pub(crate) fn run(args: &Args) -> Result<()> {
    let object = Path::new(env!("CARGO_MANIFEST_DIR")).join("../agent/ebpf/oc-netobserv.o");
    let object = fs::read(&object).with_context(|| format!("cannot read {}", object.display()))?;
    sys::pin_to_one_cpu()?;
    println!("{}", machine()?);
    let empty = Program::empty()?;
    let frame = shapes()[0].frame(0);
    let loop_ns = median(args.runs, || empty.test_run(&frame, args.repeat))?;
    let single_ns = median(2000, || empty.test_run(&frame, 1))?;
    println!(
        "empty program: {loop_ns} ns a packet in a loop, {single_ns} ns in a run of one packet; both are contained below"
    );
    println!(
        "median of {} runs of {} packets; ns a packet. New flow: median of runs of one packet each\n",
        args.runs, args.repeat
    );
    if !args.features {
        table(args, &object)?;
    }
    let before = args.against.as_ref().map(|path| fs::read(path).with_context(|| path.display().to_string()));
    features::run(args, &object, before.transpose()?.as_deref())?;
    if let Some(name) = &args.peer {
        peer(args, &object, name)?;
    }
    Ok(())
}

fn table(args: &Args, object: &[u8]) -> Result<()> {
    let mut subjects = Case::ALL.iter().map(|case| Subject::load(object, *case)).collect::<Result<Vec<_>>>()?;
    print!("{:18}", "packet");
    for case in Case::ALL {
        print!(" {:>12}", case.label());
    }
    println!();
    for shape in shapes() {
        print!("{:18}", shape.to_string());
        for subject in &mut subjects {
            print!(" {:>12}", subject.measure(&shape, args.runs, args.repeat)?);
        }
        println!();
    }
    for subject in subjects.iter().filter_map(|subject| subject.remark().transpose()) {
        println!("{}", subject?);
    }
    Ok(())
}

/// The peer beside our known flow (and our filter miss and capture, for whichever it is doing).
fn peer(args: &Args, object: &[u8], name: &str) -> Result<()> {
    let peer = Program::by_name(name)?;
    println!("\npeer {name}, as it was loaded; ratio = ours / peer");
    println!("{:18} {:>12} {:>12} {:>8} {:>12} {:>8}", "packet", "peer", "known flow", "ratio", "capture 256", "ratio");
    let mut known = Subject::load(object, Case::Known)?;
    let mut capture = Subject::load(object, Case::Capture(256))?;
    for shape in shapes() {
        let frame = shape.frame(0);
        let theirs = median(args.runs, || peer.test_run(&frame, args.repeat))?;
        let flows = known.measure(&shape, args.runs, args.repeat)?;
        let packets = capture.measure(&shape, args.runs, args.repeat)?;
        let ratio = |ours: u64| ours as f64 / theirs.max(1) as f64;
        println!(
            "{:18} {theirs:>12} {flows:>12} {:>8.2} {packets:>12} {:>8.2}",
            shape.to_string(),
            ratio(flows),
            ratio(packets)
        );
    }
    Ok(())
}

/// The median of `runs` results.
fn median(runs: usize, mut run: impl FnMut() -> Result<u64>) -> Result<u64> {
    let mut results = (0..runs.max(1)).map(|_| run()).collect::<Result<Vec<_>>>()?;
    results.sort_unstable();
    Ok(results[results.len() / 2])
}

/// Processor, kernel and date, as a line.
fn machine() -> Result<String> {
    let cpus = fs::read_to_string("/proc/cpuinfo").context("cannot read /proc/cpuinfo")?;
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown processor");
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").context("cannot read the kernel's release")?;
    let date = Command::new("date").args(["-u", "+%F"]).output().context("cannot run date")?;
    Ok(format!(
        "{} x{}, Linux {}, {}",
        model.trim_start_matches([' ', '\t', ':']),
        cpus.matches("processor\t").count(),
        kernel.trim(),
        String::from_utf8_lossy(&date.stdout).trim(),
    ))
}
