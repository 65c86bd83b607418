//! What can be typed: clap types only. No I/O, no look at the machine; what the values mean together is decided in
//! [`crate::plan`].

use clap::{ArgAction, Args, CommandFactory as _, Parser, Subcommand, ValueEnum};

mod capture;
mod cluster;
mod convert;
mod features;
mod filter;
mod help;
mod kube;
mod pcapng;
mod view;
mod wanted;
mod wireshark;

pub use capture::{CaptureArgs, CaptureOutput, Copy, FlowsArgs, Output, PacketsArgs, TcAttach};
pub use cluster::{AttachArgs, CleanupArgs, ClusterArgs, CopyArgs, DryRun, FollowArgs, StopArgs};
pub use convert::{AnonymizeArgs, ConvertArgs, To};
pub use features::FeatureArgs;
pub use filter::{FilterArgs, groups};
pub use kube::KubeArgs;
pub use pcapng::{Comments, PcapngArgs};
pub use view::ViewArgs;
pub use wanted::{LanguageArgs, ObjectArgs, Typed};
pub use wireshark::{WiresharkAction, WiresharkArgs};

use crate::pod::PodCommand;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "oc-netobserv",
    about = "Shows what is on this network right now: flows and packets, captured with eBPF",
    before_help = help::MAIN,
    help_template = help::TEMPLATE,
    term_width = 80,
    disable_version_flag = true,
    arg_required_else_help = true,
    subcommand_required = true
)]
pub struct Cli {
    /// Options that every command has.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command has.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "General")]
pub struct GlobalArgs {
    /// Colours: where a terminal shows them, always, or never (NO_COLOR counts)
    #[arg(long, value_enum, default_value_t = Color::Auto, global = true, value_name = "WHEN", hide_possible_values = true)]
    pub color: Color,
    /// Log more: -v what happens, -vv details; into a file while the table is up
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub verbose: u8,
    /// The same by name: error, warn, info, debug, trace
    #[arg(long, value_enum, global = true, value_name = "LEVEL", hide_possible_values = true)]
    pub log_level: Option<LogLevel>,
}

/// Values of `--color`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// Where a terminal shows it.
    Auto,
    /// Also into pipes and files.
    Always,
    /// Nowhere.
    Never,
}

/// Values of `--log-level`; NetObserv's `fatal` and `panic` are errors here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Failures only.
    #[value(aliases = ["fatal", "panic"])]
    Error,
    /// And what is wrong without stopping anything.
    Warn,
    /// And what happens: interfaces found, programs attached.
    Info,
    /// And how.
    Debug,
    /// And everything else.
    Trace,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Capture flows: who talks to whom, how much
    #[command(before_help = help::FLOWS, after_help = help::UNBUILT, help_template = help::TEMPLATE, term_width = 80)]
    Flows(Box<FlowsArgs>),
    /// Capture packets into pcapng
    #[command(before_help = help::PACKETS, after_help = help::UNBUILT, help_template = help::TEMPLATE, term_width = 80)]
    Packets(Box<PacketsArgs>),
    /// Show a saved capture (.json, .db, .pcapng) in the same table
    #[command(before_help = help::VIEW, help_template = help::TEMPLATE, term_width = 80)]
    View(Box<ViewArgs>),
    /// Turn a saved capture into another file: filter, merge, anonymize
    #[command(before_help = help::CONVERT, help_template = help::TEMPLATE, term_width = 80)]
    Convert(Box<ConvertArgs>),
    /// Open the table of a capture that runs on the cluster
    #[command(before_help = help::ATTACH, after_help = help::KUBE, help_template = help::TEMPLATE, term_width = 80)]
    Attach(Box<AttachArgs>),
    /// Follow a capture on the cluster as text
    #[command(before_help = help::FOLLOW, after_help = help::KUBE, help_template = help::TEMPLATE, term_width = 80)]
    Follow(Box<FollowArgs>),
    /// Stop a capture on the cluster; its files stay for copy
    #[command(before_help = help::STOP, after_help = help::KUBE, help_template = help::TEMPLATE, term_width = 80)]
    Stop(Box<StopArgs>),
    /// Bring the files of a capture home
    #[command(before_help = help::COPY, after_help = help::KUBE, help_template = help::TEMPLATE, term_width = 80)]
    Copy(Box<CopyArgs>),
    /// Remove what captures left on the cluster
    #[command(before_help = help::CLEANUP, after_help = help::KUBE, help_template = help::TEMPLATE, term_width = 80)]
    Cleanup(Box<CleanupArgs>),
    /// Teach Wireshark our names, or take them out again
    #[command(before_help = help::WIRESHARK, help_template = help::TEMPLATE, term_width = 80)]
    Wireshark(WiresharkArgs),
    /// Print the version
    #[command(help_template = help::TEMPLATE, term_width = 80)]
    Version,
    /// Print what makes a shell complete this command
    #[command(before_help = help::COMPLETION, help_template = help::TEMPLATE, term_width = 80)]
    Completion {
        /// Shell to write for
        #[arg(value_enum)]
        shell: Shell,
    },
    /// What runs in the pods of a capture
    #[command(hide = true)]
    Pod {
        /// Which of it
        #[command(subcommand)]
        command: PodCommand,
    },
    /// Expose metrics of a cluster
    #[command(hide = true)]
    Metrics(Rest),
}

/// Arguments of a command that does not exist yet.
#[derive(Args, Debug)]
pub struct Rest {
    /// Anything
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub rest: Vec<String>,
}

/// Shells that completion is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU bash.
    Bash,
    /// Z shell.
    Zsh,
    /// Fish.
    Fish,
    /// What kubectl and oc ask: the script `kubectl_complete-netobserv`.
    Kubectl,
}

/// The parser.
pub fn command() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_declaration_is_sound() {
        super::command().debug_assert();
    }
}
