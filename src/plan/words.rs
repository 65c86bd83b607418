//! What is captured, in words: for the header of the table and the summary.

use flow::{Filter, rules::Options, show::escape};

/// `protocol TCP, port 443 or port 53`; `everything` without rules.
pub fn rules_in_words(groups: &[Options]) -> String {
    let rule =
        |options: &Options| join(options.iter().map(|(option, value)| format!("{option} {}", escape(value))), ", ");
    let text = join(groups.iter().map(rule), " or ");
    if text.is_empty() { "everything".to_owned() } else { text }
}

/// The same with a filter in the language.
pub(crate) fn with_filter(rules: String, drops_only: bool, filter: &Filter) -> String {
    let rules = if drops_only { format!("drops of {rules}") } else { rules };
    match (filter.is_empty(), rules.as_str()) {
        (true, _) => rules,
        (false, "everything") => escape(&filter.to_string()).into_owned(),
        (false, _) => format!("{rules}; {}", escape(&filter.to_string())),
    }
}

/// The texts with a separator between them.
pub fn join(texts: impl Iterator<Item = String>, separator: &str) -> String {
    texts.collect::<Vec<_>>().join(separator)
}
