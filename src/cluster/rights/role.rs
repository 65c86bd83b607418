//! Rights as a role that an administrator can apply, and as a sentence.

use std::{collections::BTreeMap, fmt::Write as _};

use super::Right;
use crate::error::Error;

/// What is missing, and the role that grants it.
pub(super) fn refusal(user: &str, missing: &[Right]) -> Error {
    let list: Vec<_> = rules(missing).iter().map(Rule::in_words).collect();
    let who = if user.is_empty() { "you" } else { user };
    Error::failed(format!("{who} may not: {}", list.join("; "))).hint(format!(
        "an administrator can grant it with `kubectl apply -f -` and these lines (docs/rbac.md has the whole role):\n{}",
        grant(user, missing)
    ))
}

/// Verbs that go with the same resources.
struct Rule {
    group: &'static str,
    resources: Vec<&'static str>,
    names: Vec<&'static str>,
    verbs: Vec<&'static str>,
}

impl Rule {
    fn in_words(&self) -> String {
        let suffix = if self.group.is_empty() { String::new() } else { format!(".{}", self.group) };
        let resources: Vec<_> = self.resources.iter().map(|resource| format!("{resource}{suffix}")).collect();
        format!("{} {}", self.verbs.join(", "), resources.join(", "))
    }

    fn in_yaml(&self) -> String {
        let group = if self.group.is_empty() { "\"\"" } else { self.group };
        let mut text = format!("- apiGroups: [{group}]\n  resources: [{}]\n", self.resources.join(", "));
        if !self.names.is_empty() {
            let _ = writeln!(text, "  resourceNames: [{}]", self.names.join(", "));
        }
        let _ = writeln!(text, "  verbs: [{}]", self.verbs.join(", "));
        text
    }
}

/// Group, resource, name.
type Key = (&'static str, &'static str, Option<&'static str>);

/// As few rules as possible, in the order in which their resources come first.
fn rules(rights: &[Right]) -> Vec<Rule> {
    let mut verbs: Vec<(Key, Vec<&'static str>)> = Vec::new();
    for right in rights {
        let key = (right.group, right.resource, right.name);
        let at = verbs.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
            verbs.push((key, Vec::new()));
            verbs.len() - 1
        });
        if !verbs[at].1.contains(&right.verb) {
            verbs[at].1.push(right.verb);
        }
    }
    let mut rules: Vec<Rule> = Vec::new();
    for ((group, resource, name), verbs) in verbs {
        let names: Vec<_> = name.into_iter().collect();
        let joins = |rule: &&mut Rule| {
            rule.group == group
                && rule.verbs == verbs
                && (rule.names == names && names.is_empty() || rule.resources == [resource] && !names.is_empty())
        };
        match rules.iter_mut().find(joins) {
            Some(rule) if names.is_empty() => rule.resources.push(resource),
            Some(rule) => rule.names.extend(names),
            None => rules.push(Rule { group, resources: vec![resource], names, verbs }),
        }
    }
    rules
}

/// The ClusterRole of these rights.
pub(super) fn role(name: &str, rights: &[Right]) -> String {
    let rules: String = rules(rights).iter().map(Rule::in_yaml).collect();
    format!("apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: {name}\nrules:\n{rules}")
}

/// The role and its binding to `user`.
fn grant(user: &str, rights: &[Right]) -> String {
    let name = "netobserv-capture-missing";
    let subject = subject(user);
    format!(
        "{}---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata:\n  name: {name}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {name}}}\nsubjects:\n- {subject}\n",
        role(name, rights)
    )
}

/// A service account is known to the server by a name of its own form.
fn subject(user: &str) -> String {
    let account = user.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
    let fields = match account {
        Some((namespace, name)) => {
            BTreeMap::from([("kind", "ServiceAccount"), ("name", name), ("namespace", namespace)])
        }
        None => BTreeMap::from([("apiGroup", "rbac.authorization.k8s.io"), ("kind", "User"), ("name", user)]),
    };
    serde_json::to_string(&fields).unwrap_or_default()
}

#[cfg(test)]
mod tests;
