//! Objects of a cluster that have addresses, as expressions and options name them.

use serde::{Deserialize, Serialize};

/// Which end of a packet or flow is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// Where it comes from.
    Source,
    /// Where it goes.
    Destination,
    /// Either.
    Either,
}

/// Objects of one kind, chosen by name or label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Object {
    /// What kind.
    pub kind: ObjectKind,
    /// Namespace; `None` where it was not said: that of the connection, or any in a saved file; `*` is any.
    pub namespace: Option<String>,
    /// Name, `kind/name` of a workload, or a label selector as kubectl reads them.
    pub name: String,
}

/// What an [`Object`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectKind {
    /// One pod.
    Pod,
    /// All pods of a workload: `deploy/web`, or `web` of any kind.
    Workload,
    /// The addresses of a Service and the pods behind it.
    Service,
    /// All pods of a namespace; `name` is the namespace.
    Namespace,
    /// Pods with labels.
    Selector,
    /// A node's own addresses and those of all pods on it.
    Node,
    /// The pods that have a container of that name.
    Container,
}
