//! The filter line: what is being typed, and the filters kept before it. All of them together narrow the table.

use flow::TextFilter;

/// Most characters that the line takes.
const MAX_LINE: usize = 200;
/// Most filters kept.
const MAX_FILTERS: usize = 32;

/// Kept filters and the line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    kept: Vec<String>,
    line: String,
}

impl Filters {
    /// Filters kept from the start.
    pub fn new(kept: Vec<String>) -> Self {
        Self { kept, line: String::new() }
    }

    /// Those of a former table, and the line as it was left there.
    pub fn restored(kept: &[String], line: &str) -> Self {
        let kept = kept.iter().filter(|text| !text.trim().is_empty()).take(MAX_FILTERS);
        Self { kept: kept.cloned().collect(), line: line.chars().take(MAX_LINE).collect() }
    }

    /// Those kept, oldest first.
    pub fn kept(&self) -> &[String] {
        &self.kept
    }

    /// What is being typed.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// All of them, to be passed by a row one and all.
    pub fn parsed(&self) -> Vec<TextFilter> {
        let texts = self.kept.iter().chain(std::iter::once(&self.line));
        texts.map(|text| TextFilter::parse(text)).filter(|filter| !filter.is_empty()).collect()
    }

    /// Adds a character.
    pub fn push(&mut self, c: char) {
        if self.line.chars().count() < MAX_LINE {
            self.line.push(c);
        }
    }

    /// Removes the last character; from the empty line the filter kept last.
    pub fn rub(&mut self) {
        if self.line.pop().is_none() {
            self.kept.pop();
        }
    }

    /// Removes the last word.
    pub fn rub_word(&mut self) {
        let trimmed = self.line.trim_end();
        let start = trimmed.rfind(char::is_whitespace).map_or(0, |at| at + 1);
        self.line.truncate(start);
    }

    /// Empties the line.
    pub fn clear_line(&mut self) {
        self.line.clear();
    }

    /// Keeps the line as a filter; false if there is nothing to keep.
    pub fn keep(&mut self) -> bool {
        let text = self.line.trim();
        if text.is_empty() {
            return false;
        }
        if self.kept.len() < MAX_FILTERS && !self.kept.iter().any(|kept| kept == text) {
            self.kept.push(text.to_owned());
        }
        self.line.clear();
        true
    }
}
