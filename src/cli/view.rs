//! `view FILE`.

use std::path::PathBuf;

use clap::Args;

use super::{FilterArgs, LanguageArgs, Output};

/// Arguments of `view`.
#[derive(Args, Clone, Debug)]
pub struct ViewArgs {
    /// The file: .json or .db of flows, .pcapng or .pcap of packets
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Lines on standard output instead of the table
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub output: Option<Output>,
    /// Which records or packets to show.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// The same in one language.
    #[command(flatten)]
    pub language: LanguageArgs,
}
