//! Interfaces in namespaces like those of pods: a second one, as multus and SR-IOV make it, and equal addresses on two networks.

use std::collections::BTreeSet;

use lab::{Netns, need, needs, sockets};
use serde_json::{Value, json};

use crate::flows;

/// Two "pods" with a first interface each to a common "node", and a second one each on a network of its own, where both have
/// the same address and the same peer's address.
struct Net {
    node: Netns,
    pods: [Netns; 2],
    peers: [Netns; 2],
}

impl Net {
    fn new(net: u8) -> Self {
        let [node, red, blue, red_peer, blue_peer] =
            ["node", "red", "blue", "redpeer", "bluepeer"].map(|label| Netns::new(label).unwrap());
        let pods = Self { node, pods: [red, blue], peers: [red_peer, blue_peer] };
        for (number, (pod, peer)) in pods.pods.iter().zip(&pods.peers).enumerate() {
            let own = number + 2;
            pods.node.ip(&format!("link add v{number} type veth peer name eth0 netns {}", pod.name())).unwrap();
            pods.node.ip(&format!("addr add 10.{net}.{number}.1/24 dev v{number}")).unwrap();
            pods.node.ip(&format!("link set v{number} up")).unwrap();
            pod.ip(&format!("addr add 10.{net}.{number}.{own}/24 dev eth0")).unwrap();
            pod.ip("link set eth0 up").unwrap();
            // What a plugin for secondary networks gives: an interface that the node's namespace knows nothing of.
            peer.ip("link add under type veth peer name wire").unwrap();
            peer.ip("link set wire up").unwrap();
            peer.ip("link set under up").unwrap();
            peer.ip("link add link under name net1 type macvlan mode bridge").unwrap();
            peer.ip(&format!("link set net1 netns {}", pod.name())).unwrap();
            peer.ip("link add link under name here type macvlan mode bridge").unwrap();
            for (netns, interface, host) in [(pod, "net1", 2), (peer, "here", 3)] {
                netns.ip(&format!("addr add 192.168.{net}.{host}/24 dev {interface}")).unwrap();
                netns.ip(&format!("link set {interface} up")).unwrap();
            }
        }
        pods
    }
}

/// Whether one can be made: that needs an interface below it.
fn has_macvlan() -> bool {
    let netns = Netns::new("macvlan").unwrap();
    netns.ip("link add under type veth peer name wire").unwrap();
    netns.ip("link add link under name over type macvlan mode bridge").is_ok()
}

/// The records between the two addresses that both networks have.
fn overlapping(records: &[Value], net: u8, port: u16) -> Vec<Value> {
    let of = |record: &&Value| {
        record["SrcAddr"] == format!("192.168.{net}.2")
            && record["DstAddr"] == format!("192.168.{net}.3")
            && record["DstPort"] == port
    };
    records.iter().filter(of).cloned().collect()
}

#[test]
fn second_interfaces_of_pods_are_seen_and_equal_addresses_of_two_networks_are_separate_flows() {
    needs!("ip");
    if !has_macvlan() {
        return need::skip("this kernel has no macvlan");
    }
    let _turn = need::beside_others().unwrap();
    let net = 83;
    let pods = Net::new(net);
    let capture = flows().args("--netns all --interfaces net1,eth0 --enable-udn-mapping").start().unwrap();
    let address = format!("192.168.{net}.3:7100").parse().unwrap();
    for (number, sizes) in [[100, 100, 100].as_slice(), &[700]].into_iter().enumerate() {
        sockets::datagrams(&pods.pods[number], &pods.peers[number], address, sizes).unwrap();
    }
    let records = capture.stop().unwrap().files.records().unwrap();
    let seen = overlapping(&records, net, 7100);
    let places: BTreeSet<&str> = seen.iter().filter_map(|record| record["NetNs"].as_str()).collect();
    assert_eq!(places, pods.pods.iter().map(Netns::name).collect(), "{seen:#?}");
    for (pod, packets) in pods.pods.iter().zip([3_u64, 1]) {
        let here: Vec<&Value> = seen.iter().filter(|record| record["NetNs"] == pod.name()).collect();
        let sum = |key: &str| here.iter().filter_map(|record| record[key].as_u64()).sum::<u64>();
        assert_eq!(sum("Packets"), packets, "{here:#?}");
        assert!(
            here.iter().all(|record| record["Interfaces"] == json!(["net1"]) && record["IfDirections"] == json!([1]))
        );
    }
}

#[test]
fn a_second_interface_that_comes_while_a_capture_runs_is_seen() {
    needs!("ip", "ping");
    let _turn = need::beside_others().unwrap();
    let [pod, peer] = ["pod", "peer"].map(|label| Netns::new(label).unwrap());
    let capture = flows().args("--netns all --interfaces /^(late|lo)$/ --enable-udn-mapping").start().unwrap();
    peer.ip(&format!("link add late0 type veth peer name late netns {}", pod.name())).unwrap();
    for (netns, interface, host) in [(&pod, "late", 2), (&peer, "late0", 3)] {
        netns.ip(&format!("addr add 192.168.84.{host}/24 dev {interface}")).unwrap();
        netns.ip(&format!("link set {interface} up")).unwrap();
    }
    // It is there a moment after it came; whoever asks again is seen in the end.
    for _ in 0..5 {
        sockets::ping(&pod, "192.168.84.3".parse().unwrap(), 2).unwrap();
    }
    let records = capture.stop().unwrap().files.records().unwrap();
    let found = records.iter().find(|record| record["SrcAddr"] == "192.168.84.2" && record["Proto"] == 1);
    assert_eq!(found.map(|record| &record["NetNs"]), Some(&json!(pod.name())), "{records:#?}");
}
