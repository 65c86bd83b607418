//! The kernel tier on other kernels: Debian's cloud kernels, booted by QEMU with the tools of this machine and the
//! tests built here.
//!
//! Owns the order of things; getting kernels, making images and booting are in the modules below.

#![expect(clippy::print_stdout, reason = "a command that talks to people on a terminal")]

mod boot;
mod image;
mod kernels;

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

/// Which kernels, and what to run in them.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Series to boot, the newest package of each; the first is the oldest that apt gives
    #[arg(long, value_delimiter = ',', default_values = ["5.10", "6.1", "6.12"])]
    series: Vec<String>,
    /// Run this shell command instead of the kernel tier
    #[arg(long)]
    command: Option<String>,
    /// Only tests whose name contains one of these
    #[arg(long, value_delimiter = ',', default_value = "kernel_")]
    filter: Vec<String>,
    /// Leave out tests whose name contains this
    #[arg(long, value_delimiter = ',')]
    skip: Vec<String>,
    /// Minutes that one guest may take
    #[arg(long, default_value_t = 60)]
    minutes: u64,
    /// QEMU's accelerator: `kvm` where the machine has one that works, else emulation
    #[arg(long, default_value = "tcg,thread=multi")]
    accelerator: String,
    /// Memory of a guest, MiB
    #[arg(long, default_value_t = 2048)]
    memory: u32,
}

/// What one guest came to.
struct Outcome {
    release: String,
    tally: boot::Tally,
}

/// Boots each kernel in turn and prints a line of counts for each.
pub(crate) fn run(args: &Args) -> Result<()> {
    let cache = target_dir()?.join("guests");
    std::fs::create_dir_all(&cache)?;
    let programs = if args.command.is_some() { Vec::new() } else { build()? };
    let root = image::root(&cache, &programs)?;
    let script = args.command.clone().unwrap_or_else(|| tier(args, &programs));
    let mut outcomes = Vec::new();
    for series in &args.series {
        let kernel = kernels::get(&cache, series)?;
        println!("== {series}: {}", kernel.release);
        let initramfs = image::initramfs(&cache, &kernel)?;
        let limit = Duration::from_secs(args.minutes * 60);
        let (accelerator, memory) = (args.accelerator.as_str(), args.memory);
        let guest = boot::Guest { kernel: &kernel, initramfs, root: &root, script: &script, accelerator, memory };
        let tally = boot::run(&guest, limit)?;
        outcomes.push(Outcome { release: kernel.release, tally });
    }
    report(&outcomes)
}

/// Where cargo builds.
fn target_dir() -> Result<PathBuf> {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => Ok(directory.into()),
        None => Ok(Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("workspace")?.join("target")),
    }
}

/// Builds the kernel tier's test programs and the program under test, which comes last.
fn build() -> Result<Vec<PathBuf>> {
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["test", "--no-run", "--message-format=json", "--package", "oc-netobserv", "--test", "kernel"])
        .args(["--package", "lab", "--test", "ground", "--package", "agent"])
        .stderr(std::process::Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "the kernel tier does not build");
    let (mut tests, mut program) = (Vec::new(), None);
    for line in output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let message: serde_json::Value = serde_json::from_slice(line)?;
        let Some(executable) = message["executable"].as_str().map(PathBuf::from) else { continue };
        match message["target"]["kind"][0].as_str() {
            Some("test") => tests.push(executable),
            Some("bin") if message["target"]["name"] == "oc-netobserv" => program = Some(executable),
            _ => {}
        }
    }
    ensure!(!tests.is_empty(), "cargo named no test program");
    tests.push(program.context("cargo named no oc-netobserv")?);
    Ok(tests)
}

/// What the guest runs: each test program, one test at a time.
fn tier(args: &Args, programs: &[PathBuf]) -> String {
    let (tests, program) = programs.split_at(programs.len() - 1);
    let program = image::inside(&program[0]);
    let mut skip = String::new();
    for name in &args.skip {
        skip = skip + " --skip " + name;
    }
    let mut script =
        format!("export KERNEL_TIER_SHORT=1 RUST_BACKTRACE=0\nexport OC_NETOBSERV_BIN={}\ncode=0\n", program.display());
    for test in tests {
        let (test, filter) = (image::inside(test), args.filter.join(" "));
        let line = format!("{} {filter} --nocapture --test-threads 1{skip} || code=1\n", test.display());
        script.push_str(&line);
    }
    script + "(exit $code)\n"
}

/// A line of counts for each kernel, then what each lacks.
fn report(outcomes: &[Outcome]) -> Result<()> {
    println!("\n{:<34} {:>6} {:>6} {:>7} {:>8}", "kernel", "passed", "failed", "skipped", "seconds");
    for Outcome { release, tally } in outcomes {
        let passed = tally.passed.saturating_sub(tally.skipped());
        let seconds = tally.time.as_secs_f64();
        println!("{release:<34} {passed:>6} {:>6} {:>7} {seconds:>8.0}", tally.failed, tally.skipped());
    }
    for Outcome { release, tally } in outcomes {
        for name in &tally.failures {
            println!("{release}: failed {name}");
        }
        for (name, reason) in &tally.skips {
            println!("{release}: skipped {name}: {reason}");
        }
    }
    let failed: Vec<&str> =
        outcomes.iter().filter(|outcome| outcome.tally.code != Some(0)).map(|outcome| &*outcome.release).collect();
    ensure!(failed.is_empty(), "not passed on {}", failed.join(", "));
    Ok(())
}
