//! Byte sizes as people type them: `50000000`, `50MB`, `4GB`, `64MiB`, `10k`, `1.5G`.

/// Not a byte size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a size; a size is a number of bytes with an optional unit, like 50000000, 50MB, 4GB or 64MiB")]
pub struct NotASize;

/// Bytes. Units of ten (`k`, `MB`, `G`) and of two (`Ki`, `MiB`) in any case; a fraction needs a unit.
///
/// # Errors
/// [`NotASize`], also when the size does not fit 64 bits.
pub fn parse(text: &str) -> Result<u64, NotASize> {
    let text = text.trim();
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let scale = scale(unit.trim_start()).ok_or(NotASize)?;
    scaled(number, u128::from(scale)).and_then(|bytes| u64::try_from(bytes).ok()).ok_or(NotASize)
}

fn scale(unit: &str) -> Option<u64> {
    let unit = unit.to_ascii_lowercase();
    let prefix = unit.strip_suffix('b').unwrap_or(&unit);
    let (letter, base) = prefix.strip_suffix('i').map_or((prefix, 1000_u64), |letter| (letter, 1024));
    match (letter, base) {
        ("", 1000) => Some(1),
        ("k", _) => Some(base),
        ("m", _) => Some(base.pow(2)),
        ("g", _) => Some(base.pow(3)),
        ("t", _) => Some(base.pow(4)),
        _ => None,
    }
}

/// `number` (digits, at most one point) times `scale`, rounded down. Also reads durations.
pub(crate) fn scaled(number: &str, scale: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() <= 20;
    if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    if scale == 1 && !fraction.is_empty() {
        return None;
    }
    let value = |text: &str| if text.is_empty() { Some(0_u128) } else { text.parse().ok() };
    let part = value(fraction)?.checked_mul(scale)? / 10_u128.pow(fraction.len() as u32);
    value(whole)?.checked_mul(scale)?.checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_with_and_without_units() {
        for (text, bytes) in [
            ("0", 0),
            ("50000000", 50_000_000),
            ("50MB", 50_000_000),
            ("4GB", 4_000_000_000),
            ("64MiB", 64 << 20),
            ("10k", 10_000),
            ("10 KiB", 10 << 10),
            ("1.5G", 1_500_000_000),
            ("7b", 7),
            ("1Ti", 1 << 40),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size() {
        for text in ["", "MB", "-1", "5X", "1.5", "1.2.3k", "5iB", "99999999999999999999", "20000000TB", "0x10", "."] {
            assert_eq!(parse(text), Err(NotASize), "{text}");
        }
    }
}
