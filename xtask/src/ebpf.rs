//! `cargo xtask ebpf`: builds the eBPF object that `agent` embeds, so that whoever does not touch `agent-ebpf` needs only
//! stable Rust; `--check` builds it again and compares the bytes.
//!
//! Owns the flags that make the bytes the same from any directory. Knows nothing of what the programs do.
#![expect(clippy::print_stdout, reason = "a command that talks to people on a terminal")]

mod strip;
mod tools;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};

use self::tools::Tools;

/// Folder of the programs, and where the object goes, from the root of the workspace.
const CRATE: &str = "agent-ebpf";
const OBJECT: &str = "agent/ebpf/oc-netobserv.o";
/// The target, and its file as cargo names it.
const TARGET: &str = "bpfel-unknown-none";
const BUILT: &str = "bpfel-unknown-none/release/oc-netobserv";
/// Between the flags of `CARGO_ENCODED_RUSTFLAGS`.
const SEPARATOR: &str = "\u{1f}";

/// Arguments of `cargo xtask ebpf`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Build, then compare with the committed object instead of replacing it.
    #[arg(long)]
    check: bool,
}

/// Builds and writes or compares the object.
pub(crate) fn run(args: &Args) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the workspace")?;
    let object = strip::debug_sections(&build(root)?)?;
    let path = root.join(OBJECT);
    if args.check { compare(&path, &object) } else { write(&path, &object) }
}

fn write(path: &Path, object: &[u8]) -> Result<()> {
    fs::create_dir_all(path.parent().context("the object lies in a folder")?)?;
    fs::write(path, object).with_context(|| format!("cannot write {}", path.display()))?;
    println!("{OBJECT}: {} bytes", object.len());
    Ok(())
}

fn compare(path: &Path, object: &[u8]) -> Result<()> {
    let committed = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    if committed == object {
        println!("{OBJECT}: {} bytes, equal to what {CRATE} and agent-common give", object.len());
        return Ok(());
    }
    let same = committed.iter().zip(object).take_while(|(left, right)| left == right).count();
    bail!(
        "{OBJECT} is not what the source gives: {} bytes committed, {} built, first difference at byte {same}\n\
         hint: cargo xtask ebpf && git add {OBJECT}",
        committed.len(),
        object.len(),
    )
}

/// Builds the crate and returns the bytes of the linked object, debug information included.
fn build(root: &Path) -> Result<Vec<u8>> {
    let tools = Tools::find()?;
    // Beside what else is built, but apart: cargo would throw away one for the other.
    let target_dir = target_dir(root).join("ebpf");
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(["build", "--quiet", "--release", "--locked", "-Z", "build-std=core", "--target", TARGET])
        .current_dir(root.join(CRATE))
        .env("CARGO_TARGET_DIR", &target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", flags(root, &tools))
        // Building core from source is not stable; nothing else unstable is used but inline assembly for BPF.
        .env("RUSTC_BOOTSTRAP", "1")
        .env_remove("RUSTFLAGS");
    let status = command.status().context("cannot run cargo")?;
    ensure!(status.success(), "the eBPF programs do not build");
    let built = target_dir.join(BUILT);
    fs::read(&built).with_context(|| format!("cannot read {}", built.display()))
}

/// Flags of rustc: no path of this machine may be left in the bytes.
fn flags(root: &Path, tools: &Tools) -> String {
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    let fixed = [
        "--cfg=bpf_target_arch=\"x86_64\"".to_owned(),
        "-Cdebuginfo=2".to_owned(),
        "-Clink-arg=--btf".to_owned(),
        "-Ctarget-cpu=v3".to_owned(),
        remap(root, "."),
        remap(&tools.library, "/rust/library"),
        remap(&tools.cargo_home, "/cargo"),
    ];
    // The folder of a registry bears its address, which differs from mirror to mirror. The last that fits counts.
    let registries = fs::read_dir(tools.cargo_home.join("registry/src")).into_iter().flatten().flatten();
    let registries = registries.map(|folder| remap(&folder.path(), "/cargo/registry"));
    fixed.into_iter().chain(registries).collect::<Vec<_>>().join(SEPARATOR)
}

/// Cargo's folder for what it builds.
fn target_dir(root: &Path) -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}
