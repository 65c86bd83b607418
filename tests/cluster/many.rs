//! Many pods and services: names, memory of the collector, watches at the API server.

use std::time::Duration;

use lab::cluster::{self, MadeUp, kubectl};
use serde_json::Value;

use super::refusals::{state, trace};
use crate::{flows, shop};

mod room;

use room::Room;

const PODS: usize = 2_000;
const SERVICES: usize = 500;

fn address(number: usize) -> String {
    format!("10.250.{}.{}", number / 250, number % 250 + 1)
}

/// Collectors that run: ours, and those of others who are on this cluster too.
fn collectors() -> i64 {
    let all = cluster::items(&format!("pods -A -l {},app.kubernetes.io/component=collector", cluster::OURS)).unwrap();
    all.iter().filter(|pod| pod["status"]["phase"] == "Running").count() as i64
}

/// Names of one end wherever it has this address.
fn names_of<'a>(records: &'a [Value], end: &str, address: &str) -> Vec<&'a str> {
    let of_it = records.iter().filter(|record| record[format!("{end}Addr")] == address);
    of_it.map(|record| record[format!("{end}K8S_Name")].as_str().unwrap_or("")).collect()
}

#[test]
fn two_thousand_pods_and_five_hundred_services() {
    needs_cluster!();
    let shop = shop();
    let room = Room::new("many");
    room.fill(PODS, SERVICES, address);
    let trace = trace("crowd");
    let web = shop.address("app=web").unwrap();
    let known = [0, 777, 1_999].map(address);
    let made_up = MadeUp::new("10.250.0.0/16", &known.each_ref().map(String::as_str)).unwrap();

    let (before, others) = (room.watches(), collectors());
    let mut running = flows().args("--max-time 3m -o json --capture-namespace").arg(trace.namespace()).spawn().unwrap();
    running.wait_for("attached", Duration::from_mins(1)).unwrap();
    let (during, collectors) = (room.watches(), collectors() - others);
    shop.requests(10).unwrap();
    for from in &known {
        made_up.ping(from, &web).unwrap();
    }
    let service = |number: usize| {
        let path = "jsonpath={.spec.clusterIP}";
        let name = format!("service-{number}");
        kubectl(["-n", room.name(), "get", "service", &name, "-o", path]).unwrap()
    };
    let services = [0, 250, 499].map(|number| (format!("service-{number}"), service(number)));
    for (_, address) in &services {
        shop.in_client(&format!("nc -w 1 {address} 80 </dev/null; true")).unwrap();
    }
    let told = state(&trace).unwrap();
    let memory = told["memory"].as_u64().unwrap();
    eprintln!("collector: {:.1} MB resident; names: {}", memory as f64 / 1e6, told["snapshot"]["names"]);
    let finished = running.stop().unwrap();
    let after = room.watches();

    let records = finished.files.records().unwrap();
    for (number, from) in [0, 777, 1_999].iter().zip(&known) {
        let names = names_of(&records, "Src", from);
        assert!(!names.is_empty() && names.iter().all(|name| *name == format!("pod-{number}")), "{from}: {names:?}");
    }
    for (name, to) in &services {
        let names = names_of(&records, "Dst", to);
        assert!(!names.is_empty() && names.iter().all(|found| found == name), "{to}: {names:?}");
    }
    let of_web = names_of(&records, "Dst", &web);
    assert!(of_web.len() >= 10 && of_web.iter().all(|name| name.starts_with("web-")), "{of_web:?}");
    assert!(memory < 256 << 20, "{memory}");
    assert_eq!(trace.left().unwrap(), [""; 0]);

    eprintln!("watches before {before:?}, during {during:?}, after {after:?}; collectors {collectors}");
    let grown: Vec<i64> = before.iter().zip(&during).map(|((_, before), (_, during))| during - before).collect();
    if grown != [collectors; 5] && before != after {
        return eprintln!("watches came and went meanwhile: somebody else is here, and they are not compared");
    }
    assert_eq!(grown, [collectors; 5], "watches of each kind: one for each collector, none for agents");
}

#[test]
fn an_address_that_changes_hands_bears_each_name_in_its_time() {
    needs_cluster!();
    let shop = shop();
    let room = Room::new("hands");
    let trace = trace("hands-capture");
    let contested = "10.251.0.1";
    let made_up = MadeUp::new("10.251.0.0/16", &[contested]).unwrap();
    let mut running = flows().args("--max-time 3m -o json --capture-namespace").arg(trace.namespace()).spawn().unwrap();
    running.wait_for("attached", Duration::from_mins(1)).unwrap();
    let pause = || std::thread::sleep(Duration::from_millis(2_500));
    let node = &cluster::nodes().unwrap()[1];
    let local = cluster::items("-n shop pods -l app=local").unwrap();
    let local = local.iter().find(|pod| pod["spec"]["nodeName"] == node.as_str()).unwrap();
    let targets = [shop.address("app=web").unwrap(), local["status"]["podIP"].as_str().unwrap().to_owned()];
    for (name, target) in ["first", "second"].iter().zip(&targets) {
        room.pod(name, contested);
        pause();
        made_up.ping(contested, target).unwrap();
        pause();
        room.remove_pod(name);
    }
    let finished = running.stop().unwrap();
    let records = finished.files.records().unwrap();
    for (name, target) in ["first", "second"].iter().zip(&targets) {
        let of_it: Vec<Value> = records.iter().filter(|record| record["DstAddr"] == target.as_str()).cloned().collect();
        let names = names_of(&of_it, "Src", contested);
        assert!(!names.is_empty() && names.iter().all(|found| found == name), "{name}: {names:?}");
    }
    assert_eq!(trace.left().unwrap(), [""; 0]);
}

#[test]
fn the_first_connection_of_a_new_pod_bears_its_name() {
    needs_cluster!();
    let shop = shop();
    let room = Room::new("newborn");
    let trace = trace("newborn-capture");
    let (nodes, service) = (cluster::nodes().unwrap(), shop.service().unwrap());
    let mut running = flows().args("--max-time 3m -o json --capture-namespace").arg(trace.namespace()).spawn().unwrap();
    running.wait_for("attached", Duration::from_mins(1)).unwrap();
    let pods: Vec<String> = (0..6).map(|number| format!("new-{number}")).collect();
    for (name, node) in pods.iter().zip(nodes.iter().cycle()) {
        let yaml = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {}}}\nspec: {{nodeName: {node}, terminationGracePeriodSeconds: 0, restartPolicy: Never, \
             containers: [{{name: c, image: 'localhost/busybox:test', command: [sh, -c, 'wget -q -O /dev/null http://{service}/; sleep 1000']}}]}}\n",
            room.name()
        );
        cluster::kubectl_with(["create", "--validate=false", "-f", "-"], &yaml).unwrap();
    }
    kubectl(["-n", room.name(), "wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s"]).unwrap();
    std::thread::sleep(Duration::from_secs(5));
    let addresses: Vec<String> = pods
        .iter()
        .map(|name| {
            let pod = cluster::get(&format!("-n {} pod {name}", room.name())).unwrap();
            pod["status"]["podIP"].as_str().unwrap().to_owned()
        })
        .collect();
    let finished = running.stop().unwrap();
    let records = finished.files.records().unwrap();
    for (name, address) in pods.iter().zip(&addresses) {
        let to_web: Vec<Value> =
            records.iter().filter(|record| record["DstPort"] == 80 || record["DstPort"] == 8080).cloned().collect();
        let names = names_of(&to_web, "Src", address);
        assert!(names.len() >= 2 && names.iter().all(|found| found == name), "{name} {address}: {names:?}");
    }
    assert_eq!(trace.left().unwrap(), [""; 0]);
}
