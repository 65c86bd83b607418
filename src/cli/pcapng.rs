//! What `packets` writes, and what it takes besides packets: files, their comments, secrets, the flight recorder.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum, value_parser};

/// Files and streams of packets.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "pcapng")]
pub struct PcapngArgs {
    /// Comments of packets: full (default), drops, none
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = Comments::Full, hide_possible_values = true, hide_default_value = true)]
    pub comments: Comments,
    /// A new file at this size, like 100MB
    #[arg(long, value_name = "SIZE", value_parser = file_size)]
    pub file_size: Option<u64>,
    /// A new file after this time, like 1m
    #[arg(long, value_name = "TIME", value_parser = file_time)]
    pub file_time: Option<Duration>,
    /// Keep only this many of the newest files
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=100_000))]
    pub files: Option<u32>,
    /// A file for each node
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    pub no_merge: Option<bool>,
    /// One copy of a packet seen at several places
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    pub dedup: Option<bool>,
    /// Open Wireshark on it while it runs
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true, conflicts_with_all = ["write", "output"])]
    pub wireshark: Option<bool>,
    /// Key log (SSLKEYLOGFILE) that opens TLS; followed
    #[arg(long, value_name = "FILE")]
    pub tls_keylog: Option<PathBuf>,
    /// Keys from the OpenSSL of the selected processes
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    pub enable_tls_keys: Option<bool>,
    /// Only of processes of this name or number
    #[arg(long, value_name = "NAME|PID", value_delimiter = ',', value_parser = process, requires = "enable_tls_keys")]
    pub tls_keys_process: Vec<std::sync::Arc<str>>,
    /// Write no keys into the file
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    pub strip_secrets: Option<bool>,
    /// Keep the last TIME on the nodes; save when asked
    #[arg(long, value_name = "TIME", value_parser = ring)]
    pub ring: Option<Duration>,
    /// Save the ring when this is seen (a filter)
    #[arg(long, value_name = "EXPR", requires = "ring")]
    pub trigger: Option<String>,
}

/// Values of `--comments`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Comments {
    /// Both ends, service, process, why it was dropped.
    Full,
    /// Why it was dropped.
    Drops,
    /// None.
    None,
}

impl PcapngArgs {
    /// How packets are written.
    pub fn files(&self) -> flow::config::PacketFiles {
        flow::config::PacketFiles {
            comments: match self.comments {
                Comments::Full => flow::config::Comments::Full,
                Comments::Drops => flow::config::Comments::Drops,
                Comments::None => flow::config::Comments::None,
            },
            merge: self.no_merge != Some(true),
            dedup: self.dedup == Some(true),
            size: self.file_size,
            time: self.file_time,
            count: self.files,
            strip_secrets: self.strip_secrets == Some(true),
            keylog: self.tls_keylog.is_some(),
        }
    }
}

/// A number, or a name without a path.
fn process(text: &str) -> Result<std::sync::Arc<str>, String> {
    let is_wrong = text.is_empty() || text.contains('/') || text.chars().any(char::is_control);
    if is_wrong { Err("a process is like nginx or 4711".to_owned()) } else { Ok(text.into()) }
}

/// Smaller files than this are mostly headers.
const LEAST_FILE: u64 = 64 << 10;

fn file_size(text: &str) -> Result<u64, String> {
    let bytes = flow::size::parse(text).map_err(|error| error.to_string())?;
    if bytes >= LEAST_FILE { Ok(bytes) } else { Err("at least 64KiB".to_owned()) }
}

fn file_time(text: &str) -> Result<Duration, String> {
    between(text, Duration::from_secs(1), Duration::from_hours(24), "allowed are 1s to 24h")
}

fn ring(text: &str) -> Result<Duration, String> {
    between(text, Duration::from_secs(1), Duration::from_mins(10), "allowed are 1s to 10m")
}

fn between(text: &str, least: Duration, most: Duration, allowed: &str) -> Result<Duration, String> {
    let time = flow::duration::parse(text).map_err(|error| error.to_string())?;
    if (least..=most).contains(&time) { Ok(time) } else { Err(allowed.to_owned()) }
}
