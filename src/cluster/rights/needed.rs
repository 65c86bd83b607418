//! The rights that a capture needs, once: what is asked before it, what a refusal lists, what docs/rbac.md grants.

use crate::plan::{cluster::Request, facts::Facts, objects};

/// The right to do one thing with one kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Right {
    /// API group; "" is the core.
    pub(crate) group: &'static str,
    /// Resource, perhaps with a subresource: `pods/exec`.
    pub(crate) resource: &'static str,
    /// `create`, `get`, ...
    pub(crate) verb: &'static str,
    /// One object only.
    pub(crate) name: Option<&'static str>,
    /// Not used by the command itself, but by the collector, to which one may grant only what one holds.
    pub(crate) granted_on: bool,
}

impl Right {
    pub(crate) fn is_granted_on(&self) -> bool {
        self.granted_on
    }
}

/// A right as the API server is asked for it.
pub(super) struct Asked {
    pub(super) right: Right,
    /// In our namespace, else in all or in none.
    pub(super) namespaced: bool,
}

struct Line {
    group: &'static str,
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
    namespaced: bool,
    /// Only where the API server serves this group.
    only: Option<&'static str>,
    granted_on: bool,
}

const fn line(
    group: &'static str,
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
    namespaced: bool,
) -> Line {
    Line { group, resources, verbs, namespaced, only: None, granted_on: false }
}

const fn granted(group: &'static str, resources: &'static [&'static str], verbs: &'static [&'static str]) -> Line {
    Line { group, resources, verbs, namespaced: false, only: None, granted_on: true }
}

const RBAC: &str = "rbac.authorization.k8s.io";
const OPENSHIFT: &str = "security.openshift.io";

/// What the command does, and below it what it lets the collector do.
const TABLE: &[Line] = &[
    line("", &["nodes"], &["get", "list"], false),
    line("", &["namespaces"], &["create", "get", "list", "watch", "delete"], false),
    line(RBAC, &["clusterroles", "clusterrolebindings"], &["create", "get", "list", "delete"], false),
    line(RBAC, &["roles", "rolebindings"], &["create"], true),
    line("", &["serviceaccounts", "secrets", "configmaps"], &["create"], true),
    line("", &["configmaps"], &["get"], true),
    line("", &["services"], &["create", "get"], true),
    line("networking.k8s.io", &["networkpolicies"], &["create"], true),
    line("coordination.k8s.io", &["leases"], &["create", "get", "patch"], true),
    line("", &["pods"], &["create", "get", "list", "watch", "delete", "deletecollection"], true),
    // Servers ask for `create` since 1.35, for `get` of WebSocket clients before.
    line("", &["pods/exec"], &["create", "get"], true),
    line("", &["pods/log"], &["get"], true),
    line("", &["events"], &["list", "watch"], true),
    line("apps", &["daemonsets"], &["create", "get", "list", "watch", "delete", "deletecollection"], true),
    Line {
        only: Some(OPENSHIFT),
        ..line(OPENSHIFT, &["securitycontextconstraints"], &["create", "get", "list", "delete"], false)
    },
    granted("", &["pods", "nodes", "services", "namespaces"], &["get", "list", "watch"]),
    granted("apps", &["replicasets"], &["get", "list", "watch"]),
    granted("batch", &["jobs"], &["get", "list", "watch"]),
];

/// What this request needs on this cluster.
pub(super) fn needed(request: &Request, facts: &Facts) -> Vec<Asked> {
    let lines = TABLE.iter().filter(|line| line.only.is_none_or(|group| facts.has_group(group)));
    let mut asked: Vec<_> = lines.flat_map(asked).collect();
    if request.get_subnets {
        asked.extend(objects::SUBNET_SOURCES.iter().flat_map(|(group, resource, names)| {
            names.iter().map(|name| Asked {
                right: Right { group, resource, verb: "get", name: Some(name), granted_on: true },
                namespaced: false,
            })
        }));
    }
    asked
}

fn asked(line: &Line) -> impl Iterator<Item = Asked> {
    let rights = line.resources.iter().flat_map(|resource| line.verbs.iter().map(move |verb| (resource, verb)));
    rights.map(|(resource, verb)| Asked {
        right: Right { group: line.group, resource, verb, name: None, granted_on: line.granted_on },
        namespaced: line.namespaced,
    })
}

/// What stands for every right that is only granted on.
pub(super) fn escalation() -> Vec<Asked> {
    let right = |resource, verb, namespaced| Asked {
        right: Right { group: RBAC, resource, verb, name: None, granted_on: false },
        namespaced,
    };
    ["escalate", "bind"]
        .into_iter()
        .flat_map(|verb| [right("clusterroles", verb, false), right("roles", verb, true)])
        .collect()
}

/// Every right that any capture can need, for the role that is documented.
#[cfg(test)]
pub(super) fn every() -> Vec<Right> {
    TABLE.iter().flat_map(asked).map(|asked| asked.right).collect()
}
