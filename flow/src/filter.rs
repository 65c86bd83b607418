//! The filter language: one way to say which packets, flows and rows are wanted, for kernel, collector, table and files.
//!
//! Owns how an expression is written ([`Filter::parse`]), what it means ([`Filter::matches`]), which part of it a kernel can
//! judge ([`Filter::split`]) and how to say so. Must not know kernels, clusters or screens.
//!
//! ```
//! use flow::{Filter, FlowRecord};
//! let filter = Filter::parse("dst.port = 443 and bytes > 1MB")?;
//! let record = FlowRecord { dst_port: Some(443), bytes: Some(2_000_000), ..FlowRecord::default() };
//! assert!(filter.matches(&record));
//! assert_eq!(Filter::parse("tcp dst port 443")?.to_string(), "proto = TCP and dst.port = 443");
//! # Ok::<(), flow::FilterError>(())
//! ```

mod complete;
mod display;
mod error;
mod eval;
mod explain;
mod kernel;
mod names;
mod object;
mod parse;
mod subject;
mod token;
mod tree;
mod trigger;
mod typed;
mod values;

use std::{fmt, net::IpAddr};

use serde::{Deserialize, Serialize};

pub use complete::{Candidate, Completions, complete};
pub use error::FilterError;
pub use object::{End, Object, ObjectKind};
pub use subject::{Subject, texts};
pub use trigger::Trigger;

use crate::{Rules, config::Mode};
use tree::{Expr, Test};

/// A parsed expression. The default one takes everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    expr: Expr,
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
        parse::parse(text).map(|expr| Self { expr })
    }

    /// Reads what is being typed, never failing: what does not parse is searched as words, as [`crate::TextFilter`] has it, and
    /// the error says why. Where only the end is missing, what stands before it counts.
    pub fn typed(text: &str) -> (Self, Option<FilterError>) {
        typed::typed(text)
    }

    /// Whether it takes everything.
    pub fn is_empty(&self) -> bool {
        self.expr == Expr::default()
    }

    /// Whether it takes `subject`.
    pub fn matches(&self, subject: &dyn Subject) -> bool {
        self.expr.takes(subject)
    }

    /// Both of two.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { expr: Expr::all([self.expr, other.expr]) }
    }

    /// The objects that it asks for by name or label, each once: who has no cluster at hand can refuse those by label, which no
    /// field tells.
    pub fn needs_objects(&self) -> Vec<&Object> {
        let mut objects = Vec::new();
        self.expr.each(&mut |test| {
            if let Test::Object(_, object) = test
                && !objects.contains(&object)
            {
                objects.push(object);
            }
        });
        objects
    }

    /// The two parts, for flows or packets. TCP flags are judged by the kernel in packets only: those of a flow are of all its
    /// packets. A condition on drops that everything else may depend on makes the capture one of drops only.
    pub fn split(&self, mode: Mode) -> Split {
        kernel::split(&self.expr, mode).split
    }

    /// What runs where, in lines for a terminal.
    pub fn explain(&self, mode: Mode) -> String {
        explain::explain(&self.expr, mode)
    }
}

/// An expression that reads back as the same filter.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.expr.fmt(f)
    }
}

#[cfg(test)]
mod tests;
