//! Names that may have been meant by one that there is not.

use super::all;
use crate::Field;

/// Names that are spelt like `word`, best first, at most three.
pub(in crate::filter) fn near(word: &str) -> Vec<String> {
    let typed = word.to_ascii_lowercase();
    let spellings = all().map(|(name, ..)| name).chain(Field::ALL.iter().map(|field| field.name().to_owned()));
    let mut near: Vec<(usize, String)> = spellings
        .map(|name| (distance(&typed, &name.to_ascii_lowercase()), name))
        .filter(|(distance, name)| *distance <= 2.max(name.len() / 4))
        .collect();
    near.sort();
    near.dedup_by(|a, b| a.1 == b.1);
    near.into_iter().map(|(_, name)| name).take(3).collect()
}

/// Letters to insert, remove or replace to make one from the other, swapped neighbours once. A name that begins with what was
/// typed, or has it as a part, is close.
fn distance(typed: &str, name: &str) -> usize {
    if typed.len() >= 3 && (name.starts_with(typed) || name.split('.').any(|part| part == typed)) {
        return 1;
    }
    let (a, b): (Vec<char>, Vec<char>) = (typed.chars().take(64).collect(), name.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(rows[i - 2][j - 2] + 1);
            }
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_misspelt_is_near_to_what_was_meant() {
        for (typed, meant) in [
            ("bites", "bytes"),
            ("prot", "port"),
            ("dns.rcod", "dns.rcode"),
            ("SrcAdr", "SrcAddr"),
            ("src.prot", "src.port"),
            ("rcode", "dns.rcode"),
            ("pdo", "pod"),
        ] {
            assert!(near(typed).iter().any(|name| name == meant), "{typed}: {:?}", near(typed));
        }
        assert!(near("zzzzzzzzzz").is_empty());
    }
}
