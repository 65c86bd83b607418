//! Expressions in pcap's spelling take the packets that tcpdump takes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use collector::decode::decode;
use flow::{Filter, FlowRecord, LinkType};
use proptest::{
    prelude::*,
    sample::select,
    test_runner::{Config, TestRunner},
};

#[path = "pcap_filter/frames.rs"]
mod frames;

/// Which frames tcpdump takes, by their number; an expression that nothing can match is an error to it.
fn by_tcpdump(frames: &[Vec<u8>], expression: &str) -> Vec<usize> {
    let mut child = Command::new("tcpdump")
        .args(["-n", "-r", "-", "-w", "-", expression])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let file = frames::file(frames);
    let writer = std::thread::spawn(move || {
        // One that has found its expression wrong does not read.
        let _ = stdin.write_all(&file);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if said.contains("rejects all packets") {
        return Vec::new();
    }
    assert!(output.status.success(), "{expression}: {said}");
    frames::numbers(&output.stdout)
}

fn by_us(frames: &[Vec<u8>], expression: &str) -> Vec<usize> {
    let filter = Filter::parse(expression).unwrap_or_else(|error| panic!("{expression}: {error}\n{}", error.pointed()));
    let records = frames.iter().map(|frame| FlowRecord {
        bytes: Some(frame.len() as u64),
        packets: Some(1),
        ..decode(frame, LinkType::Ethernet).record()
    });
    records.enumerate().filter(|(_, record)| filter.matches(record)).map(|(number, _)| number).collect()
}

fn is_here() -> bool {
    let found = Command::new("tcpdump").arg("--version").output().is_ok();
    if !found {
        println!("SKIP pcap_filter: there is no tcpdump here");
    }
    found
}

#[track_caller]
fn same(frames: &[Vec<u8>], expression: &str) -> usize {
    let (theirs, ours) = (by_tcpdump(frames, expression), by_us(frames, expression));
    let only =
        |one: &[usize], other: &[usize]| one.iter().filter(|n| !other.contains(n)).copied().take(5).collect::<Vec<_>>();
    assert_eq!(
        theirs,
        ours,
        "{expression}: only tcpdump {:?}, only we {:?}",
        only(&theirs, &ours),
        only(&ours, &theirs)
    );
    theirs.len()
}

/// What people have in their fingers.
const PRIMITIVES: &[&str] = &[
    "tcp",
    "udp",
    "sctp",
    "icmp",
    "icmp6",
    "igmp",
    "ip",
    "ip6",
    "arp",
    "rarp",
    "host 10.0.0.1",
    "src host 10.0.0.2",
    "dst host 10.0.0.1",
    "src 10.0.0.1",
    "dst fd00::2",
    "host fd00::1",
    "ip host 10.1.0.1",
    "src or dst host 10.0.0.2",
    "src and dst net 10.0.0.0/24",
    "net 10.0.0.0/8",
    "net 10",
    "net 192.168",
    "src net 10.0.0",
    "dst net fd00::/16",
    "net 10.1.0.0 mask 255.255.0.0",
    "port 80",
    "tcp port http",
    "src port 53",
    "dst port 443",
    "tcp port 443",
    "udp port domain",
    "tcp dst port 22",
    "sctp port 80",
    "udp src port 53",
    "src or dst port 22",
    "src and dst port 53",
    "portrange 80-443",
    "dst portrange 8000-8100",
    "tcp src portrange 1-1024",
    "port 80 or 443",
    "tcp port 80 or 443 or 22",
    "host 10.0.0.1 or 10.1.0.1",
    "port 53 or domain",
    "not port 22",
    "not host 10.0.0.1 and 10.1.0.1",
    "proto 47",
    "ip proto 17",
    "ip proto \\tcp",
    "ip6 proto 58",
    "ip proto 6 or 17",
    "ether host 02:00:00:00:00:01",
    "ether src 02:00:00:00:00:02",
    "ether dst ff:ff:ff:ff:ff:ff",
    "ether proto 0x0806",
    "ether proto \\ip6",
    "ether broadcast",
    "ether multicast",
    "broadcast",
    "multicast",
    "ip multicast",
    "ip6 multicast",
    "less 70",
    "greater 100",
    "len <= 60",
    "tcp[tcpflags] & tcp-syn != 0",
    "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn",
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
    "tcp[tcpflags] == tcp-syn",
    "tcp[13] = 0x12",
    "tcp[13] & 4 != 0",
    "tcp[tcpflags] & tcp-push = 0",
    "tcp[13] != 2",
    "icmp[icmptype] = icmp-echo",
    "icmp[icmptype] != icmp-echo and icmp[icmptype] != icmp-echoreply",
    "icmp[0] == 3",
    "icmp[icmpcode] = 1",
    "icmp[icmptype] > 3",
    "icmp6[icmp6type] = icmp6-echo",
    "port (80 or 443)",
    "ip host 10.0.0.1 && !tcp",
];

#[test]
fn primitives_take_what_tcpdump_takes() {
    if !is_here() {
        return;
    }
    let frames = frames::plain();
    let counts: Vec<usize> = PRIMITIVES.iter().map(|expression| same(&frames, expression)).collect();
    let some = counts.iter().filter(|count| (1..frames.len()).contains(*count)).count();
    println!("{} expressions over {} packets, {some} of them take some and leave some", counts.len(), frames.len());
    assert!(some * 10 > counts.len() * 9, "{counts:?}");
}

#[test]
fn tagged_frames_take_a_vlan_first_as_tcpdump_wants_it() {
    if !is_here() {
        return;
    }
    let frames = frames::tagged();
    for expression in [
        "vlan",
        "not vlan",
        "vlan 5",
        "vlan 6",
        "vlan 5 and tcp",
        "vlan 5 and host 10.0.0.1",
        "vlan 5 and not port 80",
        "vlan 7 and vlan 8",
        "vlan 7 and vlan 8 and udp",
        "vlan 5 and ip6",
    ] {
        same(&frames, expression);
    }
}

/// Primitives that are joined in every way, with parentheses.
fn joined() -> impl Strategy<Value = String> {
    let one = select(PRIMITIVES.to_vec()).prop_map(str::to_owned);
    one.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one}) and ({other})")),
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one}) or ({other})")),
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one}) and not ({other})")),
            inner.prop_map(|inner| format!("not ({inner})")),
        ]
    })
}

#[test]
fn random_combinations_take_what_tcpdump_takes() {
    if !is_here() {
        return;
    }
    let frames = frames::plain();
    let mut runner = TestRunner::new(Config { cases: 150, failure_persistence: None, ..Config::default() });
    runner
        .run(&joined(), |expression| {
            prop_assert_eq!(by_tcpdump(&frames, &expression), by_us(&frames, &expression), "{}", expression);
            Ok(())
        })
        .unwrap();
}
