//! An agent is killed: it comes back, says so, counts nothing twice, and leaves nothing on its node.

use std::time::{Duration, Instant};

use lab::cluster::{self, Trace, on_node};

use super::{Knocks, SOON, capture, measured, running, trace};
use crate::{flows, shop};

#[test]
fn it_comes_back_and_counts_nothing_twice() {
    needs_cluster!();
    let shop = shop();
    let trace = trace("agent");
    let mut client = running(&capture(&trace));
    let nodes = cluster::nodes().unwrap();
    let (before, meanwhile, after) = (Knocks::at(&shop), Knocks::at(&shop), Knocks::at(&shop));
    before.knock(10);
    before.wait_for(&client, 10, SOON);
    std::thread::sleep(Duration::from_secs(1));
    let start = Instant::now();
    kill_agent(&trace, &nodes[0]);
    measured("another agent after", start.elapsed());
    client.wait_for(&format!("the agent on {} is lost", nodes[0]), SOON).unwrap();
    client.wait_for(&format!("the agent on {} was started again", nodes[0]), SOON).unwrap();
    cluster::wait("packets of the node again", SOON, || {
        meanwhile.knock(1);
        Ok(meanwhile.heard(&client) > 0)
    })
    .unwrap();
    // Both nodes see it, and name the one that they see it first at.
    after.knock(10);
    after.wait_for(&client, 10, SOON);
    let finished = client.stop().unwrap();
    assert_eq!(trace.left().unwrap(), [] as [&str; 0]);
    assert_eq!([&before, &after].map(|knocks| knocks.stored(&finished.files)), [10, 10]);
    let nodes = format!(
        "SELECT count(DISTINCT node) FROM observation WHERE record IN (SELECT id FROM flow WHERE DstPort = {})",
        after.port
    );
    assert_eq!(finished.files.query(&nodes).unwrap(), "2", "both nodes observe again");
}

/// Kills it and waits for another one.
fn kill_agent(trace: &Trace, node: &str) {
    let killed = trace.kill(node, "agent").unwrap();
    let another = || Ok(trace.processes(node, "agent")?.iter().any(|pid| *pid != killed));
    cluster::wait("another agent", Duration::from_mins(1), another).unwrap();
}

/// Filters of tc and qdiscs on both nodes, which no process holds.
fn hooks() -> Vec<String> {
    let script = "for i in $(ls /sys/class/net); do \
                    tc filter show dev $i ingress; tc filter show dev $i egress; \
                  done 2>/dev/null | grep -i netobserv; tc qdisc show | grep clsact; true";
    let nodes = cluster::nodes().unwrap();
    nodes
        .iter()
        .flat_map(|node| {
            on_node(node, &["sh", "-c", script])
                .unwrap()
                .lines()
                .map(|line| format!("{node}: {line}"))
                .collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn with_clsact_nothing_stays_on_nodes() {
    needs_cluster!();
    let shop = shop();
    let nodes = cluster::nodes().unwrap();
    let before = hooks();
    let trace = trace("clsact");
    let ours =
        || flows().args("--tc-attach tc -o json --lease 10s --keep 5s --capture-namespace").arg(trace.namespace());
    let client = running(&ours());
    assert!(hooks().len() > before.len(), "filters of tc");
    let knocks = Knocks::at(&shop);
    knocks.knock(1);
    knocks.wait_for(&client, 1, SOON);
    client.stop().unwrap();
    assert_eq!(hooks(), before, "after an ordinary end");

    // Killed, it comes back and takes over.
    let client = running(&ours());
    kill_agent(&trace, &nodes[0]);
    let knocks = Knocks::at(&shop);
    cluster::wait("packets", SOON, || {
        knocks.knock(1);
        Ok(knocks.heard(&client) > 0)
    })
    .unwrap();
    client.stop().unwrap();
    assert_eq!(hooks(), before, "after an agent was killed");
}

/// Killed again and again, it is made to wait by kubelet; if the capture ends meanwhile, its filters stay, and that is said.
#[test]
fn with_clsact_what_stays_is_named_and_taken_away_by_the_next() {
    needs_cluster!();
    let node = cluster::nodes().unwrap().remove(0);
    let before = hooks();
    let trace = trace("stays");
    let ours =
        || flows().args("--tc-attach tc -o json --lease 10s --keep 5s --capture-namespace").arg(trace.namespace());
    let client = running(&ours());
    for _ in 0..4 {
        let killed = trace.kill(&node, "agent").unwrap();
        let back = || Ok(is_waiting(&trace) || trace.processes(&node, "agent")?.iter().any(|pid| *pid != killed));
        cluster::wait("another agent, or none for a while", 2 * SOON, back).unwrap();
        if is_waiting(&trace) {
            break;
        }
        // Long enough to attach.
        std::thread::sleep(Duration::from_secs(2));
    }
    client.signal(libc::SIGINT);
    let (finished, time) = super::end(client);
    measured("ended after", time);
    assert_eq!(trace.left().unwrap(), [] as [&str; 0]);
    let stays = hooks().len() > before.len();
    let named = lab::capture::says(&finished.stderr, format!("node {node}: its agent was killed"));
    eprintln!("filters stayed: {stays}, which was said: {named}");
    assert!(named || !stays, "{:?}", finished.stderr);
    assert_eq!(finished.status.code(), Some(if named { 3 } else { 0 }), "{:?}", finished.stderr);
    running(&ours()).stop().unwrap();
    assert_eq!(hooks(), before);
}

/// Whether an agent's container does not run, by what kubelet says.
fn is_waiting(trace: &Trace) -> bool {
    let pods = cluster::items(&format!("-n {} pods -l app.kubernetes.io/component=agent", trace.namespace()));
    pods.unwrap().iter().any(|pod| pod["status"]["containerStatuses"][0]["state"]["running"].is_null())
}
