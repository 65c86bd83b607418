//! Packets of a cluster: one file of both nodes that others read well, a stream of it, and a cluster that stays idle.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use lab::{Capture, cluster};

use crate::{packets, program, shop};

/// Fields of the packets of `file`, a line each; fails on any warning.
pub(super) fn tshark(file: &Path, filter: &str, fields: &[&str]) -> Vec<Vec<String>> {
    let mut command = Command::new("tshark");
    command.args(["-r"]).arg(file).args(["-n", "-Y", filter, "-T", "fields"]);
    command.args(fields.iter().flat_map(|field| ["-e", field]));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let complaints: Vec<&str> = said.lines().filter(|line| !line.starts_with("Running as user")).collect();
    assert!(output.status.success() && complaints.is_empty(), "{complaints:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

/// What capinfos says, by the words before the colon.
pub(super) fn capinfos(file: &Path) -> BTreeMap<String, String> {
    let output = Command::new("capinfos").arg(file).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()
}

/// The node in a name like `shop/web:eth0@n1`.
fn node(interface: &str) -> &str {
    interface.rsplit_once('@').map_or("", |(_, node)| node)
}

#[test]
fn one_file_of_both_nodes_in_order() {
    needs_cluster!();
    let shop = shop();
    let capture = packets().args("--port 80 or --port 8080").start().unwrap();
    shop.requests(20).unwrap();
    thread::sleep(Duration::from_secs(2));
    let finished = capture.stop().unwrap();
    let file = finished.files.pcapng().unwrap();
    let infos = capinfos(file);
    assert_eq!(infos["Strict time order"], "True", "{infos:?}");

    let seen = tshark(file, "tcp", &["frame.interface_name", "ip.src", "tcp.srcport", "tcp.dstport", "tcp.flags.syn"]);
    assert_eq!(infos["Number of packets"].split_whitespace().next(), Some(&*seen.len().to_string()));
    let nodes: BTreeSet<&str> = seen.iter().map(|packet| node(&packet[0])).collect();
    assert_eq!(nodes, cluster::nodes().unwrap().iter().map(String::as_str).collect(), "{seen:?}");
    let client = shop.address("app=client").unwrap();
    // Each request is a connection: its packets on their way to the pod were seen on both nodes.
    let mut requests: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for packet in seen.iter().filter(|packet| packet[1] == client && packet[3] == "8080") {
        requests.entry(&packet[2]).or_default().insert(node(&packet[0]));
    }
    assert_eq!(requests.len(), 20);
    assert!(requests.values().all(|nodes| nodes.len() == 2), "{requests:?}");
    assert!(
        seen.iter().all(|packet| [&packet[2], &packet[3]].iter().any(|port| matches!(port.as_str(), "80" | "8080")))
    );
}

#[test]
fn a_stream_into_tshark() {
    needs_cluster!();
    let shop = shop();
    let before = cluster::leftovers().unwrap();
    let home = tempfile::tempdir().unwrap();
    let out = fs::File::create(home.path().join("lines")).unwrap();
    let line = format!(
        "{} packets --port 8080 -w - --max-time 20s --output-dir . | tshark -l -n -r - -T fields -e tcp.srcport -e tcp.dstport -e frame.interface_name",
        program()
    );
    let mut pipe = Command::new("sh");
    let mut child =
        pipe.args(["-c", &line]).current_dir(home.path()).stdout(out).stderr(Stdio::null()).spawn().unwrap();
    let lines = || fs::read_to_string(home.path().join("lines")).unwrap();
    // They come while it runs, not when it has ended.
    cluster::wait("packets in the pipe", Duration::from_secs(40), || {
        shop.requests(1)?;
        Ok(lines().lines().count() > 20)
    })
    .unwrap();
    assert!(child.try_wait().unwrap().is_none(), "it has ended before anything came");
    assert!(child.wait().unwrap().success());
    let lines = lines();
    assert!(lines.lines().all(|line| line.contains("8080")), "{lines}");
    assert_eq!(cluster::leftovers_since(&before).unwrap(), [] as [&str; 0]);
}

/// Packets of connections to kubelets, and all packets, in a capture of everything for some seconds.
fn to_kubelets(capture: &Capture) -> (usize, usize) {
    let running = capture.spawn().unwrap();
    let finished = running.wait().unwrap();
    assert!(finished.status.success(), "{:?}", finished.stderr);
    let file = finished.files.pcapng().unwrap();
    let seen = tshark(file, "tcp.port == 10250", &["frame.time_relative", "tcp.port"]).len();
    let all = tshark(file, "frame", &["frame.number"]).len();
    eprintln!("{seen} packets to kubelets, {all} in all");
    (seen, all)
}

/// Alone on a cluster, only our own client makes its kubelets talk to the API server at length; and what agents send to the
/// collector would be sent again and again, were it captured.
#[test]
fn an_idle_cluster_stays_idle() {
    needs_cluster!();
    let lines = to_kubelets(&packets().args("-o wide --max-time 15s"));
    let stream = to_kubelets(&packets().args("-w - --max-time 15s"));
    let own = to_kubelets(&packets().args("-w - --max-time 15s --include-self"));
    for (seen, all) in [lines, stream] {
        assert!(seen <= MOST, "{seen} packets of our own");
        assert!(own.1 > 4 * all, "what is left out is there: {} against {all}", own.1);
    }
}

/// Most packets of our own that may be seen: some twenty for each command in the collector's pod, until its connection is
/// known to be ours.
const MOST: usize = 120;

/// One request goes through a Service to a pod of the other node: both nodes see it at the pod's interface, on the bridge and at the
/// uplink, before and after translation, and it is one packet everywhere.
#[test]
fn a_packet_has_one_id_names_and_its_service_at_every_point() {
    needs_cluster!();
    let shop = shop();
    let capture = packets().args("--port 80 or --port 8080").start().unwrap();
    shop.requests(3).unwrap();
    thread::sleep(Duration::from_secs(3));
    let finished = capture.stop().unwrap();
    let file = finished.files.pcapng().unwrap();
    let client = shop.address("app=client").unwrap();
    let syns = format!("ip.src == {client} && tcp.flags == 0x002");
    let fields = ["frame.packet_id", "ip.dst", "frame.comment", "frame.interface_name", "tcp.seq_raw"];
    let seen = tshark(file, &syns, &fields);
    let first = seen.first().unwrap();
    let copies: Vec<_> = seen.iter().filter(|packet| packet[4] == first[4]).collect();
    let service = shop.service().unwrap();
    let before = copies.iter().filter(|packet| packet[1] == service).count();
    assert!(
        before >= 1 && copies.len() - before >= 4,
        "before and after translation, at four points at least: {seen:?}"
    );
    assert!(copies.iter().all(|packet| packet[0] == first[0] && !packet[0].is_empty()), "{copies:?}");
    let namespace = shop.namespace();
    let names = [format!("src={namespace}/client"), format!("svc={namespace}/web")];
    assert!(copies.iter().all(|packet| names.iter().all(|name| packet[2].contains(name))), "{copies:?}");
    let ids: BTreeSet<&str> = seen.iter().map(|packet| &*packet[0]).collect();
    assert_eq!(ids.len(), 3, "each request has its own: {seen:?}");
    let pod = format!("{namespace}/client:eth0@");
    assert!(copies.iter().any(|packet| packet[3].starts_with(&pod)), "{copies:?}");
}

#[test]
fn dedup_leaves_one_copy_of_each_packet() {
    needs_cluster!();
    let shop = shop();
    let capture = packets().args("--dedup --port 80 or --port 8080").start().unwrap();
    shop.requests(3).unwrap();
    thread::sleep(Duration::from_secs(3));
    let finished = capture.stop().unwrap();
    let client = shop.address("app=client").unwrap();
    let syns = format!("ip.src == {client} && tcp.flags == 0x002");
    let seen = tshark(finished.files.pcapng().unwrap(), &syns, &["frame.packet_id", "ip.dst"]);
    let service = shop.service().unwrap();
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert!(seen.iter().all(|packet| packet[1] == service), "the first in time, before translation: {seen:?}");
}
