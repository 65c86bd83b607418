//! Made-up records, packets and settings.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use flow::{
    Batch, Body, CaptureConfig, Counters, Field, FlowBatch, FlowRecord, Interface, Kind, LinkType, Packet, PacketBatch,
    config::{Limits, Mode, NetNs, TcAttach},
};

/// Settings of a capture of everything, without limits.
pub fn config(mode: Mode) -> CaptureConfig {
    CaptureConfig {
        mode,
        rules: Vec::new(),
        features: Vec::new(),
        netns: NetNs::All,
        interfaces: Vec::new(),
        exclude_interfaces: Vec::new(),
        tc_attach: TcAttach::Any,
        sampling: 1,
        cache_max_flows: 100_000,
        cache_active_timeout: Duration::from_secs(1),
        snaplen: 0,
        buffer_size: 1 << 24,
        files: flow::config::PacketFiles::default(),
        ring: None,
        trigger: None,
        tls_keys: false,
        key_owners: flow::config::KeyOwners::default(),
        observations: false,
        own: Vec::new(),
        spare_rules: 0,
        sets: Vec::new(),
        spare_sets: 0,
        after: None,
        drops_only: false,
        pods: false,
        dns_ports: Vec::new(),
        agent_ip: None,
        node: "bench".into(),
        limits: Limits { time: None, bytes: None, packets: None },
    }
}

/// The `n`th record of a made-up capture, every field of the schema filled with a value of usual length.
pub fn full_record(n: u64) -> FlowRecord {
    let fields = Field::ALL.iter().map(|field| (field.name().to_owned(), value(*field, n))).collect();
    let mut record: FlowRecord = serde_json::from_value(serde_json::Value::Object(fields)).unwrap_or_default();
    record.time_flow_start_ms = Some(1_782_123_072_000 + n / 100);
    record.time_flow_end_ms = Some(1_782_123_072_900 + n / 100);
    record.time_received = Some(1_782_123_073 + n / 100_000);
    record.bytes = Some(1500 * (n % 1000));
    record.packets = Some(1 + n % 1000);
    record.src_addr = Some(address(n));
    record.dst_addr = Some(address(n / 3 + 7));
    record.src_port = Some(32_768 + (n % 20_000) as u16);
    record.dst_port = Some(443);
    record
}

/// IPv4 addresses, and among them one in four IPv6.
fn address(n: u64) -> IpAddr {
    let host = (n % 60_000) as u16;
    if n.is_multiple_of(4) {
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 17, 0, 0, 0x42ff, host))
    } else {
        IpAddr::V4(Ipv4Addr::from(0x0A80_0000 + u32::from(host)))
    }
}

fn value(field: Field, n: u64) -> serde_json::Value {
    match field.kind() {
        Kind::UInt => (n % 200).into(),
        Kind::Ip => address(n + field as u64).to_string().into(),
        Kind::Mac => format!("02:42:ac:11:{:02x}:{:02x}", n / 256 % 256, n % 256).into(),
        Kind::Text => format!("{}-{}", field.name().to_lowercase(), n % 500).into(),
        Kind::TextList => serde_json::json!(["eth0", "vethc0ffee42"]),
        Kind::UIntList => serde_json::json!([0, 1]),
        Kind::Events => serde_json::json!([{
            "Feature": "acl", "Type": "NetworkPolicy", "Namespace": "shop", "Name": "deny-all",
            "Action": "drop", "Direction": "Ingress"
        }]),
    }
}

/// A batch of `count` full records from the `first` on.
pub fn flows(sequence: u64, first: u64, count: u64) -> Batch {
    let records = (first..first + count).map(full_record).collect();
    batch(sequence, Body::Flows(FlowBatch { records, observations: Vec::new() }))
}

/// A batch of `count` UDP packets of `length` bytes, numbered in their last eight bytes from `first` on. The first
/// batch announces the interface.
pub fn packets(sequence: u64, first: u64, count: u64, length: usize) -> Batch {
    let mut body = PacketBatch::default();
    for n in first..first + count {
        let offset = body.data.len() as u32;
        body.data.extend_from_slice(&udp_frame(n, length));
        body.packets.push(Packet {
            time_ns: 1_782_123_072_000_000_001 + n * 2500,
            interface: 0,
            len: length as u32,
            caplen: length as u32,
            offset,
            direction: (n % 2) as u8,
            ..Packet::default()
        });
    }
    let mut batch = batch(sequence, Body::Packets(body));
    if sequence == 0 {
        batch.interfaces.push(interface(0, ""));
    }
    batch
}

/// An Ethernet interface `eth0`.
pub fn interface(id: u32, netns: &str) -> Interface {
    Interface {
        id,
        netns: netns.into(),
        index: id + 2,
        name: "eth0".into(),
        link_type: LinkType::Ethernet,
        ..Interface::default()
    }
}

/// An Ethernet frame with a UDP packet, its checksum left out, of at least 50 bytes.
fn udp_frame(n: u64, length: usize) -> Vec<u8> {
    let ip_length = (length - 14) as u16;
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0];
    frame.extend_from_slice(&ip_length.to_be_bytes());
    frame.extend_from_slice(&[0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    let checksum = checksum(&frame[14..34]);
    frame[24..26].copy_from_slice(&checksum.to_be_bytes());
    frame.extend_from_slice(&[0x9c, 0x40, 0x13, 0x88]);
    frame.extend_from_slice(&(ip_length - 20).to_be_bytes());
    frame.resize(length - 8, 0);
    frame.extend_from_slice(&n.to_be_bytes());
    frame
}

/// RFC 1071.
fn checksum(header: &[u8]) -> u16 {
    let sum: u32 = header.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    !((sum & 0xffff) + (sum >> 16)) as u16
}

/// A batch of one node.
pub fn batch(sequence: u64, body: Body) -> Batch {
    Batch {
        node: Arc::from("bench"),
        sequence,
        time_ns: 0,
        counters: Counters::default(),
        interfaces: Vec::new(),
        interface_counts: Vec::new(),
        notices: Vec::new(),
        body,
        ..Batch::default()
    }
}
