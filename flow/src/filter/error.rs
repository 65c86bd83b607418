//! What is wrong with an expression, and how it is pointed at.

use std::ops::Range;

use crate::show;

/// What is wrong with an expression, where, and what to do about it. Shown whole it has the expression with a caret below.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FilterError {
    /// One sentence.
    pub message: String,
    /// The expression.
    pub text: String,
    /// Where in `text`: byte offsets, `start..end`, at character boundaries.
    pub span: Range<usize>,
    /// What may have been meant.
    pub hint: Option<String>,
}

/// Most of an expression that is shown on each side of what is wrong, characters.
const AROUND: usize = 60;

impl FilterError {
    /// The expression and below it carets at the place, two lines for a terminal. What is not printable is escaped, a long
    /// expression is cut on both sides.
    pub fn pointed(&self) -> String {
        let before = self.text.get(..self.span.start).unwrap_or_default();
        let at = self.text.get(self.span.clone()).unwrap_or_default();
        let after = self.text.get(self.span.end..).unwrap_or_default();
        let (before, at, after) = (tail(before), head(at), head(after));
        let indent = " ".repeat(width(&before));
        format!("{before}{at}{after}\n{indent}{}", "^".repeat(width(&at).max(1)))
    }

    /// Whether it ended where something has to follow: more may be typed.
    pub fn is_incomplete(&self) -> bool {
        self.span.start >= self.text.trim_end().len()
    }
}

fn head(text: &str) -> String {
    let kept: String = text.chars().take(AROUND).collect();
    let more = if kept.len() < text.len() { "..." } else { "" };
    format!("{}{more}", show::escape(&kept))
}

fn tail(text: &str) -> String {
    let skipped = text.chars().count().saturating_sub(AROUND);
    let kept: String = text.chars().skip(skipped).collect();
    let more = if skipped > 0 { "..." } else { "" };
    format!("{more}{}", show::escape(&kept))
}

/// Terminal cells that `text` takes.
fn width(text: &str) -> usize {
    unicode_width::UnicodeWidthStr::width(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointed(text: &str, span: Range<usize>) -> String {
        FilterError { message: String::new(), text: text.to_owned(), span, hint: None }.pointed()
    }

    #[test]
    fn carets_stand_below_the_place_whatever_stands_before_it() {
        assert_eq!(pointed("port = x", 7..8), "port = x\n       ^");
        assert_eq!(pointed("東京 ==", 7..9), "東京 ==\n     ^^");
        assert_eq!(pointed("a\x1b x", 3..4), "a\\u{1b} x\n        ^");
        assert_eq!(pointed("port =", 6..6), "port =\n      ^");
    }

    #[test]
    fn a_long_expression_is_cut_around_the_place() {
        let text = format!("{}!{}", "a".repeat(500), "b".repeat(500));
        let shown = pointed(&text, 500..501);
        assert!(shown.starts_with("...aaa") && shown.contains("bbb..."));
        assert_eq!(shown.lines().map(|line| line.find(['!', '^'])).collect::<Vec<_>>(), [Some(63), Some(63)]);
    }

    #[test]
    fn a_span_that_is_none_does_no_harm() {
        assert_eq!(pointed("ä", 1..9), "\n^");
    }
}
