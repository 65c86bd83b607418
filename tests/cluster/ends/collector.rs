//! The collector's pod or process goes while a capture runs.

use std::time::{Duration, Instant};

use lab::cluster::kubectl;

use super::{Knocks, SOON, capture, end, measured, running, trace};
use crate::shop;

#[test]
fn its_pod_is_deleted() {
    needs_cluster!();
    let shop = shop();
    let trace = trace("deleted");
    let client = running(&capture(&trace));
    let knocks = Knocks::at(&shop);
    knocks.knock(5);
    knocks.wait_for(&client, 5, SOON);
    kubectl(["-n", trace.namespace(), "delete", "pod", "collector", "--wait=false"]).unwrap();
    let (finished, time) = end(client);
    measured("ended after", time);
    assert_eq!(finished.status.code(), Some(1), "{:?}", finished.stderr);
    assert!(lab::capture::says(&finished.stderr, "the collector's pod"), "{:?}", finished.stderr);
    assert_eq!(trace.left().unwrap(), [] as [&str; 0]);
    // What came home is whole: an array that ends, a database without a log beside it.
    assert!(finished.files.records().is_ok());
    assert_eq!(knocks.stored(&finished.files), 5);
    assert_eq!(finished.files.query("PRAGMA integrity_check").unwrap(), "ok");
}

#[test]
fn its_process_is_killed() {
    needs_cluster!();
    let shop = shop();
    let trace = trace("restarted");
    let mut client = running(&capture(&trace));
    let (before, meanwhile, after) = (Knocks::at(&shop), Knocks::at(&shop), Knocks::at(&shop));
    before.knock(5);
    before.wait_for(&client, 5, SOON);
    // What is in memory only is lost with it: a second is enough to have written it.
    std::thread::sleep(Duration::from_secs(3));
    let node = trace.collector_node().unwrap();
    let start = Instant::now();
    trace.kill(&node, "collector").unwrap();
    // Packets of the time without a collector wait at the agents.
    meanwhile.knock(5);
    meanwhile.wait_for(&client, 5, Duration::from_mins(1));
    measured("records of the time without a collector after", start.elapsed());
    client.wait_for("the collector was started again", SOON).unwrap();
    after.knock(5);
    after.wait_for(&client, 5, SOON);
    let heard = [&before, &meanwhile, &after].map(|knocks| knocks.heard(&client));
    assert_eq!(heard, [5, 5, 5], "nothing twice, nothing lost");
    let finished = client.stop().unwrap();
    measured("standard error", &finished.stderr);
    assert_eq!(trace.left().unwrap(), [] as [&str; 0]);
}
