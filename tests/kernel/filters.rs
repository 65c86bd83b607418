//! NetObserv's filter options on real traffic: what a capture keeps is what the same condition keeps of tcpdump's file.

use std::net::IpAddr;

use lab::{
    Ends, Pair, RawSocket, Tcpdump, Truth, need, needs,
    tcpdump::Dumped,
    topology::{MAC_A, MAC_B},
    truth::{Seen, Table, differences},
};

use super::traffic::{between, nobody, settle};
use crate::{flows, packets};

/// A frame as the conditions of a test see it.
pub(super) struct Frame {
    pub(super) seen: Seen,
    /// Sent by the namespace that is looked at.
    pub(super) egress: bool,
}

impl Frame {
    pub(super) fn proto(&self, proto: u8) -> bool {
        self.seen.tuple.proto == proto
    }

    fn has_ports(&self) -> bool {
        [6, 17, 132].iter().any(|proto| self.proto(*proto))
    }

    pub(super) fn source_port(&self, fits: impl Fn(u16) -> bool) -> bool {
        self.has_ports() && self.seen.tuple.selector.is_some_and(|ports| fits(ports.0))
    }

    pub(super) fn target_port(&self, fits: impl Fn(u16) -> bool) -> bool {
        self.has_ports() && self.seen.tuple.selector.is_some_and(|ports| fits(ports.1))
    }

    pub(super) fn port(&self, fits: impl Fn(u16) -> bool) -> bool {
        self.source_port(&fits) || self.target_port(&fits)
    }

    pub(super) fn is_between(&self, one: &str, other: &str) -> bool {
        let [one, other]: [IpAddr; 2] = [one, other].map(|text| text.parse().unwrap());
        let (source, target) = (self.seen.tuple.source, self.seen.tuple.target);
        (source, target) == (one, other) || (source, target) == (other, one)
    }

    pub(super) fn touches(&self, prefix: &str) -> bool {
        [self.seen.tuple.source, self.seen.tuple.target].iter().any(|address| address.to_string().starts_with(prefix))
    }

    pub(super) fn is_v4(&self) -> bool {
        self.seen.tuple.source.is_ipv4()
    }

    /// A TCP segment with `flags & mask == value`, wire bits.
    fn flags(&self, mask: u16, value: u16) -> bool {
        self.proto(6) && self.seen.flags & mask == value
    }

    fn icmp(&self, fits: impl Fn(u16, u16) -> bool) -> bool {
        (self.proto(1) || self.proto(58)) && self.seen.tuple.selector.is_some_and(|pair| fits(pair.0, pair.1))
    }
}

/// Options, and what they are to keep.
pub(super) type Case<'a> = (&'a str, &'a dyn Fn(&Frame) -> bool);

/// Runs captures with these options at once over the same traffic and compares each with tcpdump's file.
pub(super) fn check(net: u8, cases: &[Case<'_>]) {
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(net).unwrap();
    pair.silence().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let tcpdump = Tcpdump::start(&pair.a, "a0", &directory.path().join("a.pcap"), &[]).unwrap();
    let captures: Vec<_> =
        cases.iter().map(|(options, _)| flows().of(&pair.a, "a0").args(options).start().unwrap()).collect();
    send(&pair);
    let ours: Vec<_> = captures.into_iter().map(|capture| capture.stop().unwrap().files.table().unwrap()).collect();
    let dumped = tcpdump.stop().unwrap();
    let mut wrong = Vec::new();
    for ((options, keeps), ours) in cases.iter().zip(&ours) {
        let truth = kept(&dumped, keeps);
        assert!(!truth.is_empty(), "{options}: no traffic of this kind");
        wrong.extend(differences(ours, &truth).into_iter().map(|line| format!("{options}: {line}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What is left of tcpdump's file under a condition.
fn kept(dumped: &Dumped, keeps: &dyn Fn(&Frame) -> bool) -> Table {
    let mut truth = Truth::default();
    dumped
        .each(|link, packet| {
            let egress = packet.data[6..12] == MAC_A;
            let takes = |seen: &Seen| keeps(&Frame { seen: *seen, egress });
            truth.add_if(link, &packet.data, packet.len as usize, takes);
        })
        .unwrap();
    truth.table()
}

/// Every kind of packet in both directions, between several addresses; nobody answers.
pub(super) fn send(pair: &Pair) {
    let out = RawSocket::open(&pair.a, "a0").unwrap();
    let back = RawSocket::open(&pair.b, "b0").unwrap();
    for ends in everybody(pair) {
        let returning = Ends { source_mac: MAC_B, ..nobody(ends.reversed()) };
        out.send_all(&every_kind(&ends)).unwrap();
        back.send_all(&every_kind(&returning)).unwrap();
    }
    settle();
}

fn everybody(pair: &Pair) -> Vec<Ends> {
    let (v4, v6) = (nobody(pair.ends4()), nobody(pair.ends6()));
    let others4 = ["198.18.0.7", "198.18.1.7", "192.0.2.1", "10.200.0.1"].map(|other| between(v4, "198.18.0.1", other));
    let others6 = ["2001:db8::7", "2001:db8:1::7", "a00::1"].map(|other| between(v6, "2001:db8::1", other));
    let shared = [between(v4, "198.18.2.1", "198.18.0.7"), between(v4, "198.18.2.1", "198.18.1.7")];
    [v4, v6].into_iter().chain(others4).chain(others6).chain(shared).collect()
}

fn every_kind(ends: &Ends) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for ports in [(40000, 8080), (8080, 40001), (40002, 443), (53, 53), (40003, 9000), (9001, 40004)] {
        frames.push(ends.udp(ports, b"datagram"));
        frames.push(ends.sctp(ports, b"chunk"));
        frames.push(ends.tcp(ports, 0x18, b"segment"));
    }
    // FIN 1, SYN 2, RST 4, PSH 8, ACK 0x10, URG 0x20, ECE 0x40, CWR 0x80.
    for (index, flags) in
        [0x01, 0x02, 0x12, 0x10, 0x11, 0x04, 0x14, 0x08, 0x30, 0x20, 0x50, 0x90, 0xc2, 0x00].into_iter().enumerate()
    {
        frames.push(ends.tcp((41000 + index as u16, 8080), flags, b""));
    }
    let kinds: &[(u8, u8)] = if ends.source.is_ipv4() {
        &[(8, 0), (0, 0), (3, 1), (3, 3), (11, 0)]
    } else {
        &[(128, 0), (129, 0), (1, 1), (3, 0)]
    };
    frames.extend(kinds.iter().map(|(kind, code)| ends.icmp(*kind, *code, &[0; 20])));
    frames.push(ends.ip(&lab::frame::Shape::default(), 50, &[1; 24]));
    frames
}

#[test]
fn each_protocol_is_told_apart() {
    needs!("tcpdump", "ethtool");
    check(
        20,
        &[
            ("--protocol=TCP", &|frame| frame.proto(6)),
            ("--protocol UDP", &|frame| frame.proto(17)),
            ("--protocol=sctp", &|frame| frame.proto(132)),
            ("--protocol=ICMP", &|frame| frame.proto(1)),
            ("--protocol=ICMPv6", &|frame| frame.proto(58)),
        ],
    );
}

#[test]
fn a_port_means_tcp_udp_and_sctp_and_nothing_else() {
    needs!("tcpdump", "ethtool");
    check(
        21,
        &[
            ("--port=8080", &|frame| frame.port(|port| port == 8080)),
            ("--sport=8080", &|frame| frame.source_port(|port| port == 8080)),
            ("--dport 8080", &|frame| frame.target_port(|port| port == 8080)),
            ("--protocol=UDP --port=53", &|frame| frame.proto(17) && frame.port(|port| port == 53)),
            ("--sport=40000 --dport=8080", &|frame| {
                frame.source_port(|port| port == 40000) && frame.target_port(|port| port == 8080)
            }),
        ],
    );
}

#[test]
fn ranges_include_their_ends_and_lists_hold_two() {
    needs!("tcpdump", "ethtool");
    check(
        22,
        &[
            ("--port_range=8080-9000", &|frame| frame.port(|port| (8080..=9000).contains(&port))),
            ("--sport-range=40000-40002", &|frame| frame.source_port(|port| (40000..=40002).contains(&port))),
            ("--dport_range 9000-40001", &|frame| frame.target_port(|port| (9000..=40001).contains(&port))),
            ("--ports=443,53", &|frame| frame.port(|port| port == 443 || port == 53)),
            ("--sports=53,8080", &|frame| frame.source_port(|port| port == 53 || port == 8080)),
            ("--dports 443,9000", &|frame| frame.target_port(|port| port == 443 || port == 9000)),
        ],
    );
}

#[test]
fn families_do_not_mix() {
    needs!("tcpdump", "ethtool");
    check(
        23,
        &[
            // The same first byte: 10.0.0.0/8 and 0a00::/8.
            ("--cidr=10.0.0.0/8", &|frame| frame.is_v4() && frame.touches("10.")),
            ("--cidr=a00::/8", &|frame| !frame.is_v4() && frame.touches("a00:")),
            ("--cidr=0.0.0.0/0", &|frame| frame.is_v4()),
            ("--cidr=::/0", &|frame| !frame.is_v4()),
            ("--cidr=2001:db8:1::/48", &|frame| frame.touches("2001:db8:1:")),
        ],
    );
}

#[test]
fn the_peer_is_the_other_end_of_the_same_packet() {
    needs!("tcpdump", "ethtool");
    check(
        24,
        &[
            ("--peer_ip=198.18.0.7", &|frame| frame.touches("198.18.0.7")),
            ("--peer-cidr=198.18.1.0/24", &|frame| frame.touches("198.18.1.")),
            ("--cidr=198.18.2.0/24 --peer_ip=198.18.0.7", &|frame| frame.is_between("198.18.2.1", "198.18.0.7")),
            ("--cidr=198.18.0.1/32 --peer-cidr=198.18.0.0/24", &|frame| frame.is_between("198.18.0.1", "198.18.0.7")),
            // A peer of one rule is none of the other's.
            ("--cidr=198.18.2.1/32 --peer-ip=198.18.0.7 or --cidr=198.18.0.1/32 --peer-ip=198.18.1.7", &|frame| {
                frame.is_between("198.18.2.1", "198.18.0.7") || frame.is_between("198.18.0.1", "198.18.1.7")
            }),
        ],
    );
}

#[test]
fn directions_are_those_of_the_interface() {
    needs!("tcpdump", "ethtool");
    check(25, &[("--direction=Ingress", &|frame| !frame.egress), ("--direction egress", &|frame| frame.egress)]);
}

#[test]
fn every_tcp_flag_can_be_asked_for() {
    needs!("tcpdump", "ethtool");
    let cases: [Case<'_>; 8] = [
        ("--tcp-flags=SYN", &|frame| frame.flags(0x12, 0x02)),
        ("--tcp_flags=SYN-ACK", &|frame| frame.flags(0x12, 0x12)),
        ("--tcp-flags ACK", &|frame| frame.flags(0x17, 0x10)),
        ("--tcp-flags=FIN", &|frame| frame.flags(0x01, 0x01)),
        ("--tcp-flags=RST", &|frame| frame.flags(0x04, 0x04)),
        ("--tcp-flags=FIN-ACK", &|frame| frame.flags(0x11, 0x11)),
        ("--tcp-flags=RST-ACK", &|frame| frame.flags(0x14, 0x14)),
        ("--tcp-flags=PSH", &|frame| frame.flags(0x08, 0x08)),
    ];
    check(26, &cases);
    let cases: [Case<'_>; 4] = [
        ("--tcp-flags=PUSH", &|frame| frame.flags(0x08, 0x08)),
        ("--tcp-flags=URG", &|frame| frame.flags(0x20, 0x20)),
        ("--tcp-flags=ECE", &|frame| frame.flags(0x40, 0x40)),
        ("--tcp-flags=CWR --port=8080", &|frame| frame.flags(0x80, 0x80)),
    ];
    check(27, &cases);
}

#[test]
fn icmp_types_and_codes_count_also_when_they_are_zero() {
    needs!("tcpdump", "ethtool");
    check(
        28,
        &[
            ("--protocol=ICMP --icmp_type=8", &|frame| frame.proto(1) && frame.icmp(|kind, _| kind == 8)),
            ("--protocol=ICMP --icmp-type=0", &|frame| frame.proto(1) && frame.icmp(|kind, _| kind == 0)),
            ("--protocol=ICMP --icmp_type=3 --icmp_code=1", &|frame| {
                frame.proto(1) && frame.icmp(|kind, code| (kind, code) == (3, 1))
            }),
            ("--protocol=ICMPv6 --icmp-type=128", &|frame| frame.proto(58) && frame.icmp(|kind, _| kind == 128)),
            ("--protocol=ICMPv6 --icmp-code=1", &|frame| frame.proto(58) && frame.icmp(|_, code| code == 1)),
        ],
    );
}

#[test]
fn packets_are_filtered_by_the_same_rules() {
    needs!("tcpdump", "ethtool");
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(29).unwrap();
    pair.silence().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let cases: [Case<'_>; 3] = [
        ("tcp,8080", &|frame| frame.proto(6) && frame.port(|port| port == 8080)),
        ("--protocol=TCP --port=443 or --protocol=UDP --dport=53", &|frame| {
            frame.proto(6) && frame.port(|port| port == 443) || frame.proto(17) && frame.target_port(|port| port == 53)
        }),
        ("--tcp_flags=RST --direction=Ingress", &|frame| frame.flags(4, 4) && !frame.egress),
    ];
    let tcpdump = Tcpdump::start(&pair.a, "a0", &directory.path().join("a.pcap"), &[]).unwrap();
    let captures: Vec<_> =
        cases.iter().map(|(options, _)| packets().args(options).of(&pair.a, "a0").start().unwrap()).collect();
    send(&pair);
    let ours: Vec<_> = captures.into_iter().map(|capture| capture.stop().unwrap().files.packets().unwrap()).collect();
    let dumped = tcpdump.stop().unwrap();
    for ((options, keeps), ours) in cases.iter().zip(ours) {
        let differences = differences(&ours.table(), &kept(&dumped, keeps));
        assert!(differences.is_empty(), "{options}: {differences:#?}");
    }
}
