//! What runs on the cluster gets its names.

use std::{net::IpAddr, time::Duration};

use flow::{Batch, Body, Counters, Enrich as _, FlowBatch, FlowRecord};
use k8s_openapi::api::{
    apps::v1::Deployment,
    batch::v1::{CronJob, Job},
    core::v1::{Pod, Service},
};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, LogParams},
};
use names::{Enricher, Kind, Names, Options};
use serde_json::{Value, json};

use crate::setup::{Room, named, sleeper, sleeping, until};

fn now_ms() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64
}

/// A flow of this moment between two addresses, as `node` saw it.
fn flow(enricher: &mut Enricher, node: &str, source: IpAddr, destination: IpAddr) -> Value {
    flow_at(enricher, node, source, destination, now_ms())
}

/// A flow between two addresses that ended at `time`, as `node` saw it.
fn flow_at(enricher: &mut Enricher, node: &str, source: IpAddr, destination: IpAddr, time: u64) -> Value {
    let record = FlowRecord {
        src_addr: Some(source),
        dst_addr: Some(destination),
        time_flow_start_ms: Some(time - 100),
        time_flow_end_ms: Some(time),
        ..FlowRecord::default()
    };
    let mut batch = Batch {
        node: node.into(),
        sequence: 0,
        time_ns: now_ms() * 1_000_000,
        counters: Counters::default(),
        interfaces: Vec::new(),
        interface_counts: Vec::new(),
        notices: Vec::new(),
        body: Body::Flows(FlowBatch { records: vec![record], observations: Vec::new() }),
        ..Batch::default()
    };
    enricher.enrich(&mut batch);
    let Body::Flows(flows) = batch.body else { unreachable!() };
    serde_json::to_value(&flows.records[0]).unwrap()
}

fn assert_fields(record: &Value, fields: &[(&str, &str)]) {
    for (field, value) in fields {
        assert_eq!(record[*field], *value, "{field} of {record}");
    }
}

async fn pod_of(room: &Room, selector: &str) -> Pod {
    let list = kube::api::ListParams::default().labels(selector);
    until(selector, async || room.pods().list(&list).await.ok()?.items.into_iter().next()).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn pods_workloads_services_and_nodes_are_named() {
    let room = Room::new("objects").await;
    let names = Names::new();
    let options = Options { get_subnets: true, ..Options::default() };
    let _watches = names.watch(&room.client, &options);
    names.ready().await;

    let alone: Pod = room.create(sleeper("alone", "n2", "")).await;
    let mut host = sleeper("host", "n1", "");
    host["spec"]["hostNetwork"] = json!(true);
    let host: Pod = room.create(host).await;
    let labels = json!({"app": "web"});
    let template = json!({"metadata": {"labels": labels}, "spec": sleeping("n1", "")});
    let _: Deployment = room
        .create(json!({"metadata": {"name": "web"}, "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}}))
        .await;
    let service: Service = room
        .create(json!({"metadata": {"name": "web"}, "spec": {"selector": labels, "externalIPs": ["192.0.2.44"], "ports": [{"port": 80}]}}))
        .await;
    let tick = cron_job(&room).await;

    let mut enricher = names.enricher();
    let web = named(&names, &pod_of(&room, "app=web").await).await;
    let alone = named(&names, &alone).await;
    let tick = named(&names, &tick).await;
    let record = flow(&mut enricher, "n1", web, alone);
    assert_fields(
        &record,
        &[
            ("SrcK8S_Type", "Pod"),
            ("SrcK8S_Namespace", &room.name),
            ("SrcK8S_OwnerName", "web"),
            ("SrcK8S_OwnerType", "Deployment"),
            ("SrcK8S_HostName", "n1"),
            ("SrcK8S_HostIP", "172.31.250.11"),
            ("SrcK8S_NetworkName", "primary"),
            ("SrcSubnetLabel", "Pods"),
            ("DstK8S_Name", "alone"),
            ("DstK8S_OwnerName", "alone"),
            ("DstK8S_OwnerType", "Pod"),
            ("DstK8S_HostName", "n2"),
        ],
    );
    assert_eq!(record["FlowDirection"], 1);
    assert_eq!(flow(&mut enricher, "n2", web, alone)["FlowDirection"], 0);

    let cluster_ip = service.spec.unwrap().cluster_ip.unwrap().parse().unwrap();
    let record = flow(&mut enricher, "n1", tick, cluster_ip);
    let wanted = [
        ("SrcK8S_OwnerName", "tick"),
        ("SrcK8S_OwnerType", "CronJob"),
        ("DstK8S_Type", "Service"),
        ("DstK8S_Name", "web"),
    ];
    assert_fields(&record, &wanted);
    assert_fields(&record, &[("DstSubnetLabel", "Services"), ("DstK8S_OwnerType", "Service")]);

    let node: IpAddr = "172.31.250.11".parse().unwrap();
    until("host pod", async || names.addresses(Kind::Pod, &room.name, &host.name_any())).await;
    let record = flow(&mut enricher, "n1", node, "192.0.2.44".parse().unwrap());
    assert_fields(
        &record,
        &[("SrcK8S_Type", "Node"), ("SrcK8S_Name", "n1"), ("SrcSubnetLabel", "Machines"), ("DstK8S_Name", "web")],
    );
    let bridge = flow(&mut enricher, "n2", "10.244.2.1".parse().unwrap(), alone);
    assert_fields(&bridge, &[("SrcK8S_Type", "Node"), ("SrcK8S_Name", "n2")]);
    assert_eq!(bridge["FlowDirection"], 2);
    assert_eq!(names.summary().errors, Vec::<String>::new());
    println!("{:?}", names.summary());
}

/// A CronJob and a Job of its own, as `kubectl create job --from` makes it; the Job's pod.
async fn cron_job(room: &Room) -> Pod {
    let mut spec = sleeping("n2", "");
    spec["restartPolicy"] = json!("Never");
    let job = json!({"template": {"metadata": {"labels": {"app": "tick"}}, "spec": spec}});
    let cron: CronJob = room
        .create(json!({"metadata": {"name": "tick"}, "spec": {"schedule": "0 0 1 1 *", "suspend": true, "jobTemplate": {"spec": job}}}))
        .await;
    let owner = json!([{"apiVersion": "batch/v1", "kind": "CronJob", "name": "tick", "uid": cron.uid().unwrap(), "controller": true}]);
    let _: Job = room.create(json!({"metadata": {"name": "tick-1", "ownerReferences": owner}, "spec": job})).await;
    pod_of(room, "app=tick").await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn an_address_that_changes_hands_bears_each_name_in_its_time() {
    let room = Room::new("reuse").await;
    let names = Names::new();
    let _watches = names.watch(&room.client, &Options::default());
    names.ready().await;
    let address: IpAddr = "10.252.0.1".parse().unwrap();
    let nowhere: IpAddr = "192.0.2.1".parse().unwrap();
    let mut times = Vec::new();
    for name in ["first", "second", "third"] {
        room.unscheduled(name, "10.252.0.1").await;
        until(name, async || names.addresses(Kind::Pod, &room.name, name).filter(|addresses| !addresses.is_empty()))
            .await;
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        times.push((name, now_ms()));
        room.pods().delete(name, &DeleteParams::default().grace_period(0)).await.unwrap();
        until("its end", async || names.addresses(Kind::Pod, &room.name, name).is_none().then_some(())).await;
        tokio::time::sleep(Duration::from_millis(1_500)).await;
    }
    let mut enricher = names.enricher();
    for (name, time) in times {
        assert_eq!(flow_at(&mut enricher, "n1", address, nowhere, time)["SrcK8S_Name"], name);
    }
}

/// Seconds since the machine began: pods share our kernel on a cluster on this machine.
fn uptime() -> f64 {
    let text = std::fs::read_to_string("/proc/uptime").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// How long after a pod's first moment its name is known: what `HOLD_MS` has to be above.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn a_new_pod_is_known_soon_after_it_begins() {
    let room = Room::new("latency").await;
    let names = Names::new();
    let _watches = names.watch(&room.client, &Options::default());
    names.ready().await;
    let mut waits = Vec::new();
    for number in 0..8 {
        let pod: Pod = room.create(sleeper(&format!("p{number}"), ["n1", "n2"][number % 2], "cat /proc/uptime")).await;
        named(&names, &pod).await;
        let known = uptime();
        let pods: Api<Pod> = room.pods();
        let began = until("log", async || {
            let text = pods.logs(&pod.name_any(), &LogParams::default()).await.ok()?;
            text.split(' ').next()?.parse::<f64>().ok()
        })
        .await;
        waits.push(known - began);
    }
    println!("name known after the first moment of the pod, s: {waits:.2?}");
    assert!(waits.iter().all(|wait| *wait * 1000.0 < names::HOLD_MS as f64), "{waits:?}");
}
