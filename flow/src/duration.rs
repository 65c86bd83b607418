//! Durations as Go writes them, which is what kubectl users type: `5m`, `1h30m`, `300ms`; a bare number is seconds.

use std::time::Duration;

use crate::size::scaled;

/// Not a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a duration; a duration is like 90s, 5m, 1h30m or 300ms")]
pub struct NotADuration;

/// The duration, to the nanosecond.
///
/// # Errors
/// [`NotADuration`], also when it is negative or longer than 584 years.
pub fn parse(text: &str) -> Result<Duration, NotADuration> {
    let text = text.trim();
    let nanoseconds = if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        scaled(text, 1_000_000_000)
    } else {
        sum_of_parts(text)
    };
    let nanoseconds = nanoseconds.and_then(|ns| u64::try_from(ns).ok());
    nanoseconds.map(Duration::from_nanos).ok_or(NotADuration)
}

fn sum_of_parts(mut text: &str) -> Option<u128> {
    let mut sum = 0_u128;
    while !text.is_empty() {
        let (number, rest) = text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.')?);
        let (unit, rest) = rest.split_at(rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len()));
        sum = sum.checked_add(part(number, unit)?)?;
        text = rest;
    }
    Some(sum)
}

fn part(number: &str, unit: &str) -> Option<u128> {
    let scale = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    scaled(number, scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_durations_and_bare_seconds() {
        for (text, ms) in [
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("300ms", 300),
            ("90s", 90_000),
            ("90", 90_000),
            ("0", 0),
            ("1.5h", 5_400_000),
            ("0.25", 250),
            ("1m0.5s", 60_500),
            ("2000us", 2),
            ("2000µs", 2),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration() {
        for text in ["", "m", "-5m", "5x", "1h30", "5 m", "1..5s", "10000000h"] {
            assert_eq!(parse(text), Err(NotADuration), "{text}");
        }
    }
}
