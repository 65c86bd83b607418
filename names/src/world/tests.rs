//! Made-up clusters.

use std::net::IpAddr;

use flow::Mac;

use super::*;
use crate::{
    decode::{
        networks::Attachment,
        node::Node,
        owner::{Reference, Workload},
        pod::Pod,
        service::Service,
    },
    world::{find::When, owners::Watched, relist::Watch},
};

mod reuse;

/// A moment in ms at which nothing special happens.
pub(crate) const T0: u64 = 1_800_000_000_000;

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A running pod on `n1` that began 100 s before T0.
pub(crate) fn pod(uid: u128, name: &str, address: &str) -> Pod {
    Pod {
        uid: Uid(uid),
        name: name.to_owned(),
        namespace: "shop".to_owned(),
        node: Some("n1".to_owned()),
        host_ip: Some(ip("172.31.250.11")),
        addresses: vec![ip(address)],
        started_ms: Some(T0 - 100_000),
        connected_ms: Some(T0 - 98_000),
        ..Pod::default()
    }
}

pub(crate) fn node(uid: u128, name: &str, address: &str, subnet: &str) -> Node {
    let subnet: ipnet::IpNet = subnet.parse().unwrap();
    Node {
        uid: Uid(uid),
        name: name.to_owned(),
        zone: Some(format!("zone-of-{name}")),
        addresses: vec![ip(address)],
        gateways: subnet.hosts().take(1).collect(),
        pod_subnets: vec![subnet],
        ..Node::default()
    }
}

pub(crate) fn service(uid: u128, name: &str, addresses: &[&str]) -> Service {
    let addresses = addresses.iter().map(|text| ip(text)).collect();
    Service { uid: Uid(uid), name: name.to_owned(), namespace: "shop".to_owned(), addresses, ..Service::default() }
}

pub(crate) fn at(time: u64) -> When {
    When { start: time, end: time + 900 }
}

fn name(world: &World, address: &str, time: u64) -> Option<String> {
    world.find(ip(address), None, at(time)).map(|found| found.name().to_string())
}

fn owner(world: &World, address: &str) -> (String, String) {
    let found = world.find(ip(address), None, at(T0)).unwrap();
    let (kind, name) = found.owner();
    (kind.to_string(), name.to_string())
}

fn is_empty(world: &World) -> bool {
    let things = world.things.is_empty() && world.things_by_uid.is_empty() && world.holders.is_empty();
    things && world.owners.is_empty() && world.owners_by_uid.is_empty() && world.ended.is_empty() && world.macs == 0
}

#[test]
fn every_kind_is_found_by_each_of_its_addresses() {
    let mut world = World::new();
    world.apply_node(&node(1, "n1", "172.31.250.11", "10.244.1.0/24"), T0);
    world.apply_service(&service(2, "web", &["10.96.0.9", "fd00:96::9", "192.0.2.9"]), T0, true);
    let dual = Pod { addresses: vec![ip("10.244.1.6"), ip("fd00::6")], ..pod(3, "web-1", "10.244.1.6") };
    world.apply_pod(&dual, T0, true);
    for (address, wanted) in [
        ("10.244.1.6", "web-1"),
        ("fd00::6", "web-1"),
        ("::ffff:10.244.1.6", "web-1"),
        ("172.31.250.11", "n1"),
        ("10.244.1.1", "n1"),
        ("10.96.0.9", "web"),
        ("fd00:96::9", "web"),
        ("192.0.2.9", "web"),
    ] {
        assert_eq!(name(&world, address, T0).as_deref(), Some(wanted), "{address}");
    }
    assert_eq!(name(&world, "10.244.1.7", T0), None);
    let found = world.find(ip("fd00::6"), None, at(T0)).unwrap();
    assert_eq!(found.host_address(), Some(ip("172.31.250.11")));
    assert_eq!(found.zone().map(|zone| &**zone), Some("zone-of-n1"));
    assert_eq!(found.network().map(|network| &**network), Some("primary"));
}

#[test]
fn a_pod_on_its_node_s_network_is_known_but_its_address_is_the_node_s() {
    let mut world = World::new();
    let host = Pod { addresses: Vec::new(), ..pod(3, "proxy-1", "10.0.0.1") };
    world.apply_pod(&host, T0, true);
    world.apply_node(&node(1, "n1", "172.31.250.11", "10.244.1.0/24"), T0);
    assert_eq!(name(&world, "172.31.250.11", T0).as_deref(), Some("n1"));
    let listed: Vec<_> = world.list(Kind::Pod).collect();
    assert_eq!((&*listed[0].name, listed[0].node.as_deref(), listed[0].addresses.len()), ("proxy-1", Some("n1"), 0));
}

#[test]
fn the_owner_may_come_after_the_pod_and_go_before_it() {
    let mut world = World::new();
    let deployment = Reference::to("Deployment", "web", 20);
    let set = Workload::new("web-5d4f", 10, Some(deployment));
    let owned = Pod { owner: Some(Reference::to("ReplicaSet", "web-5d4f", 10)), ..pod(3, "web-5d4f-x", "10.244.1.6") };
    world.apply_pod(&owned, T0, true);
    assert_eq!(owner(&world, "10.244.1.6"), ("ReplicaSet".into(), "web-5d4f".into()));
    world.apply_workload(Watched::ReplicaSet, &set);
    assert_eq!(owner(&world, "10.244.1.6"), ("Deployment".into(), "web".into()));
    world.remove_workload(&set);
    assert_eq!(owner(&world, "10.244.1.6"), ("Deployment".into(), "web".into()), "its pods are still told of");
    world.remove_pod(&owned, T0);
    world.sweep(T0 + 2 * KEEP_MS);
    assert!(is_empty(&world), "{world:?}");
}

#[test]
fn jobs_lead_to_cron_jobs_unknown_kinds_are_named_and_what_nobody_owns_owns_itself() {
    let mut world = World::new();
    world.apply_workload(Watched::Job, &Workload::new("tick-1", 10, Some(Reference::to("CronJob", "tick", 20))));
    world.apply_workload(Watched::Job, &Workload::new("once", 11, None));
    let owners = [
        Some(Reference::to("Job", "tick-1", 10)),
        Some(Reference::to("Job", "once", 11)),
        Some(Reference::to("KafkaNodePool", "brokers", 12)),
        None,
    ];
    for (number, reference) in owners.into_iter().enumerate() {
        let pod = Pod { owner: reference, ..pod(100 + number as u128, "p", &format!("10.244.1.{}", number + 10)) };
        world.apply_pod(&pod, T0, true);
    }
    assert_eq!(owner(&world, "10.244.1.10"), ("CronJob".into(), "tick".into()));
    assert_eq!(owner(&world, "10.244.1.11"), ("Job".into(), "once".into()));
    assert_eq!(owner(&world, "10.244.1.12"), ("KafkaNodePool".into(), "brokers".into()));
    assert_eq!(owner(&world, "10.244.1.13"), ("Pod".into(), "p".into()));
    world.apply_service(&service(2, "web", &["10.96.0.9"]), T0, true);
    assert_eq!(owner(&world, "10.96.0.9"), ("Service".into(), "web".into()));
}

#[test]
fn owners_in_a_circle_end_somewhere() {
    let mut world = World::new();
    world.apply_workload(Watched::Job, &Workload::new("a", 1, Some(Reference::to("Job", "b", 2))));
    world.apply_workload(Watched::Job, &Workload::new("b", 2, Some(Reference::to("Job", "a", 1))));
    let pod = Pod { owner: Some(Reference::to("Job", "a", 1)), ..pod(3, "p", "10.244.1.6") };
    world.apply_pod(&pod, T0, true);
    assert_eq!(owner(&world, "10.244.1.6").0, "Job");
}

#[test]
fn what_a_new_list_does_not_tell_of_is_gone_and_what_it_tells_of_stays() {
    let mut world = World::new();
    for watch in Watch::ALL {
        world.begin_list(watch);
    }
    let set = Workload::new("web-5d4f", 10, Some(Reference::to("Deployment", "web", 20)));
    world.apply_pod(&pod(3, "stays", "10.244.1.6"), T0, true);
    world.apply_pod(&pod(4, "goes", "10.244.1.7"), T0, true);
    world.apply_service(&service(5, "goes-too", &["10.96.0.9"]), T0, true);
    world.apply_workload(Watched::ReplicaSet, &set);
    for watch in Watch::ALL {
        world.end_list(watch, T0);
    }
    assert_eq!((world.count(Kind::Pod), world.count(Kind::Service), world.owner_count()), (2, 1, 2));
    for watch in Watch::ALL {
        world.begin_list(watch);
    }
    world.apply_pod(&pod(3, "stays", "10.244.1.6"), T0 + 30_000, true);
    for watch in Watch::ALL {
        world.end_list(watch, T0 + 30_000);
    }
    assert_eq!((world.count(Kind::Pod), world.count(Kind::Service), world.owner_count()), (1, 0, 0));
    assert_eq!(name(&world, "10.244.1.6", T0 + 40_000).as_deref(), Some("stays"));
    assert_eq!(name(&world, "10.244.1.7", T0 + 20_000).as_deref(), Some("goes"), "it was there then");
    assert_eq!(name(&world, "10.244.1.7", T0 + 45_000), None);
}

#[test]
fn a_list_that_breaks_off_removes_nothing() {
    let mut world = World::new();
    world.begin_list(Watch::Pods);
    world.apply_pod(&pod(3, "a", "10.244.1.6"), T0, true);
    world.end_list(Watch::Pods, T0);
    world.begin_list(Watch::Pods);
    world.begin_list(Watch::Pods);
    world.apply_pod(&pod(3, "a", "10.244.1.6"), T0, true);
    assert_eq!(world.count(Kind::Pod), 1);
    world.end_list(Watch::Pods, T0);
    assert_eq!(name(&world, "10.244.1.6", T0 + 1000).as_deref(), Some("a"));
}

#[test]
fn interfaces_on_other_networks_are_found_by_address_and_by_mac() {
    let mut world = World::new();
    let mac = |last| Mac([2, 0, 0, 0, 0, last]);
    let attachments = vec![
        Attachment {
            network: "blue/macvlan".into(),
            addresses: vec![ip("192.168.5.2")],
            mac: Some(mac(1)),
            interface: None,
        },
        Attachment { network: "blue/l2".into(), addresses: Vec::new(), mac: Some(mac(2)), interface: None },
    ];
    world.apply_pod(&Pod { attachments, ..pod(3, "router", "10.244.1.6") }, T0, true);
    let network =
        |address: &str, mac| world.find(ip(address), mac, at(T0)).map(|found| found.network().unwrap().to_string());
    assert_eq!(network("10.244.1.6", None).as_deref(), Some("primary"));
    assert_eq!(network("192.168.5.2", None).as_deref(), Some("blue/macvlan"));
    assert_eq!(network("192.168.77.1", Some(mac(2))).as_deref(), Some("blue/l2"), "no addresses are known there");
    assert_eq!(
        network("fe80::1", Some(mac(1))).as_deref(),
        Some("blue/macvlan"),
        "addresses of the link are nobody's list"
    );
    assert_eq!(network("192.0.2.1", Some(mac(1))), None, "forwarded, not sent");
    assert_eq!(network("10.244.1.6", Some(mac(9))).as_deref(), Some("primary"));
}

#[test]
fn equal_addresses_of_two_networks_are_told_apart_or_not_named() {
    let mut world = World::new();
    let on = |network: &str, last| Attachment {
        network: network.into(),
        addresses: vec![ip("192.168.5.2")],
        mac: Some(Mac([2, 0, 0, 0, 0, last])),
        interface: Some("net1".into()),
    };
    world.apply_pod(&Pod { attachments: vec![on("red", 1)], ..pod(3, "a", "10.244.1.6") }, T0, true);
    world.apply_pod(&Pod { attachments: vec![on("blue", 2)], ..pod(4, "b", "10.244.1.7") }, T0, true);
    let name = |mac: Option<u8>| {
        let mac = mac.map(|last| Mac([2, 0, 0, 0, 0, last]));
        world.find(ip("192.168.5.2"), mac, at(T0)).map(|found| found.name().to_string())
    };
    assert_eq!(name(Some(1)).as_deref(), Some("a"));
    assert_eq!(name(Some(2)).as_deref(), Some("b"));
    assert_eq!(name(None), None, "either may be meant");
    let on = |network: &str| {
        let number = world.networks.iter().position(|known| **known == *network).unwrap() as u32;
        world.find_on(ip("192.168.5.2"), number, at(T0)).map(|found| found.name().to_string())
    };
    assert_eq!((on("red").as_deref(), on("blue").as_deref(), on("primary")), (Some("a"), Some("b"), None));
}

#[test]
fn a_pod_s_own_address_comes_before_the_same_one_on_another_network() {
    let mut world = World::new();
    let attachments = vec![Attachment {
        network: "red".into(),
        addresses: vec![ip("10.244.1.6")],
        mac: Some(Mac([2, 0, 0, 0, 0, 1])),
        interface: None,
    }];
    world.apply_pod(&pod(3, "own", "10.244.1.6"), T0, true);
    world.apply_pod(&Pod { attachments, ..pod(4, "other", "10.244.1.7") }, T0, true);
    let name = |last| {
        world.find(ip("10.244.1.6"), Some(Mac([2, 0, 0, 0, 0, last])), at(T0)).map(|found| found.name().to_string())
    };
    assert_eq!((name(9).as_deref(), name(1).as_deref()), (Some("own"), Some("other")));
}

#[test]
fn a_pod_that_leaves_a_network_is_not_found_there_any_more() {
    let mut world = World::new();
    let attachments = vec![Attachment {
        network: "blue".into(),
        addresses: vec![ip("192.168.5.2")],
        mac: Some(Mac([2, 0, 0, 0, 0, 1])),
        interface: None,
    }];
    world.apply_pod(&Pod { attachments, ..pod(3, "a", "10.244.1.6") }, T0, true);
    world.apply_pod(&pod(3, "a", "10.244.1.6"), T0 + 5_000, false);
    assert_eq!(name(&world, "192.168.5.2", T0).as_deref(), Some("a"));
    assert_eq!(name(&world, "192.168.5.2", T0 + 60_000), None);
    world.sweep(T0 + 2 * KEEP_MS);
    assert_eq!((world.holders.len(), world.macs), (1, 0));
}

#[test]
fn a_pod_with_a_new_sandbox_keeps_its_name_under_both_addresses() {
    let mut world = World::new();
    world.apply_pod(&pod(3, "a", "10.244.1.6"), T0, true);
    world.apply_pod(&pod(3, "a", "10.244.1.9"), T0 + 50_000, false);
    assert_eq!(name(&world, "10.244.1.6", T0 + 10_000).as_deref(), Some("a"));
    assert_eq!(name(&world, "10.244.1.9", T0 + 50_000).as_deref(), Some("a"));
    assert_eq!(name(&world, "10.244.1.6", T0 + 70_000), None);
}

#[test]
fn pods_subnets_of_nodes_come_and_go_with_them() {
    let mut world = World::new();
    let one = node(1, "n1", "172.31.250.11", "10.244.1.0/24");
    world.apply_node(&one, T0);
    world.apply_node(&node(2, "n2", "172.31.250.12", "10.244.2.0/24"), T0);
    world.apply_node(&one, T0);
    assert!(world.may_be_pod(ip("10.244.1.200")) && world.may_be_pod(ip("10.244.2.200")));
    assert!(!world.may_be_pod(ip("192.168.1.1")), "pods live in the nodes' subnets here");
    world.remove_node(&one, T0);
    assert!(!world.may_be_pod(ip("10.244.1.200")));
    assert_eq!(world.count(Kind::Node), 1);
}

#[test]
fn where_pods_live_outside_of_the_nodes_subnets_any_private_address_may_be_one() {
    let mut world = World::new();
    assert!(world.may_be_pod(ip("192.168.1.1")), "nothing is known yet");
    world.apply_node(&node(1, "n1", "172.31.250.11", "10.244.1.0/24"), T0);
    world.apply_pod(&pod(3, "a", "192.168.7.7"), T0, false);
    assert!(
        world.may_be_pod(ip("192.168.1.1")) && world.may_be_pod(ip("100.64.0.1")) && world.may_be_pod(ip("fd12::1"))
    );
    assert!(
        !world.may_be_pod(ip("8.8.8.8"))
            && !world.may_be_pod(ip("2001:db8::1"))
            && !world.may_be_pod(ip("100.128.0.1"))
    );
}

#[test]
fn addresses_are_found_by_name() {
    let mut world = World::new();
    world.apply_pod(
        &Pod { addresses: vec![ip("10.244.1.6"), ip("fd00::6")], ..pod(3, "web-1", "10.244.1.6") },
        T0,
        true,
    );
    world.apply_node(&node(1, "n1", "172.31.250.11", "10.244.1.0/24"), T0);
    assert_eq!(world.addresses(Kind::Pod, "shop", "web-1"), Some(vec![ip("10.244.1.6"), ip("fd00::6")]));
    assert_eq!(world.addresses(Kind::Node, "", "n1"), Some(vec![ip("172.31.250.11"), ip("10.244.1.1")]));
    assert_eq!(world.addresses(Kind::Pod, "other", "web-1"), None);
    assert_eq!(world.addresses(Kind::Service, "shop", "web-1"), None);
}
