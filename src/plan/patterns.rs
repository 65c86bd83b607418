//! Lists of interface names: exact ones and `/regular expressions/`.

use flow::{config::NamePattern, show::escape};
use regex::Regex;

use crate::error::Error;

/// Longest interface name of Linux, bytes (IFNAMSIZ less the closing zero).
const MAX_NAME: usize = 15;

/// The patterns of a list; commas within `/.../` belong to the expression.
pub(super) fn parse(option: &str, list: Option<&str>) -> Result<Vec<NamePattern>, Error> {
    let Some(list) = list else { return Ok(Vec::new()) };
    split(list).into_iter().map(|item| pattern(option, item.trim())).collect()
}

/// `lo`, unless it was asked for by its name.
pub(super) fn default_excluded(interfaces: &[NamePattern]) -> Vec<NamePattern> {
    let lo = NamePattern::Exact("lo".to_owned());
    if interfaces.contains(&lo) { Vec::new() } else { vec![lo] }
}

fn pattern(option: &str, item: &str) -> Result<NamePattern, Error> {
    let shown = if item.is_empty() { "\"\"".into() } else { escape(item) };
    if let Some(expression) = item.strip_prefix('/') {
        let Some(expression) = expression.strip_suffix('/') else {
            return Err(Error::usage(format!(
                "--{option} {shown}: a regular expression stands between two slashes, like /^veth/"
            )));
        };
        return match Regex::new(expression) {
            Ok(_) => Ok(NamePattern::Regex(expression.to_owned())),
            Err(error) => {
                Err(Error::usage(format!("--{option} {shown}: not a regular expression: {}", reason(&error))))
            }
        };
    }
    let is_name = !item.is_empty()
        && item.len() <= MAX_NAME
        && !item.contains(|c: char| c == '/' || c.is_whitespace() || c.is_control());
    if is_name {
        return Ok(NamePattern::Exact(item.to_owned()));
    }
    let allowed = "a name has 1 to 15 bytes without spaces or slashes; a regular expression is like /^veth/";
    Err(Error::usage(format!("--{option} {shown}: not an interface name; {allowed}")))
}

/// The crate draws a picture over several lines; its last line says what is wrong.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default().trim();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

fn split(list: &str) -> Vec<&str> {
    let mut items = Vec::new();
    let (mut start, mut in_expression) = (0, false);
    for (at, c) in list.char_indices() {
        match c {
            // Only a slash at an end of an item opens or closes an expression.
            '/' if !in_expression && list[start..at].trim().is_empty() => in_expression = true,
            '/' if in_expression && list[at + 1..].trim_start().chars().next().is_none_or(|c| c == ',') => {
                in_expression = false;
            }
            ',' if !in_expression => {
                items.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    items.push(&list[start..]);
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(name: &str) -> NamePattern {
        NamePattern::Exact(name.to_owned())
    }

    #[test]
    fn names_and_expressions_are_separated_by_commas() {
        let parsed = parse("interfaces", Some("eth0, /^veth[0-9]{1,3}$/,br-int")).unwrap();
        assert_eq!(parsed, [exact("eth0"), NamePattern::Regex("^veth[0-9]{1,3}$".to_owned()), exact("br-int")]);
    }

    #[test]
    fn a_wrong_name_or_expression_is_named() {
        let message = |text| parse("interfaces", Some(text)).unwrap_err().message;
        assert!(
            message("a_name_that_is_too_long").starts_with("--interfaces a_name_that_is_too_long: not an interface")
        );
        assert!(message("eth0,").starts_with("--interfaces \"\": not an interface name"));
        assert_eq!(message("/(/"), "--interfaces /(/: not a regular expression: unclosed group");
        assert!(message("/eth").contains("between two slashes"));
    }

    #[test]
    fn lo_is_left_out_unless_asked_for() {
        assert_eq!(default_excluded(&[exact("eth0")]), [exact("lo")]);
        assert_eq!(default_excluded(&[exact("lo")]), []);
    }
}
