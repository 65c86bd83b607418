//! Being written.

/// Arguments.
#[derive(clap::Args)]
pub struct Args {}

/// Runs it.
pub fn run(_args: &Args) -> anyhow::Result<()> {
    anyhow::bail!("this command is not built yet")
}
