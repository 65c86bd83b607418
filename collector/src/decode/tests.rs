use etherparse::PacketBuilder;
use flow::LinkType;
use proptest::prelude::*;

use super::*;

fn tcp() -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64);
    let mut frame = Vec::new();
    builder.tcp(443, 51234, 7, 65160).syn().ack(9).write(&mut frame, b"hello").unwrap();
    frame
}

fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([2; 6], [4; 6]).single_vlan(100.try_into().unwrap());
    let mut frame = Vec::new();
    builder.ipv6([0; 16], [1; 16], 64).udp(4000, port).write(&mut frame, payload).unwrap();
    frame
}

#[test]
fn a_tcp_segment_in_one_line() {
    let frame = tcp();
    let decoded = decode(&frame, LinkType::Ethernet);
    assert_eq!(decoded.line(), "10.0.0.1:443 → 10.0.0.2:51234 TCP [SYN,ACK] seq 7 ack 9 win 65160 len 5");
    assert_eq!(decoded.flags(), Some(0x112));
    assert_eq!(decode(&frame[14..], LinkType::RawIp).line(), decoded.line());
}

#[test]
fn a_cut_frame_keeps_what_it_has() {
    let frame = tcp();
    let lines: Vec<_> = [38, 30, 10, 0].map(|len| decode(&frame[..len], LinkType::Ethernet).line()).to_vec();
    assert_eq!(
        lines,
        [
            "10.0.0.1:443 → 10.0.0.2:51234 TCP len 25, header cut",
            "04:04:04:04:04:04 → 02:02:02:02:02:02 0x0800, cut short, 30 bytes kept",
            "cut short, 10 bytes kept",
            "cut short, 0 bytes kept"
        ]
        .map(|line| line.replace("04:04:04:04:04:04 → 02:02:02:02:02:02", "02:02:02:02:02:02 → 04:04:04:04:04:04"))
    );
}

#[test]
fn a_length_is_that_of_the_wire_although_the_payload_was_cut() {
    let frame = tcp();
    assert!(decode(&frame[..54], LinkType::Ethernet).line().ends_with("len 5"));
}

#[test]
fn dns_by_name_and_without_control_characters() {
    let question = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x03a\x1bb\x00\x00\x1c\x00\x01";
    assert_eq!(
        decode(&udp(53, question), LinkType::Ethernet).line(),
        "vlan 100 [::]:4000 → [101:101:101:101:101:101:101:101]:53 DNS query AAAA? www.a\\x1bb"
    );
    let frame = udp(80, b"x");
    let line = decode(&frame, LinkType::Ethernet).line();
    assert!(line.ends_with("UDP len 1"), "{line}");
}

#[test]
fn fragments_are_named_and_only_the_first_has_ports() {
    let mut frame = tcp();
    frame[20] = 0x20;
    assert!(decode(&frame, LinkType::Ethernet).line().ends_with("(fragment 0x0 at 0+)"));
    assert_eq!(decode(&frame, LinkType::Ethernet).ports(), Some((443, 51234)));
    (frame[20], frame[21]) = (0, 185);
    let decoded = decode(&frame, LinkType::Ethernet);
    assert_eq!(decoded.line(), "10.0.0.1 → 10.0.0.2 TCP len 25 (fragment 0x0 at 1480, last)");
    assert_eq!(decoded.ports(), None);
}

#[test]
fn arp_and_icmp_in_words() {
    let mut arp = vec![0xff; 6];
    arp.extend([2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 2]);
    arp.extend([0, 0, 0, 0, 0, 0, 10, 0, 0, 1]);
    assert_eq!(decode(&arp, LinkType::Ethernet).line(), "ARP who-has 10.0.0.1 tell 10.0.0.2");
    let mut ping = Vec::new();
    PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).icmpv4_echo_request(7, 1).write(&mut ping, &[0; 8]).unwrap();
    assert_eq!(decode(&ping, LinkType::RawIp).line(), "10.0.0.1 → 10.0.0.2 ICMP echo request id 7 seq 1");
    assert_eq!(decode(&ping, LinkType::RawIp).record().icmp_type, Some(8));
}

proptest! {
    #[test]
    fn garbage_never_panics_and_never_reaches_the_terminal(bytes in proptest::collection::vec(any::<u8>(), 0..200), raw: bool) {
        let link = if raw { LinkType::RawIp } else { LinkType::Ethernet };
        let line = decode(&bytes, link).line();
        prop_assert!(!line.chars().any(char::is_control));
    }

    #[test]
    fn damaged_packets_never_panic(at in 0usize..80, value: u8, cut in 0usize..100, port in prop::sample::select(vec![53u16, 80])) {
        let mut frame = udp(port, &[3, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3, 0, 0, 1]);
        let len = frame.len();
        frame[at % len] = value;
        let line = decode(&frame[..cut.min(len)], LinkType::Ethernet).line();
        prop_assert!(!line.chars().any(char::is_control));
    }
}
