//! Names that come from the pod and become paths here. Whoever is in the pod may not choose where it writes.

use super::CopyError;

/// Longest path we take.
const LONGEST: usize = 200;
/// Names that Windows keeps for devices, with any extension.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// Accepts `part/part` of letters, digits and `._+-`, where no part begins with a dot.
pub(super) fn check(path: &str) -> Result<(), CopyError> {
    let is_fine = path.len() <= LONGEST && path.split('/').count() <= 5 && path.split('/').all(is_plain);
    if is_fine { Ok(()) } else { Err(CopyError::Name(path.chars().take(LONGEST).collect())) }
}

fn is_plain(part: &str) -> bool {
    let is_taken = |char: char| char.is_ascii_alphanumeric() || "._+-".contains(char);
    let stem = part.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let numbered = stem.strip_prefix("com").or(stem.strip_prefix("lpt"));
    let is_device = DEVICES.contains(&stem.as_str()) || numbered.is_some_and(|digit| digit.len() == 1);
    !part.starts_with('.') && !part.ends_with('.') && !part.is_empty() && part.chars().all(is_taken) && !is_device
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_we_give_are_taken() {
        for path in ["flow/2026-11-20T121314Z.json", "flow/a.db-wal", "pcap/2026+1.pcapng", "a.summary.json"] {
            check(path).unwrap();
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let long = "x".repeat(LONGEST + 1);
        let bad = [
            "",
            "/etc/passwd",
            "..",
            "a/../b",
            "a//b",
            "a/",
            ".ssh/key",
            "a\\b",
            "c:x",
            "nul.json",
            "flow/COM1",
            "a\nb",
            "é",
            "a/b/c/d/e/f",
            "a.",
            &long,
        ];
        for path in bad {
            assert!(check(path).is_err(), "{path:?}");
        }
    }
}
