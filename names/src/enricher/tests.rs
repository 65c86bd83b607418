use std::time::Instant;

use flow::{Counters, FlowBatch, Mac};

use super::*;
use crate::{
    Kind, Names,
    decode::pod::Pod,
    names::Options,
    subnets::{self, labels::Labels},
    world::tests::{T0, ip, node, pod, service},
};

mod who;

fn names() -> Names {
    let names = Names::new();
    names.write(|world| {
        world.apply_node(&node(1, "n1", "172.31.250.11", "10.244.1.0/24"), T0);
        world.apply_node(&node(2, "n2", "172.31.250.12", "10.244.2.0/24"), T0);
        world.apply_pod(&pod(3, "client", "10.244.1.6"), T0, true);
        let server =
            Pod { node: Some("n2".into()), host_ip: Some(ip("172.31.250.12")), ..pod(4, "server", "10.244.2.7") };
        world.apply_pod(&server, T0, true);
        world.apply_service(&service(5, "web", &["10.96.0.9"]), T0, true);
    });
    names
}

fn record(source: &str, destination: &str) -> FlowRecord {
    FlowRecord {
        src_addr: Some(ip(source)),
        dst_addr: Some(ip(destination)),
        src_mac: Some(Mac([2, 0, 0, 0, 0, 1])),
        time_flow_start_ms: Some(T0),
        time_flow_end_ms: Some(T0 + 900),
        flow_direction: Some(0),
        ..FlowRecord::default()
    }
}

fn batch(node: &str, records: Vec<FlowRecord>) -> Batch {
    Batch {
        node: Arc::from(node),
        sequence: 0,
        time_ns: (T0 + 1_000) * 1_000_000,
        counters: Counters::default(),
        interfaces: Vec::new(),
        interface_counts: Vec::new(),
        notices: Vec::new(),
        body: Body::Flows(FlowBatch { records, observations: Vec::new() }),
        ..Batch::default()
    }
}

fn enriched(names: &Names, node: &str, record: FlowRecord) -> FlowRecord {
    let mut batch = batch(node, vec![record]);
    names.enricher().enrich(&mut batch);
    match batch.body {
        Body::Flows(flows) => flows.records.into_iter().next().unwrap(),
        _ => unreachable!(),
    }
}

#[test]
fn every_field_of_both_ends_is_filled() {
    let record = enriched(&names(), "n1", record("10.244.1.6", "10.244.2.7"));
    let text = serde_json::to_value(&record).unwrap();
    for (field, value) in [
        ("SrcK8S_Name", "client"),
        ("SrcK8S_Type", "Pod"),
        ("SrcK8S_Namespace", "shop"),
        ("SrcK8S_OwnerName", "client"),
        ("SrcK8S_OwnerType", "Pod"),
        ("SrcK8S_HostIP", "172.31.250.11"),
        ("SrcK8S_HostName", "n1"),
        ("SrcK8S_Zone", "zone-of-n1"),
        ("SrcK8S_NetworkName", "primary"),
        ("DstK8S_Name", "server"),
        ("DstK8S_Type", "Pod"),
        ("DstK8S_HostIP", "172.31.250.12"),
        ("DstK8S_HostName", "n2"),
        ("DstK8S_Zone", "zone-of-n2"),
    ] {
        assert_eq!(text[field], value, "{field}");
    }
    assert_eq!(text.get("SrcSubnetLabel"), None);
}

#[test]
fn services_have_no_node_and_nodes_no_namespace() {
    let record = enriched(&names(), "n1", record("172.31.250.11", "10.96.0.9"));
    assert_eq!(record.src_k8s_type.as_deref(), Some("Node"));
    assert_eq!((record.src_k8s_namespace, record.src_k8s_host_name.as_deref()), (None, Some("n1")));
    assert_eq!(
        (record.dst_k8s_type.as_deref(), record.dst_k8s_owner_type.as_deref()),
        (Some("Service"), Some("Service"))
    );
    assert_eq!((record.dst_k8s_host_name, record.dst_k8s_zone), (None, None));
}

#[test]
fn the_direction_is_that_of_the_node_which_saw_it() {
    let names = names();
    let direction = |node: &str, source: &str, destination: &str| {
        enriched(&names, node, record(source, destination)).flow_direction
    };
    assert_eq!(direction("n1", "10.244.1.6", "10.244.2.7"), Some(1));
    assert_eq!(direction("n2", "10.244.1.6", "10.244.2.7"), Some(0));
    assert_eq!(direction("n1", "10.244.1.6", "172.31.250.11"), Some(2));
    assert_eq!(direction("n1", "10.244.1.6", "8.8.8.8"), Some(1));
    assert_eq!(direction("n1", "8.8.8.8", "9.9.9.9"), Some(0), "what the interface said stays");
    let unnamed = FlowRecord { agent_ip: Some(ip("172.31.250.12")), ..record("10.244.1.6", "10.244.2.7") };
    assert_eq!(enriched(&names, "host.example", unnamed).flow_direction, Some(0), "known by its address");
}

#[test]
fn ends_outside_of_the_cluster_stay_empty_and_old_names_are_taken_back() {
    let stale = FlowRecord { src_k8s_name: Some(Arc::from("old")), ..record("8.8.8.8", "10.244.2.7") };
    let record = enriched(&names(), "n1", stale);
    assert_eq!(record.src_k8s_name, None);
    assert_eq!(record.dst_k8s_name.as_deref(), Some("server"));
}

#[test]
fn a_new_pod_s_first_record_is_pending_until_it_is_told_of_or_too_old() {
    let names = names();
    let early = record("10.244.1.77", "10.96.0.9");
    let enricher = names.enricher();
    let now = T0 + 1_500;
    assert!(enricher.pending(&early, now));
    assert!(!enricher.pending(&early, T0 + 900 + HOLD_MS), "too old");
    assert!(!enricher.pending(&record("10.244.1.6", "10.96.0.9"), now), "both are known");
    assert!(!enricher.pending(&record("8.8.8.8", "10.96.0.9"), now), "no pod lives there");
    let new = Pod { started_ms: Some(T0 - 1_000), connected_ms: Some(T0), ..pod(9, "new", "10.244.1.77") };
    names.write(|world| world.apply_pod(&new, T0 + 2_000, false));
    assert!(!enricher.pending(&early, T0 + 2_000));
    assert_eq!(enriched(&names, "n1", early).src_k8s_name.as_deref(), Some("new"));
}

#[test]
fn the_last_words_of_a_pod_are_its_own_unless_another_has_its_address_by_then() {
    let names = names();
    let client = Pod { stopped_ms: Some(T0 - 3_000), ..pod(3, "client", "10.244.1.6") };
    names.write(|world| world.remove_pod(&client, T0 - 1_000));
    let record = record("10.244.1.6", "10.96.0.9");
    assert!(names.enricher().pending(&record, T0 + 1_000));
    assert_eq!(enriched(&names, "n1", record.clone()).src_k8s_name.as_deref(), Some("client"));
    let next = Pod { started_ms: Some(T0 - 1_500), connected_ms: Some(T0 - 500), ..pod(9, "next", "10.244.1.6") };
    names.write(|world| world.apply_pod(&next, T0 + 1_500, false));
    assert!(!names.enricher().pending(&record, T0 + 1_500));
    assert_eq!(enriched(&names, "n1", record).src_k8s_name.as_deref(), Some("next"));
}

#[test]
fn subnets_are_labelled() {
    let names = names();
    let user = subnets::parse(&["dc=8.0.0.0/8".to_owned()]).unwrap();
    names.write(|world| world.labels = Labels::new(&user, true));
    let record = enriched(&names, "n1", record("8.8.8.8", "10.244.2.200"));
    assert_eq!(record.src_subnet_label.as_deref(), Some("dc"));
    assert_eq!(record.dst_subnet_label.as_deref(), Some("Pods"));
    let node = enriched(&names, "n1", self::record("172.31.250.11", "10.96.0.9"));
    assert_eq!(node.src_subnet_label.as_deref(), Some("Machines"));
    assert_eq!(node.dst_subnet_label.as_deref(), Some("Services"));
    assert_eq!(Options::default().subnet_labels.len(), 0);
}

/// Time to enrich a batch of records that have no names yet, ns a record.
fn time_of(enricher: &mut Enricher, batch: &mut Batch) -> u128 {
    let began = Instant::now();
    enricher.enrich(batch);
    began.elapsed().as_nanos() / 1_000
}

/// Not timed in the usual run: `CARGO_PROFILE_DEV_OPT_LEVEL=3 cargo test -p names --lib -- --ignored --nocapture speed`.
#[test]
#[ignore = "a measurement"]
fn speed_of_naming_with_2000_pods() {
    let names = names();
    names.write(|world| {
        for number in 0..2_000_u32 {
            let address = format!("10.{}.{}.{}", 100 + number / 50_000, number / 250 % 200, number % 250 + 1);
            let owner = crate::decode::owner::Reference::to(
                "ReplicaSet",
                &format!("set-{}", number / 10),
                u128::from(number / 10) + 1_000_000,
            );
            let pod = Pod {
                owner: Some(owner),
                ..pod(u128::from(number) + 1_000, &format!("set-{}-{number:05x}", number / 10), &address)
            };
            world.apply_pod(&pod, T0, true);
        }
        for number in 0..200_u32 {
            let parent = crate::decode::owner::Reference::to(
                "Deployment",
                &format!("app-{number}"),
                u128::from(number) + 2_000_000,
            );
            let set = crate::decode::owner::Workload::new(
                &format!("set-{number}"),
                u128::from(number) + 1_000_000,
                Some(parent),
            );
            world.apply_workload(crate::world::owners::Watched::ReplicaSet, &set);
        }
        world.labels = Labels::new(&[], true);
    });
    let bytes_before = Names::new().summary().bytes;
    let summary = names.summary();
    println!("{} pods, {} bytes, {} a pod", summary.pods, summary.bytes, (summary.bytes - bytes_before) / summary.pods);
    let address = |number: u32| format!("10.100.{}.{}", number / 250 % 200, number % 250 + 1);
    let records: Vec<FlowRecord> =
        (0..1_000_u32).map(|n| record(&address(n * 7 % 2_000), &address(n * 13 % 2_000))).collect();
    let mut enricher = names.enricher();
    let mut times: Vec<u128> = (0..200).map(|_| time_of(&mut enricher, &mut batch("n1", records.clone()))).collect();
    times.sort_unstable();
    println!("enrich: {} ns a record at best, {} in the middle", times[0], times[100]);
    let mut batch = batch("n1", records);
    enricher.enrich(&mut batch);
    let Body::Flows(flows) = &batch.body else { unreachable!() };
    assert!(flows.records.iter().all(|record| record.dst_k8s_owner_type.as_deref() == Some("Deployment")));
    let began = Instant::now();
    let pending = flows.records.iter().filter(|record| enricher.pending(record, T0 + 1_000)).count();
    println!("pending: {} ns a record, {pending} pending", began.elapsed().as_nanos() / 1_000);
    assert_eq!(names.list(Kind::Pod).len(), 2_002);
}

#[test]
fn ends_of_packets_are_named_as_flows_are() {
    let names = names();
    let ends = vec![Arc::new(record("10.244.1.6", "10.96.0.9")), Arc::new(record("10.244.1.6", "10.244.2.7"))];
    let body = Body::Packets(flow::PacketBatch { ends, ..flow::PacketBatch::default() });
    let mut batch = Batch { body, ..batch("n1", Vec::new()) };
    names.enricher().enrich(&mut batch);
    let Body::Packets(packets) = batch.body else { unreachable!() };
    let told = |at: usize| (packets.ends[at].dst_k8s_type.as_deref(), packets.ends[at].dst_k8s_name.as_deref());
    assert_eq!((told(0), told(1)), ((Some("Service"), Some("web")), (Some("Pod"), Some("server"))));
    assert_eq!(packets.ends[0].src_k8s_name.as_deref(), Some("client"));
}

#[test]
fn an_interface_in_the_pod_s_own_namespace_keeps_its_name() {
    let enricher = names().enricher();
    let own = Interface { name: "net7".into(), netns: "blue".into(), ..Interface::default() };
    let outside = Interface { name: "veth0c".into(), leads_out: true, ..Interface::default() };
    let inside = |interface| enricher.place("n1", interface, ip("10.244.1.6"), T0 + 5).map(|place| place.interface);
    assert_eq!([inside(&own), inside(&outside)], [Some("net7".into()), Some("eth0".into())]);
    assert_eq!(enricher.place("n1", &outside, ip("10.244.2.7"), T0 + 5), None, "a pod of another node");
}
