//! `wireshark`: what Wireshark is given of ours, and takes back.

use clap::{Args, ValueEnum};

/// Arguments of `wireshark`.
#[derive(Args, Clone, Copy, Debug)]
pub struct WiresharkArgs {
    /// What to do: install, uninstall or status
    #[arg(value_enum, hide_possible_values = true)]
    pub action: WiresharkAction,
    /// Also files that are not ours, or that somebody has changed
    #[arg(long)]
    pub force: bool,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WiresharkAction {
    /// Put dissector, profile and capture source into your folders of Wireshark.
    Install,
    /// Take them out again.
    Uninstall,
    /// Say what is there.
    Status,
}
