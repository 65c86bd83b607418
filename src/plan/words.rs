//! What is captured, in words: for the header of the table and the summary.

use flow::{rules::Options, show::escape};

/// `protocol TCP, port 443 or port 53`; `everything` without rules.
pub fn rules_in_words(groups: &[Options]) -> String {
    let rule =
        |options: &Options| join(options.iter().map(|(option, value)| format!("{option} {}", escape(value))), ", ");
    let text = join(groups.iter().map(rule), " or ");
    if text.is_empty() { "everything".to_owned() } else { text }
}

/// The texts with a separator between them.
pub fn join(texts: impl Iterator<Item = String>, separator: &str) -> String {
    texts.collect::<Vec<_>>().join(separator)
}
