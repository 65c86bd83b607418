//! Benchmarks: each prints a table with ratios, the machine and the date; none is a test.

mod cluster;
mod collector;
mod loss;
mod prog;
mod program;
mod storm;
mod table;
mod trace;

use clap::Subcommand;

/// What to measure.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// How long a capture on a cluster takes to begin and to be gone. Needs KUBECONFIG.
    Cluster(cluster::Args),
    /// Records a second into JSON and SQLite, packets a second into pcapng, on one core.
    Collector(collector::Args),
    /// What one packet costs in the kernel, by BPF_PROG_TEST_RUN.
    Prog(prog::Args),
    /// True loss of packets against admitted loss at rising rates, tcpdump beside it. Needs root.
    Loss(loss::Args),
    /// New flows of one packet each: what is recorded, what is lost. Needs root.
    Storm(storm::Args),
    /// How long a frame of the live table takes at 10,000 records a second.
    Table(table::Args),
    /// What the programs of a capture with features cost under traffic. Needs root.
    Trace(trace::Args),
}

/// Runs one benchmark.
pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Cluster(args) => cluster::run(args),
        Command::Collector(args) => collector::run(args),
        Command::Prog(args) => prog::run(args),
        Command::Loss(args) => loss::run(args),
        Command::Storm(args) => storm::run(args),
        Command::Table(args) => table::run(args),
        Command::Trace(args) => trace::run(args),
    }
}
