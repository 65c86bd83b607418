//! The rights that a capture needs, once: what is asked before it, what a refusal lists, what docs/rbac.md grants.

use crate::plan::{
    cluster::Request,
    facts::Facts,
    objects::{self, Access, POLICY_RULES, SUBNET_RULES},
};

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
    kind: Kind,
    /// In our namespace, else in all or in none.
    namespaced: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The command itself needs it.
    Own,
    /// The same, on OpenShift.
    OpenShift,
    /// The collector needs it: one may grant only what one holds.
    GrantedOn,
    /// `cleanup` needs it for what is left when a namespace was removed without us; a capture goes without.
    Cleanup,
}

const fn line(
    kind: Kind,
    group: &'static str,
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
) -> Line {
    Line { group, resources, verbs, kind, namespaced: false }
}

const fn inside(group: &'static str, resources: &'static [&'static str], verbs: &'static [&'static str]) -> Line {
    Line { group, resources, verbs, kind: Kind::Own, namespaced: true }
}

const RBAC: &str = "rbac.authorization.k8s.io";
const OPENSHIFT: &str = "security.openshift.io";

/// What the command does, and below it what it lets the collector do.
const TABLE: &[Line] = &[
    line(Kind::Own, "", &["nodes"], &["list"]),
    line(Kind::Own, "", &["namespaces"], &["create", "get", "list", "delete"]),
    line(Kind::Own, RBAC, &["clusterroles", "clusterrolebindings"], &["create"]),
    line(Kind::OpenShift, OPENSHIFT, &["securitycontextconstraints"], &["create"]),
    inside(RBAC, &["roles", "rolebindings"], &["create"]),
    inside("", &["serviceaccounts", "secrets"], &["create"]),
    inside("", &["configmaps", "services"], &["create", "get"]),
    inside("networking.k8s.io", &["networkpolicies"], &["create"]),
    // The collector patches it too.
    inside("coordination.k8s.io", &["leases"], &["create", "get", "patch"]),
    inside("", &["pods"], &["create", "get", "list", "delete"]),
    // Servers ask for `create` since 1.35, before that for `get` of clients that speak WebSocket.
    inside("", &["pods/exec"], &["create", "get"]),
    inside("", &["events"], &["list"]),
    inside("apps", &["daemonsets"], &["create", "patch", "deletecollection"]),
    line(Kind::GrantedOn, "", &["pods", "nodes", "services"], &["list", "watch"]),
    line(Kind::GrantedOn, "apps", &["replicasets"], &["list", "watch"]),
    line(Kind::GrantedOn, "batch", &["jobs"], &["list", "watch"]),
    line(Kind::Cleanup, RBAC, &["clusterroles", "clusterrolebindings"], &["list", "deletecollection"]),
    line(Kind::Cleanup, OPENSHIFT, &["securitycontextconstraints"], &["list", "deletecollection"]),
];

/// What this request needs on this cluster.
pub(super) fn needed(request: &Request, facts: &Facts) -> Vec<Asked> {
    let lines = TABLE.iter().filter(|line| match line.kind {
        Kind::Own | Kind::GrantedOn => true,
        Kind::OpenShift => facts.is_openshift(),
        Kind::Cleanup => false,
    });
    let mut asked: Vec<_> = lines.flat_map(asked).collect();
    if request.get_subnets {
        asked.extend(readings(SUBNET_RULES));
    }
    if objects::explains_drops(&request.plan.config.features) {
        asked.extend(readings(POLICY_RULES));
    }
    asked
}

fn asked(line: &Line) -> impl Iterator<Item = Asked> {
    let rights = line.resources.iter().flat_map(|resource| line.verbs.iter().map(move |verb| (resource, verb)));
    rights.map(|(resource, verb)| Asked {
        right: Right { group: line.group, resource, verb, name: None, granted_on: line.kind == Kind::GrantedOn },
        namespaced: line.namespaced,
    })
}

/// What an option lets the collector read besides.
fn readings(accesses: &'static [Access]) -> impl Iterator<Item = Asked> {
    accesses.iter().flat_map(|(group, resource, names, verb)| {
        let right = |name| Right { group, resource, verb, name, granted_on: true };
        let rights: Vec<_> = match names {
            [] => vec![right(None)],
            names => names.iter().map(|name| right(Some(*name))).collect(),
        };
        rights.into_iter().map(|right| Asked { right, namespaced: false })
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

/// Every right that a capture can need and `cleanup` can use, for the role that is documented.
#[cfg(test)]
pub(super) fn every() -> Vec<Right> {
    TABLE
        .iter()
        .flat_map(asked)
        .chain(readings(SUBNET_RULES))
        .chain(readings(POLICY_RULES))
        .map(|asked| asked.right)
        .collect()
}
