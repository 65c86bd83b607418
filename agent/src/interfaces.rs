//! Which interfaces are taken, and what their frames begin with.

pub(crate) mod peers;

use flow::{LinkType, config::NamePattern};
use regex::Regex;

use crate::error::AgentError;

/// Checks that a regular expression compiles.
///
/// # Errors
/// [`AgentError::Pattern`] says where it fails.
pub fn check_pattern(pattern: &str) -> Result<(), AgentError> {
    compile(pattern).map(drop)
}

fn compile(pattern: &str) -> Result<Regex, AgentError> {
    Regex::new(pattern).map_err(|error| {
        let text = error.to_string();
        let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        AgentError::Pattern { pattern: pattern.to_owned(), reason }
    })
}

#[derive(Clone, Debug)]
enum Matcher {
    Exact(String),
    Regex(Regex),
}

impl Matcher {
    fn new(pattern: &NamePattern) -> Result<Self, AgentError> {
        Ok(match pattern {
            NamePattern::Exact(name) => Self::Exact(name.clone()),
            NamePattern::Regex(pattern) => Self::Regex(compile(pattern)?),
        })
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == name,
            Self::Regex(regex) => regex.is_match(name),
        }
    }
}

/// `--interfaces` and `--exclude-interfaces`, compiled.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    include: Vec<Matcher>,
    exclude: Vec<Matcher>,
}

impl Selection {
    pub(crate) fn new(include: &[NamePattern], exclude: &[NamePattern]) -> Result<Self, AgentError> {
        let compiled = |patterns: &[NamePattern]| patterns.iter().map(Matcher::new).collect::<Result<_, _>>();
        Ok(Self { include: compiled(include)?, exclude: compiled(exclude)? })
    }

    /// Whether an interface of this name is taken; to exclude wins.
    pub(crate) fn takes(&self, name: &str) -> bool {
        (self.include.is_empty() || self.include.iter().any(|matcher| matcher.matches(name)))
            && !self.exclude.iter().any(|matcher| matcher.matches(name))
    }

    /// The exact names asked for that are not among `present`.
    pub(crate) fn missing<'a>(&'a self, present: &[&str]) -> Option<&'a str> {
        self.include.iter().find_map(|matcher| match matcher {
            Matcher::Exact(name) if !present.contains(&name.as_str()) => Some(name.as_str()),
            _ => None,
        })
    }
}

/// What frames of an interface begin with, by its `ARPHRD_*` type (include/uapi/linux/if_arp.h); `None` for media
/// that carry neither Ethernet frames nor bare IP packets.
pub(crate) const fn link_type(hardware: u16) -> Option<LinkType> {
    match hardware {
        // ETHER, LOOPBACK
        1 | 772 => Some(LinkType::Ethernet),
        // PPP, RAWIP, TUNNEL, TUNNEL6, SIT, IPGRE, IP6GRE, NONE (tun, wireguard)
        512 | 519 | 768 | 769 | 776 | 778 | 823 | 0xfffe => Some(LinkType::RawIp),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(name: &str) -> NamePattern {
        NamePattern::Exact(name.to_owned())
    }

    fn regex(pattern: &str) -> NamePattern {
        NamePattern::Regex(pattern.to_owned())
    }

    #[test]
    fn without_a_list_everything_is_taken_but_what_is_excluded() {
        let selection = Selection::new(&[], &[exact("lo"), regex("^docker")]).unwrap();
        assert!(selection.takes("eth0") && selection.takes("lo0"));
        assert!(!selection.takes("lo") && !selection.takes("docker0"));
    }

    #[test]
    fn to_exclude_wins_and_exact_names_are_whole_names() {
        let selection = Selection::new(&[exact("eth"), regex("veth.*")], &[exact("veth1")]).unwrap();
        assert!(selection.takes("eth") && selection.takes("veth0"));
        assert!(!selection.takes("eth0") && !selection.takes("veth1"));
    }

    #[test]
    fn only_exact_names_can_be_missing() {
        let selection = Selection::new(&[regex("nothing"), exact("eth7")], &[]).unwrap();
        assert_eq!(selection.missing(&["eth0", "lo"]), Some("eth7"));
        assert_eq!(selection.missing(&["eth7"]), None);
    }

    #[test]
    fn a_bad_expression_is_named_with_its_fault() {
        let text = check_pattern("veth[").unwrap_err().to_string();
        assert!(text.contains("`/veth[/`") && text.contains("class"), "{text}");
        check_pattern("^veth[0-9]+$").unwrap();
    }
}
