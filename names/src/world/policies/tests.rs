use serde_json::{Value, json};

use super::*;
use crate::{
    decode::pod::{Container, Pod, Port as Declared},
    world::{
        find::When,
        tests::{T0, ip, node, pod},
    },
};

/// `shop/web` (app=web, port http is 8080) and `shop/db` on n1, `bank/teller` (team=a is its namespace's label) on n2.
pub(in crate::world) fn world() -> World {
    let mut world = World::new();
    (world.with_details, world.with_policies) = (true, true);
    world.apply_node(&node(1, "n1", "172.31.250.11", "10.244.1.0/24"), T0);
    world.apply_node(&node(2, "n2", "172.31.250.12", "10.244.2.0/24"), T0);
    let labels = |value: &str| [("app".to_owned(), value.to_owned())].into();
    let port = Declared { name: "http".to_owned(), number: 8080, protocol: 6 };
    let container = Container { name: "c".to_owned(), ports: vec![port], ..Container::default() };
    let web = Pod { labels: labels("web"), containers: vec![container], ..pod(3, "web", "10.244.1.3") };
    world.apply_pod(&web, T0, true);
    world.apply_pod(&Pod { labels: labels("db"), ..pod(4, "db", "10.244.1.4") }, T0, true);
    let teller = Pod {
        namespace: "bank".to_owned(),
        node: Some("n2".to_owned()),
        labels: labels("teller"),
        ..pod(5, "teller", "10.244.2.5")
    };
    world.apply_pod(&teller, T0, true);
    world.apply_namespace(&Namespace::new("bank", &[("team", "a"), (NAME_LABEL, "bank")]));
    world.apply_namespace(&Namespace::new("shop", &[(NAME_LABEL, "shop")]));
    world
}

pub(in crate::world) fn policy(uid: &str, name: &str, spec: &Value) -> Policy {
    let metadata = json!({"name": name, "namespace": "shop", "uid": uid, "resourceVersion": "1"});
    serde_json::from_value(json!({"metadata": metadata, "spec": spec})).unwrap()
}

/// Policies that forbid a connection from the first to the second, at this port of TCP.
fn forbidding(world: &World, from: &str, to: &str, port: u16, way: Way) -> Vec<String> {
    let when = When { start: T0, end: T0 };
    let party = |address: &str| Party {
        address: ip(address),
        thing: world.find(ip(address), None, when).map(|found| found.thing()),
    };
    let attempt = Attempt { source: party(from), destination: party(to), protocol: 6, port: Some(port) };
    world.forbidding(&attempt, way)
}

const WEB: &str = "10.244.1.3";
const DB: &str = "10.244.1.4";
const TELLER: &str = "10.244.2.5";
const OUTSIDE: &str = "203.0.113.7";

/// Whether `shop/web` is forbidden to be reached at port 8080 from each of: db, teller, outside.
#[expect(clippy::needless_pass_by_value, reason = "written at the call")]
fn reached(spec: Value) -> [bool; 3] {
    let mut world = world();
    world.apply_policy(&policy("u1", "p", &spec));
    [DB, TELLER, OUTSIDE].map(|from| !forbidding(&world, from, WEB, 8080, Way::Ingress).is_empty())
}

fn with(rule: &Value) -> [bool; 3] {
    reached(json!({"podSelector": {"matchLabels": {"app": "web"}}, "ingress": [rule]}))
}

#[test]
fn default_deny_forbids_everybody_and_no_policy_or_an_empty_rule_nobody() {
    assert_eq!(reached(json!({"podSelector": {}})), [true; 3]);
    assert_eq!(reached(json!({"podSelector": {}, "ingress": [{}]})), [false; 3]);
    assert_eq!(reached(json!({"podSelector": {"matchLabels": {"app": "other"}}})), [false; 3]);
    assert_eq!(reached(json!({"podSelector": {}, "policyTypes": ["Egress"]})), [false; 3], "it is about what goes out");
    assert_eq!(forbidding(&world(), DB, WEB, 8080, Way::Ingress), Vec::<String>::new());
}

#[test]
fn peers_are_chosen_by_labels_of_pods_and_namespaces_and_by_addresses() {
    let from = |peers: Value| with(&json!({"from": peers}));
    assert_eq!(from(json!([{"podSelector": {}}])), [false, true, true], "pods of the policy's own namespace");
    assert_eq!(from(json!([{"podSelector": {"matchLabels": {"app": "db"}}}])), [false, true, true]);
    assert_eq!(from(json!([{"podSelector": {"matchLabels": {"app": "x"}}}])), [true; 3]);
    assert_eq!(from(json!([{"namespaceSelector": {}}])), [false, false, true]);
    assert_eq!(from(json!([{"namespaceSelector": {"matchLabels": {"team": "a"}}}])), [true, false, true]);
    assert_eq!(
        from(json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "bank"}}}])),
        [true, false, true]
    );
    let both =
        json!([{"namespaceSelector": {"matchLabels": {"team": "a"}}, "podSelector": {"matchLabels": {"app": "x"}}}]);
    assert_eq!(from(both), [true; 3]);
    assert_eq!(from(json!([{"ipBlock": {"cidr": "203.0.113.0/24"}}])), [true, true, false]);
    assert_eq!(
        from(json!([{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["203.0.113.0/29"]}}])),
        [false, false, true],
        "plugins differ on pods"
    );
    assert_eq!(from(json!([])), [false; 3]);
    assert_eq!(
        from(json!([{"podSelector": {"matchLabels": {"app": "x"}}}, {"podSelector": {}}])),
        [false, true, true],
        "any of them"
    );
}

#[test]
fn ports_are_numbers_ranges_and_names_of_the_destination_s_containers() {
    let ports = |ports: Value| with(&json!({"ports": ports}))[0];
    assert!(!ports(json!([{"port": 8080}])));
    assert!(ports(json!([{"port": 80}])));
    assert!(ports(json!([{"port": 8080, "protocol": "UDP"}])));
    assert!(!ports(json!([{"port": 8000, "endPort": 8080}])));
    assert!(ports(json!([{"port": 8081, "endPort": 9000}])));
    assert!(!ports(json!([{"port": "http"}])));
    assert!(ports(json!([{"port": "metrics"}])));
    assert!(!ports(json!([{"protocol": "TCP"}])));
    assert!(!ports(json!([])));
    assert!(!ports(json!([{"port": 80}, {"port": 8080}])));
}

#[test]
fn what_one_policy_allows_no_other_forbids_and_all_that_do_not_are_named() {
    let mut world = world();
    world.apply_policy(&policy("u1", "deny-all", &json!({"podSelector": {}})));
    world.apply_policy(&policy("u2", "other-port", &json!({"podSelector": {}, "ingress": [{"ports": [{"port": 1}]}]})));
    assert_eq!(forbidding(&world, DB, WEB, 8080, Way::Ingress), ["shop/deny-all", "shop/other-port"]);
    let allow = policy("u3", "allow", &json!({"podSelector": {}, "ingress": [{"from": [{"podSelector": {}}]}]}));
    world.apply_policy(&allow);
    assert_eq!(forbidding(&world, DB, WEB, 8080, Way::Ingress), Vec::<String>::new());
    assert_eq!(forbidding(&world, TELLER, WEB, 8080, Way::Ingress).len(), 3);
    world.remove_policy(&allow);
    assert_eq!(forbidding(&world, DB, WEB, 8080, Way::Ingress).len(), 2);
}

#[test]
fn what_goes_out_is_judged_at_the_source_and_ports_at_the_destination() {
    let mut world = world();
    let to = json!({"podSelector": {"matchLabels": {"app": "db"}}, "policyTypes": ["Egress"],
        "egress": [{"to": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": "http"}]}]});
    world.apply_policy(&policy("u1", "db-out", &to));
    assert_eq!(forbidding(&world, DB, WEB, 8080, Way::Egress), Vec::<String>::new());
    assert_eq!(forbidding(&world, DB, WEB, 8081, Way::Egress), ["shop/db-out"]);
    assert_eq!(forbidding(&world, DB, OUTSIDE, 443, Way::Egress), ["shop/db-out"]);
    assert_eq!(forbidding(&world, DB, WEB, 8081, Way::Ingress), Vec::<String>::new());
}

#[test]
fn a_pod_s_own_node_and_the_pod_itself_are_never_forbidden_and_pods_on_a_node_s_network_are_not_selected() {
    let mut world = world();
    world.apply_policy(&policy("u1", "deny-all", &json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})));
    assert!(forbidding(&world, "172.31.250.11", WEB, 8080, Way::Ingress).is_empty(), "kubelets probe");
    assert!(!forbidding(&world, "172.31.250.12", WEB, 8080, Way::Ingress).is_empty(), "another node");
    assert!(forbidding(&world, WEB, WEB, 8080, Way::Ingress).is_empty());
    assert!(forbidding(&world, WEB, "172.31.250.12", 10_250, Way::Ingress).is_empty());
}

#[test]
fn a_namespace_whose_labels_are_not_known_may_be_the_one_that_is_meant() {
    let mut world = world();
    let spec =
        json!({"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"team": "a"}}}]}]});
    world.apply_policy(&policy("u1", "p", &spec));
    world.remove_namespace(&Namespace::new("bank", &[]));
    assert!(forbidding(&world, TELLER, WEB, 8080, Way::Ingress).is_empty(), "nothing is claimed");
    let named = json!({"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "x"}}}]}]});
    world.apply_policy(&policy("u1", "p", &named));
    assert!(!forbidding(&world, TELLER, WEB, 8080, Way::Ingress).is_empty());
}

#[test]
fn what_a_new_list_does_not_tell_of_is_gone() {
    let mut world = world();
    for watch in [Watch::Policies, Watch::Namespaces] {
        world.begin_list(watch);
    }
    world.apply_policy(&policy("u1", "p", &json!({"podSelector": {}})));
    world.begin_list(Watch::Policies);
    for watch in [Watch::Policies, Watch::Namespaces] {
        world.end_list(watch, T0);
    }
    assert_eq!((world.policies.policies.len(), world.policies.namespaces.len()), (0, 0));
}
