//! `cargo xtask stage`: builds the stage that starts the executable in a foreign image, for each architecture of nodes, so
//! that whoever does not touch `bootstrap` needs only stable Rust; `--check` builds again and compares the bytes.

use std::{env, fs, process::Command};

use anyhow::{Context as _, Result, ensure};

use crate::{
    committed::Committed,
    source::{SEPARATOR, Source, target_dir},
};

const CRATE: &str = "bootstrap";

/// Architectures as rustc names them, with the flags that only one of them needs.
const ARCHITECTURES: [(&str, &[&str]); 2] = [
    ("x86_64", &[]),
    // What hashing in hardware takes is asked of a C library there, and there is none.
    ("aarch64", &["--cfg=sha2_backend=\"soft\""]),
];

/// No C compiler and no C library; linked where it runs, without tables for unwinding.
const FLAGS: [&str; 5] = [
    "-Clinker=rust-lld",
    "-Clinker-flavor=ld.lld",
    "-Crelocation-model=static",
    "-Cforce-unwind-tables=no",
    "-Clink-arg=--build-id=none",
];

/// Arguments of `cargo xtask stage`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Build, then compare with the committed files instead of replacing them.
    #[arg(long)]
    check: bool,
}

/// Builds and writes or compares the stage of each architecture.
pub(crate) fn run(args: &Args) -> Result<()> {
    let source = Source::find("stage")?;
    for (architecture, flags) in ARCHITECTURES {
        let bytes = build(&source, architecture, flags)?;
        let path = format!("{CRATE}/bin/stage-{architecture}");
        let stage = Committed { path: &path, bytes: &bytes, source: CRATE, command: "stage" };
        stage.settle(&source.root, args.check)?;
    }
    Ok(())
}

fn build(source: &Source, architecture: &str, flags: &[&str]) -> Result<Vec<u8>> {
    let target = format!("{architecture}-unknown-linux-gnu");
    let target_dir = target_dir(&source.root).join("stage");
    let flags = FLAGS.iter().chain(flags).map(|flag| (*flag).to_owned()).chain(source.remaps());
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--quiet", "--release", "--locked", "--target", &target])
        .args(["-Z", "build-std=core", "-Z", "build-std-features=compiler-builtins-mem"])
        .current_dir(source.root.join(CRATE))
        .env("CARGO_TARGET_DIR", &target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.collect::<Vec<_>>().join(SEPARATOR))
        // Building core from source is not stable; nothing else unstable is used.
        .env("RUSTC_BOOTSTRAP", "1")
        .env_remove("RUSTFLAGS")
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "the stage for {architecture} does not build");
    let built = target_dir.join(target).join("release/stage");
    fs::read(&built).with_context(|| format!("cannot read {}", built.display()))
}
