//! Two nodes whose clocks differ: packets stand in the order in which they went, and the file says how the clock stood.

use std::{collections::BTreeMap, path::Path, process::Command, time::Duration};

use lab::cluster::{self, Trace, kubectl};
use serde_json::Value;

use super::{packets::tshark, refusals::state};
use crate::{packets, shop};

/// What an agent is told to be ahead, ms.
const AHEAD: i64 = 50;

/// How far a correction may be wrong, ns: as long as the longest way over the channel of a busy machine.
const NEAR: i64 = 5_000_000;

/// Lets the agent on a node stamp everything too late, by a variable that only tests know; all agents start again.
fn shift(trace: &Trace, node: &str) {
    let variable = format!("OC_NETOBSERV_TEST_CLOCK_AHEAD={node}={AHEAD}");
    kubectl(["-n", trace.namespace(), "set", "env", "daemonset", "--all", &variable]).unwrap();
    let sentence = format!("is shifted by {AHEAD} ms");
    cluster::wait("agents with another clock", Duration::from_secs(90), || {
        let state = state(trace)?;
        let nodes = state["snapshot"]["nodes"].as_array().cloned().unwrap_or_default();
        let is_attached = |node: &Value| node["connected"] == true && node["state"]["Attached"].is_object();
        let notices = state["snapshot"]["notices"].to_string();
        let all_anew = nodes.iter().all(|node| {
            node["node"]
                .as_str()
                .is_some_and(|name| notices.contains(&format!("the agent on {name} was started again")))
        });
        let shifted =
            nodes.iter().find(|found| found["node"] == node).is_some_and(|found| found.to_string().contains(&sentence));
        Ok(nodes.len() == 2 && nodes.iter().all(is_attached) && all_anew && shifted)
    })
    .unwrap();
}

/// How clocks of nodes stood by the descriptions of interfaces: ahead and error, ns. The agents had a life before that, too.
fn clocks(file: &Path) -> BTreeMap<String, Vec<(i64, i64)>> {
    let output = Command::new("capinfos").arg(file).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut found: BTreeMap<String, Vec<(i64, i64)>> = BTreeMap::new();
    for line in text.lines().filter(|line| line.contains("clock.ahead_ns=")) {
        let value = |key: &str| line.split_once(key).and_then(|(_, rest)| rest.split([';', ' ']).next());
        let number = |key: &str| value(key).and_then(|text| text.parse::<i64>().ok());
        let (node, clock) = (value("k8s.node=").unwrap(), (number("clock.ahead_ns="), number("clock.error_ns=")));
        found.entry(node.to_owned()).or_default().push((clock.0.unwrap(), clock.1.unwrap()));
    }
    found
}

/// A packet of a handshake: when it was seen, and which of the three it is.
fn step(flags: u32) -> Option<usize> {
    match flags & 0x17 {
        0x02 => Some(0),
        0x12 => Some(1),
        0x10 => Some(2),
        _ => None,
    }
}

#[test]
fn packets_of_a_node_whose_clock_differs_stand_where_they_belong() {
    needs_cluster!();
    let shop = shop();
    let nodes = cluster::nodes().unwrap();
    let trace = Trace::of(&format!("clocks-{}", std::process::id()));
    let capture = packets().args("--port 80 or --port 8080").arg("--capture-namespace").arg(trace.namespace());
    let running = capture.start().unwrap();
    // That of the server: what it answers would come before it was asked, or the next question before the answer.
    shift(&trace, &nodes[1]);
    shop.requests(20).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    let finished = running.stop().unwrap();
    let file = finished.files.pcapng().unwrap();
    assert_eq!(super::packets::capinfos(file)["Strict time order"], "True");

    let fields = ["frame.time_epoch", "tcp.srcport", "tcp.dstport", "tcp.flags", "frame.interface_name"];
    let mut handshakes: BTreeMap<String, Vec<(usize, f64, String)>> = BTreeMap::new();
    for packet in tshark(file, "tcp", &fields) {
        let flags = u32::from_str_radix(packet[3].trim_start_matches("0x"), 16).unwrap();
        let client = if matches!(&*packet[1], "80" | "8080") { &packet[2] } else { &packet[1] };
        if let Some(step) = step(flags) {
            handshakes.entry(client.clone()).or_default().push((step, packet[0].parse().unwrap(), packet[4].clone()));
        }
    }
    handshakes.retain(|_, steps| steps.iter().any(|(step, ..)| *step == 0));
    assert!(handshakes.len() >= 20, "{handshakes:?}");
    let mut worst = 0.0f64;
    for (client, steps) in &handshakes {
        let nodes = steps.iter().filter_map(|(.., interface)| interface.rsplit_once('@')).map(|(_, node)| node);
        assert_eq!(nodes.collect::<std::collections::BTreeSet<_>>().len(), 2, "{client}: {steps:?}");
        let first = |wanted| {
            steps.iter().filter(|(step, ..)| *step == wanted).map(|(_, time, _)| *time).fold(f64::MAX, f64::min)
        };
        let last =
            |wanted| steps.iter().filter(|(step, ..)| *step == wanted).map(|(_, time, _)| *time).fold(0.0, f64::max);
        worst = worst.max(last(0) - first(1)).max(last(1) - first(2));
    }
    eprintln!("{} handshakes, worst {:.0} us out of order; {:?}", handshakes.len(), worst * 1e6, clocks(file));
    let clocks = clocks(file);
    let is_near = |ahead: i64, (told, error): (i64, i64)| (told - ahead).abs() <= error && error < NEAR;
    assert!(clocks[&nodes[1]].iter().any(|clock| is_near(AHEAD * 1_000_000, *clock)), "{clocks:?}");
    assert!(clocks[&nodes[0]].iter().all(|clock| is_near(0, *clock)), "{clocks:?}");
    // No clock is known more exactly than that; without the correction this would be 50 ms.
    let error: i64 = clocks.values().filter_map(|clocks| clocks.iter().map(|(_, error)| *error).max()).sum();
    assert!(worst * 1e9 <= error as f64, "a handshake is out of order by {worst} s, {clocks:?}");
}
