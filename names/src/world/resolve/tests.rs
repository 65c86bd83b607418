use super::*;
use crate::{
    decode::{
        owner::{Reference, Workload},
        pod::{Container, Pod},
        service::Service,
    },
    world::{
        owners::Watched,
        tests::{T0, ip, node, pod, service},
    },
};

fn labels(pairs: &[(&str, &str)]) -> crate::decode::pod::Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn web(uid: u128, name: &str, address: &str) -> Pod {
    let container = Container { name: "nginx".to_owned(), ..Container::default() };
    Pod {
        labels: labels(&[("app", "web"), ("rev", name)]),
        owner: Some(Reference::to("ReplicaSet", "web-77", 20)),
        containers: vec![container],
        ..pod(uid, name, address)
    }
}

/// Two pods of a Deployment, one of another namespace, one on its node's network, one Service.
fn world() -> World {
    let mut world = World::new();
    world.with_details = true;
    world.apply_node(&node(1, "n1", "172.31.250.11", "10.244.1.0/24"), T0);
    world.apply_workload(
        Watched::ReplicaSet,
        &Workload::new("web-77", 20, Some(Reference::to("Deployment", "web", 21))),
    );
    world.apply_pod(&web(2, "web-1", "10.244.1.6"), T0, true);
    world.apply_pod(&web(3, "web-2", "10.244.1.7"), T0, true);
    world.apply_pod(&Pod { namespace: "bank".to_owned(), ..web(4, "web-3", "10.244.1.8") }, T0, true);
    let proxy = Pod { addresses: Vec::new(), host_network: true, ..pod(5, "proxy", "10.0.0.1") };
    world.apply_pod(&proxy, T0, true);
    let selecting = Service { selector: labels(&[("app", "web")]), ..service(6, "web", &["10.96.0.9"]) };
    world.apply_service(&selecting, T0, true);
    world
}

fn resolve(world: &World, kind: ObjectKind, name: &str, namespace: Option<&str>) -> Resolved {
    let object = Object { kind, namespace: namespace.map(str::to_owned), name: name.to_owned() };
    world.resolve(&object, "shop").unwrap()
}

fn texts(resolved: &Resolved) -> Vec<String> {
    resolved.addresses.iter().map(ToString::to_string).collect()
}

#[test]
fn each_kind_of_object_has_its_addresses() {
    use ObjectKind::{Container, Namespace, Node, Pod, Selector, Service, Workload};
    let both = ["10.244.1.6", "10.244.1.7"].as_slice();
    let world = world();
    for (kind, name, namespace, wanted) in [
        (Pod, "web-1", None, ["10.244.1.6"].as_slice()),
        (Pod, "web-3", None, &[]),
        (Pod, "web-3", Some("bank"), &["10.244.1.8"]),
        (Pod, "web-3", Some("*"), &["10.244.1.8"]),
        (Workload, "deploy/web", None, both),
        (Workload, "Deployments.apps/web", None, both),
        (Workload, "web", None, both),
        (Workload, "rs/web-77", None, both),
        (Workload, "web-77", Some("bank"), &["10.244.1.8"]),
        (Workload, "sts/web", None, &[]),
        (Workload, "pod/web-2", None, &["10.244.1.7"]),
        (Service, "web", None, &["10.96.0.9", "10.244.1.6", "10.244.1.7"]),
        (Namespace, "bank", None, &["10.244.1.8"]),
        (Selector, "app=web,rev!=web-1", None, &["10.244.1.7"]),
        (Selector, "app in (web)", Some("*"), &["10.244.1.6", "10.244.1.7", "10.244.1.8"]),
        (Node, "n1", None, &["10.244.1.1", "10.244.1.6", "10.244.1.7", "10.244.1.8", "172.31.250.11"]),
        (Container, "nginx", None, &["10.244.1.6", "10.244.1.7", "10.244.1.8"]),
        (Container, "nginx", Some("shop"), both),
        (Container, "db", None, &[]),
    ] {
        let mut wanted: Vec<IpAddr> = wanted.iter().map(|text| ip(text)).collect();
        wanted.sort_unstable();
        let resolved = resolve(&world, kind, name, namespace);
        assert_eq!(Vec::from_iter(resolved.addresses), wanted, "{kind:?} {name} {namespace:?}");
        assert_eq!(resolved.remarks.is_empty(), !wanted.is_empty(), "{kind:?} {name}: {:?}", resolved.remarks);
    }
}

#[test]
fn a_pod_on_its_node_s_network_has_the_node_s_address_and_that_is_said() {
    let resolved = resolve(&world(), ObjectKind::Pod, "proxy", None);
    assert_eq!(texts(&resolved), ["172.31.250.11"]);
    assert!(resolved.remarks[0].contains("shop/proxy (n1)"), "{:?}", resolved.remarks);
    let namespace = resolve(&world(), ObjectKind::Namespace, "shop", None);
    assert_eq!((namespace.addresses.len(), namespace.objects, namespace.remarks.len()), (3, 3, 1));
}

#[test]
fn a_new_pod_is_in_before_it_is_ready_and_one_that_is_over_is_out() {
    let mut world = world();
    let before = world.version();
    let new = Pod { connected_ms: None, ready: false, ..web(9, "web-9", "10.244.1.9") };
    world.apply_pod(&new, T0, false);
    assert!(world.version() > before);
    assert!(texts(&resolve(&world, ObjectKind::Workload, "deploy/web", None)).contains(&"10.244.1.9".to_owned()));
    let between = world.version();
    world.apply_pod(&new, T0 + 1, false);
    assert_eq!(world.version(), between, "nothing has changed");
    world.apply_pod(&Pod { over: true, ..new.clone() }, T0 + 5_000, false);
    assert!(world.version() > between);
    assert!(!texts(&resolve(&world, ObjectKind::Workload, "deploy/web", None)).contains(&"10.244.1.9".to_owned()));
}

#[test]
fn changes_of_labels_and_of_owners_are_changes() {
    let mut world = world();
    let before = world.version();
    world.apply_pod(&Pod { labels: labels(&[("app", "db")]), ..web(2, "web-1", "10.244.1.6") }, T0, false);
    assert!(world.version() > before);
    assert_eq!(texts(&resolve(&world, ObjectKind::Selector, "app=db", None)), ["10.244.1.6"]);
    let before = world.version();
    world.apply_workload(Watched::ReplicaSet, &Workload::new("web-77", 20, None));
    assert!(world.version() > before);
    assert!(resolve(&world, ObjectKind::Workload, "deploy/web", None).addresses.is_empty());
}

#[test]
fn what_cannot_be_answered_is_an_error_and_not_an_empty_answer() {
    let object = |kind, name: &str| Object { kind, namespace: Some("shop".to_owned()), name: name.to_owned() };
    let error = world().resolve(&object(ObjectKind::Selector, "a b"), "shop").unwrap_err();
    assert!(error.contains("label selector"), "{error}");
    let without = World::new();
    for kind in [ObjectKind::Selector, ObjectKind::Service, ObjectKind::Container] {
        assert!(without.resolve(&object(kind, "web"), "shop").unwrap_err().contains("not kept"));
    }
    assert!(without.resolve(&object(ObjectKind::Pod, "web"), "shop").is_ok());
}

#[test]
fn a_service_without_selector_is_its_own_addresses_and_that_is_said() {
    let mut world = world();
    world.apply_service(&service(7, "outside", &["10.96.0.10"]), T0, true);
    let resolved = resolve(&world, ObjectKind::Service, "outside", None);
    assert_eq!(texts(&resolved), ["10.96.0.10"]);
    assert!(resolved.remarks[0].contains("shop/outside selects no pods"), "{:?}", resolved.remarks);
}
