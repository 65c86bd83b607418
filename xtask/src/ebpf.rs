//! `cargo xtask ebpf`: builds the eBPF objects that `agent` embeds, so that whoever does not touch `agent-ebpf` needs only
//! stable Rust; `--check` builds them again and compares the bytes.
//!
//! Owns the flags that make the bytes the same from any directory. Knows nothing of what the programs do.

mod strip;
mod tools;

use std::{env, fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, ensure};

use crate::{
    committed::Committed,
    source::{SEPARATOR, Source, target_dir},
};

/// Folder of the programs, from the root of the workspace.
const CRATE: &str = "agent-ebpf";
/// Each object as cargo names it, and where it goes: programs at interfaces, programs at tracepoints.
const OBJECTS: [(&str, &str); 2] =
    [("oc-netobserv", "agent/ebpf/oc-netobserv.o"), ("oc-netobserv-trace", "agent/ebpf/oc-netobserv-trace.o")];
/// The target.
const TARGET: &str = "bpfel-unknown-none";

/// Arguments of `cargo xtask ebpf`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Build, then compare with the committed object instead of replacing it.
    #[arg(long)]
    check: bool,
}

/// Builds and writes or compares the objects.
pub(crate) fn run(args: &Args) -> Result<()> {
    let source = Source::find("ebpf")?;
    tools::linker()?;
    let built = build(&source)?;
    let from = "agent-ebpf and agent-common";
    for (name, path) in OBJECTS {
        let file = built.join(name);
        let linked = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let bytes = strip::debug_sections(&linked)?;
        Committed { path, bytes: &bytes, source: from, command: "ebpf" }.settle(&source.root, args.check)?;
    }
    Ok(())
}

/// Builds the crate and returns the folder of the linked objects, which hold debug information still.
fn build(source: &Source) -> Result<PathBuf> {
    // Beside what else is built, but apart: cargo would throw away one for the other.
    let target_dir = target_dir(&source.root).join("ebpf");
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(["build", "--quiet", "--release", "--locked", "-Z", "build-std=core", "--target", TARGET])
        .current_dir(source.root.join(CRATE))
        .env("CARGO_TARGET_DIR", &target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", flags(source))
        // Building core from source is not stable; nothing else unstable is used but inline assembly for BPF.
        .env("RUSTC_BOOTSTRAP", "1")
        .env_remove("RUSTFLAGS");
    let status = command.status().context("cannot run cargo")?;
    ensure!(status.success(), "the eBPF programs do not build");
    Ok(target_dir.join(TARGET).join("release"))
}

/// Flags of rustc.
fn flags(source: &Source) -> String {
    let fixed = ["--cfg=bpf_target_arch=\"x86_64\"", "-Cdebuginfo=2", "-Clink-arg=--btf", "-Ctarget-cpu=v3"];
    fixed.map(str::to_owned).into_iter().chain(source.remaps()).collect::<Vec<_>>().join(SEPARATOR)
}
