//! Packets that the kernel drops, with their reasons.

use std::{
    net::{SocketAddr, UdpSocket},
    process::Command,
    thread,
    time::Duration,
};

use lab::{
    Finished, Netns, Pair,
    need::{self, output_of},
    needs,
    netns::run,
    sockets::closed_port,
};
use serde_json::Value;

use crate::{flows, packets};

const NO_SOCKET: &str = "SKB_DROP_REASON_NO_SOCKET";
const NETFILTER: &str = "SKB_DROP_REASON_NETFILTER_DROP";

/// Whether this kernel says why it drops (Linux 5.17).
fn has_reasons() -> bool {
    let has = need::kernel() >= (5, 17);
    if !has {
        need::skip("this kernel gives no reasons of drops (Linux 5.17)");
    }
    has
}

/// Sends datagrams of 100 bytes of payload; what the socket says of it is of no interest.
fn send(from: &Netns, to: SocketAddr, count: usize) {
    let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = from.run(|| Ok(UdpSocket::bind(any)?)).unwrap();
    for _ in 0..count {
        // An answer that the port is closed is told by the next call, which sends nothing then.
        if socket.send_to(&[7; 100], to).is_err() {
            let _ = socket.send_to(&[7; 100], to);
        }
    }
    thread::sleep(Duration::from_millis(100));
}

/// A chain at a hook that drops what goes to a port.
fn forbid(netns: &Netns, hook: &str, port: u16) {
    let rule = format!("udp dport {port} counter drop");
    let script = format!("table inet t {{ chain c {{ type filter hook {hook} priority 0; {rule}; }}; }}");
    run(netns.command("nft").arg(script)).unwrap();
}

/// How many packets the rule of [`forbid`] has dropped.
fn forbidden(netns: &Netns) -> u64 {
    let text = output_of(netns.command("nft").args(["list", "chain", "inet", "t", "c"])).unwrap();
    let mut words = text.split_whitespace().skip_while(|word| *word != "packets").skip(1);
    words.next().unwrap().parse().unwrap()
}

/// Sum of a field of the records to a port.
fn sum(records: &[Value], port: u16, field: &str) -> u64 {
    let of_port = records.iter().filter(|record| record["DstPort"] == port);
    of_port.filter_map(|record| record[field].as_u64()).sum()
}

/// Causes in the records to a port, each once.
fn causes(records: &[Value], port: u16) -> Vec<String> {
    let of_port = records.iter().filter(|record| record["DstPort"] == port);
    let mut causes: Vec<String> =
        of_port.filter_map(|record| record["PktDropLatestDropCause"].as_str().map(str::to_owned)).collect();
    causes.sort_unstable();
    causes.dedup();
    causes
}

fn records(finished: &Finished) -> Vec<Value> {
    finished.files.records().unwrap()
}

#[test]
fn a_closed_port_is_named_for_both_protocols_and_families() {
    needs!("ethtool");
    if !has_reasons() {
        return;
    }
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(60).unwrap();
    let capture = flows().of(&pair.b, "b0").args("--enable-pkt-drop").start().unwrap();
    send(&pair.a, SocketAddr::new(pair.v4(2), 7001), 40);
    send(&pair.a, SocketAddr::new(pair.v6(2), 7002), 40);
    closed_port(&pair.a, SocketAddr::new(pair.v4(2), 7003)).unwrap();
    closed_port(&pair.a, SocketAddr::new(pair.v6(2), 7004)).unwrap();
    let records = records(&capture.stop().unwrap());
    for (port, length) in [(7001, 14 + 20 + 8 + 100), (7002, 14 + 40 + 8 + 100)] {
        let (dropped, bytes) = (sum(&records, port, "PktDropPackets"), sum(&records, port, "PktDropBytes"));
        assert_eq!((dropped, bytes), (40, 40 * length), "{port}: {records:#?}");
        assert_eq!(sum(&records, port, "Packets"), 40);
        assert_eq!(causes(&records, port), [NO_SOCKET]);
    }
    for port in [7003, 7004] {
        assert_eq!(sum(&records, port, "PktDropPackets"), 1, "{port}: {records:#?}");
        assert_eq!(causes(&records, port), [NO_SOCKET]);
        // An interval may have ended between the packet and its drop.
        let told = |record: &&Value| record["DstPort"] == port && record["PktDropPackets"].is_u64();
        let syn = records.iter().find(told).unwrap();
        assert_eq!(syn["PktDropLatestFlags"], 2, "the SYN");
    }
}

#[test]
fn drops_by_rules_are_as_many_as_nft_counts() {
    needs!("ethtool", "nft");
    if !has_reasons() {
        return;
    }
    let _turn = need::beside_others().unwrap();
    for (net, hook, seen) in [(61, "input", 30), (62, "output", 0)] {
        let pair = Pair::new(net).unwrap();
        let (place, interface) = if hook == "output" { (&pair.a, "a0") } else { (&pair.b, "b0") };
        let target = SocketAddr::new(pair.v4(2), 7010);
        let _receiver = pair.b.run(|| Ok(UdpSocket::bind(target)?)).unwrap();
        forbid(place, hook, 7010);
        let capture = flows().of(place, interface).args("--enable-pkt-drop").start().unwrap();
        send(&pair.a, target, 30);
        let dropped = forbidden(place);
        let records = records(&capture.stop().unwrap());
        eprintln!("{hook}: nft dropped {dropped}");
        assert!(dropped >= 30);
        assert_eq!(sum(&records, 7010, "PktDropPackets"), dropped, "{records:#?}");
        assert_eq!(sum(&records, 7010, "Packets"), seen, "at OUTPUT no interface sees it");
        assert_eq!(causes(&records, 7010), [NETFILTER]);
    }
}

#[test]
fn a_forwarded_packet_that_a_rule_drops_is_told_by_the_router() {
    needs!("ethtool", "nft");
    if !has_reasons() {
        return;
    }
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(63).unwrap();
    pair.b.sysctl("net/ipv4/ip_forward", "1").unwrap();
    pair.b.ip("addr add 198.51.100.1/24 dev lo").unwrap();
    pair.b.ip("link set lo up").unwrap();
    pair.b.ip("route add 203.0.113.0/24 dev lo").unwrap();
    pair.a.ip("route add 203.0.113.0/24 via 10.63.0.2").unwrap();
    forbid(&pair.b, "forward", 7020);
    let capture = flows().of(&pair.b, "b0").args("--enable-pkt-drop").start().unwrap();
    send(&pair.a, "203.0.113.9:7020".parse().unwrap(), 25);
    let dropped = forbidden(&pair.b);
    let records = records(&capture.stop().unwrap());
    assert_eq!(dropped, 25);
    assert_eq!(sum(&records, 7020, "PktDropPackets"), dropped, "{records:#?}");
    assert_eq!(sum(&records, 7020, "Packets"), 25);
    assert_eq!(causes(&records, 7020), [NETFILTER]);
}

/// What tc counted for a queue, once nothing waits there any more: before Linux 6.6 the removal of our clsact qdisc
/// resets the interface's queues, and what waits there is dropped without being counted by them.
fn emptied(netns: &Netns, interface: &str) -> String {
    let mut told = String::new();
    for _ in 0..200 {
        told = output_of(netns.command("tc").args(["-s", "qdisc", "show", "dev", interface, "root"])).unwrap();
        if told.contains("backlog 0b 0p") {
            return told;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("the queue does not empty: {told}");
}

#[test]
fn a_full_queue_is_named() {
    needs!("ethtool", "tc");
    if !has_reasons() {
        return;
    }
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(64).unwrap();
    let target = SocketAddr::new(pair.v4(2), 7030);
    let _receiver = pair.b.run(|| Ok(UdpSocket::bind(target)?)).unwrap();
    let queue = ["qdisc", "add", "dev", "a0", "root", "tbf", "rate", "8kbit", "burst", "1600", "limit", "1600"];
    run(pair.a.command("tc").args(queue)).unwrap();
    let capture = flows().of(&pair.a, "a0").args("--enable-pkt-drop").start().unwrap();
    send(&pair.a, target, 300);
    let told = emptied(&pair.a, "a0");
    let records = records(&capture.stop().unwrap());
    let mut words = told.split_whitespace().skip_while(|word| *word != "(dropped").skip(1);
    let dropped: u64 = words.next().unwrap().trim_end_matches(',').parse().unwrap();
    eprintln!("the queue dropped {dropped}");
    assert!(dropped > 200, "{told}");
    assert_eq!(sum(&records, 7030, "PktDropPackets"), dropped, "{records:#?}");
    assert_eq!(sum(&records, 7030, "Packets"), 300, "they were counted before the queue");
    assert!(
        causes(&records, 7030).iter().all(|cause| cause.contains("QDISC") || cause.contains("TC_")),
        "{records:#?}"
    );
}

#[test]
fn drops_alone_are_shown_and_rules_hold_for_them() {
    needs!("ethtool");
    if !has_reasons() {
        return;
    }
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(65).unwrap();
    let open = SocketAddr::new(pair.v4(2), 7040);
    let _receiver = pair.b.run(|| Ok(UdpSocket::bind(open)?)).unwrap();
    let capture = flows().of(&pair.b, "b0").args("--drops --port 7040,7041").start().unwrap();
    send(&pair.a, open, 20);
    send(&pair.a, SocketAddr::new(pair.v4(2), 7041), 20);
    send(&pair.a, SocketAddr::new(pair.v4(2), 7042), 20);
    let records = records(&capture.stop().unwrap());
    assert_eq!(sum(&records, 7041, "PktDropPackets"), 20, "{records:#?}");
    assert!(records.iter().all(|record| record["DstPort"] == 7041), "{records:#?}");
    assert!(records.iter().all(|record| record["Packets"].is_null()), "no packets were counted: {records:#?}");
}

#[test]
fn the_dropped_packet_itself_is_in_the_file_with_its_reason() {
    needs!("ethtool", "tshark");
    if !has_reasons() {
        return;
    }
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(66).unwrap();
    let capture = packets().of(&pair.b, "b0").args("--drops --port 7050").start().unwrap();
    send(&pair.a, SocketAddr::new(pair.v4(2), 7050), 15);
    send(&pair.a, SocketAddr::new(pair.v6(2), 7050), 15);
    let finished = capture.stop().unwrap();
    let file = finished.files.pcapng().unwrap();
    let fields =
        ["-T", "fields", "-e", "frame.interface_name", "-e", "frame.len", "-e", "udp.dstport", "-e", "frame.comment"];
    let text = output_of(Command::new("tshark").arg("-r").arg(file).args(fields)).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("7050")).collect();
    for length in ["142", "162"] {
        let of_length = lines.iter().filter(|line| line.split('\t').nth(1) == Some(length));
        assert_eq!(of_length.count(), 15, "{text}");
    }
    assert!(lines.iter().all(|line| line.contains(NO_SOCKET)), "the comment of a packet says why: {text}");
}
