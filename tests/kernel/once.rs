//! One count per packet: what crosses several interfaces, and what only looks alike.

use lab::{Netns, Pair, Totals, Tuple, files, need, needs, sockets, truth::Table};
use serde_json::Value;

use super::traffic;
use crate::flows;

const PINGS: u64 = 5;

/// Records whose source or destination is one of `addresses`.
fn only(records: &[Value], addresses: &[&str]) -> Vec<Value> {
    let ours = |record: &&Value| {
        ["SrcAddr", "DstAddr"].iter().any(|key| addresses.iter().any(|address| record[*key] == *address))
    };
    records.iter().filter(ours).cloned().collect()
}

fn echo(table: &Table, source: &str, target: &str, kind: u16) -> Totals {
    let (source, target) = (source.parse().unwrap(), target.parse().unwrap());
    let tuple = Tuple { source, target, proto: 1, selector: Some((kind, 0)) };
    table.get(&tuple).copied().unwrap_or_default()
}

/// h1 and h2 hang on two bridges of a third namespace, which a veth pair within it joins.
fn two_bridges() -> [Netns; 3] {
    let [h1, middle, h2] = ["h1", "m", "h2"].map(|label| Netns::new(label).unwrap());
    middle.ip("link add under1 type veth peer name under2").unwrap();
    for (host, number) in [(&h1, 1), (&h2, 2)] {
        host.ip(&format!("link add e0 type veth peer name p{number} netns {}", middle.name())).unwrap();
        host.ip(&format!("addr add 10.77.0.{number}/24 dev e0")).unwrap();
        host.ip("link set e0 up").unwrap();
        middle.ip(&format!("link add br{number} type bridge")).unwrap();
        for device in [format!("p{number}"), format!("under{number}")] {
            middle.ip(&format!("link set {device} master br{number} up")).unwrap();
        }
        middle.ip(&format!("link set br{number} up")).unwrap();
    }
    [h1, middle, h2]
}

#[test]
fn a_packet_that_crosses_veth_bridge_and_vxlan_counts_once() {
    needs!("ethtool", "ping");
    let _turn = need::beside_others().unwrap();
    // A tunnel whose far end is a namespace of its own: the middle namespace has veth, bridge, vxlan and the underlay.
    let [h1, middle, far] = ["h1", "m", "far"].map(|label| Netns::new(label).unwrap());
    h1.ip(&format!("link add e0 type veth peer name p0 netns {}", middle.name())).unwrap();
    middle.ip(&format!("link add u0 type veth peer name u0 netns {}", far.name())).unwrap();
    h1.ip("addr add 10.77.0.1/24 dev e0").unwrap();
    h1.ip("link set e0 up").unwrap();
    for (netns, own, other) in [(&middle, 1, 2), (&far, 2, 1)] {
        netns.ip(&format!("addr add 10.78.0.{own}/24 dev u0")).unwrap();
        netns.ip("link set u0 up").unwrap();
        let ends = format!("local 10.78.0.{own} remote 10.78.0.{other}");
        netns.ip(&format!("link add vx0 type vxlan id 7 {ends} dstport 4789")).unwrap();
    }
    middle.ip("link add br0 type bridge").unwrap();
    for device in ["p0", "vx0"] {
        middle.ip(&format!("link set {device} master br0 up")).unwrap();
    }
    middle.ip("link set br0 up").unwrap();
    far.ip("addr add 10.77.0.2/24 dev vx0").unwrap();
    far.ip("link set vx0 up").unwrap();
    sockets::ping(&h1, "10.77.0.2".parse().unwrap(), 1).unwrap();

    let capture = flows().args("--netns").arg(&middle.path().display().to_string()).start().unwrap();
    sockets::ping(&h1, "10.77.0.2".parse().unwrap(), PINGS as u32).unwrap();
    traffic::settle();
    let files = capture.stop().unwrap().files;
    let records = files.records().unwrap();
    let inner = files::table(&only(&records, &["10.77.0.1"])).unwrap();
    for (source, target, kind) in [("10.77.0.1", "10.77.0.2", 8), ("10.77.0.2", "10.77.0.1", 0)] {
        let totals = echo(&inner, source, target, kind);
        assert_eq!((totals.packets, totals.bytes), (PINGS, PINGS * 98), "{source} -> {target}: {records:#?}");
    }
    let request = records.iter().find(|record| record["SrcAddr"] == "10.77.0.1" && record["IcmpType"] == 8).unwrap();
    let interfaces: Vec<_> = request["Interfaces"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for device in ["p0", "vx0"] {
        assert!(interfaces.contains(&device), "{interfaces:?}");
    }
    // The tunnel's own packets are flows of their own: 50 bytes more each, counted once too.
    let outer: Vec<_> = only(&records, &["10.78.0.1"])
        .into_iter()
        .filter(|r| r["DstPort"] == 4789 && r["SrcAddr"] == "10.78.0.1")
        .collect();
    let packets: u64 = outer.iter().filter_map(|record| record["Packets"].as_u64()).sum();
    assert!((PINGS..=PINGS + 4).contains(&packets), "{outer:#?}");
}

#[test]
fn a_packet_through_two_bridges_of_one_namespace_counts_once() {
    needs!("ethtool", "ping");
    let _turn = need::beside_others().unwrap();
    let [h1, middle, h2] = two_bridges();
    sockets::ping(&h1, "10.77.0.2".parse().unwrap(), 1).unwrap();
    let capture = flows().args("--netns").arg(&middle.path().display().to_string()).start().unwrap();
    sockets::ping(&h1, "10.77.0.2".parse().unwrap(), PINGS as u32).unwrap();
    traffic::settle();
    let files = capture.stop().unwrap().files;
    let table = files.table().unwrap();
    assert_eq!(echo(&table, "10.77.0.1", "10.77.0.2", 8).packets, PINGS, "{table:#?}");
    assert_eq!(echo(&table, "10.77.0.2", "10.77.0.1", 0).packets, PINGS, "{table:#?}");
    drop(h2);
}

#[test]
fn the_two_ends_of_a_veth_pair_are_one_row() {
    needs!("ethtool", "ping");
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(5).unwrap();
    let capture = flows().args("--netns all").start().unwrap();
    sockets::ping(&pair.a, pair.v4(2), PINGS as u32).unwrap();
    sockets::datagrams(&pair.a, &pair.b, (pair.v6(2), 5005).into(), &[100; 7]).unwrap();
    traffic::settle();
    let records = capture.stop().unwrap().files.records().unwrap();
    let table = files::table(&only(&records, &["10.5.0.1", "fd00:5::1"])).unwrap();
    assert_eq!(echo(&table, "10.5.0.1", "10.5.0.2", 8).packets, PINGS, "{table:#?}");
    assert_eq!(echo(&table, "10.5.0.2", "10.5.0.1", 0).packets, PINGS, "{table:#?}");
    let datagrams: Vec<_> =
        table.iter().filter(|(tuple, _)| tuple.selector.is_some_and(|ports| ports.1 == 5005)).collect();
    assert_eq!(datagrams.len(), 1, "{table:#?}");
    assert_eq!(datagrams[0].1.packets, 7);
}

#[test]
fn equal_tuples_of_unrelated_namespaces_stay_apart() {
    needs!("ethtool", "ping");
    let _turn = need::beside_others().unwrap();
    // The same addresses twice.
    let pairs = [Pair::new(6).unwrap(), Pair::new(6).unwrap()];
    let capture = flows().args("--netns all").start().unwrap();
    sockets::ping(&pairs[0].a, pairs[0].v4(2), 3).unwrap();
    sockets::ping(&pairs[1].a, pairs[1].v4(2), 5).unwrap();
    traffic::settle();
    let records = only(&capture.stop().unwrap().files.records().unwrap(), &["10.6.0.1"]);
    let requests: Vec<_> = records.iter().filter(|record| record["IcmpType"] == 8).collect();
    let mut sums = std::collections::BTreeMap::<&str, u64>::new();
    for record in requests {
        *sums.entry(record["NetNs"].as_str().unwrap()).or_default() += record["Packets"].as_u64().unwrap();
    }
    let mut counts: Vec<_> = sums.values().copied().collect();
    counts.sort_unstable();
    assert_eq!(counts, [3, 5], "{records:#?}");
    let named = |netns: &str| pairs.iter().any(|pair| [pair.a.name(), pair.b.name()].contains(&netns));
    assert!(sums.keys().all(|netns| named(netns)), "{sums:?}");
}
