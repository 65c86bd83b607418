//! An expression as a tree: what parsing makes and everything else walks through.

use ipnet::IpNet;

use super::{End, Object, ObjectKind, names::Place};
use crate::{
    Field, Mac,
    rules::{Direction, TcpFlags},
};

/// A condition made of conditions.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    /// All of them; of none, always.
    And(Vec<Self>),
    /// One of them; of none, never.
    Or(Vec<Self>),
    Not(Box<Self>),
    Test(Test),
}

/// One condition. On what is absent none holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    /// A text that is shown contains it; in lower case.
    Word(String),
    /// A number in a range.
    Number(Place, Check),
    /// An address in a network.
    Address(Place, Vec<IpNet>),
    /// One of these Ethernet addresses.
    Mac(Place, Vec<Mac>),
    /// One of these texts, in any case.
    Text(Place, Vec<String>),
    /// A regular expression found in the text.
    Match(Place, Pattern),
    /// The text of the field, as it is shown, contains it; in lower case.
    Contains(Place, String),
    /// TCP flags of one packet; of a flow, those that one of its packets can have had.
    Flags(Field, TcpFlags),
    /// The bits of the field, bits 0 to 7.
    Bits(Field, TcpFlags),
    /// Seen in that direction at an interface.
    Direction(Direction),
    /// IPv4, or IPv6.
    Family { v4: bool },
    /// The field is there.
    With(Place),
    /// An end belongs to an object.
    Object(End, Object),
    /// The name of what an end belongs to.
    ObjectMatch(End, ObjectKind, Pattern),
    /// An end has a name of that kind.
    WithObject(End, ObjectKind),
}

/// Which numbers are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// In one of these, both ends included.
    In(Vec<(u64, u64)>),
    Below(u64),
    AtMost(u64),
    Above(u64),
    AtLeast(u64),
}

impl Check {
    pub(super) fn takes(&self, number: u64) -> bool {
        match self {
            Self::In(ranges) => ranges.iter().any(|(low, high)| (*low..=*high).contains(&number)),
            Self::Below(limit) => number < *limit,
            Self::AtMost(limit) => number <= *limit,
            Self::Above(limit) => number > *limit,
            Self::AtLeast(limit) => number >= *limit,
        }
    }

    /// The same as ranges, as far as numbers go up to `most`.
    pub(super) fn ranges(&self, most: u64) -> Vec<(u64, u64)> {
        let whole = match self {
            Self::In(ranges) => ranges.clone(),
            Self::Below(0) => Vec::new(),
            Self::Below(limit) => vec![(0, limit - 1)],
            Self::AtMost(limit) => vec![(0, *limit)],
            Self::Above(limit) => limit.checked_add(1).map(|low| vec![(low, most)]).unwrap_or_default(),
            Self::AtLeast(limit) => vec![(*limit, most)],
        };
        whole.into_iter().map(|(low, high)| (low, high.min(most))).filter(|(low, high)| low <= high).collect()
    }
}

/// A regular expression, equal to another that is written alike.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    text: String,
    regex: regex::Regex,
}

/// Memory that a compiled expression may take, bytes.
const PATTERN_SIZE: usize = 1 << 20;

impl Pattern {
    /// # Errors
    /// Why it is none, in a few words.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let built = regex::RegexBuilder::new(text).size_limit(PATTERN_SIZE).dfa_size_limit(PATTERN_SIZE).build();
        match built {
            Ok(regex) => Ok(Self { text: text.to_owned(), regex }),
            Err(regex::Error::CompiledTooBig(_)) => Err("it is too large".to_owned()),
            // The last line names the reason; the others draw the place.
            Err(error) => {
                let words = error.to_string();
                Err(words.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned())
            }
        }
    }

    pub(super) fn is_in(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Default for Expr {
    fn default() -> Self {
        Self::And(Vec::new())
    }
}

impl Expr {
    pub(super) fn not(self) -> Self {
        match self {
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    /// All of several; conjunctions within it become part of it.
    pub(super) fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = Vec::new();
        for part in parts {
            match part {
                Self::And(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        if flat.len() == 1 { flat.remove(0) } else { Self::And(flat) }
    }

    /// One of several.
    pub(super) fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = Vec::new();
        for part in parts {
            match part {
                Self::Or(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        if flat.len() == 1 { flat.remove(0) } else { Self::Or(flat) }
    }

    /// Calls `look` with every condition.
    pub(super) fn each<'a>(&'a self, look: &mut impl FnMut(&'a Test)) {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.each(look)),
            Self::Not(inner) => inner.each(look),
            Self::Test(test) => look(test),
        }
    }

    /// Levels of the tree; a condition is one.
    pub(super) fn depth(&self) -> usize {
        match self {
            Self::And(parts) | Self::Or(parts) => 1 + parts.iter().map(Self::depth).max().unwrap_or_default(),
            Self::Not(inner) => 1 + inner.depth(),
            Self::Test(_) => 1,
        }
    }

    /// What has to hold in any case.
    pub(super) fn conjuncts(&self) -> &[Self] {
        match self {
            Self::And(parts) => parts,
            other => std::slice::from_ref(other),
        }
    }
}
