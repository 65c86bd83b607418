//! Label selectors as kubectl takes them, and NetObserv's `key:value`.

use std::collections::{BTreeMap, BTreeSet};

use flow::show::escape;
use k8s_openapi::api::core::v1::NodeSelectorRequirement;
use kube::core::{Expression, Selector, SelectorExt as _};

use crate::error::Error;

/// The selector; nothing selects everything.
pub(super) fn parse(text: Option<&str>) -> Result<Selector, Error> {
    let Some(text) = text else { return Ok(Selector::default()) };
    let wrong = |why: &str| {
        let shown = if text.is_empty() { "\"\"".into() } else { escape(text) };
        Error::usage(format!(
            "--node-selector {shown}: {why}; one is like zone=a,disk!=hdd,!gpu,tier in (a,b) or key:value"
        ))
    };
    requirements(text).into_iter().map(|part| expression(part.trim()).map_err(&wrong)).collect()
}

/// Divides at commas outside parentheses.
fn requirements(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    text.split(|c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
    .collect()
}

fn expression(text: &str) -> Result<Expression, &'static str> {
    if let Some((key, values, negated)) = set(text) {
        let key = label_key(key)?;
        let values = values.split(',').map(|value| label_value(value.trim())).collect::<Result<BTreeSet<_>, _>>()?;
        return Ok(if negated { Expression::NotIn(key, values) } else { Expression::In(key, values) });
    }
    if let Some(key) = text.strip_prefix('!') {
        return Ok(Expression::DoesNotExist(label_key(key.trim())?));
    }
    if let Some((key, value)) = text.split_once("!=") {
        return Ok(Expression::NotEqual(label_key(key.trim())?, label_value(value.trim())?));
    }
    let equal = text.split_once("==").or_else(|| text.split_once('=')).or_else(|| text.split_once(':'));
    match equal {
        Some((key, value)) => Ok(Expression::Equal(label_key(key.trim())?, label_value(value.trim())?)),
        None => Ok(Expression::Exists(label_key(text)?)),
    }
}

/// `key in (a,b)`, `key notin (a,b)` as key, values, negated.
fn set(text: &str) -> Option<(&str, &str, bool)> {
    let (head, values) = text.strip_suffix(')')?.split_once('(')?;
    let (key, word) = head.trim_end().rsplit_once(char::is_whitespace)?;
    match word {
        "in" => Some((key.trim(), values, false)),
        "notin" => Some((key.trim(), values, true)),
        _ => None,
    }
}

/// `prefix/name` or `name`, as the API server accepts it.
fn label_key(key: &str) -> Result<String, &'static str> {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let prefix_fits = prefix.is_none_or(|prefix| {
        let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
        (1..=253).contains(&prefix.len()) && prefix.bytes().all(known)
    });
    if prefix_fits && !name.is_empty() && is_name(name) { Ok(key.to_owned()) } else { Err("not a label's name") }
}

fn label_value(value: &str) -> Result<String, &'static str> {
    if value.is_empty() || is_name(value) { Ok(value.to_owned()) } else { Err("not a label's value") }
}

fn is_name(name: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    name.len() <= 63
        && edge(name.chars().next())
        && edge(name.chars().next_back())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// Whether a node with these labels is selected.
pub(super) fn selects(selector: &Selector, labels: &BTreeMap<String, String>) -> bool {
    selector.matches(labels)
}

/// The same for the scheduler.
pub(super) fn affinity(selector: &Selector) -> Vec<NodeSelectorRequirement> {
    selector.clone().into_iter().map(requirement).collect()
}

fn requirement(expression: Expression) -> NodeSelectorRequirement {
    let (key, operator, values) = match expression {
        Expression::In(key, values) => (key, "In", Some(values.into_iter().collect())),
        Expression::NotIn(key, values) => (key, "NotIn", Some(values.into_iter().collect())),
        Expression::Equal(key, value) => (key, "In", Some(vec![value])),
        Expression::NotEqual(key, value) => (key, "NotIn", Some(vec![value])),
        Expression::Exists(key) => (key, "Exists", None),
        Expression::DoesNotExist(key) => (key, "DoesNotExist", None),
    };
    NodeSelectorRequirement { key, operator: operator.to_owned(), values }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selects_with(selector: &str, labels: &[(&str, &str)]) -> bool {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        selects(&parse(Some(selector)).unwrap(), &labels)
    }

    #[test]
    fn every_form_of_kubectl_and_the_one_of_netobserv() {
        let node = [("zone", "a"), ("kubernetes.io/os", "linux"), ("empty", "")];
        for (selector, expected) in [
            ("zone=a", true),
            ("zone==a", true),
            ("zone:a", true),
            ("kubernetes.io/os:linux", true),
            ("zone!=a", false),
            ("gpu!=yes", true),
            ("zone", true),
            ("!zone", false),
            ("!gpu, zone = a", true),
            ("zone in (b, a)", true),
            ("zone in (b),empty=", false),
            ("zone notin (b,c),empty=", true),
            ("gpu in (yes)", false),
        ] {
            assert_eq!(selects_with(selector, &node), expected, "{selector}");
        }
        assert!(selects(&parse(None).unwrap(), &BTreeMap::new()));
    }

    #[test]
    fn what_is_no_selector() {
        for selector in
            ["", "zone=a,", "=a", "zone=a b", "zone in a", "zone in (a", "-zone", "a/b/c", "zone=-", "UPPER.io/x"]
        {
            let message = parse(Some(selector)).unwrap_err().message;
            assert!(message.starts_with("--node-selector "), "{selector}: {message}");
        }
    }

    #[test]
    fn the_scheduler_is_told_the_same() {
        let told = affinity(&parse(Some("zone=a,disk!=hdd,!gpu,tier in (a,b)")).unwrap());
        let told: Vec<_> = told.iter().map(|r| (r.key.as_str(), r.operator.as_str(), r.values.clone())).collect();
        let values = |list: &[&str]| Some(list.iter().map(|value| (*value).to_owned()).collect());
        assert_eq!(
            told,
            [
                ("zone", "In", values(&["a"])),
                ("disk", "NotIn", values(&["hdd"])),
                ("gpu", "DoesNotExist", None),
                ("tier", "In", values(&["a", "b"])),
            ]
        );
    }
}
