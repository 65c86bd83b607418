//! What features tell of a shop: why a connection failed, who is behind a Service, what follows a rollout.

use std::{
    thread,
    time::{Duration, Instant},
};

use lab::{
    capture::Running,
    cluster::{self, Shop, kubectl, kubectl_with, on_node},
};
use serde_json::Value;

use crate::{flows, packets, shop};

/// Time until what happened has become a record.
const SOON: Duration = Duration::from_secs(15);

fn lines(capture: &Running) -> Vec<Value> {
    let text = capture.stdout().unwrap();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Waits for a record.
fn wait_for(capture: &Running, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let mut found = None;
    let waited = cluster::wait(what, SOON, || {
        found = lines(capture).into_iter().find(|record| fits(record));
        Ok(found.is_some())
    });
    if waited.is_err() {
        let all: Vec<String> = lines(capture).iter().map(ToString::to_string).collect();
        panic!("{what}: not among {}", all.join("\n"));
    }
    found.unwrap()
}

fn is_to(record: &Value, address: &str, port: u16) -> bool {
    record["DstAddr"] == address && record["DstPort"] == port
}

/// Removes what it made on a node, whatever becomes of the test.
struct Table<'a>(&'a str);

impl Drop for Table<'_> {
    fn drop(&mut self) {
        let _ = on_node(self.0, &["nft", "delete", "table", "ip", "made_up"]);
    }
}

/// Drops what is on its way to `address` and `port`, on the node of the shop's server.
fn drop_to<'a>(node: &'a str, address: &str, port: u16) -> Table<'a> {
    let rules = format!(
        "table ip made_up {{ chain forward {{ type filter hook forward priority 0; ip daddr {address} tcp dport {port} drop; }}; }}"
    );
    on_node(node, &["nft", &rules]).unwrap();
    Table(node)
}

#[test]
fn a_refused_and_a_dropped_connection_explain_themselves() {
    needs_cluster!();
    let shop = shop();
    let nodes = cluster::nodes().unwrap();
    let web = shop.address("app=web").unwrap();
    let capture = flows().args("--enable-pkt-drop --enable-rtt -o json --max-time 60s").start().unwrap();
    shop.refusals(3).unwrap();
    let refused = wait_for(&capture, "a refused connection", |record| {
        is_to(record, &web, 81) && record["TcpResult"] == "refused"
    });
    eprintln!("refused: {refused}");
    assert_eq!((&refused["SrcK8S_Name"], &refused["DstK8S_OwnerName"]), (&"client".into(), &"web".into()));

    let _table = drop_to(&nodes[1], &web, 82);
    let start = Instant::now();
    shop.in_client(&format!("nc -w 2 {web} 82 </dev/null; true")).unwrap();
    let dropped = wait_for(&capture, "a dropped connection", |record| {
        is_to(record, &web, 82) && record["PktDropPackets"].as_u64() > Some(0)
    });
    eprintln!("dropped, told after {:.1} s: {dropped}", start.elapsed().as_secs_f64());
    assert_eq!(dropped["PktDropLatestDropCause"], "SKB_DROP_REASON_NETFILTER_DROP");
    assert_eq!((&dropped["SrcK8S_Name"], &dropped["DstK8S_OwnerName"]), (&"client".into(), &"web".into()));
    capture.stop().unwrap();
}

#[test]
fn a_service_and_the_pod_behind_it_are_in_one_row() {
    needs_cluster!();
    let shop = shop();
    let (service, web) = (shop.service().unwrap(), shop.address("app=web").unwrap());
    let capture = flows().args("--enable-pkt-translation -o json --max-time 60s").start().unwrap();
    shop.requests(5).unwrap();
    let row = wait_for(&capture, "a translated request", |record| {
        is_to(record, &service, 80) && record.get("XlatDstAddr").is_some()
    });
    eprintln!("{row}");
    assert_eq!((&row["XlatDstAddr"], &row["XlatDstPort"]), (&web.as_str().into(), &8080.into()));
    let pod = shop.pod("app=web").unwrap();
    assert_eq!((&row["DstK8S_Type"], &row["XlatDstK8S_Name"]), (&"Service".into(), &pod["metadata"]["name"]));
    assert_eq!(row["XlatDstK8S_Namespace"], "shop");
    capture.stop().unwrap();
}

/// A server of its own that is rolled out again.
struct Rollout(&'static str);

impl Rollout {
    fn new(name: &'static str, node: &str) -> Self {
        let text = format!(
            "apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: shop}}
spec:
  replicas: 1
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec: {{terminationGracePeriodSeconds: 0, nodeSelector: {{kubernetes.io/hostname: {node}}}, containers: [{{name: web, image: 'localhost/busybox:test', command: [sh, -c, 'exec httpd -f -p 8080 -h /etc']}}]}}
"
        );
        kubectl_with(["apply", "--validate=false", "-f", "-"], &text).unwrap();
        Self(name)
    }

    fn ready(&self) {
        kubectl(["-n", "shop", "rollout", "status", "deploy", self.0, "--timeout=60s"]).unwrap();
    }

    fn again(&self) {
        kubectl(["-n", "shop", "rollout", "restart", "deploy", self.0]).unwrap();
        self.ready();
    }

    /// Address of the one pod that stays.
    fn address(&self, shop: &Shop) -> String {
        cluster::wait("one pod", SOON, || Ok(cluster::items(&format!("-n shop pods -l app={}", self.0))?.len() == 1))
            .unwrap();
        shop.address(&format!("app={}", self.0)).unwrap()
    }
}

impl Drop for Rollout {
    fn drop(&mut self) {
        let _ = kubectl(["-n", "shop", "delete", "deploy", self.0, "--wait=false"]);
    }
}

fn ask(shop: &Shop, address: &str) {
    shop.in_client(&format!("wget -q -O /dev/null http://{address}:8080/hostname")).unwrap();
}

#[test]
fn a_workload_is_followed_through_its_rollout() {
    needs_cluster!();
    let shop = shop();
    let nodes = cluster::nodes().unwrap();
    let rollout = Rollout::new("rolling", &nodes[1]);
    rollout.ready();
    let first = rollout.address(&shop);
    let capture = flows().args("--workload shop/deploy/rolling -o json --max-time 90s").start().unwrap();
    thread::sleep(Duration::from_secs(2));
    ask(&shop, &first);
    shop.requests(3).unwrap();
    wait_for(&capture, "its first pod", |record| is_to(record, &first, 8080));
    rollout.again();
    let second = rollout.address(&shop);
    assert_ne!(first, second);
    thread::sleep(Duration::from_secs(2));
    ask(&shop, &second);
    wait_for(&capture, "its second pod", |record| is_to(record, &second, 8080));
    let finished = capture.stop().unwrap();
    let records = finished.files.records().unwrap();
    let others: Vec<&Value> = records
        .iter()
        .filter(|record| {
            ![&first, &second].iter().any(|address| record["SrcAddr"] == ***address || record["DstAddr"] == ***address)
        })
        .collect();
    assert_eq!(others, [] as [&Value; 0], "nothing else was captured");
}

#[test]
fn packets_of_a_workload_only_leave_the_node() {
    needs_cluster!();
    let shop = shop();
    let web = shop.address("app=web").unwrap();
    let capture = packets().args("--workload shop/deploy/web --peer-pod shop/client").start().unwrap();
    thread::sleep(Duration::from_secs(2));
    shop.requests(3).unwrap();
    let other = shop.address("app=local").unwrap();
    shop.in_client(&format!("ping -c 3 -i 0.1 -q {other}")).unwrap();
    thread::sleep(Duration::from_secs(1));
    let finished = capture.stop().unwrap();
    let taken = finished.files.packets().unwrap().packets;
    assert!(taken.len() >= 3 * 8, "{}", taken.len());
    let accepted = finished.files.summary().unwrap()["counters"]["accepted"].as_u64().unwrap();
    assert_eq!(accepted, taken.len() as u64, "what was taken in the kernels is what is in the file; {web}");
}

/// A policy that lets nobody in.
struct Policy;

impl Policy {
    fn deny() -> Self {
        let text = "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: nobody, namespace: shop}
spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress]}
";
        kubectl_with(["apply", "--validate=false", "-f", "-"], text).unwrap();
        Self
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        let _ = kubectl(["-n", "shop", "delete", "networkpolicy", "nobody"]);
    }
}

#[test]
fn a_policy_that_would_block_is_named_as_a_likely_cause() {
    needs_cluster!();
    let shop = shop();
    let nodes = cluster::nodes().unwrap();
    let web = shop.address("app=web").unwrap();
    let _policy = Policy::deny();
    // No engine enforces policies here: a rule of the test's own does what one would.
    let _table = drop_to(&nodes[1], &web, 8080);
    let capture = flows().args("--drops -o json --max-time 60s").start().unwrap();
    shop.in_client(&format!("nc -w 2 {web} 8080 </dev/null; true")).unwrap();
    let row = wait_for(&capture, "a likely cause", |record| {
        is_to(record, &web, 8080) && record["PktDropLikelyCause"].as_str().is_some_and(|cause| cause.contains("nobody"))
    });
    eprintln!("{row}");
    assert!(row["PktDropLikelyCause"].as_str().unwrap().contains("NetworkPolicy shop/nobody"), "{row}");
    capture.stop().unwrap();
}
