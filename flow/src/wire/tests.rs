use std::sync::Arc;

use proptest::{collection::vec, option, prelude::*};
use serde_json::{Map, Value as Json, json};

use super::*;
use crate::{
    Body, Clock, Counters, Field, Fired, FlowBatch, FlowRecord, Interface, InterfaceCounts, Kind, LinkType, Mac,
    Observation, Packet, PacketBatch, Place, Recording, Ring, Unit,
};

/// A value that `field` may have, made of a number; by way of JSON, so that no field can be forgotten.
fn value(field: Field, n: u64) -> Json {
    let text = |n: u64| format!("text-{}", n % 50);
    match field.kind() {
        Kind::UInt if matches!(field.unit(), Unit::EpochMs | Unit::EpochS | Unit::Bytes | Unit::Packets) => json!(n),
        Kind::UInt => json!(n % 256),
        Kind::Ip if n.is_multiple_of(2) => json!(std::net::Ipv4Addr::from_bits(n as u32)),
        Kind::Ip => json!(std::net::Ipv6Addr::from_bits(u128::from(n) << 64 | 1)),
        Kind::Mac => json!(Mac(n.to_le_bytes()[..6].try_into().unwrap())),
        Kind::Text => json!(text(n)),
        Kind::TextList => (n..n + n % 4).map(text).collect(),
        Kind::UIntList => (0..n % 4).collect(),
        Kind::Events => json!([{ "Feature": text(n), "Action": text(n + 1) }]),
    }
}

fn record() -> impl Strategy<Value = FlowRecord> {
    vec(option::of(any::<u64>()), Field::ALL.len()).prop_map(|numbers| {
        let present = Field::ALL.iter().zip(numbers).filter_map(|(field, n)| Some((*field, n?)));
        let map: Map<String, Json> = present.map(|(field, n)| (field.name().to_owned(), value(field, n))).collect();
        serde_json::from_value(Json::Object(map)).unwrap()
    })
}

prop_compose! {
    fn observation(records: usize)(
        record in -3..records.max(1) as i32, node: Option<String>, interface in "[a-c]{0,2}", direction: u8, bytes: u64, packets: u64,
    ) -> Observation {
        let node = node.map(Arc::from);
        Observation { record, node, netns: "".into(), interface: interface.into(), direction, bytes, packets }
    }
}

fn flows() -> impl Strategy<Value = Body> {
    vec(record(), 0..20).prop_flat_map(|records| {
        let most = if records.is_empty() { 1 } else { 30 };
        let observations = vec(observation(records.len()), 0..most);
        observations.prop_map(move |observations| Body::Flows(FlowBatch { records: records.clone(), observations }))
    })
}

fn packets() -> impl Strategy<Value = Body> {
    let packet = (any::<(u64, u32, u32, u64)>(), vec(any::<u8>(), 0..90), 0..2_u8, 0..4_u32);
    (vec(packet, 0..40), vec(record(), 3)).prop_map(|(packets, ends)| {
        let ends = ends.into_iter().map(Arc::new).collect();
        let mut batch = PacketBatch { ends, ..PacketBatch::default() };
        for ((time_ns, interface, len, id), bytes, direction, ends) in packets {
            let (offset, caplen) = (batch.data.len() as u32, bytes.len() as u32);
            let ends = if ends == 3 { Packet::NO_ENDS } else { ends };
            batch.packets.push(Packet { time_ns, interface, len, caplen, offset, direction, id, ends });
            batch.data.extend(bytes);
        }
        Body::Packets(batch)
    })
}

prop_compose! {
    fn batch()(
        node: String,
        sequence: u64,
        time_ns: u64,
        (seen, lost) in any::<(u64, u64)>(),
        interfaces in vec((any::<u32>(), any::<u32>(), "[a-z]{0,9}"), 0..5),
        counts in vec(any::<(u32, u64, u64)>(), 0..5),
        notices in vec("[a-c]{0,2}", 0..4),
        secrets in vec("[a-c]{0,2}", 0..4),
        clock in option::of(any::<(i64, u64)>()),
        recording in option::of(any::<(u32, String, bool)>()), ring in option::of(any::<(u64, u32, bool)>()),
        body in prop_oneof![Just(Body::None), flows(), packets()],
    ) -> Batch {
        let interface = |(id, index, name): (u32, u32, String)| Interface {
            id, index, netns: "blue".into(), name: name.into(),
            link_type: if id.is_multiple_of(2) { LinkType::Ethernet } else { LinkType::RawIp },
            speed: u64::from(index) << 9,
            leads_out: id.is_multiple_of(3),
            place: id.is_multiple_of(5).then(|| Arc::new(Place { pod: "web".into(), ..Place::default() })),
        };
        Batch {
            node: node.into(), sequence, time_ns,
            counters: Counters { seen, lost_sequence: lost, ..Counters::default() },
            interfaces: interfaces.into_iter().map(interface).collect(),
            interface_counts: counts.into_iter().map(|(interface, delivered, lost)| InterfaceCounts { interface, delivered, lost }).collect(),
            notices: notices.into_iter().map(Arc::from).collect(),
            secrets: secrets.into_iter().map(Arc::from).collect(),
            recording: recording.map(|(number, name, over)| {
                Arc::new(Recording { number, why: format!("why {name}").into(), name: name.into(), over })
            }),
            ring: ring.map(|(held_ns, ended, fired)| {
                let fired = fired.then(|| Fired { time_ns: held_ns, what: "what".into() });
                Ring { held_ns, bytes: held_ns / 2, ended, fired }
            }),
            clock: clock.map(|(ahead_ns, error_ns)| Clock { ahead_ns, error_ns }),
            body,
        }
    }
}

fn encoded(batch: &Batch) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(batch, &mut bytes).unwrap();
    bytes
}

/// Batches hold data without equality; this is all of it.
fn all(batch: &Batch) -> String {
    format!("{batch:?}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_part_comes_back_as_it_was(batch in batch()) {
        prop_assert_eq!(all(&decode(&encoded(&batch)).unwrap()), all(&batch));
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in vec(any::<u8>(), 0..2000)) {
        let _ = decode(&bytes);
    }

    /// Bytes that are nearly right come further than any others.
    #[test]
    fn changed_and_shortened_batches_are_decoded_or_refused(batch in batch(), changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4), end: prop::sample::Index) {
        let mut bytes = encoded(&batch);
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = decode(&bytes);
        let end = end.index(bytes.len());
        if let Ok(short) = decode(&encoded(&batch)[..end]) {
            prop_assert!(false, "{} of {} bytes were enough for {:?}", end, bytes.len(), short);
        }
    }
}

fn empty(body: Body) -> Batch {
    Batch {
        node: "n".into(),
        sequence: 1,
        time_ns: 1_800_000_000_000_000_000,
        counters: Counters::default(),
        interfaces: Vec::new(),
        interface_counts: Vec::new(),
        notices: Vec::new(),
        body,
        ..Batch::default()
    }
}

#[test]
fn memory_is_asked_for_only_as_bytes_justify_it() {
    let records = vec![FlowRecord::default(); 1000];
    let bytes = encoded(&empty(Body::Flows(FlowBatch { records, observations: Vec::new() })));
    assert!(bytes.len() >= 16_000, "empty records are filled up: {} bytes", bytes.len());
    assert!(decode(&bytes).is_ok());
    let head = encoded(&empty(Body::None));
    let body = &head[..head.len() - 1];
    for kind in [1, 2] {
        let announced = [body, &[kind, 0xff, 0xff, 0xff, 0xff, 0x0f]].concat();
        assert_eq!(decode(&announced).unwrap_err(), WireError::CutOff);
    }
    assert_eq!(decode(&[body, &[9]].concat()).unwrap_err(), WireError::Invalid("data of an unknown kind"));
    assert_eq!(decode(&[&head[..], &[0; 3]].concat()).unwrap_err(), WireError::Rest(3));
}

#[test]
fn what_cannot_be_is_refused() {
    let flows = |record| {
        let observation = Observation {
            record,
            node: None,
            netns: "".into(),
            interface: "e".into(),
            direction: 0,
            bytes: 1,
            packets: 1,
        };
        empty(Body::Flows(FlowBatch { records: vec![FlowRecord::default()], observations: vec![observation] }))
    };
    assert!(decode(&encoded(&flows(0))).is_ok() && decode(&encoded(&flows(-5))).is_ok());
    let refused = decode(&encoded(&flows(1))).unwrap_err();
    assert_eq!(refused.to_string(), "a batch contains an observation of a record that there is not");
}

#[test]
fn bytes_that_no_packet_refers_to_stay_behind() {
    let packet =
        |offset| Packet { time_ns: 5, interface: 1, len: 60, caplen: 2, offset, direction: 0, ..Packet::default() };
    let batch = PacketBatch {
        data: b"..ab..cd..".to_vec(),
        packets: vec![packet(6), packet(2), packet(99)],
        drops: Vec::new(),
        ..PacketBatch::default()
    };
    let Body::Packets(decoded) = decode(&encoded(&empty(Body::Packets(batch)))).unwrap().body else { panic!() };
    assert_eq!(decoded.data, b"cdab");
    assert_eq!(
        decoded.packets.iter().map(|packet| decoded.bytes(packet)).collect::<Vec<_>>(),
        [b"cd", b"ab", &b""[..]]
    );
}

/// A record as agents make them, `named` as the collector does.
fn typical(n: u64, named: bool) -> FlowRecord {
    let mut record = FlowRecord {
        time_flow_start_ms: Some(1_800_000_000_000 - n % 1000),
        time_flow_end_ms: Some(1_800_000_000_000 - n % 300),
        time_received: Some(1_800_000_000),
        agent_ip: Some("192.168.10.4".parse().unwrap()),
        net_ns: Some("".into()),
        interfaces: Some([Arc::from(format!("veth{:x}", n % 40)), Arc::from("eth0")].into()),
        if_directions: Some([0, 1].into()),
        flow_direction: Some(1),
        etype: Some(0x0800),
        src_mac: Some(Mac([2, 0, 0, 0, 1, n as u8])),
        dst_mac: Some(Mac([2, 0, 0, 0, 2, n as u8])),
        src_addr: Some(std::net::Ipv4Addr::from_bits(0x0a80_0000 + (n % 200) as u32).into()),
        src_port: Some(30_000 + (n % 30_000) as u16),
        dst_addr: Some(std::net::Ipv4Addr::from_bits(0x0a81_0000 + (n % 50) as u32).into()),
        dst_port: Some(443),
        proto: Some(6),
        dscp: Some(0),
        flags: Some(0x0110),
        bytes: Some(1500 * (n % 100)),
        packets: Some(n % 100),
        sampling: Some(1),
        ..FlowRecord::default()
    };
    if named {
        record.src_k8s_name = Some(format!("frontend-7d9c5b6f4-{:05}", n % 200).into());
        record.src_k8s_owner_name = Some(format!("frontend-{}", n % 20).into());
        record.dst_k8s_name = Some(format!("backend-{}", n % 50).into());
        record.dst_k8s_owner_name = Some(format!("backend-{}", n % 50).into());
        (record.src_k8s_type, record.dst_k8s_type) = (Some("Pod".into()), Some("Service".into()));
        (record.src_k8s_owner_type, record.dst_k8s_owner_type) = (Some("Deployment".into()), Some("Service".into()));
        (record.src_k8s_namespace, record.dst_k8s_namespace) = (Some("shop".into()), Some("shop".into()));
        (record.src_k8s_host_name, record.src_k8s_host_ip) = (Some("worker-1.example".into()), record.agent_ip);
    }
    record
}

/// Not a proof but a figure: `cargo test --release -p flow -- --ignored --nocapture speed`.
#[test]
#[ignore = "a measurement"]
fn speed_of_the_binary_form() {
    for named in [false, true] {
        let records: Vec<_> = (0..1000).map(|n| typical(n, named)).collect();
        let json = records.iter().map(|record| serde_json::to_string(record).unwrap().len()).sum::<usize>();
        let batch = empty(Body::Flows(FlowBatch { records, observations: Vec::new() }));
        let (mut bytes, rounds) = (Vec::new(), 300);
        let begun = std::time::Instant::now();
        for _ in 0..rounds {
            bytes.clear();
            encode(&batch, &mut bytes).unwrap();
        }
        let encoding = begun.elapsed();
        let begun = std::time::Instant::now();
        for _ in 0..rounds {
            std::hint::black_box(decode(&bytes).unwrap());
        }
        let each = |time: std::time::Duration| time.as_nanos() / u128::from(rounds * 1000_u32);
        println!(
            "names: {named}; {} bytes a record ({} as JSON, {} in memory); {} ns to encode, {} ns to decode",
            bytes.len() / 1000,
            json / 1000,
            size_of::<FlowRecord>(),
            each(encoding),
            each(begun.elapsed())
        );
    }
}
