//! What building the eBPF object needs beside cargo, and how to get what is missing.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};

/// Other versions build other bytes.
const RUSTC: &str = "1.95.0";
const LINKER: &str = "0.10.4";
/// How cargo is told of library sources that do not lie in the toolchain.
const SOURCE: &str = "__CARGO_TESTS_ONLY_SRC_ROOT";

/// Where things are.
pub(super) struct Tools {
    /// The `library` folder of rust-src.
    pub(super) library: PathBuf,
    /// Where cargo keeps the sources of dependencies.
    pub(super) cargo_home: PathBuf,
}

impl Tools {
    /// Finds all of them; the error names the command that installs the one that is missing.
    pub(super) fn find() -> Result<Self> {
        let rustc = output("rustc", &["--version"])?;
        ensure!(
            rustc.split(' ').nth(1) == Some(RUSTC),
            "the object is built with rustc {RUSTC}; this is {}\nhint: rustup run {RUSTC} cargo xtask ebpf",
            rustc.trim()
        );
        linker()?;
        Ok(Self { library: library()?, cargo_home: cargo_home()? })
    }
}

fn linker() -> Result<()> {
    let hint = format!("hint: cargo install bpf-linker --version {LINKER} --locked");
    let version = output("bpf-linker", &["--version"]).with_context(|| format!("bpf-linker is missing\n{hint}"))?;
    ensure!(version.trim().ends_with(LINKER), "bpf-linker {LINKER} is needed; this is {}\n{hint}", version.trim());
    Ok(())
}

fn library() -> Result<PathBuf> {
    let library = match env::var_os(SOURCE) {
        Some(path) => PathBuf::from(path),
        None => Path::new(output("rustc", &["--print", "sysroot"])?.trim()).join("lib/rustlib/src/rust/library"),
    };
    if !library.join("core/Cargo.toml").exists() {
        bail!(
            "the sources of core are missing: {} does not exist\n\
             hint: rustup component add rust-src --toolchain {RUSTC}, or unpack them elsewhere and set {SOURCE}=<folder>/library",
            library.join("core").display()
        );
    }
    Ok(library)
}

fn cargo_home() -> Result<PathBuf> {
    if let Some(home) = env::var_os("CARGO_HOME") {
        return Ok(PathBuf::from(home));
    }
    Ok(PathBuf::from(env::var_os("HOME").context("neither CARGO_HOME nor HOME is set")?).join(".cargo"))
}

fn output(program: &str, args: &[&str]) -> Result<String> {
    let output = Command::new(program).args(args).output().with_context(|| format!("cannot run {program}"))?;
    ensure!(output.status.success(), "{program} {} failed", args.join(" "));
    Ok(String::from_utf8(output.stdout)?)
}
