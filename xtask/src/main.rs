//! Commands of the project: what is built, checked, measured and drawn by hand, in one place.
//!
//! Owns no logic of the product; each command is a module.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod archive;
mod bench;
mod binaries;
mod committed;
mod dist;
mod docs;
mod ebpf;
mod guests;
mod image;
mod picture;
mod source;
mod stage;
mod targets;

/// Commands of the project.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the eBPF object and put it where `agent` embeds it.
    Ebpf(ebpf::Args),
    /// Build the stage that starts the executable in a foreign image.
    Stage(stage::Args),
    /// Pack release archives of what was built, with checksums and krew's manifest.
    Dist(dist::Args),
    /// Make an OCI image archive of what was built.
    Image(image::Args),
    /// Check or build the program for other platforms.
    Targets(targets::Args),
    /// Measure.
    #[command(subcommand)]
    Bench(bench::Command),
    /// Run the kernel tier in QEMU guests with other kernels.
    #[command(visible_alias = "kernels")]
    Guests(guests::Args),
    /// Write the docs that are made from the source.
    Docs(docs::Args),
    /// Turn a terminal's screen (`tmux capture-pane -p -e`) into an SVG.
    Picture(picture::Args),
}

#[expect(clippy::print_stderr, reason = "a command that talks to people on a terminal")]
fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Ebpf(args) => ebpf::run(&args),
        Command::Stage(args) => stage::run(&args),
        Command::Dist(args) => dist::run(&args),
        Command::Image(args) => image::run(&args),
        Command::Targets(args) => targets::run(&args),
        Command::Bench(command) => bench::run(&command),
        Command::Guests(args) => guests::run(&args),
        Command::Docs(args) => docs::run(&args),
        Command::Picture(args) => picture::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
