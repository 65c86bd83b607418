//! Watches against a made-up API server: old servers, lists in pages, 410 Gone, refusals.

#![expect(clippy::unwrap_used, reason = "tests: what fails ends the test and says where")]

use std::{
    collections::HashMap,
    convert::Infallible,
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Request, Response};
use kube::{Client, client::Body};
use names::{Kind, Names, Options, Summary};
use serde_json::{Value, json};

/// What the server answers to a request, by resource and by what kind of request it is; the last answer stays.
type Script = HashMap<(&'static str, &'static str), Vec<Answer>>;

#[derive(Clone, Debug)]
enum Answer {
    /// A status code and lines of JSON.
    Now(u16, Vec<Value>),
    /// Nothing, for ever: a watch of something that does not change.
    Never,
}

/// How a request asks: `stream` for a list by watching, `watch`, `page` for a later page, `list`.
fn way(query: &str) -> &'static str {
    if query.contains("sendInitialEvents=true") {
        "stream"
    } else if query.contains("watch=true") {
        "watch"
    } else if query.contains("continue=") {
        "page"
    } else {
        "list"
    }
}

fn next(script: &Mutex<Script>, resource: &str, way: &str) -> Answer {
    let mut script = script.lock().unwrap();
    let key = script.keys().find(|key| **key == (resource, way)).copied();
    let Some(answers) = key.and_then(|key| script.get_mut(&key)) else { return default_answer(way) };
    if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() }
}

/// A kind of which there is nothing.
fn default_answer(way: &str) -> Answer {
    match way {
        "stream" => Answer::Now(200, vec![bookmark("Nothing")]),
        "watch" => Answer::Never,
        _ => Answer::Now(200, vec![list(&[], None)]),
    }
}

fn server(script: Script) -> Client {
    let script = Arc::new(Mutex::new(script));
    let service = tower::service_fn(move |request: Request<Body>| {
        let resource = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        let answer = next(&script, &resource, way(request.uri().query().unwrap_or_default()));
        async move {
            let Answer::Now(code, lines) = answer else { return pending().await };
            let text = lines.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            let response = Response::builder().status(code).body(Body::from(text.into_bytes())).unwrap();
            Ok::<_, Infallible>(response)
        }
    });
    Client::new(service, "default")
}

fn bookmark(kind: &str) -> Value {
    let metadata = json!({"resourceVersion": "10", "annotations": {"k8s.io/initial-events-end": "true"}});
    json!({"type": "BOOKMARK", "object": {"kind": kind, "apiVersion": "v1", "metadata": metadata}})
}

fn list(items: &[Value], more: Option<&str>) -> Value {
    json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "10", "continue": more}, "items": items})
}

fn status(code: u16, message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": "x", "code": code})
}

fn pod(number: u8) -> Value {
    let metadata = json!({"name": format!("p{number}"), "namespace": "a", "resourceVersion": "11",
        "uid": format!("00000000-0000-0000-0000-0000000000{number:02}")});
    let address = format!("10.0.0.{number}");
    json!({"metadata": metadata, "spec": {}, "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}})
}

fn pods(names: &Names) -> Vec<String> {
    let mut pods: Vec<String> = names.list(Kind::Pod).iter().map(|pod| pod.name.to_string()).collect();
    pods.sort();
    pods
}

async fn until(what: &str, check: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if check() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited in vain for {what}");
}

#[tokio::test]
async fn a_server_that_cannot_list_by_watching_is_asked_for_pages() {
    let refusal = status(
        422,
        "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled",
    );
    let event = |kind: &str, object| json!({"type": kind, "object": object});
    let client = server(Script::from([
        (("pods", "stream"), vec![Answer::Now(422, vec![refusal])]),
        (("pods", "list"), vec![Answer::Now(200, vec![list(&[pod(1), pod(2)], Some("token"))])]),
        (("pods", "page"), vec![Answer::Now(200, vec![list(&[pod(3)], None)])]),
        (
            ("pods", "watch"),
            vec![Answer::Now(200, vec![event("DELETED", pod(1)), event("ADDED", pod(4))]), Answer::Never],
        ),
    ]));
    let names = Names::new();
    let _watches = names.watch(&client, &Options::default());
    names.ready().await;
    until("the changes", || pods(&names) == ["p2", "p3", "p4"]).await;
    assert_eq!(names.summary().errors, Vec::<String>::new());
}

#[tokio::test]
async fn after_410_gone_everything_is_listed_anew_and_what_is_missing_is_gone() {
    let initial = |object| json!({"type": "ADDED", "object": object});
    let gone = json!({"type": "ERROR", "object": status(410, "too old resource version: 10 (20)")});
    let client = server(Script::from([
        (
            ("pods", "stream"),
            vec![
                Answer::Now(200, vec![initial(pod(1)), initial(pod(2)), bookmark("Pod")]),
                Answer::Now(200, vec![initial(pod(2)), initial(pod(3)), bookmark("Pod")]),
            ],
        ),
        (("pods", "watch"), vec![Answer::Now(200, vec![gone]), Answer::Never]),
    ]));
    let names = Names::new();
    let _watches = names.watch(&client, &Options::default());
    names.ready().await;
    until("the second list", || pods(&names) == ["p2", "p3"]).await;
    assert_eq!(names.addresses(Kind::Pod, "a", "p1"), None);
    until("no errors", || names.summary().errors.is_empty()).await;
}

#[tokio::test]
async fn a_server_that_keeps_failing_is_said_to_all_the_time_and_asked_ever_less() {
    let refusal = status(422, "sendInitialEvents: Forbidden");
    let broken = Answer::Now(500, vec![status(500, "etcd is full")]);
    let client = server(Script::from([
        (("pods", "stream"), vec![Answer::Now(422, vec![refusal])]),
        (
            ("pods", "list"),
            vec![broken.clone(), broken.clone(), broken.clone(), Answer::Now(200, vec![list(&[pod(1)], None)])],
        ),
    ]));
    let names = Names::new();
    let _watches = names.watch(&client, &Options::default());
    until("the error", || !names.summary().errors.is_empty()).await;
    let began = std::time::Instant::now();
    while pods(&names).is_empty() {
        let Summary { errors, ready, .. } = names.summary();
        assert!(!pods(&names).is_empty() || (!ready && errors[0].contains("etcd is full (500)")), "{errors:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(began.elapsed() > Duration::from_millis(1_700), "250, 500 and 1,000 ms: {:?}", began.elapsed());
    until("no errors", || names.summary().errors.is_empty()).await;
}

#[tokio::test]
async fn what_is_refused_is_said_and_does_not_hold_up_the_rest() {
    let refusal = status(403, "jobs.batch is forbidden: User \"someone\" cannot watch resource \"jobs\"");
    let client = server(Script::from([
        (("jobs", "stream"), vec![Answer::Now(403, vec![refusal.clone()])]),
        (("jobs", "list"), vec![Answer::Now(403, vec![refusal])]),
        (("pods", "stream"), vec![Answer::Now(200, vec![json!({"type": "ADDED", "object": pod(1)}), bookmark("Pod")])]),
    ]));
    let names = Names::new();
    let _watches = names.watch(&client, &Options::default());
    names.ready().await;
    assert_eq!(pods(&names), ["p1"]);
    let errors = names.summary().errors;
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].starts_with("jobs cannot be watched, pods of CronJobs show their Job as owner"), "{errors:?}");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(names.summary().errors.len(), 1, "it stays said");
}

#[tokio::test]
async fn an_object_that_cannot_be_read_is_passed_over() {
    let broken = json!({"type": "ADDED", "object": {"metadata": {"name": "broken", "resourceVersion": "10"}, "status": {"startTime": "yesterday"}}});
    let good = json!({"type": "ADDED", "object": pod(1)});
    let client =
        server(Script::from([(("pods", "stream"), vec![Answer::Now(200, vec![broken, good, bookmark("Pod")])])]));
    let names = Names::new();
    let _watches = names.watch(&client, &Options::default());
    names.ready().await;
    until("the good one", || pods(&names) == ["p1"]).await;
}

#[tokio::test]
async fn the_cluster_s_subnets_are_found_on_both_kinds_of_cluster() {
    let cidrs = json!({"metadata": {"name": "kubernetes"}, "spec": {"cidrs": ["10.96.0.0/16", "fd00:96::/112"]}});
    let network = json!({"metadata": {"name": "cluster"}, "spec": {"clusterNetwork": [{"cidr": "10.128.0.0/14", "hostPrefix": 23}],
        "serviceNetwork": ["172.30.0.0/16"]}});
    let install = json!({"metadata": {"name": "cluster-config-v1"}, "data": {"install-config": "networking:\n  machineNetwork:\n  - cidr: 10.0.0.0/16\n"}});
    let plain = Script::from([
        (("cluster", "list"), vec![Answer::Now(404, vec![status(404, "404 page not found")])]),
        (("servicecidrs", "list"), vec![Answer::Now(200, vec![list(&[cidrs], None)])]),
    ]);
    let openshift = Script::from([
        (("cluster", "list"), vec![Answer::Now(200, vec![network])]),
        (("cluster-config-v1", "list"), vec![Answer::Now(200, vec![install])]),
    ]);
    for (script, cases) in [
        (plain, vec![("10.96.0.10", "Services"), ("fd00:96::1", "Services")]),
        (openshift, vec![("10.128.5.5", "Pods"), ("172.30.0.10", "Services"), ("10.0.3.4", "Machines")]),
    ] {
        let names = Names::new();
        let options = Options { get_subnets: true, ..Options::default() };
        let _watches = names.watch(&server(script), &options);
        for (address, label) in cases {
            until(address, || label_of(&names, address).as_deref() == Some(label)).await;
        }
        assert_eq!(names.summary().errors, Vec::<String>::new());
    }
}

fn label_of(names: &Names, address: &str) -> Option<String> {
    use flow::{Batch, Body, Counters, Enrich as _, FlowBatch, FlowRecord};
    let record = FlowRecord { src_addr: address.parse().ok(), time_flow_end_ms: Some(1), ..FlowRecord::default() };
    let mut batch = Batch {
        node: "n1".into(),
        sequence: 0,
        time_ns: 0,
        counters: Counters::default(),
        interfaces: Vec::new(),
        interface_counts: Vec::new(),
        notices: Vec::new(),
        body: Body::Flows(FlowBatch { records: vec![record], observations: Vec::new() }),
        ..Batch::default()
    };
    names.enricher().enrich(&mut batch);
    let Body::Flows(flows) = batch.body else { return None };
    flows.records[0].src_subnet_label.as_ref().map(ToString::to_string)
}
