//! From typed options to [`Rules`]. Input is one list of (option, value) per rule; splitting at the word `or` and
//! spelling (`_` for `-`) are the command line's business.

use super::{
    Action, Conflict, Ports, Rule, Rules, conflict,
    value::{self, Expected, InvalidValue},
};
use crate::show;

/// Most rules, those for the capture's own connections included: the size of the kernel's table.
pub const MAX_RULES: usize = 64;

/// Every option that is a condition (or the action) of a rule, in their hyphenated spelling.
pub const OPTIONS: &[&str] = &[
    "action",
    "cidr",
    "peer-ip",
    "peer-cidr",
    "direction",
    "protocol",
    "port",
    "sport",
    "dport",
    "port-range",
    "sport-range",
    "dport-range",
    "ports",
    "sports",
    "dports",
    "tcp-flags",
    "icmp-type",
    "icmp-code",
];

/// The options of one rule as typed: name without dashes, value.
pub type Options = Vec<(String, String)>;

/// Why options make no rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// A value that its option does not take.
    #[error(transparent)]
    Value(#[from] InvalidValue),
    /// Options of one rule that exclude each other.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// Two options for the same condition.
    #[error("--{second} {value}: this rule already has --{first}; join two rules with the word `or`")]
    Twice {
        /// The option that came first.
        first: String,
        /// The option that came later.
        second: String,
        /// Its value.
        value: String,
    },
    /// Not an option of a rule.
    #[error("--{0}: not a filter option")]
    Unknown(String),
    /// Nothing on one side of `or`.
    #[error("or: joins two rules, but there is no filter option {0} it")]
    Empty(&'static str),
    /// More than fit.
    #[error("or: {count} rules, but at most {limit} fit{}", if *.limit < MAX_RULES { " beside the capture's own traffic" } else { "" })]
    TooMany {
        /// Rules typed.
        count: usize,
        /// Rules allowed.
        limit: usize,
    },
}

/// The rules that these options ask for; no group, or one empty group, is no rule at all.
///
/// `own` is the number of connections of the capture itself that need a rule each.
///
/// # Errors
/// A [`RuleError`] whose text is one sentence for the user.
pub fn parse(groups: &[Options], own: usize) -> Result<Rules, RuleError> {
    if groups.iter().all(Vec::is_empty) && groups.len() < 2 {
        return Ok(Rules::new());
    }
    let limit = MAX_RULES.saturating_sub(own);
    if groups.len() > limit {
        return Err(RuleError::TooMany { count: groups.len(), limit });
    }
    let rules = groups.iter().enumerate().map(|(index, options)| rule(index, options)).collect::<Result<Rules, _>>()?;
    conflict::first_rejects_all(&rules)?;
    Ok(rules)
}

fn rule(index: usize, options: &Options) -> Result<Rule, RuleError> {
    if options.is_empty() {
        return Err(RuleError::Empty(if index == 0 { "before" } else { "after" }));
    }
    let mut rule = Rule::default();
    let mut seen: Vec<(Slot, &str)> = Vec::new();
    for (option, text) in options {
        let slot = slot(option).ok_or_else(|| RuleError::Unknown(show::escape(option).into_owned()))?;
        if let Some((_, first)) = seen.iter().find(|(other, _)| *other == slot) {
            let (first, second) = ((*first).to_owned(), option.clone());
            return Err(RuleError::Twice { first, second, value: show::escape(text).into_owned() });
        }
        seen.push((slot, option));
        set(&mut rule, option, text.trim()).map_err(|expected| invalid(option, text, expected))?;
    }
    conflict::check(&rule)?;
    Ok(rule)
}

fn invalid(option: &str, text: &str, expected: Expected) -> InvalidValue {
    let value = if text.is_empty() { "\"\"".to_owned() } else { show::escape(text).into_owned() };
    InvalidValue { option: option.to_owned(), value, expected }
}

/// The condition that an option sets: two options of one slot in one rule are a mistake.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slot {
    Action,
    Net,
    Peer,
    Direction,
    Protocol,
    Port,
    Sport,
    Dport,
    Flags,
    IcmpType,
    IcmpCode,
}

fn slot(option: &str) -> Option<Slot> {
    Some(match option {
        "action" => Slot::Action,
        "cidr" => Slot::Net,
        "peer-ip" | "peer-cidr" => Slot::Peer,
        "direction" => Slot::Direction,
        "protocol" => Slot::Protocol,
        "port" | "ports" | "port-range" => Slot::Port,
        "sport" | "sports" | "sport-range" => Slot::Sport,
        "dport" | "dports" | "dport-range" => Slot::Dport,
        "tcp-flags" => Slot::Flags,
        "icmp-type" => Slot::IcmpType,
        "icmp-code" => Slot::IcmpCode,
        _ => return None,
    })
}

fn set(rule: &mut Rule, option: &str, text: &str) -> Result<(), Expected> {
    match option {
        "action" => rule.action = value::action(text)?,
        "cidr" => rule.net = Some(value::cidr(text)?),
        "peer-ip" => rule.peer = Some(value::ip(text)?),
        "peer-cidr" => rule.peer = Some(value::cidr(text)?),
        "direction" => rule.direction = Some(value::direction(text)?),
        "protocol" => rule.protocol = Some(value::protocol(text)?),
        "tcp-flags" => rule.tcp_flags = Some(value::tcp_flags(text)?),
        "icmp-type" => rule.icmp_type = Some(value::icmp_number(text)?),
        "icmp-code" => rule.icmp_code = Some(value::icmp_number(text)?),
        _ => set_ports(rule, option, text)?,
    }
    Ok(())
}

fn set_ports(rule: &mut Rule, option: &str, text: &str) -> Result<(), Expected> {
    let ports: Ports = match option.trim_start_matches(['s', 'd']) {
        "port" => value::any_ports(text)?,
        "ports" => value::port_list(text)?,
        _ => value::port_range(text)?,
    };
    let place = match option.as_bytes().first() {
        Some(b's') => &mut rule.sport,
        Some(b'd') => &mut rule.dport,
        _ => &mut rule.port,
    };
    *place = Some(ports);
    Ok(())
}

impl Rule {
    /// Whether it holds for every packet.
    pub fn is_unconditional(&self) -> bool {
        *self == Self { action: self.action, ..Self::default() }
    }

    /// Whether it takes packets rather than leaving them out.
    pub fn accepts(&self) -> bool {
        self.action == Action::Accept
    }
}

#[cfg(test)]
mod tests;
