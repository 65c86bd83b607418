//! `cargo xtask ebpf`: builds the eBPF object that `agent` embeds, so that whoever does not touch `agent-ebpf` needs only
//! stable Rust; `--check` builds it again and compares the bytes.
//!
//! Owns the flags that make the bytes the same from any directory. Knows nothing of what the programs do.

mod strip;
mod tools;

use std::{env, fs, process::Command};

use anyhow::{Context as _, Result, ensure};

use crate::{
    committed::Committed,
    source::{SEPARATOR, Source, target_dir},
};

/// Folder of the programs, and where the object goes, from the root of the workspace.
const CRATE: &str = "agent-ebpf";
const OBJECT: &str = "agent/ebpf/oc-netobserv.o";
/// The target, and its file as cargo names it.
const TARGET: &str = "bpfel-unknown-none";
const BUILT: &str = "bpfel-unknown-none/release/oc-netobserv";

/// Arguments of `cargo xtask ebpf`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Build, then compare with the committed object instead of replacing it.
    #[arg(long)]
    check: bool,
}

/// Builds and writes or compares the object.
pub(crate) fn run(args: &Args) -> Result<()> {
    let source = Source::find("ebpf")?;
    tools::linker()?;
    let bytes = strip::debug_sections(&build(&source)?)?;
    let from = "agent-ebpf and agent-common";
    let object = Committed { path: OBJECT, bytes: &bytes, source: from, command: "ebpf" };
    object.settle(&source.root, args.check)
}

/// Builds the crate and returns the bytes of the linked object, debug information included.
fn build(source: &Source) -> Result<Vec<u8>> {
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
    let built = target_dir.join(BUILT);
    fs::read(&built).with_context(|| format!("cannot read {}", built.display()))
}

/// Flags of rustc.
fn flags(source: &Source) -> String {
    let fixed = ["--cfg=bpf_target_arch=\"x86_64\"", "-Cdebuginfo=2", "-Clink-arg=--btf", "-Ctarget-cpu=v3"];
    fixed.map(str::to_owned).into_iter().chain(source.remaps()).collect::<Vec<_>>().join(SEPARATOR)
}
