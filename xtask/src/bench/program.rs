//! The executable that is measured.

use std::{
    env,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

/// The one named, else a release build made now.
pub(super) fn get(named: Option<&PathBuf>) -> Result<PathBuf> {
    if let Some(program) = named {
        return program.canonicalize().with_context(|| program.display().to_string());
    }
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--release", "--package", "oc-netobserv", "--bin", "oc-netobserv", "--message-format=json"])
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "oc-netobserv does not build");
    let messages = output.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
    let mut executables =
        messages.filter_map(|message: serde_json::Value| message["executable"].as_str().map(PathBuf::from));
    executables.next_back().context("cargo named no executable")
}
