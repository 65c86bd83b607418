//! Objects and their addresses, as pods come and go; policies that would explain a drop.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use flow::{
    Batch, Body, Counters, Enrich as _, FlowBatch, FlowRecord,
    filter::{Object, ObjectKind},
};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Service, networking::v1::NetworkPolicy};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use names::{Names, Options, Resolved};
use serde_json::json;

use crate::setup::{Room, named, sleeper, sleeping, until};

fn resolve(names: &Names, room: &Room, kind: ObjectKind, name: &str) -> Resolved {
    let object = Object { kind, namespace: None, name: name.to_owned() };
    names.resolve(&object, &room.name).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn a_workload_s_addresses_follow_its_pods() {
    let room = Room::new("select").await;
    let names = Names::new();
    let _watches = names.watch(&room.client, &Options { objects: true, ..Options::default() });
    names.ready().await;
    let mut changes = names.changes();
    let labels = json!({"app": "web"});
    let template = json!({"metadata": {"labels": labels}, "spec": sleeping("n1", "")});
    let _: Deployment = room
        .create(json!({"metadata": {"name": "web"}, "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}}))
        .await;
    let _: Service =
        room.create(json!({"metadata": {"name": "web"}, "spec": {"selector": labels, "ports": [{"port": 80}]}})).await;
    let workload = || resolve(&names, &room, ObjectKind::Workload, "deploy/web").addresses;
    until("the first pod", async || (workload().len() == 1).then_some(())).await;
    let before = (names.version(), workload());
    changes.mark_unchanged();

    let deployments: Api<Deployment> = Api::namespaced(room.client.clone(), &room.name);
    let began = Instant::now();
    let two = json!({"spec": {"replicas": 2}});
    deployments.patch("web", &PatchParams::default(), &Patch::Merge(&two)).await.unwrap();
    until("the second pod", async || (workload().len() == 2).then_some(())).await;
    println!("from the order of a second pod until its address is known: {:?}", began.elapsed());
    assert!(names.version() > before.0 && changes.has_changed().unwrap());
    assert!(workload().is_superset(&before.1));
    for (kind, name) in
        [(ObjectKind::Selector, "app in (web)"), (ObjectKind::Namespace, &*room.name), (ObjectKind::Container, "c")]
    {
        assert!(resolve(&names, &room, kind, name).addresses.is_superset(&workload()), "{kind:?}");
    }
    until("the service", async || {
        (resolve(&names, &room, ObjectKind::Service, "web").addresses.len() == 3).then_some(())
    })
    .await;

    let none = json!({"spec": {"replicas": 0}});
    deployments.patch("web", &PatchParams::default(), &Patch::Merge(&none)).await.unwrap();
    until("the end of both", async || workload().is_empty().then_some(())).await;
    assert_eq!(resolve(&names, &room, ObjectKind::Workload, "deploy/web").remarks.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn a_policy_that_would_explain_a_drop_is_named() {
    let room = Room::new("policies").await;
    let names = Names::new();
    let _watches = names.watch(&room.client, &Options { policies: true, ..Options::default() });
    names.ready().await;
    let (mut client, mut server) = (sleeper("client", "n1", ""), sleeper("server", "n2", ""));
    client["metadata"]["labels"] = json!({"app": "client"});
    server["metadata"]["labels"] = json!({"app": "server"});
    let client = named(&names, &room.create(client).await).await;
    let server = named(&names, &room.create(server).await).await;
    let cause = || {
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
        let record = FlowRecord {
            src_addr: Some(client),
            dst_addr: Some(server),
            src_port: Some(40_000),
            dst_port: Some(8080),
            proto: Some(6),
            flags: Some(2),
            pkt_drop_packets: Some(1),
            pkt_drop_latest_drop_cause: Some(Arc::from("SKB_DROP_REASON_NETFILTER_DROP")),
            time_flow_start_ms: Some(now),
            ..FlowRecord::default()
        };
        let mut batch = Batch {
            node: "n1".into(),
            sequence: 0,
            time_ns: now * 1_000_000,
            counters: Counters::default(),
            interfaces: Vec::new(),
            interface_counts: Vec::new(),
            notices: Vec::new(),
            body: Body::Flows(FlowBatch { records: vec![record], observations: Vec::new() }),
            ..Batch::default()
        };
        names.enricher().enrich(&mut batch);
        let Body::Flows(flows) = batch.body else { unreachable!() };
        flows.records[0].pkt_drop_likely_cause.clone()
    };
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(cause(), None);
    let spec = json!({"podSelector": {"matchLabels": {"app": "server"}}, "policyTypes": ["Ingress"]});
    let _: NetworkPolicy = room.create(json!({"metadata": {"name": "deny-all"}, "spec": spec})).await;
    let told = until("the policy", async || cause()).await;
    assert_eq!(*told, format!("likely: NetworkPolicy {}/deny-all (ingress) does not allow it", room.name));
    let spec = json!({"podSelector": {}, "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "client"}}}]}]});
    let _: NetworkPolicy = room.create(json!({"metadata": {"name": "allow"}, "spec": spec})).await;
    until("the policy that allows it", async || cause().is_none().then_some(())).await;
}
