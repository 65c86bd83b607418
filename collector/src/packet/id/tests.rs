use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

mod model;

use model::{Body, Inside, Packet, Way};

/// The id of what is kept of a frame.
fn id(frame: &[u8], snaplen: usize) -> u64 {
    of(&frame[..frame.len().min(snaplen)], frame.len(), LinkType::Ethernet)
}

fn any_body() -> impl Strategy<Value = Body> {
    let payload = proptest::collection::vec(any::<u8>(), 0..200);
    let options = proptest::collection::vec(any::<u8>(), 0..20);
    prop_oneof![
        (any::<[u32; 2]>(), any::<[u16; 2]>(), options, payload.clone()).prop_map(|(numbers, words, sack, payload)| {
            Body::Tcp { numbers, flags: words[0] as u8, window: words[1], sack, payload }
        }),
        proptest::collection::vec(any::<u8>(), ENOUGH..200).prop_map(Body::Udp),
        (any::<u16>(), proptest::collection::vec(any::<u8>(), ENOUGH..200))
            .prop_map(|(sequence, payload)| Body::Ping { sequence, payload }),
        (any::<u32>(), proptest::collection::vec(any::<u8>(), ENOUGH..100))
            .prop_map(|(tag, chunks)| Body::Sctp { tag, chunks }),
        (any::<u32>(), payload).prop_map(|(sequence, payload)| Body::Unreachable { sequence, payload }),
    ]
}

prop_compose! {
    fn any_packet()(ends in any::<[u32; 2]>(), ports in any::<[u16; 2]>(), id in any::<u16>(), ttl in 3_u8.., is_v6: bool, body in any_body())
        -> Packet {
        Packet { ends, ports, id, ttl, is_v6, body, mss: 1460 }
    }
}

prop_compose! {
    fn any_way()(ends in any::<[u32; 2]>(), ports in any::<[u16; 2]>(), hops in 0_u8..3, macs: [u8; 12], vlans in 0_usize..3, padded: bool,
        mss in 500_u16..1460, inside in prop_oneof![Just(Inside::Nothing), Just(Inside::Vxlan), Just(Inside::Geneve), Just(Inside::IpIp)])
        -> Way {
        Way { ends, ports, hops, macs, vlans, padded, mss, inside }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn a_packet_keeps_its_id_on_every_way(packet in any_packet(), way in any_way(), snaplen in 288_usize..2000) {
        let here = id(&packet.frame(), 192);
        prop_assert_ne!(here, 0);
        prop_assert_eq!(id(&way.seen(&packet), snaplen), here, "{:?}", way);
    }

    #[test]
    fn places_with_the_same_headers_agree_whatever_the_snap_length(packet in any_packet(), way in any_way(), snaplen in 0_usize..300) {
        let way = Way { inside: Inside::Nothing, vlans: 0, padded: false, ..way };
        let [here, there] = [packet.frame(), way.seen(&packet)].map(|frame| id(&frame, snaplen));
        prop_assert!(here == there || snaplen < 192 && packet.needs_payload(), "{here} {there}");
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400), len in 0_usize..70_000, raw: bool) {
        let link = if raw { LinkType::RawIp } else { LinkType::Ethernet };
        of(&bytes, len, link);
    }

    #[test]
    fn what_tunnels_begin_with_is_survived(packet in any_packet(), way in any_way(), at in any::<prop::sample::Index>(), to: u8, cut in 0_usize..400) {
        let mut frame = way.seen(&packet);
        let at = at.index(frame.len());
        frame[at] = to;
        id(&frame, cut);
    }

    #[test]
    fn what_is_not_alike_has_another_id(packet in any_packet(), sequence: u32) {
        let other = packet.sent_again(sequence);
        prop_assume!(other.frame() != packet.frame());
        prop_assert_ne!(id(&packet.frame(), 2000), id(&other.frame(), 2000));
    }
}

#[test]
fn a_retransmission_has_another_id_where_headers_tell() {
    let tcp = |numbers, stamp: u8| Body::Tcp {
        numbers,
        flags: 0x18,
        window: 500,
        sack: vec![stamp; 8],
        payload: vec![7; 100],
    };
    let packet = |id, is_v6, body| Packet { ends: [1, 2], ports: [40_000, 80], id, ttl: 64, is_v6, body, mss: 1460 };
    let first = id(&packet(7, false, tcp([1, 2], 1)).frame(), 2000);
    assert_ne!(first, id(&packet(8, false, tcp([1, 2], 1)).frame(), 2000), "another identification");
    let first = id(&packet(0, true, tcp([1, 2], 1)).frame(), 2000);
    assert_ne!(first, id(&packet(0, true, tcp([1, 2], 2)).frame(), 2000), "another timestamp");
    assert_eq!(first, id(&packet(0, true, tcp([1, 2], 1)).frame(), 2000), "nothing tells");
}

#[test]
fn short_datagrams_are_told_apart_by_their_ends() {
    let short = |from, port| Packet {
        ends: [from, 2],
        ports: [port, 514],
        id: 0,
        ttl: 64,
        is_v6: false,
        body: Body::Udp(b"ping".to_vec()),
        mss: 0,
    };
    let ids: HashSet<u64> = [(1, 1), (1, 2), (3, 1)].map(|(from, port)| id(&short(from, port).frame(), 2000)).into();
    assert_eq!(ids.len(), 3);
}

#[test]
fn arp_is_the_same_padded_and_not_and_a_frame_cut_in_its_headers_has_none() {
    let mut arp = vec![0xff; 12];
    arp.extend_from_slice(&[8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    arp.extend_from_slice(&[2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2]);
    let here = id(&arp, 2000);
    let mut padded = arp.clone();
    padded.resize(60, 0x55);
    padded[0] = 1;
    assert_eq!(id(&padded, 2000), here, "what a driver pads with is not the message");
    arp[41] = 3;
    assert_ne!(id(&arp, 2000), here);
    assert_eq!(
        (0..14 + 20).map(|snaplen| id(&[[2; 12].as_slice(), &[8, 0], &[0x45; 40]].concat(), snaplen)).max(),
        Some(0)
    );
}

/// What is on a network: long connections, many short ones, queries, pings, the same payloads again and again.
fn mix(count: u32) -> impl Iterator<Item = Packet> {
    (0..count).map(|n| {
        let noise = |salt: u64| XxHash3_64::oneshot(&(u64::from(n) << 8 | salt).to_be_bytes());
        let connection = noise(0) as u32 % 5000;
        let ends = [0x0a00_0000 | (connection % 600), 0x0a00_1000 | (connection % 37)];
        let ports = [30_000 + (connection % 20_000) as u16, [80, 443, 53][connection as usize % 3]];
        let start = XxHash3_64::oneshot(&connection.to_be_bytes());
        let body = match n % 10 {
            0..=5 => Body::Tcp {
                numbers: [(start as u32).wrapping_add(n * 1448), (start >> 32) as u32],
                flags: 0x10,
                window: 501,
                sack: (n / 100).to_be_bytes().repeat(2),
                payload: b"GET / HTTP/1.1\r\nHost: web\r\n\r\n".to_vec(),
            },
            // Acknowledgements without payload.
            6 => Body::Tcp {
                numbers: [start as u32, noise(1) as u32],
                flags: 0x10,
                window: 501,
                sack: Vec::new(),
                payload: Vec::new(),
            },
            // Queries of a few names; a resolver chooses the number.
            7 | 8 => {
                let mut query = (noise(2) as u16).to_be_bytes().to_vec();
                query.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, b'w', b'e', b'b', (n % 200) as u8]);
                Body::Udp(query)
            }
            _ => Body::Ping { sequence: (n / 10) as u16, payload: noise(3).to_be_bytes().repeat(7) },
        };
        Packet {
            ends,
            ports,
            id: noise(4) as u16,
            ttl: 64,
            is_v6: n % 16 == 0 && !matches!(body, Body::Udp(_)),
            body,
            mss: 1460,
        }
    })
}

#[test]
fn a_million_packets_do_not_collide_beyond_what_their_bits_allow() {
    let mut seen = HashSet::with_capacity(1 << 20);
    let mut alike = 0;
    for packet in mix(1_000_000) {
        alike += u32::from(!seen.insert(id(&packet.frame(), 192)));
    }
    // A fifth are queries that differ in 16 bits of their own, 16 of the identification and one of 200 names: 200,000 of them are
    // expected to bring 200,000^2 / 2 / (2^32 * 100) = 0.05 pairs; whatever else is alike has 48 bits and more.
    assert!(alike <= 2, "{alike} collide");
}

/// `cargo nextest run --release -p collector --run-ignored all -E 'test(speed)'`
#[test]
#[ignore = "a measurement"]
fn speed_of_ids() {
    let frames: Vec<Vec<u8>> = mix(10_000).map(|packet| packet.frame()).collect();
    let started = std::time::Instant::now();
    let mut sum = 0_u64;
    for _ in 0..200 {
        sum = frames.iter().fold(sum, |sum, frame| sum.wrapping_add(id(frame, 2000)));
    }
    let per_packet = started.elapsed().as_nanos() / (200 * frames.len() as u128);
    println!("an id takes {per_packet} ns ({sum:x})");
}
