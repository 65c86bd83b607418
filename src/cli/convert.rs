//! `convert IN... OUT`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use super::LanguageArgs;

/// Arguments of `convert`.
#[derive(Args, Clone, Debug)]
pub struct ConvertArgs {
    /// What is read, then what is written: .pcapng, .pcap (read only), .json or .db; - is standard input or output
    #[arg(value_names = ["IN", "OUT"], num_args = 2.., required = true)]
    pub files: Vec<PathBuf>,
    /// What OUT is, where its name does not say
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub to: Option<To>,
    /// Replace OUT if it exists
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    pub force: Option<bool>,
    /// Only from this time on, like 2026-06-22T10:11:12Z, or seconds since 1970
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub from_time: Option<u64>,
    /// Only before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub to_time: Option<u64>,
    /// One copy of a packet seen at several places
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    pub dedup: Option<bool>,
    /// Leave out what opens TLS connections
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    pub strip_secrets: Option<bool>,
    /// Interval of the flow records that packets become
    #[arg(long, value_name = "TIME", value_parser = interval, default_value = "1s")]
    pub cache_active_timeout: Duration,
    /// Who it is.
    #[command(flatten)]
    pub anonymize: AnonymizeArgs,
    /// Which records or packets.
    #[command(flatten)]
    pub language: LanguageArgs,
}

/// Replacing who it is.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Who it is")]
pub struct AnonymizeArgs {
    /// Replace addresses and names, each by one of its own; zero payloads
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    pub anonymize: Option<bool>,
    /// The same replacements in every run with this file or text
    #[arg(long, value_name = "FILE|TEXT", requires = "anonymize")]
    pub anonymize_key: Option<String>,
    /// Leave what TCP and UDP carry as it is, names and all
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true, requires = "anonymize")]
    pub keep_payload: Option<bool>,
}

/// Values of `--to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum To {
    /// Flow records, an array; on standard output one a line.
    Json,
    /// Flow records in SQLite.
    Db,
    /// Packets.
    Pcapng,
}

fn interval(text: &str) -> Result<Duration, String> {
    let time = flow::duration::parse(text).map_err(|error| error.to_string())?;
    let allowed = Duration::from_millis(100)..=Duration::from_hours(1);
    if allowed.contains(&time) { Ok(time) } else { Err("allowed are 100ms to 1h".to_owned()) }
}

/// ns since the epoch.
fn time(text: &str) -> Result<u64, String> {
    let wrong = || "not a time; a time is like 2026-06-22T10:11:12Z, or seconds since 1970".to_owned();
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        let since = flow::duration::parse(text).map_err(|_| wrong())?;
        return u64::try_from(since.as_nanos()).map_err(|_| wrong());
    }
    let time: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
    u64::try_from(time.as_nanosecond()).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_or_seconds() {
        let ns = 1_782_123_072_500_000_000;
        for text in ["2026-06-22T10:11:12.5Z", "2026-06-22 12:11:12.5+02:00", "1782123072.5"] {
            assert_eq!(time(text), Ok(ns), "{text}");
        }
        for text in ["", "yesterday", "2026-06-22", "10:11", "1969-01-01T00:00:00Z", "9e99"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
