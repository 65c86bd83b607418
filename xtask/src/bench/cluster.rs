//! `cargo xtask bench cluster`: how long a capture takes on the cluster that KUBECONFIG names, from the command to its first
//! record and from its end to nothing left; how fast files come home; how much is sent.
#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

use super::program;

/// Arguments of `cargo xtask bench cluster`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Executable to measure, else a release build
    #[arg(long)]
    program: Option<PathBuf>,
    /// Runs, of which the median counts
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Also copy a capture of packets of about this size, like 50MB; its traffic is yours to make
    #[arg(long)]
    copy: Option<String>,
}

/// Times of one capture.
struct Times {
    attached: Duration,
    first: Duration,
    removed: Duration,
}

/// Measures and prints.
pub(crate) fn run(args: &Args) -> Result<()> {
    let binary = program::get(args.program.as_ref())?;
    let mut runs = Vec::new();
    for _ in 0..args.runs.max(1) {
        runs.push(capture(&binary)?);
    }
    println!("load {}, {} runs, median (least to most), s", load(), runs.len());
    row("command to capturing", runs.iter().map(|times| times.attached));
    row("command to first record", runs.iter().map(|times| times.first));
    row("end to everything removed", runs.iter().map(|times| times.removed));
    println!("executable: {} bytes", fs::metadata(&binary)?.len());
    match &args.copy {
        Some(size) => copy(&binary, size),
        None => Ok(()),
    }
}

fn row(what: &str, times: impl Iterator<Item = Duration>) {
    let mut seconds: Vec<f64> = times.map(|time| time.as_secs_f64()).collect();
    seconds.sort_by(f64::total_cmp);
    let middle = seconds[seconds.len() / 2];
    println!("| {what} | {middle:.1} ({:.1} to {:.1}) |", seconds[0], seconds[seconds.len() - 1]);
}

/// One capture of flows, ended like Ctrl-C does 3 s after its first record.
fn capture(binary: &Path) -> Result<Times> {
    let start = Instant::now();
    let mut child = Command::new(binary)
        .args(["flows", "-o", "json", "--copy=false"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start the program")?;
    let messages = BufReader::new(child.stderr.take().context("stderr")?);
    let attached = thread::spawn(move || {
        let mut at = None;
        for line in messages.lines().map_while(Result::ok) {
            if at.is_none() && line.starts_with("attached to") {
                at = Some(start.elapsed());
            }
        }
        at
    });
    let mut records = BufReader::new(child.stdout.take().context("stdout")?);
    let mut line = String::new();
    ensure!(records.read_line(&mut line)? > 0, "the capture ended without a record");
    let first = start.elapsed();
    thread::spawn(move || std::io::copy(&mut records, &mut std::io::sink()));
    thread::sleep(Duration::from_secs(3));
    let end = Instant::now();
    // SAFETY: our own child, not yet waited for.
    unsafe { libc::kill(child.id() as i32, libc::SIGINT) };
    let status = child.wait()?;
    ensure!(status.success(), "the capture ended with {status}");
    let attached = attached.join().ok().flatten().context("the program never said that it was attached")?;
    Ok(Times { attached, first, removed: end.elapsed() })
}

/// A capture in the background up to `size`, copied home and removed.
fn copy(binary: &Path, size: &str) -> Result<()> {
    let home = tempfile::tempdir()?;
    let ours = |words: &[&str]| -> Result<String> {
        let output = Command::new(binary).args(words).current_dir(home.path()).output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "{words:?}: {said}");
        Ok(said)
    };
    let said = ours(&["packets", "--background", "--max-bytes", size])?;
    let id = said
        .lines()
        .find_map(|line| line.strip_prefix("capture ")?.split(' ').next())
        .context("no capture")?
        .to_owned();
    println!("capturing up to {size} as {id}...");
    while !ours(&["copy", &id, "--output-dir", "try"]).is_ok_and(|said| !said.contains("still being written")) {
        thread::sleep(Duration::from_secs(2));
    }
    let start = Instant::now();
    ours(&["copy", &id, "--output-dir", "home"])?;
    let time = start.elapsed().as_secs_f64();
    let bytes: u64 = fs::read_dir(home.path().join("home/pcap"))?
        .flatten()
        .filter_map(|file| Some(file.metadata().ok()?.len()))
        .sum();
    println!("| copy of {bytes} bytes | {time:.1} s, {:.0} MB/s |", bytes as f64 / time / 1e6);
    let start = Instant::now();
    ours(&["cleanup", &id])?;
    println!("| cleanup after it | {:.1} s |", start.elapsed().as_secs_f64());
    Ok(())
}

/// Load of the machine over the last minute.
fn load() -> String {
    fs::read_to_string("/proc/loadavg").unwrap_or_default().split(' ').next().unwrap_or_default().to_owned()
}
