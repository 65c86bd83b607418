//! Ends that more than an address tells: containers, namespaces of pods, networks, translated addresses.

use super::*;
use crate::decode::{networks::Attachment, pod::Container};

const CLIENT: &str = "1111111111111111111111111111111111111111111111111111111111111111";
const PROXY: &str = "2222222222222222222222222222222222222222222222222222222222222222";

fn container(name: &str, id: &str) -> Container {
    Container { name: name.to_owned(), id: crate::id::ContainerId::parse(id), ..Container::default() }
}

fn on(network: &str, interface: &str, address: &str) -> Attachment {
    let interface = Some(interface.to_owned());
    Attachment { network: network.to_owned(), addresses: vec![ip(address)], mac: None, interface }
}

/// Two pods on n1 with containers; one of them on the node's network.
fn with_containers() -> Names {
    let names = names();
    names.write(|world| {
        world.with_details = true;
        let client = Pod { containers: vec![container("curl", CLIENT)], ..pod(3, "client", "10.244.1.6") };
        world.apply_pod(&client, T0, true);
        let proxy = Pod {
            addresses: Vec::new(),
            host_network: true,
            namespace: "kube-system".to_owned(),
            containers: vec![container("kube-proxy", PROXY)],
            ..pod(9, "proxy", "10.0.0.1")
        };
        world.apply_pod(&proxy, T0, true);
    });
    names
}

#[expect(clippy::unnecessary_wraps, reason = "as fields are")]
fn text(text: &str) -> Option<Arc<str>> {
    Some(Arc::from(text))
}

#[test]
fn a_process_tells_pods_on_one_node_s_network_apart() {
    let names = with_containers();
    let process = FlowRecord { src_container: text(PROXY), ..record("172.31.250.11", "10.244.2.7") };
    let told = enriched(&names, "n1", process);
    assert_eq!(told.src_k8s_name.as_deref(), Some("proxy"));
    assert_eq!(told.src_k8s_namespace.as_deref(), Some("kube-system"));
    assert_eq!(told.src_k8s_host_name.as_deref(), Some("n1"));
    assert_eq!(told.src_container.as_deref(), Some("kube-proxy"));
    assert_eq!(enriched(&names, "n1", told.clone()), told, "naming it again changes nothing");
    let other = enriched(&names, "n1", record("172.31.250.11", "10.244.2.7"));
    assert_eq!((other.src_k8s_name.as_deref(), other.src_k8s_type.as_deref()), (Some("n1"), Some("Node")));
}

#[test]
fn loopback_within_a_pod_bears_its_name_and_a_pod_s_own_address_decides_over_its_process() {
    let names = with_containers();
    let loopback = FlowRecord { src_container: text(CLIENT), ..record("127.0.0.1", "127.0.0.1") };
    let told = enriched(&names, "n1", loopback);
    assert_eq!((told.src_k8s_name.as_deref(), told.dst_k8s_name), (Some("client"), None));
    let odd = FlowRecord { dst_container: text(CLIENT), ..record("8.8.8.8", "10.244.2.7") };
    assert_eq!(enriched(&names, "n1", odd).dst_k8s_name.as_deref(), Some("server"));
}

#[test]
fn what_is_not_known_stays_as_the_agent_told_it_and_a_pod_s_uid_is_enough_for_its_name() {
    let names = with_containers();
    let unknown = "3".repeat(64);
    let record = |container: &str| FlowRecord { src_container: text(container), ..record("127.0.0.1", "127.0.0.1") };
    let told = enriched(&names, "n1", record(&unknown));
    assert_eq!((told.src_container.as_deref(), told.src_k8s_name), (Some(&*unknown), None));
    let by_uid = enriched(&names, "n1", record("pod:00000000-0000-0000-0000-000000000009"));
    assert_eq!(by_uid.src_k8s_name.as_deref(), Some("proxy"));
}

#[test]
fn a_container_that_started_again_is_known_by_both_ids_until_its_pod_is_forgotten() {
    let names = with_containers();
    let again = "4".repeat(64);
    names.write(|world| {
        let client = Pod { containers: vec![container("curl", &again)], ..pod(3, "client", "10.244.1.6") };
        world.apply_pod(&client, T0, false);
        assert!(world.container(crate::id::ContainerId::parse(CLIENT).unwrap()).is_some());
        assert!(world.container(crate::id::ContainerId::parse(&again).unwrap()).is_some());
        world.remove_pod(&client, T0);
        world.sweep(T0 + 10_000_000);
        assert!(world.container(crate::id::ContainerId::parse(&again).unwrap()).is_none());
    });
}

#[test]
fn translated_addresses_are_named() {
    let xlat = FlowRecord {
        xlat_src_addr: Some(ip("172.31.250.11")),
        xlat_dst_addr: Some(ip("10.244.2.7")),
        ..record("10.244.1.6", "10.96.0.9")
    };
    let told = enriched(&names(), "n1", xlat);
    assert_eq!(told.dst_k8s_name.as_deref(), Some("web"));
    assert_eq!(told.xlat_dst_k8s_name.as_deref(), Some("server"));
    assert_eq!(told.xlat_dst_k8s_namespace.as_deref(), Some("shop"));
    assert_eq!((told.xlat_src_k8s_name.as_deref(), told.xlat_src_k8s_namespace), (Some("n1"), None));
}

/// Pods `a` and `b` of n1 on networks `red` and `blue`, and their peers of n2, with equal addresses on both networks.
fn overlapping() -> Names {
    let names = names();
    names.write(|world| {
        world.with_udns = true;
        let mut add = |uid, name: &str, address: &str, network: &str, second: &str, node: &str| {
            let attachments = vec![on(network, "net1", second)];
            let host = Some(node.to_owned());
            world.apply_pod(&Pod { attachments, node: host, ..pod(uid, name, address) }, T0, true);
        };
        add(21, "a", "10.244.1.21", "red", "192.168.5.2", "n1");
        add(22, "b", "10.244.1.22", "blue", "192.168.5.2", "n1");
        add(23, "red-peer", "10.244.2.23", "red", "192.168.5.3", "n2");
        add(24, "blue-peer", "10.244.2.24", "blue", "192.168.5.3", "n2");
    });
    names
}

fn seen(netns: &str, interface: &str, direction: u8, record: FlowRecord) -> FlowRecord {
    FlowRecord {
        net_ns: text(netns),
        interfaces: Some(Arc::from([Arc::from(interface)])),
        if_directions: Some(Arc::from([direction])),
        src_mac: None,
        ..record
    }
}

/// Names of source and destination, and the network.
fn ends(record: &FlowRecord) -> [Option<&str>; 3] {
    let udn = record.udns.as_ref().and_then(|udns| udns.first());
    [record.src_k8s_name.as_deref(), record.dst_k8s_name.as_deref(), udn.map(|udn| &**udn)]
}

#[test]
fn equal_addresses_in_two_pods_namespaces_are_named_by_namespace_and_interface() {
    let names = overlapping();
    let mut enricher = names.enricher();
    let mut batch = batch(
        "n1",
        vec![
            seen("cni-1", "net1", 1, record("192.168.5.2", "192.168.5.3")),
            // Their own addresses tell whose namespaces these are.
            seen("cni-1", "eth0", 1, record("10.244.1.21", "8.8.8.8")),
            seen("cni-2", "eth0", 0, record("8.8.8.8", "10.244.1.22")),
            seen("cni-1", "net1", 1, record("192.168.5.2", "192.168.5.3")),
            seen("cni-2", "net1", 1, record("192.168.5.2", "192.168.5.3")),
            seen("cni-2", "net1", 0, record("192.168.5.3", "192.168.5.2")),
            seen("", "veth1", 0, record("192.168.5.2", "192.168.5.3")),
        ],
    );
    enricher.enrich(&mut batch);
    let Body::Flows(flows) = &batch.body else { unreachable!() };
    let told: Vec<[Option<&str>; 3]> = flows.records.iter().map(ends).collect();
    assert_eq!(
        told,
        [
            [None, None, None],
            [Some("a"), None, None],
            [None, Some("b"), None],
            [Some("a"), Some("red-peer"), Some("red")],
            [Some("b"), Some("blue-peer"), Some("blue")],
            [Some("blue-peer"), Some("b"), Some("blue")],
            [None, None, None],
        ]
    );
    assert_eq!(flows.records[3].src_k8s_network_name.as_deref(), Some("red"));
}

#[test]
fn a_pod_that_forwards_does_not_lend_its_name_to_what_passes() {
    let names = overlapping();
    let mut enricher = names.enricher();
    let mut batch = batch(
        "n1",
        vec![
            seen("cni-1", "eth0", 1, record("10.244.1.21", "8.8.8.8")),
            seen("cni-1", "eth0", 1, record("203.0.113.9", "8.8.8.8")),
        ],
    );
    enricher.enrich(&mut batch);
    let Body::Flows(flows) = &batch.body else { unreachable!() };
    assert_eq!(ends(&flows.records[1]), [None, None, None]);
}
