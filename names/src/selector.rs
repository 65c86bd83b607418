//! Label selectors: as kubectl reads them, and as objects of the API write them.
//!
//! Semantics are those of k8s.io/apimachinery/pkg/labels: `!=` and `notin` also take what has no such label. Must not know objects.

use serde::Deserialize;

/// One condition on labels.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    /// One of these values.
    In(String, Vec<String>),
    /// None of these values, or no such label.
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
    /// A whole number above this.
    Above(String, i64),
    /// A whole number below this.
    Below(String, i64),
}

/// All of several conditions; none takes everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selector(Vec<Requirement>);

impl Selector {
    /// What takes all of these labels.
    pub(crate) fn of_labels<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let all = labels.into_iter().map(|(key, value)| Requirement::In(key.to_owned(), vec![value.to_owned()]));
        Self(all.collect())
    }

    /// Reads `app=web,tier in (front,back),!old`.
    ///
    /// # Errors
    /// One sentence: the part that cannot be read, and how selectors are written.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let parts = split(text);
        let requirements: Option<Vec<Requirement>> = parts.iter().map(|part| requirement(part.trim())).collect();
        let wrong = || {
            let part = parts.iter().find(|part| requirement(part.trim()).is_none()).copied().unwrap_or(text);
            format!("label selector {text:?}: {part:?} is none of a=b, a!=b, a in (b,c), a notin (b,c), a, !a")
        };
        requirements.map(Self).ok_or_else(wrong)
    }

    /// Whether it takes everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it takes what has these labels; `label` gives the value of a key.
    pub(crate) fn matches<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.0.iter().all(|requirement| match requirement {
            Requirement::In(key, values) => label(key).is_some_and(|value| values.iter().any(|one| one == value)),
            Requirement::NotIn(key, values) => label(key).is_none_or(|value| values.iter().all(|one| one != value)),
            Requirement::Exists(key) => label(key).is_some(),
            Requirement::Absent(key) => label(key).is_none(),
            Requirement::Above(key, than) => number(label(key)).is_some_and(|value| value > *than),
            Requirement::Below(key, than) => number(label(key)).is_some_and(|value| value < *than),
        })
    }

    /// The keys that it asks for.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|requirement| match requirement {
            Requirement::In(key, _)
            | Requirement::NotIn(key, _)
            | Requirement::Exists(key)
            | Requirement::Absent(key)
            | Requirement::Above(key, _)
            | Requirement::Below(key, _) => key.as_str(),
        })
    }
}

fn number(value: Option<&str>) -> Option<i64> {
    value?.parse().ok()
}

/// The parts between commas that are in no parentheses; blank text has none.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let between = |letter: char| {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ',' && depth == 0
    };
    if text.trim().is_empty() { Vec::new() } else { text.split(between).collect() }
}

fn requirement(part: &str) -> Option<Requirement> {
    if let Some(key) = part.strip_prefix('!') {
        return Some(Requirement::Absent(self::key(key)?));
    }
    if let Some((key, rest)) = part.split_once(char::is_whitespace)
        && let Some(values) = set(rest.trim())
    {
        let key = self::key(key)?;
        return Some(if values.0 { Requirement::In(key, values.1) } else { Requirement::NotIn(key, values.1) });
    }
    for (sign, of) in SIGNS {
        if let Some((key, value)) = part.split_once(sign) {
            return of(self::key(key)?, value.trim());
        }
    }
    Some(Requirement::Exists(key(part)?))
}

type Made = fn(String, &str) -> Option<Requirement>;

/// Longer signs first, so that none is taken for the beginning of another.
const SIGNS: [(&str, Made); 5] = [
    ("!=", |key, value| Some(Requirement::NotIn(key, vec![self::value(value)?]))),
    ("==", |key, value| Some(Requirement::In(key, vec![self::value(value)?]))),
    ("=", |key, value| Some(Requirement::In(key, vec![self::value(value)?]))),
    (">", |key, value| Some(Requirement::Above(key, value.parse().ok()?))),
    ("<", |key, value| Some(Requirement::Below(key, value.parse().ok()?))),
];

/// `in (a, b)`: true and the values; `notin (a)`: false.
fn set(text: &str) -> Option<(bool, Vec<String>)> {
    let (within, list) = match (text.strip_prefix("in"), text.strip_prefix("notin")) {
        (Some(list), _) => (true, list),
        (_, Some(list)) => (false, list),
        _ => return None,
    };
    let list = list.trim().strip_prefix('(')?.strip_suffix(')')?;
    let values: Option<Vec<String>> = list.split(',').map(|text| value(text.trim())).collect();
    Some((within, values?))
}

fn key(text: &str) -> Option<String> {
    let text = text.trim();
    let fine = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.' | '/');
    (!text.is_empty() && text.chars().all(fine)).then(|| text.to_owned())
}

/// Values may be empty.
fn value(text: &str) -> Option<String> {
    let fine = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    text.chars().all(fine).then(|| text.to_owned())
}

/// `LabelSelector` of meta/v1.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Written {
    match_labels: Option<std::collections::BTreeMap<String, String>>,
    match_expressions: Option<Vec<Expression>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Expression {
    key: String,
    operator: String,
    values: Option<Vec<String>>,
}

impl From<Written> for Selector {
    fn from(written: Written) -> Self {
        let labels = written.match_labels.unwrap_or_default().into_iter();
        let labels = labels.map(|(key, value)| Requirement::In(key, vec![value]));
        let expressions = written.match_expressions.unwrap_or_default().into_iter().map(Requirement::from);
        Self(labels.chain(expressions).collect())
    }
}

impl From<Expression> for Requirement {
    fn from(Expression { key, operator, values }: Expression) -> Self {
        let values = values.unwrap_or_default();
        match &*operator {
            "NotIn" => Self::NotIn(key, values),
            "Exists" => Self::Exists(key),
            "DoesNotExist" => Self::Absent(key),
            // `In`; what is none of the four, which the API refuses, takes nothing.
            _ => Self::In(key, values),
        }
    }
}

impl<'de> Deserialize<'de> for Selector {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Written::deserialize(deserializer)?.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LABELS: [(&str, &str); 3] = [("app", "web"), ("tier", "front"), ("example.com/rev", "7")];

    fn takes(selector: &str) -> bool {
        let label = |key: &str| LABELS.iter().find(|(known, _)| *known == key).map(|(_, value)| *value);
        Selector::parse(selector).unwrap().matches(label)
    }

    #[test]
    fn every_form_of_kubectl_is_understood() {
        for wanted in [
            "",
            "app=web",
            "app==web",
            " app = web ",
            "app=web,tier=front",
            "app!=db",
            "none!=x",
            "app in (db, web)",
            "app in (web),tier notin (back)",
            "none notin (a)",
            "app",
            "!none",
            "app, !none,example.com/rev>6",
            "example.com/rev<8",
        ] {
            assert!(takes(wanted), "{wanted}");
        }
        for unwanted in
            ["app=db", "app!=web", "app in (db)", "app notin (web)", "none", "!app", "example.com/rev>7", "app>1", "in"]
        {
            assert!(!takes(unwanted), "{unwanted}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for wrong in ["app=web,", "=web", "app in web", "a b", "app=w$b", "!", "rev>x", "app in (a"] {
            let error = Selector::parse(wrong).unwrap_err();
            assert!(error.contains(wrong) && error.contains("a notin (b,c)"), "{error}");
        }
    }

    #[test]
    fn the_form_of_objects_means_the_same() {
        let selector: Selector = serde_json::from_str(
            r#"{"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "In", "values": ["front"]},
                {"key": "x", "operator": "DoesNotExist"}, {"key": "tier", "operator": "NotIn", "values": ["back"]},
                {"key": "app", "operator": "Exists"}]}"#,
        )
        .unwrap();
        let label = |key: &str| LABELS.iter().find(|(known, _)| *known == key).map(|(_, value)| *value);
        assert!(selector.matches(label));
        assert!(!selector.matches(|key| (key == "app").then_some("web")));
        assert!(serde_json::from_str::<Selector>(r#"{"matchLabels":null}"#).unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC{0,60}") {
            let _ = Selector::parse(&text);
        }

        #[test]
        fn a_value_is_taken_by_its_own_equality_and_not_by_its_negation(key in "[a-z]{1,8}", value in "[a-z0-9.-]{0,8}") {
            let label = |asked: &str| (asked == key).then_some(&*value);
            let [equal, other] = ["=", "!="].map(|sign| Selector::parse(&[&*key, sign, &*value].concat()).unwrap());
            prop_assert!(equal.matches(label));
            prop_assert!(!other.matches(label));
        }
    }
}
