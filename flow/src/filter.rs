//! The filter language: one way to say which packets, flows and rows are wanted, for kernel, collector, table and files.
//!
//! Owns how an expression is written ([`Filter::parse`]), what it means ([`Filter::matches`]), which part of it a kernel can
//! judge ([`Filter::split`]) and how to say so. Must not know kernels, clusters or screens.

mod object;
mod subject;

use std::{fmt, net::IpAddr};

use serde::{Deserialize, Serialize};

pub use object::{End, Object, ObjectKind};
pub use subject::Subject;

use crate::{Rules, TextFilter, config::Mode};

/// A parsed expression. The default one takes everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    text: String,
    words: TextFilter,
}

/// What is wrong with an expression, where, and what to do about it. Shown whole it has the expression with a caret below.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FilterError {
    /// One sentence.
    pub message: String,
    /// The expression.
    pub text: String,
    /// Where in `text`: byte offsets, `start..end`, at character boundaries.
    pub span: std::ops::Range<usize>,
    /// What may have been meant.
    pub hint: Option<String>,
}

impl FilterError {
    /// The expression and below it a caret at the place, two lines for a terminal; what is not printable is escaped.
    pub fn pointed(&self) -> String {
        format!("{}\n{}^", self.text, " ".repeat(self.span.start))
    }
}

/// Where the addresses of a set of a kernel's rules come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetSource {
    /// They stand in the expression.
    Addresses(Vec<IpAddr>),
    /// Those that objects of the cluster have: whoever knows them keeps the set up to date.
    Object(Object),
}

/// An expression in two parts: a packet is wanted if both take it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Split {
    /// What runs in the kernel; first match decides, as always. Empty takes every packet.
    pub rules: Rules,
    /// Sets that the rules refer to by index, at most 32.
    pub sets: Vec<SetSource>,
    /// What runs after it, over records or packets; `None` where the kernel's part is all.
    pub after: Option<Filter>,
    /// Only packets that the kernel drops can match.
    pub drops_only: bool,
}

impl Filter {
    /// Reads an expression.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        Ok(Self { text: text.to_owned(), words: TextFilter::parse(text) })
    }

    /// Whether it takes everything.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Whether it takes `subject`.
    pub fn matches(&self, subject: &dyn Subject) -> bool {
        let _ = subject;
        true
    }

    /// Both of two.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let _ = other;
        self
    }

    /// The two parts, for flows or packets.
    pub fn split(&self, mode: Mode) -> Split {
        let _ = mode;
        Split { after: Some(self.clone()), ..Split::default() }
    }

    /// What runs where, in lines for a terminal.
    pub fn explain(&self, mode: Mode) -> String {
        let _ = mode;
        String::new()
    }
}

/// An expression that reads back as the same filter.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
