//! The API server stands still, a node goes away.

use std::time::{Duration, Instant};

use lab::cluster::{
    self,
    disturb::{self, CutOff, Halt},
};

use super::{Knocks, SOON, capture, end, measured, running, trace};
use crate::shop;

#[test]
fn the_api_server_stands_still_for_twenty_seconds() {
    needs_cluster!();
    if disturb::api_server().is_none() {
        lab::need::skip("needs an API server on this machine");
        return;
    }
    let shop = shop();
    let trace = trace("api");
    let client = running(&capture(&trace));
    let knocks = Knocks::at(&shop);
    knocks.knock_slowly(30);
    knocks.wait_for(&client, 1, SOON);
    let agents = trace.agents().unwrap();
    let halt = Halt::api_server().unwrap();
    let start = Instant::now();
    std::thread::sleep(Duration::from_secs(20));
    drop(halt);
    // More than the lease has passed: the guardian does not count it.
    knocks.wait_for(&client, 30, Duration::from_secs(40));
    measured("records of the time without an API server after", start.elapsed());
    assert_eq!(trace.agents().unwrap(), agents, "the same agents, the capture goes on");
    let finished = client.stop().unwrap();
    assert_eq!(trace.left().unwrap(), [] as [&str; 0]);
    assert_eq!(knocks.stored(&finished.files), 30);
}

#[test]
fn a_node_goes_away() {
    needs_cluster!();
    let shop = shop();
    let trace = trace("node");
    let mut client = running(&capture(&trace));
    let there = trace.collector_node().unwrap();
    let nodes = cluster::nodes().unwrap();
    let lost = nodes.iter().find(|node| **node != there).unwrap().clone();
    let knocks = Knocks::at(&shop);
    knocks.knock(1);
    knocks.wait_for(&client, 1, SOON);
    let cut = CutOff::node(&lost).unwrap();
    let start = Instant::now();
    client.wait_for(&format!("the agent on {lost} is lost"), Duration::from_secs(30)).unwrap();
    measured("said after", start.elapsed());
    // The other one goes on.
    let lines = client.stdout().unwrap().lines().count();
    cluster::wait(
        "records of the other node",
        Duration::from_secs(20),
        || Ok(client.stdout()?.lines().count() > lines),
    )
    .unwrap();
    // Nobody comes for it: it ends by itself.
    measured("it detached after", {
        cluster::wait("its end", Duration::from_secs(30), || Ok(trace.processes(&lost, "agent")?.is_empty())).unwrap();
        start.elapsed()
    });
    client.signal(libc::SIGINT);
    let (finished, time) = end(client);
    measured("cleaned up after", time);
    assert_eq!(finished.status.code(), Some(3), "{:?}", finished.stderr);
    assert!(lab::capture::says(&finished.stderr, format!("node {lost}")), "{:?}", finished.stderr);
    assert!(time < Duration::from_mins(1), "{time:?}");
    drop(cut);
    cluster::wait("the node", Duration::from_mins(1), || {
        let ready = "jsonpath={.status.conditions[?(@.type==\"Ready\")].status}";
        Ok(cluster::kubectl(["get", "node", &lost, "-o", ready])? == "True")
    })
    .unwrap();
    measured("nothing left after", trace.wait_until_gone(Duration::from_mins(1)).unwrap());
}
