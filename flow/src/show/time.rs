//! Times of day, always UTC: pure code has no time zone, and captures of several machines compare.

/// `HH:MM:SS.mmm` UTC of a time in milliseconds since 1970.
pub fn time_of_day(epoch_ms: u64) -> String {
    let seconds = epoch_ms / 1000;
    let (hour, minute, second) = clock(seconds);
    format!("{hour:02}:{minute:02}:{second:02}.{:03}", epoch_ms % 1000)
}

/// `2026-11-20 09:06:41.123` UTC of a time in milliseconds since 1970.
pub fn date_time(epoch_ms: u64) -> String {
    let (year, month, day) = date(epoch_ms / 86_400_000);
    format!("{year:04}-{month:02}-{day:02} {}", time_of_day(epoch_ms))
}

/// The name of a capture's files: UTC, RFC 3339 without colons, `2026-11-20T090641Z`, of a time in seconds since 1970.
pub fn stamp(epoch_s: u64) -> String {
    let (year, month, day) = date(epoch_s / 86_400);
    let (hour, minute, second) = clock(epoch_s);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}{minute:02}{second:02}Z")
}

const fn clock(seconds: u64) -> (u64, u64, u64) {
    (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

/// The Gregorian date `days` after 1970-01-01. Years are counted from March, so that the leap day is the last one, and
/// from the year 0000 in eras of 400 years (146,097 days).
const fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + (month <= 2) as u64, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_at_the_edges_of_years_and_months() {
        for (seconds, text) in [
            (0, "1970-01-01T000000Z"),
            (951_782_399, "2000-02-28T235959Z"),
            (951_782_400, "2000-02-29T000000Z"),
            (951_868_800, "2000-03-01T000000Z"),
            (1_735_689_599, "2024-12-31T235959Z"),
            (1_735_689_600, "2025-01-01T000000Z"),
            (4_107_542_400, "2100-03-01T000000Z"),
        ] {
            assert_eq!(stamp(seconds), text);
        }
    }

    #[test]
    fn milliseconds_are_kept() {
        assert_eq!(time_of_day(1_763_629_601_123), "09:06:41.123");
        assert_eq!(date_time(1_763_629_601_123), "2025-11-20 09:06:41.123");
    }
}
