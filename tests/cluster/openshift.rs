//! A cluster that has OpenShift's security context constraints, as far as its API goes: there are objects, nobody
//! enforces them.

use std::time::Duration;

use lab::cluster::{self, Applied, Person, get, items, kubectl};

use super::refusals::{assert_refused, ours, trace};
use crate::flows;

const CONSTRAINTS: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: securitycontextconstraints.security.openshift.io}
spec:
  group: security.openshift.io
  scope: Cluster
  names: {kind: SecurityContextConstraints, listKind: SecurityContextConstraintsList, plural: securitycontextconstraints, singular: securitycontextconstraints}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
";

const KIND: &str = "securitycontextconstraints.security.openshift.io";

/// The kind, until this is dropped.
fn constraints() -> Applied {
    let applied = Applied::new(CONSTRAINTS).unwrap();
    let crd = format!("crd/{KIND}");
    kubectl(["wait", "--for=condition=Established", &crd, "--timeout=30s"]).unwrap();
    cluster::wait("the kind", Duration::from_secs(30), || Ok(kubectl(["get", KIND]).is_ok())).unwrap();
    applied
}

fn constraints_of(namespace: &str) -> Vec<serde_json::Value> {
    let user = format!("system:serviceaccount:{namespace}:agent");
    let all = items(&format!("{KIND} -l {}", cluster::OURS)).unwrap();
    all.into_iter().filter(|found| found["users"][0] == user.as_str()).collect()
}

#[test]
fn agents_get_constraints_of_their_own_that_go_with_the_namespace() {
    needs_cluster!();
    let _constraints = constraints();
    let trace = trace("openshift");
    let name = trace.namespace();
    // The image that makes the nodes' sandboxes has no user, and nobody here gives the collector one.
    let mut running = flows().args("--timeout 15s --capture-namespace").arg(name).spawn().unwrap();
    trace.wait_for_object("pod/collector").unwrap();
    let made = constraints_of(name);
    assert_eq!(made.len(), 1, "{made:?}");
    let owner = &made[0]["metadata"]["ownerReferences"][0];
    let namespace = get(&format!("namespace {name}")).unwrap();
    assert_eq!((&owner["kind"], &owner["uid"]), (&"Namespace".into(), &namespace["metadata"]["uid"]));
    assert_eq!(made[0]["allowHostNetwork"], true);
    assert_eq!(made[0]["allowPrivilegedContainer"], false);
    assert_eq!(made[0]["allowedCapabilities"], serde_json::json!(["BPF", "PERFMON", "NET_ADMIN"]));
    assert!(trace.collector().unwrap()["spec"]["securityContext"]["runAsUser"].is_null());
    running.wait_for("error: the collector's pod is not running: ", Duration::from_secs(40)).unwrap();
    let finished = running.wait().unwrap();
    eprintln!("{:?}", finished.stderr);
    assert_eq!(finished.status.code(), Some(1));
    assert_eq!(constraints_of(name), [serde_json::Value::Null; 0]);
    assert_eq!(trace.left().unwrap(), [""; 0]);
}

#[test]
fn the_right_to_constraints_is_asked_for_and_what_is_printed_has_them() {
    needs_cluster!();
    let _constraints = constraints();
    let told = ours("flows --yaml --capture-namespace printed-openshift");
    assert_eq!(told.code, Some(0), "{}", told.err);
    let is_constraints = |document: &&str| document.contains("kind: SecurityContextConstraints");
    let documents: Vec<&str> = told.out.split("\n---\n").filter(is_constraints).collect();
    assert_eq!(documents.len(), 1);
    assert!(documents[0].contains("system:serviceaccount:printed-openshift:agent"), "{}", documents[0]);
    let collector = told.out.split("\n---\n").find(|document| document.contains("kind: Pod\n")).unwrap();
    assert!(!collector.contains("runAsUser") && collector.contains("runAsNonRoot: true"), "{collector}");

    let nobody = Person::new("nobody").unwrap();
    let refused = nobody.runs(env!("CARGO_BIN_EXE_oc-netobserv"), "flows", "").unwrap();
    assert_refused(&refused, 1, &["create securitycontextconstraints.security.openshift.io"]);
}
