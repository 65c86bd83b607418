//! Service accounts and what they may do. The same rules are what a user must hold to grant them (docs/rbac.md).

use flow::Feature;
use k8s_openapi::api::{
    core::v1::ServiceAccount,
    rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, Subject},
};
use kube::core::DynamicObject;
use serde_json::json;

use super::{
    Capture,
    template::{Place, dress, dynamic, parse},
};
use crate::{error::Error, marks, plan::cluster::Request};

const AGENT_ACCOUNT: &str = include_str!("../../../manifests/service-account-agent.yaml");
const COLLECTOR_ACCOUNT: &str = include_str!("../../../manifests/service-account-collector.yaml");
const COLLECTOR_ROLE: &str = include_str!("../../../manifests/role-collector.yaml");
const COLLECTOR_BINDING: &str = include_str!("../../../manifests/role-binding-collector.yaml");
const NAMES_ROLE: &str = include_str!("../../../manifests/cluster-role-names.yaml");
const NAMES_BINDING: &str = include_str!("../../../manifests/cluster-role-binding-names.yaml");
const SCC: &str = include_str!("../../../manifests/scc.yaml");

/// All of it in the order of creation.
pub(super) fn all(capture: &Capture<'_>) -> Result<Vec<DynamicObject>, Error> {
    let mut objects = vec![
        account(capture, AGENT_ACCOUNT, "agent")?,
        account(capture, COLLECTOR_ACCOUNT, "collector")?,
        role(capture)?,
        role_binding(capture)?,
        cluster_role(capture)?,
        cluster_role_binding(capture)?,
    ];
    if capture.facts.is_some_and(super::Facts::is_openshift) {
        objects.push(scc(capture)?);
    }
    Ok(objects)
}

fn account(capture: &Capture<'_>, manifest: &str, component: &str) -> Result<DynamicObject, Error> {
    let mut account: ServiceAccount = parse(manifest)?;
    dress(&mut account.metadata, capture, Some(component), &Place::Ours);
    dynamic(account)
}

fn role(capture: &Capture<'_>) -> Result<DynamicObject, Error> {
    let mut role: Role = parse(COLLECTOR_ROLE)?;
    dress(&mut role.metadata, capture, Some(marks::COLLECTOR), &Place::Ours);
    role.rules = Some(own_rules(&capture.namespace())?);
    dynamic(role)
}

fn role_binding(capture: &Capture<'_>) -> Result<DynamicObject, Error> {
    let mut binding: RoleBinding = parse(COLLECTOR_BINDING)?;
    dress(&mut binding.metadata, capture, Some(marks::COLLECTOR), &Place::Ours);
    settle(binding.subjects.as_deref_mut(), capture);
    dynamic(binding)
}

fn cluster_role(capture: &Capture<'_>) -> Result<DynamicObject, Error> {
    let mut role: ClusterRole = parse(NAMES_ROLE)?;
    dress(&mut role.metadata, capture, Some(marks::COLLECTOR), &Place::Cluster(&capture.cluster_name("names")));
    role.rules = Some(names_rules(capture.request)?);
    dynamic(role)
}

fn cluster_role_binding(capture: &Capture<'_>) -> Result<DynamicObject, Error> {
    let mut binding: ClusterRoleBinding = parse(NAMES_BINDING)?;
    let name = capture.cluster_name("names");
    dress(&mut binding.metadata, capture, Some(marks::COLLECTOR), &Place::Cluster(&name));
    binding.role_ref.name = name;
    settle(binding.subjects.as_deref_mut(), capture);
    dynamic(binding)
}

/// The accounts are those of our namespace.
fn settle(subjects: Option<&mut [Subject]>, capture: &Capture<'_>) {
    for subject in subjects.into_iter().flatten() {
        subject.namespace = Some(capture.namespace());
    }
}

/// What the collector may do in its own namespace.
pub(crate) fn own_rules(namespace: &str) -> Result<Vec<PolicyRule>, Error> {
    let mut rules = parse::<Role>(COLLECTOR_ROLE)?.rules.unwrap_or_default();
    for rule in rules.iter_mut().filter(|rule| rule.resources.iter().flatten().any(|name| name == "namespaces")) {
        rule.resource_names = Some(vec![namespace.to_owned()]);
    }
    Ok(rules)
}

/// What the collector may read everywhere.
pub(crate) fn names_rules(request: &Request) -> Result<Vec<PolicyRule>, Error> {
    let mut rules = parse::<ClusterRole>(NAMES_ROLE)?.rules.unwrap_or_default();
    if request.get_subnets {
        rules.extend(policy_rules(SUBNET_RULES));
    }
    if explains_drops(&request.plan.config.features) {
        rules.extend(policy_rules(POLICY_RULES));
    }
    Ok(rules)
}

/// What a rule allows: group, resource, names (none are all), verb.
pub(crate) type Access = (&'static str, &'static str, &'static [&'static str], &'static str);

/// Where clusters write down their subnets: objects of their own since 1.33; on OpenShift its network and what its
/// installer left.
pub(crate) const SUBNET_RULES: &[Access] = &[
    ("networking.k8s.io", "servicecidrs", &[], "list"),
    ("", "configmaps", &["cluster-config-v1"], "get"),
    ("config.openshift.io", "networks", &["cluster"], "get"),
];

/// What would explain a drop.
pub(crate) const POLICY_RULES: &[Access] = &[
    ("networking.k8s.io", "networkpolicies", &[], "list"),
    ("networking.k8s.io", "networkpolicies", &[], "watch"),
    ("", "namespaces", &[], "list"),
    ("", "namespaces", &[], "watch"),
];

/// Whether a likely cause of drops is sought.
pub(crate) fn explains_drops(features: &[Feature]) -> bool {
    features.contains(&Feature::PktDrop) || features.contains(&Feature::NetworkEvents)
}

fn policy_rules(accesses: &'static [Access]) -> impl Iterator<Item = PolicyRule> {
    accesses.iter().map(|(group, resource, names, verb)| PolicyRule {
        api_groups: Some(vec![(*group).to_owned()]),
        resources: Some(vec![(*resource).to_owned()]),
        resource_names: (!names.is_empty()).then(|| names.iter().map(|name| (*name).to_owned()).collect()),
        verbs: vec![(*verb).to_owned()],
        ..PolicyRule::default()
    })
}

/// Only what the agents of this very request need.
fn scc(capture: &Capture<'_>) -> Result<DynamicObject, Error> {
    let mut scc: DynamicObject = parse(SCC)?;
    let name = capture.cluster_name("agent");
    dress(&mut scc.metadata, capture, Some(marks::AGENT), &Place::Cluster(&name));
    let rights = super::agents::Rights::of(capture.request);
    let data = &mut scc.data;
    data["allowedCapabilities"] = json!(rights.capabilities);
    data["allowPrivilegedContainer"] = json!(rights.privileged);
    data["allowPrivilegeEscalation"] = json!(rights.escalation());
    data["allowHostPID"] = json!(rights.processes);
    if rights.folders().next().is_some() {
        data["allowHostDirVolumePlugin"] = json!(true);
        data["volumes"] = json!(["configMap", "emptyDir", "hostPath", "secret"]);
    }
    data["users"] = json!([format!("system:serviceaccount:{}:agent", capture.namespace())]);
    Ok(scc)
}
