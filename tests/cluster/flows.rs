//! Flows of a shop: requests through a Service, pings, refused connections; counts and names.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::{Duration, Instant},
};

use lab::cluster;
use serde_json::Value;

use crate::{flows, shop};

/// Text of a field; empty where it is absent.
fn text<'a>(record: &'a Value, field: &str) -> &'a str {
    record[field].as_str().unwrap_or_default()
}

fn number(record: &Value, field: &str) -> u64 {
    record[field].as_u64().unwrap_or_default()
}

/// Name, namespace, kind, owner, kind of owner and node of one end.
fn names(record: &Value, end: &str) -> Vec<String> {
    let fields = ["Name", "Namespace", "Type", "OwnerName", "OwnerType", "HostName"];
    fields.iter().map(|field| text(record, &format!("{end}K8S_{field}")).to_owned()).collect()
}

#[test]
fn a_shop_in_thirty_seconds() {
    needs_cluster!();
    let shop = shop();
    let (client, web, service) =
        (shop.address("app=client").unwrap(), shop.address("app=web").unwrap(), shop.service().unwrap());
    let before = cluster::leftovers().unwrap();
    let start = Instant::now();
    let running = flows().args("--max-time 30s -o json").spawn().unwrap();
    cluster::wait("the first record", Duration::from_secs(30), || Ok(!running.stdout()?.is_empty())).unwrap();
    let first = start.elapsed();
    eprintln!("first record after {:.1} s", first.as_secs_f64());
    thread::sleep(Duration::from_secs(1));
    shop.requests(20).unwrap();
    shop.pings(10).unwrap();
    shop.refusals(5).unwrap();
    let finished = running.wait().unwrap();
    assert!(finished.status.success(), "{:?}", finished.stderr);
    assert_eq!(cluster::leftovers_since(&before).unwrap(), [] as [&str; 0]);
    assert!(first < Duration::from_secs(10), "the first record took {first:?}");

    let records = finished.files.records().unwrap();
    // Files agree with each other, and with what was on standard output.
    let lines = String::from_utf8(finished.stdout.clone()).unwrap();
    assert_eq!(lines.lines().count(), records.len());
    let sum = |field: &str| records.iter().map(|record| number(record, field)).sum::<u64>();
    let of_db = finished.files.query("SELECT count(*), sum(Packets), sum(Bytes) FROM flow").unwrap();
    assert_eq!(of_db, format!("{}|{}|{}", records.len(), sum("Packets"), sum("Bytes")));
    let nodes = cluster::nodes().unwrap();
    assert_eq!(finished.files.summary().unwrap()["nodes"], serde_json::json!(nodes));

    // Requests: each is a connection of its own, to the Service before translation and to the pod after it.
    let ports = |source: &str, destination: &str, port: u64| {
        let matching = records.iter().filter(|record| {
            text(record, "SrcAddr") == source
                && text(record, "DstAddr") == destination
                && number(record, "DstPort") == port
        });
        matching.map(|record| number(record, "SrcPort")).collect::<BTreeSet<_>>().len()
    };
    assert_eq!(ports(&client, &service, 80), 20, "connections to the Service");
    assert_eq!(ports(&client, &web, 8080), 20, "connections to the pod");
    assert_eq!(ports(&client, &web, 81), 5, "refused connections");

    // Both nodes saw each ping; it is one all the same.
    let pings = records.iter().filter(|record| {
        text(record, "SrcAddr") == client && text(record, "DstAddr") == web && record["IcmpType"] == 8
    });
    assert_eq!(pings.map(|record| number(record, "Packets")).sum::<u64>(), 10);
    let observers = finished
        .files
        .query("SELECT count(DISTINCT node) FROM observation WHERE record IN (SELECT id FROM flow WHERE IcmpType = 8)");
    assert_eq!(observers.unwrap(), "2", "each node's own numbers stay available");

    // Names, wherever these addresses appear.
    let pod = shop.pod("app=web").unwrap();
    let web_name = pod["metadata"]["name"].as_str().unwrap();
    let expected: BTreeMap<&str, [&str; 6]> = BTreeMap::from([
        (client.as_str(), ["client", "shop", "Pod", "client", "Pod", nodes[0].as_str()]),
        (web.as_str(), [web_name, "shop", "Pod", "web", "Deployment", nodes[1].as_str()]),
        (service.as_str(), ["web", "shop", "Service", "web", "Service", ""]),
    ]);
    let mut seen = BTreeSet::new();
    for record in &records {
        for (end, address) in [("Src", "SrcAddr"), ("Dst", "DstAddr")] {
            if let Some((address, expected)) = expected.get_key_value(text(record, address)) {
                assert_eq!(names(record, end), expected, "{record}");
                seen.insert(*address);
            }
        }
    }
    assert_eq!(seen.len(), 3);
    // Node rows.
    for node in cluster::items("nodes").unwrap() {
        let name = node["metadata"]["name"].as_str().unwrap();
        let address = node["status"]["addresses"][0]["address"].as_str().unwrap();
        let row = records.iter().find(|record| text(record, "SrcAddr") == address).unwrap();
        assert_eq!(names(row, "Src"), [name, "", "Node", name, "Node", name], "{row}");
    }
}
