//! How objects of a capture are marked, and told from everybody else's. Pure.

use std::collections::BTreeMap;

/// Label that says what an object is part of.
pub const NAME: &str = "app.kubernetes.io/name";
/// Its value on everything of ours.
pub const PRODUCT: &str = "oc-netobserv";
/// Selector of everything of ours.
pub const OURS: &str = "app.kubernetes.io/name=oc-netobserv";
/// Label with the id of the capture.
pub const CAPTURE: &str = "netobserv.io/capture";
/// Label that says which part of a capture it is.
pub const COMPONENT: &str = "app.kubernetes.io/component";
/// The one collector.
pub const COLLECTOR: &str = "collector";
/// The agents, one on each node.
pub const AGENT: &str = "agent";
/// Annotation of the namespace: who began the capture, as the API server knows them.
pub const USER: &str = "netobserv.io/user";
/// Annotation of the namespace: the command as typed.
pub const COMMAND: &str = "netobserv.io/command";
/// Annotation of the namespace: version of the client.
pub const VERSION: &str = "netobserv.io/version";
/// Annotation of the namespace: `--background`.
pub const BACKGROUND: &str = "netobserv.io/background";
/// Annotation of the namespace: `--max-time` in seconds; 0 is no limit.
pub const MAX_TIME: &str = "netobserv.io/max-time-seconds";
/// Annotation of the Lease: the guardian is at work.
pub const GUARDIAN: &str = "netobserv.io/guardian";
/// Annotation of the namespace: time without sign of life after which the client is gone, in seconds.
pub const LEASE: &str = "netobserv.io/lease-seconds";
/// Annotation of the namespace: time that files wait after the end, in seconds.
pub const KEEP: &str = "netobserv.io/keep-seconds";

/// Whether an object with these labels is part of a capture.
pub fn is_ours(labels: &BTreeMap<String, String>) -> bool {
    labels.get(NAME).is_some_and(|name| name == PRODUCT) && labels.contains_key(CAPTURE)
}

/// Whether it is a collector.
pub fn is_collector(labels: &BTreeMap<String, String>) -> bool {
    labels.get(COMPONENT).is_some_and(|component| component == COLLECTOR)
}

/// The capture that it belongs to.
pub fn capture(labels: &BTreeMap<String, String>) -> Option<&str> {
    labels.get(CAPTURE).map(String::as_str)
}
