//! Frames with addresses in every place that is known, and what is left of them.

use std::net::{IpAddr, Ipv6Addr};

use etherparse::{PacketBuilder, PacketBuilderStep, TcpHeaderSlice, UdpHeaderSlice};
use flow::LinkType;
use proptest::prelude::*;

use super::{checksum::Sum, *};
use crate::{anonymize::AnonymizeKey, decode::decode};

const A4: [u8; 4] = [10, 128, 3, 77];
const B4: [u8; 4] = [172, 30, 201, 9];
const A6: [u8; 16] = [0xfd, 0x12, 0x34, 0x56, 0x78, 0x9a, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0x91];
const B6: [u8; 16] = [0x20, 0x01, 0x0d, 0xb8, 0xca, 0xfe, 0, 2, 0x42, 0xac, 0x11, 0xff, 0xfe, 0, 0x77, 0x66];
const MAC_A: [u8; 6] = [0x02, 0x42, 0xac, 0x11, 0x5a, 0x6b];
const MAC_B: [u8; 6] = [0x0a, 0x58, 0x0a, 0x80, 0x7c, 0x8d];
const SECRET: &[u8] = b"GET /private HTTP/1.1 Host: web.shop";

fn anonymizer(keep_payload: bool) -> Anonymizer {
    Anonymizer::new(&AnonymizeKey::of(b"test"), keep_payload)
}

/// What nobody may find in `bytes`.
#[track_caller]
fn assert_nobody_is_known(bytes: &[u8], what: &str) {
    let originals: [&[u8]; 8] = [&A4, &B4, &A6, &B6, &MAC_A, &MAC_B, &A6[8..], &B6[8..]];
    for original in originals {
        assert!(
            !bytes.windows(original.len()).any(|window| window == original),
            "{what}: {original:02x?} in {bytes:02x?}"
        );
    }
    assert!(!bytes.windows(12).any(|window| SECRET.windows(12).any(|secret| secret == window)), "{what}: payload");
}

fn v4() -> PacketBuilderStep<etherparse::IpHeaders> {
    PacketBuilder::ethernet2(MAC_A, MAC_B).ipv4(A4, B4, 64)
}

fn v6() -> PacketBuilderStep<etherparse::IpHeaders> {
    PacketBuilder::ethernet2(MAC_A, MAC_B).ipv6(A6, B6, 64)
}

/// Frames of everyday protocols, each with the secret as its payload where it has one.
fn everyday() -> Vec<(&'static str, Vec<u8>)> {
    let mut frames = Vec::new();
    let mut add = |name, write: &dyn Fn(&mut Vec<u8>)| {
        let mut frame = Vec::new();
        write(&mut frame);
        frames.push((name, frame));
    };
    add("tcp4", &|out| v4().tcp(40000, 80, 7, 1024).ack(9).write(out, SECRET).unwrap());
    add("tcp6", &|out| v6().tcp(40000, 80, 7, 1024).psh().write(out, SECRET).unwrap());
    add("udp4", &|out| v4().udp(40000, 53).write(out, SECRET).unwrap());
    add("udp6", &|out| v6().udp(40000, 9999).write(out, &SECRET[..35]).unwrap());
    add("echo4", &|out| v4().icmpv4_echo_request(1, 2).write(out, SECRET).unwrap());
    add("echo6", &|out| v6().icmpv6_echo_request(1, 2).write(out, SECRET).unwrap());
    add("vlan", &|out| {
        let builder = PacketBuilder::ethernet2(MAC_A, MAC_B).single_vlan(7.try_into().unwrap());
        builder.ipv4(A4, B4, 64).udp(1, 2).write(out, SECRET).unwrap();
    });
    frames
}

/// Without the Ethernet header.
fn packet(name: &str) -> Vec<u8> {
    everyday().into_iter().find(|(other, _)| *other == name).unwrap().1.split_off(14)
}

fn ethernet_of(kind: u16, payload: &[u8]) -> Vec<u8> {
    [&MAC_B[..], &MAC_A, &kind.to_be_bytes(), payload].concat()
}

fn in_v4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    v4().write(&mut out, protocol.into(), payload).unwrap();
    out
}

fn in_v6(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    v6().write(&mut out, protocol.into(), payload).unwrap();
    out
}

fn in_udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    v4().udp(40000, port).write(&mut out, payload).unwrap();
    out
}

/// A message of ICMPv6 with its checksum.
fn icmp6(message: &[u8]) -> Vec<u8> {
    let mut message = message.to_vec();
    let pseudo = Sum::default().add(&A6).add(&B6).number(58).number(message.len() as u32);
    checksum::before(&message, 2, pseudo).unwrap().mend(&mut message, pseudo, true);
    in_v6(58, &message)
}

fn icmp4(message: &[u8]) -> Vec<u8> {
    let mut message = message.to_vec();
    checksum::before(&message, 2, Sum::default()).unwrap().mend(&mut message, Sum::default(), true);
    in_v4(1, &message)
}

/// Frames that carry addresses in other places than the first headers.
fn special() -> Vec<(&'static str, Vec<u8>)> {
    let arp = [&[0, 1, 8, 0, 6, 4, 0, 1][..], &MAC_A, &A4, &[0; 6], &B4, &[0; 18]].concat();
    let link = |kind: u8, mac: &[u8]| [&[kind, 1][..], mac].concat();
    let prefix = [&[3, 4, 64, 0xc0, 0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0, 0][..], &B6[..8], &[0; 8]].concat();
    let vxlan = [&[8, 0, 0, 0, 0, 0, 1, 0][..], &everyday()[0].1].concat();
    let geneve = [&[1, 0, 0x65, 0x58, 0, 0, 1, 0, 1, 1, 0, 0][..], &A4, &everyday()[1].1].concat();
    let gre = [&[0x20, 0, 8, 0, 0, 0, 0, 9][..], &packet("tcp4")].concat();
    let routing = [&[58, 2, 0, 1, 0, 0, 0, 0][..], &A6, &[128, 0, 0, 0, 0, 0, 0, 0]].concat();
    let listeners = [&[143, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 1][..], &A6, &B6].concat();
    let sctp =
        [&[0x1f, 0x90, 0x20, 0, 0, 0, 0, 1, 0, 0, 0, 0][..], &[1, 0, 0, 28], &[0; 16], &[0, 5, 0, 8], &A4].concat();
    let mptcp = {
        let mut out = Vec::new();
        let option = [&[30, 8, 0x30, 1][..], &A4].concat();
        v4().tcp(1, 2, 3, 4).options_raw(&option).unwrap().write(&mut out, SECRET).unwrap();
        out
    };
    let route = {
        // Record route: one address.
        let mut packet = packet("udp4");
        packet[0] = 0x47;
        packet.splice(20..20, [&[7, 7, 8][..], &A4, &[0]].concat());
        let total = packet.len() as u16;
        packet[2..4].copy_from_slice(&total.to_be_bytes());
        checksum::before(&packet[..28], 10, Sum::default()).unwrap().mend(&mut packet[..28], Sum::default(), true);
        ethernet_of(0x0800, &packet)
    };
    vec![
        ("arp", ethernet_of(0x0806, &arp)),
        ("unreachable4", icmp4(&[&[3, 3, 0, 0, 0, 0, 0, 0][..], &packet("udp4")[..40]].concat())),
        ("redirect4", icmp4(&[&[5, 1, 0, 0][..], &B4, &packet("tcp4")[..28]].concat())),
        ("time exceeded6", icmp6(&[&[3, 0, 0, 0, 0, 0, 0, 0][..], &packet("tcp6")].concat())),
        ("solicitation", icmp6(&[&[135, 0, 0, 0, 0, 0, 0, 0][..], &B6, &link(1, &MAC_A)].concat())),
        ("advertisement", icmp6(&[&[136, 0, 0, 0, 0, 0, 0, 0][..], &B6, &link(2, &MAC_B)].concat())),
        ("router", icmp6(&[&[134, 0, 0, 0][..], &[0; 12], &link(1, &MAC_A), &prefix].concat())),
        ("redirect6", icmp6(&[&[137, 0, 0, 0, 0, 0, 0, 0][..], &A6, &B6, &link(2, &MAC_B)].concat())),
        ("listeners", icmp6(&listeners)),
        ("vxlan", in_udp(4789, &vxlan)),
        ("geneve", in_udp(6081, &geneve)),
        ("gre", in_v4(47, &gre)),
        ("ipip", in_v4(4, &packet("tcp4"))),
        ("6in4", in_v4(41, &packet("udp6"))),
        ("mpls", ethernet_of(0x8847, &[&[0, 0, 0x10, 64, 0, 0, 0x21, 64][..], &packet("tcp4")].concat())),
        ("routing", in_v6(43, &routing)),
        ("sctp", in_v4(132, &sctp)),
        ("mptcp", mptcp),
        ("record route", route),
        ("igmp", in_v4(2, &[&[0x16, 0, 0, 0][..], &A4].concat())),
        ("esp", in_v4(50, &[&[0, 0, 0, 1, 0, 0, 0, 2][..], &A6].concat())),
        ("lldp", ethernet_of(0x88cc, &[&[2, 7, 4][..], &MAC_A].concat())),
        ("pppoe", ethernet_of(0x8864, &A6)),
        ("802.3", ethernet_of(16, &B6)),
        ("trailer", [ethernet_of(0x0800, &packet("udp4")), A6.to_vec()].concat()),
    ]
}

#[test]
fn no_address_and_no_payload_is_left_however_short_it_was_cut() {
    for (name, frame) in everyday().into_iter().chain(special()) {
        for length in (0..=frame.len()).rev() {
            let mut cut = frame[..length].to_vec();
            rewrite(&mut anonymizer(false), LinkType::Ethernet, &mut cut);
            assert_nobody_is_known(&cut, name);
        }
        let mut bare = frame.get(14..).unwrap_or_default().to_vec();
        rewrite(&mut anonymizer(false), LinkType::RawIp, &mut bare);
        assert_nobody_is_known(&bare, name);
    }
}

/// Source, destination and payload, which starts with the transport header.
fn ip_of(frame: &[u8], at: usize) -> (IpAddr, IpAddr, Vec<u8>) {
    let decoded = decode(&frame[at..], LinkType::RawIp);
    let ip = decoded.ip.unwrap();
    let header = if ip.src.is_ipv4() { 20 } else { 40 };
    (ip.src, ip.dst, frame[at + header..at + header + ip.payload_len].to_vec())
}

/// Checked by another implementation.
#[track_caller]
fn assert_right(frame: &[u8], at: usize, what: &str) {
    let (src, dst, segment) = ip_of(frame, at);
    let tcp = || {
        TcpHeaderSlice::from_slice(&segment)
            .map(|header| (header.to_header(), segment[header.slice().len()..].to_vec()))
    };
    let udp = || UdpHeaderSlice::from_slice(&segment).unwrap().to_header();
    let (found, right) = match (src, dst, decode(&frame[at..], LinkType::RawIp).ip.unwrap().proto) {
        (IpAddr::V4(src), IpAddr::V4(dst), 6) => {
            let (header, payload) = tcp().unwrap();
            (header.checksum, header.calc_checksum_ipv4_raw(src.octets(), dst.octets(), &payload).unwrap())
        }
        (IpAddr::V6(src), IpAddr::V6(dst), 6) => {
            let (header, payload) = tcp().unwrap();
            (header.checksum, header.calc_checksum_ipv6_raw(src.octets(), dst.octets(), &payload).unwrap())
        }
        (IpAddr::V4(src), IpAddr::V4(dst), 17) => {
            (udp().checksum, udp().calc_checksum_ipv4_raw(src.octets(), dst.octets(), &segment[8..]).unwrap())
        }
        (IpAddr::V6(src), IpAddr::V6(dst), 17) => {
            (udp().checksum, udp().calc_checksum_ipv6_raw(src.octets(), dst.octets(), &segment[8..]).unwrap())
        }
        _ => return,
    };
    assert_eq!(found, right, "{what}");
    if src.is_ipv4() {
        let header = etherparse::Ipv4HeaderSlice::from_slice(&frame[at..]).unwrap().to_header();
        assert_eq!(header.header_checksum, header.calc_header_checksum(), "{what}");
    }
}

#[test]
fn checksums_are_right_afterwards_in_packets_and_in_those_they_carry() {
    let inner = [("vxlan", 14 + 20 + 8 + 8 + 14), ("ipip", 34), ("gre", 34 + 8), ("6in4", 34), ("mpls", 14 + 8)];
    for (name, mut frame) in everyday().into_iter().chain(special()) {
        rewrite(&mut anonymizer(false), LinkType::Ethernet, &mut frame);
        let at = if name == "vlan" { 18 } else { 14 };
        if matches!(u16_at(&frame, at - 2), Some(0x0800 | 0x86dd)) && name != "record route" {
            assert_right(&frame, at, name);
        }
        for (_, at) in inner.iter().filter(|(other, _)| *other == name) {
            assert_right(&frame, *at, name);
        }
    }
}

#[test]
fn a_checksum_that_somebody_made_wrong_becomes_right_in_a_whole_packet() {
    let mut frame = everyday()[0].1.clone();
    frame[14 + 20 + 16] ^= 0x5a;
    rewrite(&mut anonymizer(false), LinkType::Ethernet, &mut frame);
    assert_right(&frame, 14, "offloaded");
}

/// The part that was cut off is as it was: with it, the sum is right.
#[test]
fn a_cut_packet_gets_the_difference() {
    for (name, frame) in everyday().iter().filter(|(name, _)| ["tcp4", "tcp6", "udp6"].contains(name)) {
        let cut_at = frame.len() - 12;
        let mut cut = frame[..cut_at].to_vec();
        rewrite(&mut anonymizer(false), LinkType::Ethernet, &mut cut);
        let whole = [cut, frame[cut_at..].to_vec()].concat();
        assert_right(&whole, 14, name);
    }
}

#[test]
fn one_address_is_one_address_wherever_it_stands() {
    let mut to = anonymizer(false);
    let (a, b) = (to.pan.v4(A4.into()).octets(), to.pan.v4(B4.into()).octets());
    let find = |frame: &[u8], what: &[u8]| frame.windows(what.len()).filter(|window| *window == what).count();
    let arp = special().remove(0).1;
    for mut frame in [arp, everyday()[0].1.clone(), special()[9].1.clone()] {
        let before = (find(&frame, &A4), find(&frame, &B4));
        rewrite(&mut to, LinkType::Ethernet, &mut frame);
        assert_eq!((find(&frame, &a), find(&frame, &b)), before);
    }
}

#[test]
fn payload_stays_if_asked_but_not_of_protocols_that_are_names() {
    let mut to = anonymizer(true);
    let kept = |to: &mut Anonymizer, name: &str| {
        let mut frame = everyday().into_iter().find(|(other, _)| *other == name).unwrap().1;
        rewrite(to, LinkType::Ethernet, &mut frame);
        assert_right(&frame, 14, name);
        frame.windows(10).any(|window| window == &SECRET[..10])
    };
    assert!(kept(&mut to, "tcp4") && kept(&mut to, "udp6"));
    assert!(!kept(&mut to, "udp4"), "DNS");
}

#[test]
fn tunnels_have_an_end() {
    let mut packet = packet("udp4");
    for _ in 0..40 {
        packet = in_v4(4, &packet).split_off(14);
    }
    rewrite(&mut anonymizer(true), LinkType::RawIp, &mut packet);
    assert_nobody_is_known(&packet, "nested");
}

proptest! {
    /// Any bytes: the length stays, nothing panics, and the same bytes become the same.
    #[test]
    fn anything_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..200), which in 0_usize..32, cut in 0_usize..200) {
        let known: Vec<_> = everyday().into_iter().chain(special()).map(|(_, frame)| frame).collect();
        let mut frame = known[which % known.len()].clone();
        frame.truncate(cut);
        frame.extend_from_slice(&bytes);
        let mut again = frame.clone();
        rewrite(&mut anonymizer(true), LinkType::Ethernet, &mut frame);
        rewrite(&mut anonymizer(true), LinkType::Ethernet, &mut again);
        prop_assert_eq!(frame, again);
    }
}

#[test]
fn prefixes_of_routers_end_where_they_ended() {
    let mut router = special().into_iter().find(|(name, _)| *name == "router").unwrap().1;
    let mut to = anonymizer(false);
    rewrite(&mut to, LinkType::Ethernet, &mut router);
    let at = router.len() - 16;
    let expected = to.pan.v6(Ipv6Addr::from([&B6[..8], &[0; 8]].concat().try_into().unwrap_or([0; 16]))).octets();
    assert_eq!(router[at..at + 8], expected[..8]);
    assert_eq!(router[at + 8..], [0; 8]);
}
