//! Made-up traffic, the same every time: a few conversations as a small office has them, or very many.

use std::{net::IpAddr, sync::Arc};

use flow::{Batch, Body, Counters, FlowBatch, FlowRecord, Interface, LinkType, Mac, Packet, PacketBatch};

/// A conversation: source, destination, protocol, flags, bytes and packets an interval.
struct Talk(&'static str, u16, &'static str, u16, u8, u16, u64, u64);

const TALKS: &[Talk] = &[
    Talk("10.0.0.12", 51234, "10.0.1.5", 443, 6, 0x118, 812_000, 640),
    Talk("10.0.1.5", 443, "10.0.0.12", 51234, 6, 0x118, 18_400_000, 12_700),
    Talk("10.0.0.14", 40022, "10.0.1.9", 5432, 6, 0x18, 96_000, 410),
    Talk("10.0.1.9", 5432, "10.0.0.14", 40022, 6, 0x18, 1_220_000, 980),
    Talk("10.0.0.12", 38112, "10.96.0.10", 53, 17, 0, 420, 6),
    Talk("10.96.0.10", 53, "10.0.0.12", 38112, 17, 0, 1_260, 6),
    Talk("10.0.0.77", 60100, "10.0.1.5", 8443, 6, 0x02, 74, 1),
    Talk("10.0.1.5", 8443, "10.0.0.77", 60100, 6, 0x414, 54, 1),
    Talk("fd00:10:244::17", 44310, "fd00:10:244:1::8a2e:370:7334", 9090, 6, 0x18, 42_000, 120),
    Talk("fd00:10:244:1::8a2e:370:7334", 9090, "fd00:10:244::17", 44310, 6, 0x18, 310_000, 290),
    Talk("10.0.0.1", 0, "10.0.0.12", 0, 1, 0, 98, 1),
    Talk("10.0.0.30", 123, "192.0.2.123", 123, 17, 0, 90, 1),
    Talk("10.0.0.41", 36412, "10.0.1.40", 36412, 132, 0, 5_200, 40),
    Talk("10.0.0.12", 45012, "198.51.100.20", 22, 6, 0x18, 3_800, 44),
];

/// A source of batches.
pub(crate) struct Traffic {
    sequence: u64,
    seed: u64,
    start_ms: u64,
}

impl Traffic {
    /// Traffic that begins at `now_ns`, ns since the epoch.
    pub(crate) fn new(now_ns: u64) -> Self {
        Self { sequence: 0, seed: 0x9e37_79b9_7f4a_7c15, start_ms: now_ns / 1_000_000 }
    }

    // xorshift64 (Marsaglia 2003): no dependency, and the same traffic every time.
    fn random(&mut self, below: u64) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed % below.max(1)
    }

    fn batch(&mut self, now_ns: u64, body: Body) -> Batch {
        let sequence = self.sequence;
        self.sequence += 1;
        Batch {
            node: Arc::from("worker-1"),
            sequence,
            time_ns: now_ns,
            counters: Counters::default(),
            interfaces: Vec::new(),
            interface_counts: Vec::new(),
            notices: Vec::new(),
            body,
            ..Batch::default()
        }
    }

    /// One interval of the small office.
    pub(crate) fn flows(&mut self, now_ns: u64) -> Batch {
        let mut records = Vec::new();
        for (at, talk) in TALKS.iter().enumerate() {
            // Some pause now and then; the first ones never do.
            if at > 3 && self.random(4) == 0 {
                continue;
            }
            let vary = 70 + self.random(60);
            records.push(self.record(talk, now_ns / 1_000_000, vary));
        }
        self.batch(now_ns, Body::Flows(FlowBatch { records, observations: Vec::new() }))
    }

    fn record(&self, talk: &Talk, now_ms: u64, percent: u64) -> FlowRecord {
        let Talk(src, src_port, dst, dst_port, proto, flags, bytes, packets) = *talk;
        let has_ports = proto != 1;
        FlowRecord {
            time_flow_start_ms: Some(now_ms.saturating_sub(1000).max(self.start_ms)),
            time_flow_end_ms: Some(now_ms),
            net_ns: Some(Arc::from("office")),
            interfaces: Some(Arc::from([Arc::from("eth0"), Arc::from("br0")])),
            if_directions: Some(Arc::from([0, 1])),
            flow_direction: Some(u8::from(src.starts_with("10.0.1"))),
            etype: Some(if src.contains(':') { 0x86dd } else { 0x0800 }),
            src_mac: Some(Mac([2, 0, 0, 0, 0, 1])),
            dst_mac: Some(Mac([2, 0, 0, 0, 0, 2])),
            src_addr: src.parse().ok(),
            src_port: has_ports.then_some(src_port),
            dst_addr: dst.parse().ok(),
            dst_port: has_ports.then_some(dst_port),
            proto: Some(proto),
            dscp: Some(0),
            icmp_type: (proto == 1).then_some(3),
            icmp_code: (proto == 1).then_some(1),
            flags: (proto == 6).then_some(flags),
            bytes: Some(bytes * percent / 100),
            packets: Some((packets * percent / 100).max(1)),
            ..FlowRecord::default()
        }
    }

    /// `count` records of `flows` different flows, and some loss.
    pub(crate) fn storm(&mut self, now_ns: u64, count: u64, flows: u64) -> Batch {
        let first = self.sequence * count;
        let records = (first..first + count).map(|number| self.stormy(number % flows, now_ns / 1_000_000)).collect();
        let mut batch = self.batch(now_ns, Body::Flows(FlowBatch { records, observations: Vec::new() }));
        batch.counters.lost_flow_packets = batch.sequence.saturating_sub(5) * 17;
        batch
    }

    fn stormy(&mut self, flow: u64, now_ms: u64) -> FlowRecord {
        let vary = self.random(2000);
        let talk = &TALKS[(flow % 4) as usize];
        let end = |net: u8| IpAddr::from([10, net, (flow >> 8) as u8, flow as u8]);
        let mut record = self.record(talk, now_ms, vary);
        (record.src_addr, record.dst_addr) = (Some(end(1)), Some(end(2)));
        record.src_port = Some(1024 + (flow >> 4) as u16);
        record
    }

    /// `count` packets of the small office.
    pub(crate) fn packets(&mut self, now_ns: u64, count: u64) -> Batch {
        let mut body = PacketBatch::default();
        for at in 0..count {
            let frame = self.frame();
            body.packets.push(Packet {
                time_ns: now_ns + at * 1_250_731,
                interface: 1,
                len: frame.len() as u32 + if at % 7 == 0 { 1200 } else { 0 },
                caplen: frame.len() as u32,
                offset: body.data.len() as u32,
                direction: (at % 2) as u8,
                ..Packet::default()
            });
            body.data.extend(frame);
        }
        let mut batch = self.batch(now_ns, Body::Packets(body));
        if batch.sequence == 0 {
            let name = Arc::from("eth0");
            let netns = Arc::from("");
            batch.interfaces.push(Interface {
                id: 1,
                netns,
                index: 2,
                name,
                link_type: LinkType::Ethernet,
                ..Interface::default()
            });
        }
        batch
    }

    fn frame(&mut self) -> Vec<u8> {
        use etherparse::PacketBuilder;
        let (a, b) = ([10, 0, 0, 12], [10, 0, 1, 5]);
        let link = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let mut frame = Vec::new();
        let sequence = self.random(1 << 32) as u32;
        let written = match self.random(6) {
            0 => link.ipv4(a, b, 64).tcp(51234, 443, sequence, 64240).syn().write(&mut frame, &[]),
            1 => link.ipv4(b, a, 64).tcp(443, 51234, sequence, 65160).rst().ack(7).write(&mut frame, &[]),
            2 => link.ipv4(a, [10, 96, 0, 10], 64).udp(38112, 53).write(
                &mut frame,
                b"\x1a\x2b\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03api\x07example\x03com\x00\x00\x01\x00\x01",
            ),
            3 => link.ipv4(a, b, 64).icmpv4_echo_request(7, sequence as u16).write(&mut frame, &[0xa5; 48]),
            4 => link
                .single_vlan(etherparse::VlanId::try_new(100).unwrap_or(etherparse::VlanId::ZERO))
                .ipv6([0xfd; 16], [0xfc; 16], 64)
                .udp(5000, 6000)
                .write(&mut frame, b"hello, world"),
            _ => link
                .ipv4(a, b, 64)
                .tcp(51234, 443, sequence, 501)
                .psh()
                .ack(9)
                .write(&mut frame, b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"),
        };
        debug_assert!(written.is_ok());
        frame
    }
}
