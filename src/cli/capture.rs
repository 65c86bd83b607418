//! `flows` and `packets`: what both have, and what each has alone.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum, value_parser};

use super::{ClusterArgs, FeatureArgs, FilterArgs, KubeArgs, LanguageArgs, ObjectArgs, PcapngArgs};

/// Arguments of `flows`.
#[derive(Args, Clone, Debug)]
pub struct FlowsArgs {
    /// Filters.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Filters in one language.
    #[command(flatten)]
    pub language: LanguageArgs,
    /// Traffic by object.
    #[command(flatten)]
    pub objects: ObjectArgs,
    /// What to find out besides.
    #[command(flatten)]
    pub features: FeatureArgs,
    /// What both kinds of capture have.
    #[command(flatten)]
    pub capture: CaptureArgs,
    /// Interval of records
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval, help_heading = "Flows")]
    pub cache_active_timeout: Duration,
    /// Flows in the kernel
    #[arg(long, value_name = "N", default_value_t = 131_072, value_parser = value_parser!(u32).range(64..=16_777_216), help_heading = "Flows")]
    pub cache_max_flows: u32,
    /// Keep each namespace's own counts
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true, help_heading = "Flows")]
    pub observations: Option<bool>,
    /// What a cluster adds.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Where the cluster is.
    #[command(flatten)]
    pub kube: KubeArgs,
}

/// Arguments of `packets`.
#[derive(Args, Clone, Debug)]
pub struct PacketsArgs {
    /// Filters.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Filters in one language.
    #[command(flatten)]
    pub language: LanguageArgs,
    /// Traffic by object.
    #[command(flatten)]
    pub objects: ObjectArgs,
    /// What to find out besides.
    #[command(flatten)]
    pub features: FeatureArgs,
    /// What both kinds of capture have.
    #[command(flatten)]
    pub capture: CaptureArgs,
    /// Bytes kept of each packet; 0 keeps the whole frame
    #[arg(long, value_name = "BYTES", default_value_t = 0, value_parser = snaplen, help_heading = "Packets")]
    pub snaplen: u32,
    /// Memory for packets that wait to be read, like 64MiB
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = buffer_size, help_heading = "Packets")]
    pub buffer_size: u32,
    /// pcapng on standard output, for Wireshark; files only if --output-dir is given
    #[arg(short = 'w', long = "write", value_name = "-", value_parser = ["-"], hide_possible_values = true, conflicts_with = "output", help_heading = "Packets")]
    pub write: Option<String>,
    /// Files, comments, keys, the ring.
    #[command(flatten)]
    pub pcapng: PcapngArgs,
    /// What a cluster adds.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Where the cluster is.
    #[command(flatten)]
    pub kube: KubeArgs,
}

/// What both kinds of capture have.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Where")]
pub struct CaptureArgs {
    /// Capture here, not on a cluster
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    pub local: Option<bool>,
    /// all, current; --local: also a name, a path
    #[arg(long, value_name = "WHICH")]
    pub netns: Option<String>,
    /// Names or /regex/, by commas; else all
    #[arg(long, value_name = "LIST")]
    pub interfaces: Option<String>,
    /// The same, left out; else lo
    #[arg(long, value_name = "LIST")]
    pub exclude_interfaces: Option<String>,
    /// Hook: any (default), tcx or tc
    #[arg(long, value_enum, value_name = "HOW", default_value_t = TcAttach::Any, hide_possible_values = true, hide_default_value = true)]
    pub tc_attach: TcAttach,
    /// Look at one of N packets
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u32).range(1..))]
    pub sampling: u32,
    /// Also our own traffic: agents, this terminal
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    pub include_self: Option<bool>,
    /// End after this time, like 90s or 1h30m; 0 is no limit
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = flow::duration::parse, help_heading = "Limits")]
    pub max_time: Duration,
    /// End when the files have this size, like 50MB; 0 is no limit
    #[arg(long, value_name = "SIZE", default_value = "50MB", value_parser = flow::size::parse, help_heading = "Limits")]
    pub max_bytes: u64,
    /// End after this many packets; 0 is no limit (default)
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, help_heading = "Limits")]
    pub max_packets: u64,
    /// Lines on standard output instead of the table: json or wide
    #[arg(short, long, value_enum, value_name = "FORMAT", hide_possible_values = true, help_heading = "Output")]
    pub output: Option<CaptureOutput>,
    /// Where files go: flow/ and pcap/ below it [default: ./output]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub output_dir: Option<PathBuf>,
    /// Files: true keeps them, false writes none, prompt asks at the end
    #[arg(long, value_enum, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true, help_heading = "Output")]
    pub copy: Option<Copy>,
}

/// Values of `--output` where there is something to capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CaptureOutput {
    /// One JSON object a line.
    Json,
    /// Aligned columns.
    Wide,
    /// The objects of a dry run.
    Yaml,
}

impl CaptureOutput {
    /// How lines of records look.
    pub fn lines(self) -> Option<Output> {
        match self {
            Self::Json => Some(Output::Json),
            Self::Wide => Some(Output::Wide),
            Self::Yaml => None,
        }
    }
}

/// Values of `--output` for records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// One JSON object a line.
    Json,
    /// Aligned columns.
    Wide,
}

/// Values of `--copy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Copy {
    /// Keep the files.
    True,
    /// Write none.
    False,
    /// Ask at the end.
    Prompt,
}

/// Values of `--tc-attach`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TcAttach {
    /// TCX, else tc.
    Any,
    /// TCX only.
    Tcx,
    /// tc only.
    Tc,
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = flow::duration::parse(text).map_err(|error| error.to_string())?;
    let allowed = Duration::from_millis(100)..=Duration::from_hours(1);
    if allowed.contains(&interval) { Ok(interval) } else { Err("allowed are 100ms to 1h".to_owned()) }
}

/// Least useful snaplen: shorter than this not even a link layer header is whole.
const MIN_SNAPLEN: u32 = 16;
/// What tcpdump calls the maximum.
const MAX_SNAPLEN: u32 = 262_144;

fn snaplen(text: &str) -> Result<u32, String> {
    let bytes = text.parse::<u32>().ok();
    bytes
        .filter(|bytes| *bytes == 0 || (MIN_SNAPLEN..=MAX_SNAPLEN).contains(bytes))
        .ok_or_else(|| format!("allowed are {MIN_SNAPLEN} to {MAX_SNAPLEN} bytes, or 0 for the whole frame"))
}

fn buffer_size(text: &str) -> Result<u32, String> {
    let bytes = flow::size::parse(text).map_err(|error| error.to_string())?;
    let bytes = u32::try_from(bytes).ok().filter(|bytes| (1 << 20..=1 << 30).contains(bytes));
    bytes.ok_or_else(|| "allowed are 1MiB to 1GiB".to_owned())
}
