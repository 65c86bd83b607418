//! What may be typed next: names, operators that go with them, values.

use super::{
    names::{self, Meaning, Place},
    parse::PCAP_KEYWORDS,
    token::{Kind, Token, tokens},
    values::{Domain, FLAG_NAMES, domain},
};
use crate::{Field, show};

/// What can stand at the cursor instead of what was begun there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completions {
    /// Byte offset at which the candidates begin: what stands from there to the cursor is replaced.
    pub start: usize,
    /// Best first.
    pub candidates: Vec<Candidate>,
}

/// One way to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// What to insert, quoted where it has to be.
    pub text: String,
    /// What it is, a phrase.
    pub what: String,
}

/// Most candidates.
const MOST: usize = 50;

/// What may stand at byte `cursor` of `text`; `values` tells values of a field that have been seen.
pub fn complete(text: &str, cursor: usize, values: &dyn Fn(Field) -> Vec<String>) -> Completions {
    let cursor = (0..=cursor.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let before = &text[..cursor];
    let start = word_start(before);
    let begun = before[start..].trim_start_matches(['"', '\'']);
    let Ok(tokens) = tokens(&before[..start]) else { return Completions { start, candidates: Vec::new() } };
    let signs = begun.len() - begun.trim_start_matches(['-', '!']).len();
    let candidates = match context(&tokens) {
        Context::Condition { joinable } => conditions(&begun[signs..], joinable),
        Context::Operator(meaning) => operators(&meaning),
        Context::Value(meaning) => of_values(&meaning, values),
        Context::Within => names::all().map(|(name, _, what)| candidate(name, what)).collect(),
    };
    let start = start + before[start..].len() - begun.len() + signs;
    let quoted = before[..start].ends_with(['"', '\'']);
    let start = start - usize::from(quoted);
    Completions { start, candidates: fitting(candidates, &begun[signs..]) }
}

/// Where the word or the quoted text at the end begins.
fn word_start(before: &str) -> usize {
    let mut quote = None;
    for (at, c) in before.char_indices() {
        quote = match (quote, c) {
            (None, '"') => Some((at, c)),
            (Some((_, open)), c) if c == open => None,
            (open, _) => open,
        };
    }
    let ends = |c: char| c.is_whitespace() || "(),=<>~&|".contains(c);
    quote.map_or_else(
        || before.rfind(ends).map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8)),
        |(at, _)| at,
    )
}

/// What the tokens before the cursor call for.
enum Context {
    /// A condition; `joinable` where one stands before, so that a joining word may come too.
    Condition {
        joinable: bool,
    },
    Operator(Meaning),
    Value(Meaning),
    /// The name within `with()`.
    Within,
}

fn context(tokens: &[Token]) -> Context {
    let kinds: Vec<&Kind> = tokens.iter().map(|token| &token.kind).collect();
    if let Some(meaning) = awaited(&kinds) {
        return Context::Value(meaning);
    }
    match kinds.as_slice() {
        [.., Kind::Word(with), Kind::Open] if is_one_of(with, &["with", "without"]) => Context::Within,
        [.., Kind::Word(keyword)] if pcap_value(keyword).is_some() && !is_value(&kinds) => {
            pcap_value(keyword).map_or(Context::Condition { joinable: true }, Context::Value)
        }
        [.., Kind::Word(name)] if names::find(name).is_some() && !is_value(&kinds) => {
            names::find(name).map_or(Context::Condition { joinable: true }, Context::Operator)
        }
        [] | [.., Kind::Open | Kind::And | Kind::Or | Kind::Bang] => Context::Condition { joinable: false },
        [.., Kind::Word(word)] if is_one_of(word, &["and", "or", "not"]) => Context::Condition { joinable: false },
        _ => Context::Condition { joinable: true },
    }
}

/// What a value is awaited of: after an operator, or in a list that is open.
fn awaited(kinds: &[&Kind]) -> Option<Meaning> {
    let name = |before: &[&Kind]| match before {
        [.., Kind::Word(name), Kind::Word(not), Kind::Word(is_in)]
            if is_one_of(not, &["not"]) && is_one_of(is_in, &["in"]) =>
        {
            names::find(name)
        }
        [.., Kind::Word(name), Kind::Word(is_in)] if is_one_of(is_in, &["in"]) => names::find(name),
        [.., Kind::Word(name), Kind::Op(_) | Kind::Mask] => names::find(name),
        _ => None,
    };
    if let Some(meaning) = name(kinds) {
        return Some(meaning);
    }
    // Back to the parenthesis of a list: values with commas between them.
    let mut at = kinds.len();
    if !matches!(kinds.last(), Some(Kind::Comma | Kind::Open)) {
        return None;
    }
    while let Some(before) = at.checked_sub(1) {
        match kinds[before] {
            Kind::Open => return name(&kinds[..before]),
            Kind::Comma | Kind::Word(_) | Kind::Quoted(_) => at = before,
            _ => return None,
        }
    }
    None
}

/// Whether the last word is the value of a condition and not the beginning of one.
fn is_value(kinds: &[&Kind]) -> bool {
    kinds.split_last().is_some_and(|(_, before)| {
        awaited(before).is_some() || matches!(before.last(), Some(Kind::Word(word)) if pcap_value(word).is_some())
    })
}

fn pcap_value(keyword: &str) -> Option<Meaning> {
    let place = match keyword.to_ascii_lowercase().as_str() {
        "host" | "net" => Place::Either(Field::SrcAddr, Field::DstAddr),
        _ => return None,
    };
    Some(Meaning::Fields { place, exact: false })
}

fn is_one_of(word: &str, words: &[&str]) -> bool {
    words.iter().any(|known| known.eq_ignore_ascii_case(word))
}

fn candidate(text: impl Into<String>, what: impl Into<String>) -> Candidate {
    Candidate { text: text.into(), what: what.into() }
}

/// Those that begin with what was typed, then those that have it somewhere.
fn fitting(candidates: Vec<Candidate>, begun: &str) -> Vec<Candidate> {
    let begun = begun.to_lowercase();
    let begins = |candidate: &Candidate| candidate.text.trim_start_matches('"').to_lowercase().starts_with(&begun);
    let has = |candidate: &Candidate| candidate.text.to_lowercase().contains(&begun);
    let (mut first, rest): (Vec<_>, Vec<_>) = candidates.into_iter().partition(begins);
    first.extend(rest.into_iter().filter(has));
    let mut seen = std::collections::HashSet::new();
    first.retain(|candidate| seen.insert(candidate.text.clone()));
    first.truncate(MOST);
    first
}

/// Names, keywords and, after a condition, what joins. The schema's own names come when their beginning is typed.
fn conditions(begun: &str, joinable: bool) -> Vec<Candidate> {
    let joining = [("and", "Both."), ("or", "Either."), ("not", "The opposite.")];
    let joins = joining.iter().filter(|(word, _)| joinable || *word == "not");
    let with = [("with(", "The field is there."), ("without(", "The field is absent.")];
    let own = [("drops", "What the kernel dropped.")];
    let words = joins.chain(&own).map(|(word, what)| candidate(*word, *what));
    let keywords = PCAP_KEYWORDS.iter().filter(|(_, what)| !what.is_empty());
    let mut all: Vec<_> = words.collect();
    all.extend(names::all().map(|(name, _, what)| candidate(name, what)));
    all.extend(with.iter().chain(keywords).map(|(word, what)| candidate(*word, *what)));
    if !begun.is_empty() {
        all.extend(Field::ALL.iter().map(|field| candidate(field.name(), field.doc().trim())));
    }
    all
}

fn operators(meaning: &Meaning) -> Vec<Candidate> {
    let equal = [("=", "equal"), ("!=", "not equal"), ("in (", "one of several")];
    let order = [("<", "less"), ("<=", "at most"), (">", "more"), (">=", "at least")];
    let matching = [("=~", "a regular expression is found in it"), ("!~", "none is found in it")];
    let (ordered, matched) = match meaning {
        Meaning::Fields { place, .. } => (domain(*place).is_ordered(), true),
        Meaning::Object(_, kind) => (false, *kind != super::ObjectKind::Selector),
        Meaning::Label(..) => (false, false),
    };
    let is_flags = matches!(meaning, Meaning::Fields { place, .. } if domain(*place) == Domain::Flags);
    let masks = [("&", "one of these bits is set")];
    let order = order.iter().filter(|_| ordered);
    let matching = matching.iter().filter(|_| matched);
    let masks = masks.iter().filter(|_| is_flags);
    equal.iter().chain(order).chain(matching).chain(masks).map(|(op, what)| candidate(*op, *what)).collect()
}

/// Values that there can be, then those that have been seen.
fn of_values(meaning: &Meaning, values: &dyn Fn(Field) -> Vec<String>) -> Vec<Candidate> {
    let fields: Vec<Field> = match meaning {
        Meaning::Fields { place: Place::One(field), .. } => vec![*field],
        Meaning::Fields { place: Place::Either(src, dst), .. } => vec![*src, *dst],
        Meaning::Object(end, kind) => object_fields(*end, *kind),
        Meaning::Fields { place: Place::Duration, .. } | Meaning::Label(..) => Vec::new(),
    };
    let known = match meaning {
        Meaning::Fields { place, .. } => enumerated(domain(*place)),
        Meaning::Object(..) | Meaning::Label(..) => Vec::new(),
    };
    let seen = fields.iter().flat_map(|field| values(*field));
    let seen = seen.map(|value| candidate(super::display::bare_or_quoted(&value), "seen"));
    known.into_iter().chain(seen).collect()
}

/// The fields whose values are names of such objects.
fn object_fields(end: super::End, kind: super::ObjectKind) -> Vec<Field> {
    use super::{End, ObjectKind};
    let (src, dst) = match kind {
        ObjectKind::Pod | ObjectKind::Service => (Field::SrcK8S_Name, Field::DstK8S_Name),
        ObjectKind::Workload => (Field::SrcK8S_OwnerName, Field::DstK8S_OwnerName),
        ObjectKind::Namespace => (Field::SrcK8S_Namespace, Field::DstK8S_Namespace),
        ObjectKind::Node => (Field::SrcK8S_HostName, Field::DstK8S_HostName),
        ObjectKind::Container => (Field::SrcContainer, Field::DstContainer),
        ObjectKind::Selector => return Vec::new(),
    };
    match end {
        End::Source => vec![src],
        End::Destination => vec![dst],
        End::Either => vec![src, dst],
    }
}

/// Values that have names.
fn enumerated(domain: Domain) -> Vec<Candidate> {
    let named = |names: &[&str], what: &str| names.iter().map(|name| candidate(*name, what)).collect();
    match domain {
        Domain::Protocol => named(&["TCP", "UDP", "ICMP", "ICMPv6", "SCTP", "GRE", "ESP", "AH", "IGMP"], "protocol"),
        Domain::EtherType => named(&["IPv4", "IPv6", "ARP", "LLDP"], "EtherType"),
        Domain::Direction => named(&["ingress", "egress"], "direction at an interface"),
        Domain::NodeDirection => named(&["ingress", "egress", "inner"], "direction of the node"),
        Domain::Flags => {
            let mut all = vec![candidate("SYN-ACK", "SYN and ACK"), candidate("RST-ACK", "RST and ACK")];
            all.extend(FLAG_NAMES.iter().map(|name| candidate(*name, "TCP flag")));
            all
        }
        Domain::Dscp => (0..64).filter_map(show::dscp).map(|name| candidate(name, "DSCP")).collect(),
        Domain::IcmpType => {
            let both = (0..=255).flat_map(|kind| [show::icmp_type(kind), show::icmpv6_type(kind)]);
            both.flatten().map(|name| candidate(name, "ICMP type")).collect()
        }
        Domain::Port => named(&["80", "443", "53"], "port"),
        Domain::Bytes => named(&["1kB", "1MB", "1GB"], "size"),
        Domain::Nanoseconds | Domain::Milliseconds => named(&["1ms", "10ms", "100ms", "1s"], "duration"),
        Domain::Plain(_) | Domain::Count | Domain::Ip | Domain::Mac | Domain::Text => Vec::new(),
    }
}
