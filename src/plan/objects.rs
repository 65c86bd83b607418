//! From a request and facts to the objects of a capture, in the order in which they are created.
//!
//! Pure. The YAML in `manifests/` says what never changes and why; what depends on the capture is filled into the
//! parsed, typed objects here, so that no text of a user or a cluster is ever taken for YAML.

use std::{collections::BTreeMap, net::IpAddr};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind, TypeMeta};

use super::{
    cluster::Request,
    facts::Facts,
    images::{self, Group},
};
use crate::error::Error;

mod access;
mod agents;
mod base;
mod collector;
mod placement;
mod resources;
mod template;

pub(crate) use access::{Access, POLICY_RULES, SUBNET_RULES, explains_drops};
pub use agents::with_image as agent_with_image;
pub(crate) use base::namespace_like;
pub use collector::with_image as collector_with_image;

/// What makes this capture this one; made by the caller, because it is random.
#[derive(Clone, Debug)]
pub struct Identity {
    /// 8 lower-case letters and digits.
    pub id: String,
    /// Certificate of this capture's own authority, PEM.
    pub ca_pem: String,
    /// What the collector proves itself with.
    pub collector: Pair,
    /// What agents prove themselves with.
    pub agent: Pair,
    /// Executables at hand, by architecture as Kubernetes spells it (`amd64`).
    pub executables: BTreeMap<String, Executable>,
    /// Who asks, as the API server knows him.
    pub user: String,
    /// The command as typed.
    pub command: Vec<String>,
}

/// A certificate and its key, PEM.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The certificate.
    pub certificate_pem: String,
    /// Its key.
    pub key_pem: String,
}

/// What can be started on nodes of one architecture.
#[derive(Clone, Debug)]
pub struct Executable {
    /// SHA-256 of the executable, 64 hexadecimal digits.
    pub sha256: String,
    /// Its size, bytes.
    pub size: u64,
    /// The static stage that starts it.
    pub stage: Vec<u8>,
}

/// A pod or a DaemonSet, and what else it could be made from.
#[derive(Clone, Debug)]
pub struct Workload {
    /// The object, with the first of `images`.
    pub object: DynamicObject,
    /// Architecture of its nodes as Kubernetes spells it; `None` where the image decides (`--image`).
    pub arch: Option<String>,
    /// Nodes that it is for.
    pub nodes: Vec<String>,
    /// Images to try, best first. [`agent_with_image`] and [`collector_with_image`] make the object for another one.
    pub images: Vec<String>,
}

/// A node without an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its name.
    pub node: String,
    /// Why, in words.
    pub reason: String,
}

/// All objects of a capture.
#[derive(Clone, Debug)]
pub struct ClusterPlan {
    /// The capture's id.
    pub id: String,
    /// Its namespace.
    pub namespace: String,
    /// What is created first, in this order; the namespace is the first.
    pub base: Vec<DynamicObject>,
    /// Then the collector's pod.
    pub collector: Workload,
    /// Then the agents' DaemonSets.
    pub agents: Vec<Workload>,
    /// Selected nodes that no agent can run on.
    pub skipped: Vec<Skipped>,
    /// What the user should know before it begins.
    pub notes: Vec<String>,
}

impl ClusterPlan {
    /// Nodes where agents are expected.
    pub fn nodes(&self) -> impl Iterator<Item = &str> {
        self.agents.iter().flat_map(|agent| &agent.nodes).map(String::as_str)
    }

    /// Every object in the order of creation.
    pub fn objects(&self) -> impl Iterator<Item = &DynamicObject> {
        let workloads = std::iter::once(&self.collector).chain(&self.agents);
        self.base.iter().chain(workloads.map(|workload| &workload.object))
    }
}

/// Plans the capture.
///
/// # Errors
/// No node is selected, none of them can run an agent, or `--require-all-nodes` and one cannot.
pub fn plan(request: &Request, facts: &Facts, identity: &Identity) -> Result<ClusterPlan, Error> {
    let (groups, skipped) = images::groups(request, Some(facts), identity)?;
    if request.require_all_nodes
        && let Some(first) = skipped.first()
    {
        return Err(Error::failed(format!(
            "--require-all-nodes: node {} cannot capture: {}",
            first.node, first.reason
        )));
    }
    let home = images::collector_group(&groups, facts);
    assemble(&Capture { request, identity, facts: Some(facts) }, &groups, home, skipped)
}

/// The same without a look at the cluster, for `--yaml`: every node that is selected then, images by assumption.
///
/// # Errors
/// No executable is at hand.
pub fn plan_blind(request: &Request, identity: &Identity) -> Result<ClusterPlan, Error> {
    let (groups, skipped) = images::groups(request, None, identity)?;
    let Some(home) = groups.first() else {
        return Err(Error::failed("there is no executable for any architecture").hint("--image IMAGE"));
    };
    assemble(&Capture { request, identity, facts: None }, &groups, home, skipped)
}

/// What every object is made from.
struct Capture<'a> {
    request: &'a Request,
    identity: &'a Identity,
    facts: Option<&'a Facts>,
}

impl Capture<'_> {
    fn namespace(&self) -> String {
        self.request.namespace.clone().unwrap_or_else(|| format!("netobserv-{}", self.identity.id))
    }

    /// Name of something cluster-scoped.
    fn cluster_name(&self, what: &str) -> String {
        format!("netobserv-{}-{what}", self.identity.id)
    }
}

fn assemble(
    capture: &Capture<'_>,
    groups: &[Group],
    home: &Group,
    skipped: Vec<Skipped>,
) -> Result<ClusterPlan, Error> {
    let agents = agents::all(capture, groups)?;
    let nodes: Vec<String> = agents.iter().flat_map(|agent| agent.nodes.clone()).collect();
    Ok(ClusterPlan {
        id: capture.identity.id.clone(),
        namespace: capture.namespace(),
        base: base::all(capture, groups, home, &nodes)?,
        collector: collector::pod(capture, home)?,
        agents,
        notes: notes(capture, &skipped),
        skipped,
    })
}

fn notes(capture: &Capture<'_>, skipped: &[Skipped]) -> Vec<String> {
    let mut notes: Vec<String> =
        skipped.iter().map(|skipped| format!("node {} is left out: {}", skipped.node, skipped.reason)).collect();
    let not_ready = capture.facts.into_iter().flat_map(|facts| &facts.nodes).filter(|node| {
        !node.ready
            && !skipped.iter().any(|skipped| skipped.node == node.name)
            && images::selected(capture.request, node)
    });
    notes.extend(not_ready.map(|node| format!("node {} is not ready: it takes part when it is", node.name)));
    notes
}

/// How the API serves the kind of `object`.
pub fn resource_of(object: &DynamicObject) -> ApiResource {
    let TypeMeta { api_version, kind } = object.types.clone().unwrap_or_default();
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let kind = GroupVersionKind::gvk(group, version, &kind);
    // The one plural here that no rule of English gives.
    match kind.kind.as_str() {
        "SecurityContextConstraints" => ApiResource::from_gvk_with_plural(&kind, "securitycontextconstraints"),
        _ => ApiResource::from_gvk(&kind),
    }
}

/// Whether the object lives in a namespace.
pub fn is_namespaced(object: &DynamicObject) -> bool {
    object.metadata.namespace.is_some()
}

/// Makes the namespace of this `uid` the owner of everything that is cluster-scoped, so that deleting it takes that too.
pub fn own_by(objects: &mut [DynamicObject], namespace: &str, uid: &str) {
    let owner = OwnerReference {
        api_version: "v1".to_owned(),
        kind: "Namespace".to_owned(),
        name: namespace.to_owned(),
        uid: uid.to_owned(),
        // Never blocks: a namespace that waits for its dependants would hang on rights that are missing.
        block_owner_deletion: None,
        controller: None,
    };
    let is_namespace = |object: &DynamicObject| object.types.as_ref().is_some_and(|types| types.kind == "Namespace");
    for object in objects.iter_mut().filter(|object| !is_namespaced(object) && !is_namespace(object)) {
        object.metadata.owner_references = Some(vec![owner.clone()]);
    }
}

/// Fills the address of the collector's Service into the agents' DaemonSets.
pub fn with_service_address(agents: &mut [Workload], address: IpAddr) {
    for agent in agents {
        agents::set_collector(&mut agent.object, address);
    }
}

#[cfg(test)]
pub(in crate::plan) mod tests;
