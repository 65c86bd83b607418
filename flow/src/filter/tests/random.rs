//! Random expressions and random packets that have something to do with each other.

use std::{net::IpAddr, sync::Arc};

use proptest::{prelude::*, sample::select};

use super::*;
use crate::{
    Field, Value,
    rules::{self, Directions, FlagsSeen},
};

pub(super) const ADDRESSES: [&str; 10] = [
    "10.0.0.1",
    "10.0.0.2",
    "10.0.0.3",
    "10.1.0.1",
    "10.1.0.2",
    "192.168.1.1",
    "fd00::1",
    "fd00::2",
    "fd00:1::1",
    "fe80::1",
];
const NETS: [&str; 8] =
    ["10.0.0.0/8", "10.0.0.0/24", "10.1.0.0/16", "192.168.0.0/16", "fd00::/16", "fd00:1::/32", "0.0.0.0/0", "::/0"];
const PORTS: [u16; 8] = [0, 22, 53, 80, 443, 8080, 8081, 65535];

/// Conditions that a kernel knows, and others.
fn condition() -> impl Strategy<Value = String> {
    let end = || select(vec!["", "src.", "dst."]);
    let address = || select(ADDRESSES.to_vec());
    let net = select(NETS.to_vec());
    let port = || select(PORTS.to_vec());
    let op = select(vec!["=", "!=", "<", ">", "<=", ">="]);
    let list = proptest::collection::vec(address(), 2..7).prop_map(|list| list.join(", "));
    let ports = proptest::collection::vec(port(), 1..6);
    prop_oneof![
        3 => (end(), select(vec!["=", "!="]), address()).prop_map(|(end, op, a)| format!("{end}addr {op} {a}")),
        3 => (end(), net).prop_map(|(end, net)| format!("{end}addr in {net}")),
        1 => (end(), list).prop_map(|(end, list)| format!("{end}addr in ({list})")),
        3 => (end(), op, port()).prop_filter_map("empty", |(end, op, port)| {
            let empty = (op == "<" && port == 0) || (op == ">" && port == 65535);
            (!empty).then(|| format!("{end}port {op} {port}"))
        }),
        2 => (end(), ports).prop_map(|(end, ports)| {
            let list: Vec<_> = ports.iter().map(|port| format!("{port}-{}", port.saturating_add(30))).collect();
            format!("{end}port in ({})", list.join(", "))
        }),
        3 => select(vec!["tcp", "udp", "icmp", "icmp6", "sctp", "proto = 47", "proto != TCP", "ip", "ip6", "proto < 10"])
            .prop_map(str::to_owned),
        2 => select(vec![
            "flags = SYN", "flags = ACK", "flags != SYN-ACK", "flags & (syn|ack)", "flags & (syn|fin) = syn",
            "tcp[tcpflags] & tcp-rst != 0", "tcp[13] == 2", "with(flags)", "tcp[tcpflags] & (tcp-syn|tcp-ack) != tcp-syn",
        ]).prop_map(str::to_owned),
        1 => select(vec!["icmp.type = 8", "icmp.type = EchoRequest", "icmp.code < 2", "icmp[icmptype] != icmp-echo"])
            .prop_map(str::to_owned),
        1 => select(vec!["direction = ingress", "direction = egress", "inbound"]).prop_map(str::to_owned),
        1 => select(vec!["with(src.addr)", "without(port)", "with(proto)", "with(icmp.type)"]).prop_map(str::to_owned),
        2 => select(vec!["pod = shop/web", "src.pod = shop/web", "dst.namespace = shop", "label.app = web"])
            .prop_map(str::to_owned),
        2 => select(vec![
            "bytes > 100", "bytes <= 60", "rtt > 5ms", "rtt < 1ms", "interface = eth0", "eth0", "-eth1", "arp", "etype = ARP",
            "etype != IPv4", "drop.cause =~ \"^NO\"", "dns.rcode = NXDomain", "tcp.state = established", "mac:02",
        ]).prop_map(str::to_owned),
        1 => select(vec!["drops", "drop.packets > 0", "with(PktDropPackets)"]).prop_map(str::to_owned),
    ]
}

/// Conditions joined every way, always with parentheses.
pub(super) fn expression() -> impl Strategy<Value = String> {
    condition().prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            4 => proptest::collection::vec(inner.clone(), 2..4).prop_map(|parts| bracketed(&parts, " and ")),
            4 => proptest::collection::vec(inner.clone(), 2..4).prop_map(|parts| bracketed(&parts, " or ")),
            2 => inner.prop_map(|part| format!("not ({part})")),
        ]
    })
}

fn bracketed(parts: &[String], by: &str) -> String {
    parts.iter().map(|part| format!("({part})")).collect::<Vec<_>>().join(by)
}

/// A packet as a record, and who knows its pods.
#[derive(Clone, Debug)]
pub(super) struct Seen(pub(super) FlowRecord);

/// Addresses of every object there is.
pub(super) const MEMBERS: [&str; 3] = ["10.0.0.1", "10.1.0.2", "fd00::1"];

impl Subject for Seen {
    fn field(&self, field: Field) -> Option<Value<'_>> {
        self.0.get(field)
    }

    fn any_text(&self, look: &mut dyn FnMut(&str) -> bool) -> bool {
        self.0.any_text(look)
    }

    fn belongs(&self, _: &Object, address: IpAddr) -> Option<bool> {
        Some(MEMBERS.iter().any(|member| member.parse() == Ok(address)))
    }
}

impl Seen {
    pub(super) fn subject(&self) -> rules::Subject {
        let record = &self.0;
        let directions = record.if_directions.iter().flat_map(|list| list.iter());
        rules::Subject {
            protocol: record.proto,
            src: record.src_addr,
            dst: record.dst_addr,
            ports: record.src_port.zip(record.dst_port),
            flags: record.flags.map(|flags| FlagsSeen::Packet(flags as u8)),
            icmp: record.icmp_type.zip(record.icmp_code),
            directions: directions.fold(Directions::default(), |sum, number| sum.or(Directions::of(*number))),
        }
    }

    pub(super) fn is_drop(&self) -> bool {
        self.0.pkt_drop_packets.is_some()
    }
}

/// One packet, as one of the protocols is: with ports, with flags, with a type, with nothing, or not IP at all.
pub(super) fn packet() -> impl Strategy<Value = Seen> {
    let of_family = |v4: bool| -> Vec<IpAddr> {
        let all = ADDRESSES.iter().map(|address| address.parse::<IpAddr>().unwrap());
        all.filter(|address| address.is_ipv4() == v4).collect()
    };
    let ends = any::<bool>().prop_flat_map(move |v4| (select(of_family(v4)), select(of_family(v4))));
    let port = || prop_oneof![select(PORTS.to_vec()), any::<u16>()];
    let what = (0..9_u8, ends, (port(), port()), any::<u8>(), (select(vec![0_u8, 3, 8, 128, 129]), 0..3_u8));
    let around = (0..2_u8, 40..1500_u64, any::<bool>(), select(vec!["eth0", "eth1"]), 0..20_u64);
    (what, around).prop_map(|((kind, (src, dst), ports, flags, icmp), (direction, bytes, dropped, interface, rtt))| {
        let mut record = FlowRecord {
            if_directions: Some(Arc::from([direction])),
            interfaces: Some(Arc::from([Arc::from(interface)])),
            bytes: Some(bytes),
            packets: Some(1),
            pkt_drop_packets: (dropped && kind % 3 == 0).then_some(1),
            pkt_drop_latest_drop_cause: (dropped && kind % 3 == 0).then(|| Arc::from("NO_SOCKET")),
            etype: Some(0x806),
            ..FlowRecord::default()
        };
        if kind == 0 {
            return Seen(record);
        }
        let proto = match kind {
            1..=3 => 6,
            4 => 17,
            5 => 132,
            6 | 7 => {
                if src.is_ipv4() {
                    1
                } else {
                    58
                }
            }
            _ => 47,
        };
        record.etype = Some(if src.is_ipv4() { 0x800 } else { 0x86dd });
        (record.src_addr, record.dst_addr, record.proto) = (Some(src), Some(dst), Some(proto));
        // Some are later fragments: protocol and no more.
        let whole = bytes % 7 > 0;
        if whole && matches!(proto, 6 | 17 | 132) {
            (record.src_port, record.dst_port) = (Some(ports.0), Some(ports.1));
        }
        if whole && proto == 6 {
            record.flags = Some(u16::from(flags));
            record.time_flow_rtt_ns = (rtt > 0).then_some(rtt * 1_000_000);
        }
        if whole && matches!(proto, 1 | 58) {
            (record.icmp_type, record.icmp_code) = (Some(icmp.0), Some(icmp.1));
        }
        Seen(record)
    })
}
