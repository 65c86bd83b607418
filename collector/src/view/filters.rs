//! The filter line: what is being typed, and the filters kept before it. All of them together narrow the table.
//!
//! They are expressions of the filter language; what is none (yet) narrows by its words.

use flow::{Filter, FilterError};

/// Most characters that the line takes.
const MAX_LINE: usize = 200;
/// Most filters kept.
const MAX_FILTERS: usize = 32;

/// Whether what is being typed is one condition whose value is still to come: its words are none to look for.
fn is_condition(text: &str) -> bool {
    let mut words = text.split_whitespace();
    text.contains(['=', '<', '>', '~']) && !words.any(|word| word == "and" || word == "or")
}

/// Kept filters and the line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filters {
    kept: Vec<String>,
    line: String,
    /// All of them as they are in force.
    parsed: Vec<Filter>,
    mistake: Option<FilterError>,
}

impl Filters {
    /// Filters kept from the start.
    pub fn new(kept: Vec<String>) -> Self {
        Self { kept, ..Self::default() }.read()
    }

    /// Those of a former table, and the line as it was left there.
    pub fn restored(kept: &[String], line: &str) -> Self {
        let kept = kept.iter().filter(|text| !text.trim().is_empty()).take(MAX_FILTERS);
        let (kept, line) = (kept.cloned().collect(), line.chars().take(MAX_LINE).collect());
        Self { kept, line, ..Self::default() }.read()
    }

    /// What they mean.
    fn read(mut self) -> Self {
        let (mut line, mistake) = Filter::typed(&self.line);
        if mistake.as_ref().is_some_and(|mistake| mistake.is_incomplete() && is_condition(&mistake.text)) {
            line = Filter::default();
        }
        let kept = self.kept.iter().map(|text| Filter::typed(text).0);
        self.parsed = kept.chain([line]).filter(|filter| !filter.is_empty()).collect();
        self.mistake = mistake;
        self
    }

    fn change(&mut self, change: impl FnOnce(&mut Self)) {
        change(self);
        *self = std::mem::take(self).read();
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
    pub fn parsed(&self) -> &[Filter] {
        &self.parsed
    }

    /// Why the line is no expression; its words narrow the table all the same.
    pub fn mistake(&self) -> Option<&FilterError> {
        self.mistake.as_ref()
    }

    /// Adds a character.
    pub fn push(&mut self, c: char) {
        if self.line.chars().count() < MAX_LINE {
            self.change(|this| this.line.push(c));
        }
    }

    /// Puts `text` in the place of all from byte `start` on.
    pub fn replace_from(&mut self, start: usize, text: &str) {
        if self.line.is_char_boundary(start) && self.line[..start].chars().count() + text.chars().count() <= MAX_LINE {
            self.change(|this| this.line.replace_range(start.., text));
        }
    }

    /// Removes the last character; from the empty line the filter kept last.
    pub fn rub(&mut self) {
        self.change(|this| {
            if this.line.pop().is_none() {
                this.kept.pop();
            }
        });
    }

    /// Removes the last word.
    pub fn rub_word(&mut self) {
        let trimmed = self.line.trim_end();
        let start = trimmed.rfind(char::is_whitespace).map_or(0, |at| at + 1);
        self.change(|this| this.line.truncate(start));
    }

    /// Empties the line.
    pub fn clear_line(&mut self) {
        self.change(|this| this.line.clear());
    }

    /// Keeps the line as a filter; false if there is nothing to keep.
    pub fn keep(&mut self) -> bool {
        let text = self.line.trim();
        if text.is_empty() {
            return false;
        }
        let text = text.to_owned();
        self.change(|this| {
            if this.kept.len() < MAX_FILTERS && !this.kept.contains(&text) {
                this.kept.push(text);
            }
            this.line.clear();
        });
        true
    }
}
