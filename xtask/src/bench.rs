//! Benchmarks: each prints a table with ratios, the machine and the date; none is a test.

use clap::Subcommand;

/// What to measure.
#[derive(Subcommand)]
pub(crate) enum Command {}

/// Runs one benchmark.
pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match *command {}
}
