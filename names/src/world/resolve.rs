//! The addresses of objects that users choose by name or label.

use std::net::IpAddr;

use flow::filter::{Object, ObjectKind};

use super::{Kind, Thing, World, details::Details, list::addresses};
use crate::{names::Resolved, selector::Selector};

/// Kinds of workloads by the names that kubectl has for them.
const WORKLOADS: [(&str, &[&str]); 9] = [
    ("Deployment", &["deploy", "deployment", "deployments"]),
    ("StatefulSet", &["sts", "statefulset", "statefulsets"]),
    ("DaemonSet", &["ds", "daemonset", "daemonsets"]),
    ("ReplicaSet", &["rs", "replicaset", "replicasets"]),
    ("Job", &["job", "jobs"]),
    ("CronJob", &["cj", "cronjob", "cronjobs"]),
    ("ReplicationController", &["rc", "replicationcontroller", "replicationcontrollers"]),
    ("DeploymentConfig", &["dc", "deploymentconfig", "deploymentconfigs"]),
    ("Pod", &["po", "pod", "pods"]),
];

impl World {
    /// See [`crate::Names::resolve`].
    pub(crate) fn resolve(&self, object: &Object, default_namespace: &str) -> Result<Resolved, String> {
        let namespace = object.namespace.as_deref().unwrap_or(default_namespace);
        let within = |thing: &Thing| namespace == "*" || thing.namespace.as_deref() == Some(namespace);
        let name = &*object.name;
        let mut found = Finding { world: self, resolved: Resolved::default(), on_node: Vec::new() };
        match object.kind {
            ObjectKind::Pod => found.pods(|thing| within(thing) && *thing.name == *name),
            ObjectKind::Namespace => found.pods(|thing| thing.namespace.as_deref() == Some(name)),
            ObjectKind::Workload => {
                let (kind, name) = workload(name);
                found.pods(|thing| within(thing) && self.is_of(thing, kind.as_deref(), name));
            }
            ObjectKind::Node => self.node(name, &mut found),
            ObjectKind::Service => {
                self.details_needed(object)?;
                self.service(|thing| within(thing) && *thing.name == *name, &mut found);
            }
            ObjectKind::Selector => {
                self.details_needed(object)?;
                let selector = Selector::parse(name)?;
                found.pods(|thing| within(thing) && thing.is_selected(&selector));
            }
            ObjectKind::Container => {
                self.details_needed(object)?;
                // A container's name says enough: it is looked for everywhere unless a namespace was said.
                let within = |thing: &Thing| object.namespace.is_none() || within(thing);
                found.pods(|thing| within(thing) && thing.has_container(name));
            }
        }
        Ok(found.end(object, namespace))
    }

    fn details_needed(&self, object: &Object) -> Result<(), String> {
        let missing = || format!("labels and containers are not kept, so that {:?} cannot be looked for", object.name);
        self.with_details.then_some(()).ok_or_else(missing)
    }

    /// Whether a workload of that kind and name owns `thing`, at whatever distance; a pod is its own, too.
    fn is_of(&self, thing: &Thing, kind: Option<&str>, name: &str) -> bool {
        let fits = |of: &str, called: &str| called == name && kind.is_none_or(|kind| kind.eq_ignore_ascii_case(of));
        fits("Pod", &thing.name) || self.chain(thing.owner).any(|owner| fits(&owner.kind, &owner.name))
    }

    fn node(&self, name: &str, found: &mut Finding<'_>) {
        let nodes = self.there(Kind::Node).filter(|thing| *thing.name == *name);
        nodes.for_each(|thing| found.add(&addresses(thing)));
        if let Some(host) = self.hosts_by_name.get(name) {
            // Pods on the node's own network have the node's address, which is meant here anyway.
            let pods = self.there(Kind::Pod).filter(|thing| thing.host == *host && !thing.claims.is_empty());
            pods.for_each(|thing| found.add(&addresses(thing)));
        }
    }

    fn service(&self, wanted: impl Fn(&Thing) -> bool, found: &mut Finding<'_>) {
        for service in self.there(Kind::Service).filter(|thing| wanted(thing)) {
            found.add(&addresses(service));
            let selector = service.details.as_deref().map(Details::selector).filter(|selector| !selector.is_empty());
            match selector {
                Some(selector) => {
                    found.pods(|thing| thing.namespace == service.namespace && thing.is_selected(&selector));
                }
                None => found
                    .resolved
                    .remarks
                    .push(format!("Service {} selects no pods by labels: its own addresses only", name_of(service))),
            }
        }
    }

    /// Objects of `kind` that are there now.
    pub(super) fn there(&self, kind: Kind) -> impl Iterator<Item = &Thing> {
        self.things.iter().map(|(_, thing)| thing).filter(move |thing| thing.kind == kind && !thing.gone)
    }
}

/// `deploy/web`, `deployments.apps/web`, or `web` of any kind: the kind as owners have it, and the name.
fn workload(text: &str) -> (Option<String>, &str) {
    let Some((typed, name)) = text.split_once('/') else { return (None, text) };
    let short = typed.split('.').next().unwrap_or(typed).to_lowercase();
    let known = WORKLOADS.iter().find(|(_, names)| names.contains(&&*short));
    // Kinds that others defined are written as they are called, in one number or the other.
    let own = || short.strip_suffix('s').unwrap_or(&short).to_owned();
    (Some(known.map_or_else(own, |(kind, _)| (*kind).to_owned())), name)
}

impl Details {
    /// The pods that a service sends to.
    pub(super) fn selector(&self) -> Selector {
        Selector::of_labels(self.labels.iter().map(|(key, value)| (&**key, &**value)))
    }
}

impl Thing {
    pub(super) fn is_selected(&self, selector: &Selector) -> bool {
        self.details.as_ref().is_some_and(|details| selector.matches(|key| details.label(key)))
    }

    fn has_container(&self, name: &str) -> bool {
        self.details.as_ref().is_some_and(|details| details.containers.iter().any(|declared| *declared.name == *name))
    }
}

pub(super) fn name_of(thing: &Thing) -> String {
    match &thing.namespace {
        Some(namespace) => format!("{namespace}/{}", thing.name),
        None => thing.name.to_string(),
    }
}

/// What has been found so far.
struct Finding<'w> {
    world: &'w World,
    resolved: Resolved,
    /// Pods on their nodes' networks.
    on_node: Vec<String>,
}

impl Finding<'_> {
    fn add(&mut self, addresses: &[IpAddr]) {
        self.resolved.objects += 1;
        self.resolved.addresses.extend(addresses);
    }

    /// Adds the pods that are `wanted`, those that have ended left out.
    fn pods(&mut self, wanted: impl Fn(&Thing) -> bool) {
        for pod in self.world.there(Kind::Pod).filter(|thing| wanted(thing)) {
            let host = self.world.hosts.get(pod.host as usize);
            match (pod.claims.is_empty(), pod.on_node, host) {
                (true, true, Some(host)) => {
                    self.add(host.address.as_slice());
                    self.on_node.push(format!("{} ({})", name_of(pod), host.name));
                }
                // Not on a node yet, without an address yet, or over.
                (true, ..) => {}
                (false, ..) => self.add(&addresses(pod)),
            }
        }
    }

    fn end(mut self, object: &Object, namespace: &str) -> Resolved {
        if !self.on_node.is_empty() {
            self.resolved.remarks.push(on_node(&self.on_node));
        }
        if self.resolved.addresses.is_empty() {
            self.resolved.remarks.push(nothing(object, namespace));
        }
        self.resolved
    }
}

/// How many are named before the rest is counted.
const NAMED: usize = 3;

fn on_node(pods: &[String]) -> String {
    let named = pods.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = pods.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("on their node's network, so that all of that node's own traffic is taken: {named}{more}")
}

fn nothing(object: &Object, namespace: &str) -> String {
    let Object { kind, name, .. } = object;
    let place = if namespace == "*" { String::new() } else { format!(" in namespace {namespace}") };
    match kind {
        ObjectKind::Pod => format!("no pod {name}{place} has an address now"),
        ObjectKind::Workload => format!("no pod of workload {name}{place} has an address now"),
        ObjectKind::Service => format!("there is no Service {name}{place} with an address now"),
        ObjectKind::Namespace => format!("no pod in namespace {name} has an address now"),
        ObjectKind::Selector => format!("no pod{place} with labels {name} has an address now"),
        ObjectKind::Node => format!("there is no node {name} with an address now"),
        ObjectKind::Container => format!("no pod with a container {name} has an address now"),
    }
}

#[cfg(test)]
mod tests;
