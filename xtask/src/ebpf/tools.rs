//! The linker of the eBPF object, and how to get it.

use anyhow::{Context as _, Result, ensure};

use crate::source::output;

/// Other versions build other bytes.
const LINKER: &str = "0.10.4";

/// Fails, naming the command that installs it, if the right one is not there.
pub(super) fn linker() -> Result<()> {
    let hint = format!("hint: cargo install bpf-linker --version {LINKER} --locked");
    let version = output("bpf-linker", &["--version"]).with_context(|| format!("bpf-linker is missing\n{hint}"))?;
    ensure!(version.trim().ends_with(LINKER), "bpf-linker {LINKER} is needed; this is {}\n{hint}", version.trim());
    Ok(())
}
