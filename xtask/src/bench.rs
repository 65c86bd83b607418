//! Benchmarks: each prints a table with ratios, the machine and the date; none is a test.

mod prog;

use clap::Subcommand;

/// What to measure.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// What one packet costs in the kernel, by BPF_PROG_TEST_RUN.
    Prog(prog::Args),
}

/// Runs one benchmark.
pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Prog(args) => prog::run(args),
    }
}
