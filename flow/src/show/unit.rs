//! Quantities in few cells: three significant digits and a unit of ten, never more than six cells.

use std::time::Duration;

/// Bytes: `982`, `1.20K`, `34.5M`; K is 1000.
pub fn bytes(value: u64) -> String {
    scaled(value)
}

/// A number of things: as [`bytes`], but exact up to five digits.
pub fn count(value: u64) -> String {
    if value < 100_000 { value.to_string() } else { scaled(value) }
}

fn scaled(value: u64) -> String {
    if value < 1000 {
        return value.to_string();
    }
    let mut scaled = value as f64 / 1000.0;
    let mut units = ['K', 'M', 'G', 'T', 'P', 'E'].into_iter();
    let mut unit = units.next().unwrap_or('K');
    // 999.5 would be rounded to four digits.
    while scaled >= 999.5 {
        let Some(next) = units.next() else { break };
        unit = next;
        scaled /= 1000.0;
    }
    format!("{}{unit}", three_digits(scaled))
}

fn three_digits(value: f64) -> String {
    match value {
        v if v < 9.995 => format!("{v:.2}"),
        v if v < 99.95 => format!("{v:.1}"),
        v => format!("{v:.0}"),
    }
}

/// A duration: `0s`, `350ns`, `1.23ms`, `12.3s`, `2m05s`, `1h02m`, `3d04h`.
pub fn duration(value: Duration) -> String {
    let ns = value.as_nanos() as f64;
    let seconds = value.as_secs();
    match seconds {
        0 if value.is_zero() => "0s".to_owned(),
        0 if ns < 999.5 => format!("{ns}ns"),
        0 if ns < 999_500.0 => format!("{}us", three_digits(ns / 1e3)),
        0 if ns < 999_500_000.0 => format!("{}ms", three_digits(ns / 1e6)),
        0..60 => format!("{}s", three_digits(ns / 1e9)),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86400 => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d{:02}h", seconds / 86400, seconds % 86400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_three_digits_and_carry_over() {
        for (value, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1.00K"),
            (1234, "1.23K"),
            (9_996, "10.0K"),
            (99_960, "100K"),
            (999_499, "999K"),
            (999_500, "1.00M"),
            (3_400_000, "3.40M"),
            (u64::MAX, "18.4E"),
        ] {
            assert_eq!(bytes(value), text, "{value}");
        }
    }

    #[test]
    fn counts_are_exact_while_they_are_short() {
        assert_eq!((count(99_999).as_str(), count(100_000).as_str()), ("99999", "100K"));
    }

    #[test]
    fn durations_take_the_unit_that_fits() {
        for (ns, text) in [
            (0, "0s"),
            (350, "350ns"),
            (1_234, "1.23us"),
            (1_234_000, "1.23ms"),
            (999_600_000, "1.00s"),
            (12_345_000_000, "12.3s"),
            (125_000_000_000, "2m05s"),
            (3_725_000_000_000, "1h02m"),
            (273_600_000_000_000, "3d04h"),
        ] {
            assert_eq!(duration(Duration::from_nanos(ns)), text, "{ns}");
        }
    }
}
