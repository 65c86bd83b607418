//! Many pods and services: names, memory, watches.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Stdio},
    time::Instant,
};

use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::Service;
use kube::{Api, Client, api::PostParams};
use names::{Kind, Names, Options};
use serde_json::json;

use crate::setup::{Room, client, until};

const PODS: usize = 2_000;
const SERVICES: usize = 500;

fn address(number: usize) -> String {
    format!("10.250.{}.{}", number / 250, number % 250 + 1)
}

async fn make_service(services: &Api<Service>, number: usize) {
    let object = json!({"metadata": {"name": format!("service-{number}")}, "spec": {"ports": [{"port": 80}]}});
    services.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
}

async fn fill(room: &Room) {
    let began = Instant::now();
    stream::iter(0..PODS)
        .for_each_concurrent(32, |number| async move {
            room.unscheduled(&format!("pod-{number}"), &address(number)).await;
        })
        .await;
    let services: Api<Service> = Api::namespaced(room.client.clone(), &room.name);
    stream::iter(0..SERVICES).for_each_concurrent(32, |number| make_service(&services, number)).await;
    println!("{PODS} pods, {SERVICES} services made in {:.1?}", began.elapsed());
}

/// Memory of this process, kB: now, and at its most.
fn memory() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let of = |key: &str| {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    (of("VmRSS"), of("VmHWM"))
}

/// Runs in a process of its own, so that its memory is that of the names alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "part of another test"]
async fn watcher_alone() {
    let Ok(namespace) = std::env::var("NAMES_TEST_NAMESPACE") else { return };
    let client = client().await;
    let before = memory();
    let names = Names::new();
    let began = Instant::now();
    let watches = names.watch(&client, &Options::default());
    names.ready().await;
    println!("ready in {:.2?}", began.elapsed());
    let known = names.list(Kind::Pod).into_iter().filter(|pod| *pod.namespace == *namespace);
    let right =
        known.filter(|pod| names.addresses(Kind::Pod, &namespace, &pod.name).as_deref() == Some(&pod.addresses));
    let right = right
        .filter(|pod| pod.addresses == [address(pod.name[4..].parse().unwrap()).parse::<std::net::IpAddr>().unwrap()]);
    println!("right {}", right.count());
    let services = names
        .list(Kind::Service)
        .into_iter()
        .filter(|service| *service.namespace == *namespace && service.addresses.len() == 1);
    println!("services {}", services.count());
    println!("summary {:?}", names.summary());
    println!("memory before {before:?}, after {:?} kB (now, most)", memory());
    println!("done");
    std::io::stdout().flush().unwrap();
    std::io::stdin().lock().read_line(&mut String::new()).unwrap();
    drop(watches);
}

fn start_watcher(namespace: &str) -> (Child, Vec<String>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "many::watcher_alone"])
        .env("NAMES_TEST_NAMESPACE", namespace)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines().map(Result::unwrap);
    let told = lines.take_while(|line| line != "done").collect();
    (child, told)
}

/// Watches of the whole cluster as the API server counts them, by resource.
async fn watches(client: &Client) -> Vec<(String, u64)> {
    let request = http::Request::get("/metrics").body(Vec::new()).unwrap();
    let text = client.request_text(request).await.unwrap();
    let of_watches = |line: &&str| {
        line.starts_with("apiserver_longrunning_requests{")
            && line.contains("verb=\"WATCH\"")
            && line.contains("scope=\"cluster\"")
    };
    let count = |resource: &str| {
        let part = format!("resource=\"{resource}\"");
        let lines = text.lines().filter(of_watches).filter(|line| line.contains(&part));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    };
    ["pods", "nodes", "services", "replicasets", "jobs"].map(|resource| (resource.to_owned(), count(resource))).into()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn two_thousand_pods_and_five_hundred_services_are_named_with_one_watch_a_kind() {
    let room = Room::new("many").await;
    fill(&room).await;
    let namespace = room.name.clone();
    // Others may come and go meanwhile: only a count that is the same before and after says something.
    let one_each = until("a quiet moment", async || {
        let before = watches(&room.client).await;
        let (mut child, told) = tokio::task::block_in_place(|| start_watcher(&namespace));
        let during = watches(&room.client).await;
        child.stdin.take().unwrap().write_all(b"\n").unwrap();
        assert!(child.wait().unwrap().success());
        println!("{}", told.join("\n"));
        assert!(told.iter().any(|line| *line == format!("right {PODS}")), "{told:?}");
        assert!(told.iter().any(|line| *line == format!("services {SERVICES}")), "{told:?}");
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        let after = watches(&room.client).await;
        println!("watches before {before:?}\nwatches during {during:?}");
        (before == after).then(|| before.iter().zip(&during).all(|((_, before), (_, during))| during - before == 1))
    })
    .await;
    assert!(one_each, "one watch a kind");
}
