//! Conditions on objects of a cluster.

use super::{
    comparison::Literal,
    value::{Compared, Problem, glob, pattern, problem},
};
use crate::filter::{
    End, Object, ObjectKind,
    names::Meaning,
    token::Op,
    tree::{Expr, Test},
};

/// Kinds of workloads as they may stand before a name.
const WORKLOADS: &[&str] = &[
    "deploy",
    "deployment",
    "deployments",
    "ds",
    "daemonset",
    "daemonsets",
    "sts",
    "statefulset",
    "statefulsets",
    "rs",
    "replicaset",
    "replicasets",
    "job",
    "jobs",
    "cj",
    "cronjob",
    "cronjobs",
    "rc",
    "replicationcontroller",
    "dc",
    "deploymentconfig",
    "deploymentconfigs",
    "po",
    "pod",
    "pods",
];

/// `pod = shop/web`, `workload in (deploy/web, deploy/shop)`, `pod =~ "web-.*"`.
pub(super) fn compare(end: End, kind: ObjectKind, word: &str, op: Op, values: &[Literal]) -> Compared {
    match op {
        Op::Equal | Op::NotEqual => {
            let parts = values
                .iter()
                .enumerate()
                .map(|(at, value)| one(end, kind, word, value).map_err(|problem| (at, problem)));
            let any = Expr::any(parts.collect::<Result<Vec<_>, _>>()?);
            Ok(if op == Op::NotEqual { any.not() } else { any })
        }
        Op::Match | Op::NotMatch if kind != ObjectKind::Selector => {
            let pattern = pattern(&values[0].text).map_err(|problem| (0, problem))?;
            let test = Expr::Test(Test::ObjectMatch(end, kind, pattern));
            Ok(if op == Op::NotMatch { test.not() } else { test })
        }
        _ => Err((0, problem(format!("{word} does not take {}", op.symbol()), Some(takes(kind))))),
    }
}

const fn takes(kind: ObjectKind) -> &'static str {
    if matches!(kind, ObjectKind::Selector) { "it takes = and !=" } else { "it takes = != =~ !~ in : and with()" }
}

fn one(end: End, kind: ObjectKind, word: &str, value: &Literal) -> Result<Expr, Problem> {
    // `*/web` is that name in any namespace.
    let name = value.text.strip_prefix("*/").unwrap_or(&value.text);
    if kind != ObjectKind::Selector && !value.quoted && name.contains('*') {
        return Ok(Expr::Test(Test::ObjectMatch(end, kind, pattern(&glob(&value.text))?)));
    }
    let object = Object::read(kind, &value.text);
    let object = object.ok_or_else(|| {
        let expected = crate::filter::names::object_value(kind);
        problem(format!("{} is not what {word} takes", value.text), Some(&format!("{word} takes {expected}")))
    })?;
    Ok(Expr::Test(Test::Object(end, object)))
}

impl Object {
    /// An object as it is written after its kind: `shop/web`, `deploy/web`, `shop/deploy/web`, `app=web`.
    pub fn read(kind: ObjectKind, text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        let (namespace, name) = match (kind, parts.as_slice()) {
            (ObjectKind::Selector, _) => (None, text),
            (_, parts) if parts.iter().any(|part| part.is_empty() || part.contains(char::is_whitespace)) => {
                return None;
            }
            (ObjectKind::Workload, [namespace, kind, _]) if is_workload(kind) => {
                (Some(*namespace), &text[namespace.len() + 1..])
            }
            (ObjectKind::Workload, [kind, _]) if is_workload(kind) => (None, text),
            (ObjectKind::Pod | ObjectKind::Service | ObjectKind::Workload, [namespace, name]) => {
                (Some(*namespace), *name)
            }
            (_, [name]) => (None, *name),
            _ => return None,
        };
        (!name.trim().is_empty()).then(|| Self { kind, namespace: namespace.map(str::to_owned), name: name.to_owned() })
    }
}

/// Names of namespaces have no dots, `deployments.apps` is a kind.
fn is_workload(kind: &str) -> bool {
    kind.contains('.') || WORKLOADS.iter().any(|known| known.eq_ignore_ascii_case(kind))
}

/// `label.app = web`: a selector.
pub(super) fn label(end: End, key: &str, op: Op, values: &[Literal]) -> Compared {
    if !matches!(op, Op::Equal | Op::NotEqual) {
        return Err((
            0,
            problem(format!("label.{key} does not take {}", op.symbol()), Some("it takes = != in and with()")),
        ));
    }
    let wrong =
        |text: &str| text.is_empty() || text.contains(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
    if let Some(at) = values.iter().position(|value| wrong(&value.text)) {
        return Err((
            at,
            problem(format!("{} is not the value of a label", values[at].text), Some("letters, digits, - _ .")),
        ));
    }
    let name = match values {
        [one] => format!("{key}={}", one.text),
        several => {
            let texts: Vec<_> = several.iter().map(|value| value.text.as_str()).collect();
            format!("{key} in ({})", texts.join(","))
        }
    };
    let test = selector(end, name);
    Ok(if op == Op::NotEqual { test.not() } else { test })
}

fn selector(end: End, name: String) -> Expr {
    Expr::Test(Test::Object(end, Object { kind: ObjectKind::Selector, namespace: None, name }))
}

/// `pod:web`, in any case; `None` where there is no name to search.
pub(super) fn contains(end: End, kind: ObjectKind, text: &str) -> Option<Expr> {
    let pattern = pattern(&format!("(?i){}", regex::escape(text))).ok()?;
    (kind != ObjectKind::Selector).then(|| Expr::Test(Test::ObjectMatch(end, kind, pattern)))
}

/// `with(...)`.
pub(super) fn presence(meaning: Meaning) -> Expr {
    match meaning {
        Meaning::Fields { place, .. } => Expr::Test(Test::With(place)),
        Meaning::Object(end, kind) => Expr::Test(Test::WithObject(end, kind)),
        Meaning::Label(end, key) => selector(end, key),
    }
}
