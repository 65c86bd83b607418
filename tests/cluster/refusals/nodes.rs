//! Images that cannot be had, and a node that cannot capture while the others can.

use std::time::Duration;

use lab::capture::says;

use super::{admission::policy_against_the_second_node, assert_refused, ours, trace};
use crate::{flows, shop};

#[test]
fn an_image_that_cannot_be_had() {
    needs_cluster!();
    let trace = trace("no-image");
    let told = ours(&format!("flows --capture-namespace {} --image localhost/none:1", trace.namespace()));
    assert_refused(&told, 1, &["localhost/none:1", "no image could be had"]);
    assert_eq!(trace.left().unwrap(), [""; 0]);
    assert!(told.took < Duration::from_secs(40), "{:?}", told.took);
}

#[test]
fn a_node_that_cannot_capture_is_named_and_the_others_do() {
    needs_cluster!();
    let shop = shop();
    let trace = trace("one-node");
    let name = trace.namespace();
    let _policy = policy_against_the_second_node(name);
    let mut running = flows().args("--max-time 6s -o json --capture-namespace").arg(name).spawn().unwrap();
    running.wait_for("attached", Duration::from_mins(1)).unwrap();
    shop.requests(5).unwrap();
    let finished = running.wait().unwrap();
    assert!(finished.status.success(), "{:?}", finished.stderr);
    let said = finished.stderr.iter().find(|line| line.starts_with("note: node n2 cannot capture: ")).unwrap();
    assert!(said.contains("house rule"), "{said}");
    assert!(says(&finished.stderr, "on 1 node,"), "{:?}", finished.stderr);
    assert_eq!(finished.files.summary().unwrap()["nodes"], serde_json::json!(["n1"]));
    assert_eq!(trace.left().unwrap(), [""; 0]);

    let told = ours(&format!("flows --require-all-nodes --capture-namespace {name}"));
    assert_refused(&told, 1, &["--require-all-nodes", "node n2 cannot capture", "house rule"]);
    assert_eq!(trace.left().unwrap(), [""; 0]);
    assert!(told.took < Duration::from_secs(40), "{:?}", told.took);
}
