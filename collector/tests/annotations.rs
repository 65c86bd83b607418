//! What is known of packets, as Wireshark's programs show, filter and keep it: from the file, and from a pipe that grows.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use collector::bench::{self, data};
use flow::{Batch, Body, Drop, FlowRecord, Interface, InterfaceCounts, Packet, Place, Sink as _, Stop, config::Mode};
use tempfile::TempDir;

/// Wireshark's programs, all of them or none.
fn has_wireshark() -> bool {
    let tools = ["tshark", "capinfos", "editcap", "mergecap", "dumpcap"];
    let missing = tools.iter().find(|tool| Command::new(tool).arg("--version").output().is_err());
    if let Some(tool) = missing {
        println!("SKIP: {tool} is not installed");
    }
    missing.is_none()
}

/// Runs a program that must succeed; what it says on standard error, but for what it always says, is nothing.
fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let errors: Vec<_> = errors.lines().filter(|line| !line.starts_with("Running as user")).collect();
    assert!(output.status.success() && errors.is_empty(), "{program} {args:?}: {errors:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[expect(clippy::unnecessary_wraps, reason = "as the fields are")]
fn text(text: &str) -> Option<Arc<str>> {
    Some(text.into())
}

/// From the pod `shop/web-7d9` to `db/pg-0`, through the service `db/pg`.
fn ends() -> Arc<FlowRecord> {
    Arc::new(FlowRecord {
        src_addr: "10.0.0.1".parse().ok(),
        dst_addr: "10.0.0.2".parse().ok(),
        src_k8s_type: text("Pod"),
        src_k8s_namespace: text("shop"),
        src_k8s_name: text("web-7d9"),
        src_k8s_owner_type: text("Deployment"),
        src_k8s_owner_name: text("web"),
        dst_k8s_type: text("Pod"),
        dst_k8s_namespace: text("db"),
        dst_k8s_name: text("pg-0"),
        dst_k8s_owner_type: text("StatefulSet"),
        dst_k8s_owner_name: text("pg"),
        xlat_dst_k8s_name: text("pg"),
        xlat_dst_k8s_namespace: text("db"),
        src_pid: Some(41),
        src_process: text("nginx"),
        ..FlowRecord::default()
    })
}

/// Forty packets of a node, each fourth without anything known, the fifth dropped; ids are their numbers and one more.
fn batch(node: &str, place: Option<(&str, &str)>) -> Batch {
    let mut batch = Batch { node: node.into(), ..data::packets(0, 0, 40, 100) };
    let place = place.map(|(namespace, pod)| {
        let workload = "Deployment/web".into();
        let (namespace, pod) = (namespace.into(), pod.into());
        Arc::new(Place {
            namespace,
            pod,
            uid: "u".into(),
            interface: "eth0".into(),
            workload,
            labels: "app=web".into(),
        })
    });
    batch.interfaces = vec![Interface { place, speed: 10_000_000_000, ..data::interface(0, "") }];
    batch.interface_counts.push(InterfaceCounts { interface: 0, delivered: 40, lost: 6 });
    batch.secrets.push("CLIENT_RANDOM 00 11".into());
    let Body::Packets(body) = &mut batch.body else { unreachable!() };
    body.ends = vec![ends()];
    for (n, packet) in body.packets.iter_mut().enumerate() {
        (packet.id, packet.ends) = (n as u64 + 1, if n % 4 == 3 { Packet::NO_ENDS } else { 0 });
        packet.time_ns += if node == "n1" { 0 } else { 700 };
    }
    body.drops.push(Drop { packet: 4, cause: "NETFILTER_DROP".into() });
    body.drops.push(Drop { packet: 5, cause: "TC_INGRESS".into() });
    batch
}

/// A capture of two nodes.
fn capture() -> (TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let mut config = data::config(Mode::Packets);
    config.rules.push(flow::Rule { protocol: Some(17), ..flow::Rule::default() });
    let options = collector::Options { origin: collector::Origin::Relay, ..bench::options(config, dir.path()) };
    let started = collector::start(options, Stop::default()).unwrap();
    let mut input = started.input;
    input.deliver(batch("n1", Some(("shop", "web-7d9")))).unwrap();
    input.deliver(batch("n2", None)).unwrap();
    let summary = started.collector.finish();
    let file = summary.files[0].path.to_str().unwrap().to_owned();
    (dir, file)
}

/// How many packets a display filter takes.
fn count(file: &str, filter: &str) -> usize {
    run("tshark", &["-n", "-r", file, "-Y", filter]).lines().count()
}

/// Display filters, and how many packets of [`capture`] each takes.
const FILTERS: [(&str, usize); 10] = [
    ("frame.interface_name contains \"shop/web\"", 40),
    ("frame.interface_name == \"shop/web-7d9:eth0@n1\"", 40),
    ("frame.interface_name == \"eth0@n2\"", 40),
    ("frame.interface_description contains \"k8s.workload=Deployment/web\"", 40),
    ("frame.comment contains \"src=shop/web-7d9:Deployment/web\"", 60),
    ("frame.comment contains \"svc=db/pg\" && frame.comment contains \"comm=nginx\"", 60),
    ("frame.comment contains \"drop=NETFILTER_DROP\"", 2),
    ("frame.packet_id == 7", 2),
    ("frame.drop_count == 6", 2),
    ("frame.packet_flags_direction == 2", 40),
];

fn check_filters(file: &str) {
    for (filter, expected) in FILTERS {
        assert_eq!(count(file, filter), expected, "{filter}");
    }
}

#[test]
fn wireshark_filters_by_names_ids_drops_and_verdicts() {
    if !has_wireshark() {
        return;
    }
    let (_dir, file) = capture();
    check_filters(&file);
    assert_eq!(run("tshark", &["-n", "-r", &file, "-Y", "_ws.malformed || _ws.expert.severity == 8388608"]), "");
    let resolved = |filter: &str| run("tshark", &["-N", "n", "-r", &file, "-Y", filter]).lines().count();
    assert_eq!((resolved("ip.src_host == \"web-7d9.shop\""), resolved("ip.host == \"pg-0.db\"")), (80, 80));
}

#[test]
fn capinfos_tells_statistics_and_what_was_asked() {
    if !has_wireshark() {
        return;
    }
    let (_dir, file) = capture();
    let infos = run("capinfos", &["-M", &file]);
    for expected in [
        "Number of packets:   80",
        "Capture comment:     command: bench",
        "start: 20",
        "nodes: n1",
        "oc-netobserv",
        "Name = shop/web-7d9:eth0@n1",
        "Speed = 10000000000",
        "Filter string = --action=Accept --protocol=17",
        "nanoseconds (9)",
        "Number of stat entries = 1",
        "Number of packets = 40",
        "Number of resolved IPv4 addresses in file: 2",
        "Number of decryption secrets in file: 2",
    ] {
        assert!(infos.contains(expected), "no `{expected}` in {infos}");
    }
}

/// What the file keeps of names, statistics and secrets: one line for each kind.
fn kept(file: &Path) -> Vec<String> {
    let infos = run("capinfos", &["-M", file.to_str().unwrap()]);
    let lines = infos.lines().map(str::trim);
    let wanted = ["Number of resolved IPv4", "Number of decryption secrets", "Number of stat entries"];
    lines.filter(|line| wanted.iter().any(|start| line.starts_with(start))).map(str::to_owned).collect()
}

#[test]
fn editcap_and_mergecap_keep_packets_interfaces_comments_ids_and_drop_counts() {
    if !has_wireshark() {
        return;
    }
    let (dir, file) = capture();
    let path = |name: &str| -> PathBuf { dir.path().join(name) };
    let (edited, merged) = (path("edited.pcapng"), path("merged.pcapng"));
    run("editcap", &[&file, edited.to_str().unwrap()]);
    check_filters(edited.to_str().unwrap());
    run("mergecap", &["-w", merged.to_str().unwrap(), &file]);
    check_filters(merged.to_str().unwrap());
    println!("{}", run("editcap", &["--version"]).lines().next().unwrap_or_default());
    println!("in the file: {:?}", kept(Path::new(&file)));
    println!("after editcap: {:?}\nafter mergecap: {:?}", kept(&edited), kept(&merged));
}

/// Runs `program` with the file as it would come through a pipe: in pieces that end anywhere.
fn feed(program: &str, args: &[&str], file: &str) -> String {
    let bytes = fs::read(file).unwrap();
    let (input, output) = (Stdio::piped(), Stdio::piped());
    let mut child = Command::new(program).args(args).stdin(input).stdout(output).stderr(Stdio::null()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let writer = thread::spawn(move || {
        for piece in bytes.chunks(bytes.len() / 7 + 1) {
            pipe.write_all(piece).unwrap();
            pipe.flush().unwrap();
            thread::sleep(Duration::from_millis(30));
        }
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "{program} {args:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_pipe_that_grows_tells_the_same() {
    if !has_wireshark() {
        return;
    }
    let (dir, file) = capture();
    let filter = "frame.interface_name contains \"shop/web\" && frame.comment contains \"svc=db/pg\"";
    assert_eq!(feed("tshark", &["-n", "-r", "-", "-Y", filter], &file).lines().count(), 30);
    // -l: a line for each packet as it comes. Without -w it goes through dumpcap.
    assert_eq!(feed("tshark", &["-n", "-l", "-i", "-", "-Y", filter], &file).lines().count(), 30);
    let copy = dir.path().join("copy.pcapng");
    feed("dumpcap", &["-q", "-i", "-", "-w", copy.to_str().unwrap()], &file);
    check_filters(copy.to_str().unwrap());
}

#[test]
fn another_reader_agrees() {
    let (_dir, file) = capture();
    let mut reader = pcap_file::pcapng::PcapNgReader::new(fs::File::open(file).unwrap()).unwrap();
    let (mut names, mut comments, mut interfaces) = (0, 0, Vec::new());
    while let Some(block) = reader.next_block() {
        use pcap_file::pcapng::{
            Block,
            blocks::{enhanced_packet::EnhancedPacketOption, interface_description::InterfaceDescriptionOption},
        };
        match block.unwrap() {
            Block::NameResolution(block) => names += block.records.len(),
            Block::InterfaceDescription(block) => {
                let name = block.options.iter().find_map(|option| match option {
                    InterfaceDescriptionOption::IfName(name) => Some(name.to_string()),
                    _ => None,
                });
                interfaces.push(name.unwrap());
            }
            Block::EnhancedPacket(block) => {
                comments += block.options.iter().filter(|one| matches!(one, EnhancedPacketOption::Comment(_))).count();
            }
            _ => {}
        }
    }
    assert_eq!((names, comments), (2, 60));
    assert_eq!(interfaces, ["shop/web-7d9:eth0@n1", "eth0@n2"]);
}
