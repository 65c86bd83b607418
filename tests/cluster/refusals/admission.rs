//! Policies of the cluster that refuse the namespace, the collector, the agents.

use std::time::Duration;

use lab::cluster::{Applied, kubectl_with};

use super::{assert_refused, ours, trace};

/// A policy that refuses what fits `condition` among `resources`, in or named like one namespace and those that begin
/// with its name.
fn policy(name: &str, resources: &str, condition: &str) -> Applied {
    let yaml = format!(
        "apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: {name}}}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules: [{{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [{resources}]}}]
  matchConditions:
  - {{name: ours, expression: \"(request.namespace + request.name).startsWith('{name}')\"}}
  validations:
  - {{expression: \"!({condition})\", message: house rule}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: {name}}}
spec: {{policyName: {name}, validationActions: [Deny]}}
"
    );
    let probe = || probe(resources, name).is_err_and(|error| error.to_string().contains("house rule"));
    Applied::policy(&yaml, probe).unwrap()
}

/// Tries what policies refuse, without effect.
fn probe(resource: &str, name: &str) -> anyhow::Result<String> {
    let dry_run = ["create", "--dry-run=server", "--validate=false", "-f", "-"];
    let labels = "labels: {pod-security.kubernetes.io/enforce: privileged}";
    if resource == "namespaces" {
        let yaml = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}-probe, {labels}}}\n");
        return kubectl_with(dry_run, &yaml);
    }
    let affinity = "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchFields: [{key: metadata.name, operator: In, values: [n2]}]}]}}}";
    let yaml = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: collector, namespace: {}}}\n\
         spec: {{hostNetwork: true, {affinity}, containers: [{{name: c, image: none}}]}}\n",
        room(name)
    );
    kubectl_with(dry_run, &yaml)
}

/// A namespace in which policies are probed.
fn room(name: &str) -> String {
    format!("{name}-probe")
}

/// It, while this is held.
fn with_room(name: &str) -> Applied {
    Applied::new(&format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {}}}\n", room(name))).unwrap()
}

#[test]
fn the_namespace_is_refused_before_anything_is_created() {
    needs_cluster!();
    let trace = trace("no-namespace");
    let name = trace.namespace();
    let label = "'pod-security.kubernetes.io/enforce' in object.metadata.labels";
    let _policy = policy(name, "namespaces", label);
    let told = ours(&format!("flows --capture-namespace {name}"));
    assert_refused(&told, 1, &["would refuse the capture's namespace", "house rule"]);
    assert_eq!(trace.left().unwrap(), [""; 0]);
}

#[test]
fn the_collector_is_refused() {
    needs_cluster!();
    let trace = trace("no-collector");
    let name = trace.namespace();
    let _room = with_room(name);
    let _policy = policy(name, "pods", "request.name == 'collector'");
    let told = ours(&format!("flows --capture-namespace {name}"));
    assert_refused(&told, 1, &["cannot create Pod collector", "house rule"]);
    assert_eq!(trace.left().unwrap(), [""; 0]);
    assert!(told.took < Duration::from_secs(20), "{:?}", told.took);
}

#[test]
fn the_agents_are_refused() {
    needs_cluster!();
    let trace = trace("no-agents");
    let name = trace.namespace();
    let _room = with_room(name);
    let _policy = policy(name, "pods", "has(object.spec.hostNetwork) && object.spec.hostNetwork");
    let told = ours(&format!("flows --capture-namespace {name}"));
    assert_refused(&told, 1, &["no node can capture: n1, n2: ", "house rule"]);
    assert_eq!(trace.left().unwrap(), [""; 0]);
    assert!(told.took < Duration::from_secs(40), "{:?}", told.took);
}

#[test]
fn pod_security_that_somebody_makes_stricter_refuses_the_agents() {
    needs_cluster!();
    let trace = trace("strict");
    let name = trace.namespace();
    let yaml = format!(
        "apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {{name: {name}}}
spec:
  failurePolicy: Fail
  reinvocationPolicy: Never
  matchConstraints:
    resourceRules: [{{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [namespaces]}}]
  matchConditions:
  - {{name: ours, expression: \"request.name.startsWith('{name}')\"}}
  mutations:
  - patchType: JSONPatch
    jsonPatch:
      expression: >
        [JSONPatch{{op: 'add', path: '/metadata/labels/pod-security.kubernetes.io~1enforce', value: 'restricted'}}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {{name: {name}}}
spec: {{policyName: {name}}}
"
    );
    let probe = || {
        let dry_run = ["create", "--dry-run=server", "--validate=false", "-o", "yaml", "-f", "-"];
        let like_ours =
            format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {}, labels: {{a: b}}}}\n", room(name));
        kubectl_with(dry_run, &like_ours).is_ok_and(|text| text.contains("enforce: restricted"))
    };
    let _policy = Applied::policy(&yaml, probe).unwrap();
    let told = ours(&format!("flows --capture-namespace {name}"));
    assert_refused(&told, 1, &["pod-security.kubernetes.io/enforce", "restricted", "privileged"]);
    assert_eq!(trace.left().unwrap(), [""; 0]);
    assert!(told.took < Duration::from_secs(40), "{:?}", told.took);
}

/// Refuses pods of one node, the second.
pub(super) fn policy_against_the_second_node(name: &str) -> (Applied, Applied) {
    let affinity = "object.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution";
    let condition = format!(
        "has(object.spec.hostNetwork) && has(object.spec.affinity) && {affinity}.nodeSelectorTerms.exists(t, has(t.matchFields) && t.matchFields.exists(f, 'n2' in f.values))"
    );
    (with_room(name), policy(name, "pods", &condition))
}
