//! Lines of a key log (draft-ietf-tls-keylogfile, and what NSS and Wireshark know beside it), of anybody: checked, bounded, each
//! told once.

use std::{
    collections::HashSet,
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};

/// Longest line; the longest of today has 250 bytes.
const LONGEST: usize = 512;
/// Lines that are remembered to have been told.
const TOLD: usize = 1 << 20;
/// Labels of lines that Wireshark reads. A number may follow those of traffic.
const LABELS: [&str; 12] = [
    "CLIENT_RANDOM",
    "CLIENT_EARLY_TRAFFIC_SECRET",
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    "CLIENT_TRAFFIC_SECRET_",
    "SERVER_TRAFFIC_SECRET_",
    "EARLY_EXPORTER_SECRET",
    "EXPORTER_SECRET",
    "ECH_SECRET",
    "ECH_CONFIG",
    "PMS_CLIENT_RANDOM",
    "RSA",
];

/// Puts lines together from pieces of a file.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The beginning of a line whose end has not come.
    rest: Vec<u8>,
    /// It is too long already.
    skip: bool,
    told: HashSet<u64>,
    hasher: RandomState,
}

impl Lines {
    /// Adds the secrets of lines that end in `piece`; how many lines were no secrets.
    pub(super) fn take(&mut self, piece: &[u8], secrets: &mut Vec<Arc<str>>) -> u64 {
        let mut wrong = 0;
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            let (part, ends) = part.strip_suffix(b"\n").map_or((part, false), |part| (part, true));
            if self.rest.len() + part.len() > LONGEST {
                self.skip = true;
            } else {
                self.rest.extend_from_slice(part);
            }
            if ends {
                wrong += u64::from(!self.line(secrets));
                self.end();
            }
        }
        wrong
    }

    /// Forgets a line whose end will not come.
    pub(super) fn end(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.rest);
        self.skip = false;
    }

    /// Whether the line is what may stand in a key log.
    fn line(&mut self, secrets: &mut Vec<Arc<str>>) -> bool {
        if self.skip {
            return false;
        }
        let Ok(line) = std::str::from_utf8(&self.rest) else { return false };
        let line = line.trim_end_matches('\r');
        if line.is_empty() || line.starts_with('#') {
            return true;
        }
        if !is_secret(line) {
            return false;
        }
        if self.told.len() >= TOLD {
            self.told.clear();
        }
        if self.told.insert(self.hasher.hash_one(line)) {
            secrets.push(line.into());
        }
        true
    }
}

/// A known label, and after it two numbers in hexadecimal.
fn is_secret(line: &str) -> bool {
    let mut words = line.split(' ');
    let (Some(label), Some(about), Some(secret), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return false;
    };
    let is_label = |known: &&str| match label.strip_prefix(*known) {
        Some("") => !known.ends_with('_'),
        Some(number) => known.ends_with('_') && number.bytes().all(|byte| byte.is_ascii_digit()),
        None => false,
    };
    let is_hex = |text: &str| {
        !text.is_empty() && text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    LABELS.iter().any(is_label) && is_hex(about) && is_hex(secret)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn taken(pieces: &[&[u8]]) -> (Vec<String>, u64) {
        let (mut lines, mut secrets, mut wrong) = (Lines::default(), Vec::new(), 0);
        for piece in pieces {
            wrong += lines.take(piece, &mut secrets);
        }
        (secrets.iter().map(ToString::to_string).collect(), wrong)
    }

    #[test]
    fn only_what_opens_connections_is_taken() {
        let good = [
            "CLIENT_RANDOM aa bb",
            "SERVER_TRAFFIC_SECRET_0 AA0b bb",
            "CLIENT_TRAFFIC_SECRET_12 aa bb",
            "RSA 0011223344556677 aabb",
        ];
        for line in good {
            assert_eq!(taken(&[format!("{line}\r\n").as_bytes()]), (vec![line.to_owned()], 0), "{line}");
        }
        let bad = [
            "PASSWORD aa bb",
            "CLIENT_RANDOM aa",
            "CLIENT_RANDOM aa bb cc",
            "CLIENT_RANDOM  aa bb",
            "CLIENT_RANDOM aa b",
            "CLIENT_RANDOM aa bx",
            "CLIENT_RANDOM_0 aa bb",
            "SERVER_TRAFFIC_SECRET_ aa bb\u{7f}",
            "SERVER_TRAFFIC_SECRET_x aa bb",
            "\u{0}",
        ];
        for line in bad {
            assert_eq!(taken(&[format!("{line}\n").as_bytes()]), (vec![], 1), "{line}");
        }
        assert_eq!(taken(&[b"\n# words\n"]), (vec![], 0));
        assert_eq!(taken(&[b"CLIENT_RANDOM aa \xff\n"]), (vec![], 1));
    }

    #[test]
    fn a_line_without_an_end_does_not_grow_and_one_that_is_repeated_is_told_once() {
        let long = vec![b'a'; 1 << 20];
        assert_eq!(taken(&[b"CLIENT_RANDOM ", &long, b" bb\nCLIENT_RANDOM aa bb\n"]).0, ["CLIENT_RANDOM aa bb"]);
        assert_eq!(taken(&[b"CLIENT_RANDOM aa bb\nCLIENT_RANDOM aa bb\n"]).0.len(), 1);
        assert_eq!(taken(&[b"CLIENT_RANDOM aa bb"]).0.len(), 0);
    }

    proptest! {
        /// However a file comes apart, its lines are the same.
        #[test]
        fn lines_do_not_depend_on_the_pieces_they_come_in(cuts in proptest::collection::vec(0_usize..300, 0..20)) {
            let lines: Vec<String> = (0..9).map(|n| format!("CLIENT_RANDOM 0{n} ab\nnonsense {n}\n")).collect();
            let text = lines.concat();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % text.len()).chain([0, text.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &text.as_bytes()[cut[0]..cut[1]]).collect();
            prop_assert_eq!(taken(&pieces), taken(&[text.as_bytes()]));
            prop_assert_eq!(taken(&pieces).1, 9);
        }
    }
}
