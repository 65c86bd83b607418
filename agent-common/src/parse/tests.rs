//! The parser over frames of every kind it knows, and over any bytes at all.

use proptest::prelude::*;

use super::*;
use crate::{
    frames,
    frames::{DST_MAC, DST4, DST6, SRC_MAC, SRC4, SRC6, ethernet, tcp, tcp4, udp},
};

/// What the kernel does with a frame that begins with Ethernet.
fn v4(frame: &[u8]) -> Headers<[u8; 4]> {
    let link = link(frame, Layer::Ethernet);
    assert_eq!(link.ethertype, ETHERTYPE_IPV4);
    ipv4(frame, link.l3).unwrap()
}

fn v6(frame: &[u8]) -> Headers<[u8; 16]> {
    let link = link(frame, Layer::Ethernet);
    assert_eq!(link.ethertype, ETHERTYPE_IPV6);
    ipv6(frame, link.l3).unwrap()
}

#[test]
fn a_plain_tcp_packet() {
    let frame = tcp4(1000, 443, 0x18);
    let headers = v4(&frame);
    assert_eq!((headers.src, headers.dst), (SRC4, DST4));
    assert_eq!((headers.selector, headers.selector_known), ([1000, 443], true));
    assert_eq!((headers.proto, headers.family, headers.tcp_flags), (TCP, 4, 0x18));
    assert_eq!((headers.l4, headers.payload, headers.malformed), (34, 54, false));
    assert_eq!(plain4(&frame[..], 14), Some(headers), "the short way reads the same");
}

#[test]
fn flags_seen_together_with_ack_are_added() {
    for (wire, added) in [(0x02, 0), (0x12, FLAG_SYN_ACK), (0x11, FLAG_FIN_ACK), (0x14, FLAG_RST_ACK), (0x10, 0)] {
        assert_eq!(v4(&tcp4(1, 2, wire)).tcp_flags, u16::from(wire) | added);
    }
    assert_eq!(v4(&tcp4(1, 2, 0xff)).tcp_flags, 0x7ff);
}

#[test]
fn tags_are_stepped_over_and_told() {
    let packet = frames::ipv4(17, 0, &[], &udp(5, 6, b""));
    let one = ethernet(&[0x8100, 0x6064, 0x0800], &packet);
    assert_eq!(v4(&one).selector, [5, 6]);
    assert_eq!(link_details(&one[..], Layer::Ethernet).vlan, [100, 0]);
    let two = ethernet(&[0x88a8, 200, 0x8100, 300, 0x0800], &packet);
    assert_eq!(v4(&two).selector, [5, 6]);
    let details = link_details(&two[..], Layer::Ethernet);
    assert_eq!((details.vlan, details.src_mac, details.dst_mac), ([200, 300], SRC_MAC, DST_MAC));
}

#[test]
fn a_third_tag_is_what_the_frame_carries() {
    let frame = ethernet(&[0x88a8, 1, 0x8100, 2, 0x8100, 3, 0x0800], &[0; 40]);
    assert_eq!(link(&frame[..], Layer::Ethernet), Link { ethertype: 0x8100, l3: 22 });
}

#[test]
fn ip_options_move_the_transport_header() {
    let frame = ethernet(&[0x0800], &frames::ipv4(17, 0, &[0x94, 4, 0, 0], &udp(1111, 2222, b"")));
    assert_eq!((v4(&frame).selector, v4(&frame).l4), ([1111, 2222], 38));
    assert_eq!(dscp(&frame[..], link(&frame[..], Layer::Ethernet)), 46);
}

#[test]
fn extension_headers_are_followed() {
    let chain =
        [&[60, 0, 1, 4, 0, 0, 0, 0][..], &[43, 1], &[0; 14], &[6, 0, 0, 0, 0, 0, 0, 0], &tcp(7, 8, 2, 0)].concat();
    let frame = ethernet(&[0x86dd], &frames::ipv6(0, &chain));
    let headers = v6(&frame);
    assert_eq!((headers.proto, headers.selector, headers.tcp_flags), (TCP, [7, 8], 2));
    assert_eq!(dscp(&frame[..], link(&frame[..], Layer::Ethernet)), 34);
    assert_eq!(plain6(&frame[..], 14), None, "the short way leaves it to the long one");
}

#[test]
fn the_authentication_header_counts_in_words_of_four() {
    let payload = [&[6, 4][..], &[0; 22], &tcp(7, 8, 0x11, 0)].concat();
    assert_eq!(v6(&ethernet(&[0x86dd], &frames::ipv6(51, &payload))).selector, [7, 8]);
}

#[test]
fn more_extension_headers_than_we_follow_are_malformed() {
    let chain = [60, 0, 0, 0, 0, 0, 0, 0].repeat(9);
    let headers = v6(&ethernet(&[0x86dd], &frames::ipv6(60, &chain)));
    assert!(headers.malformed);
    assert_eq!((headers.src, headers.dst), (SRC6, DST6));
}

#[test]
fn fragments_are_told_apart() {
    let first = v4(&ethernet(&[0x0800], &frames::ipv4(17, 0x2000, &[], &udp(3, 4, b""))));
    assert_eq!((first.piece, first.selector, first.id), (Piece::First, [3, 4], 77));
    let later = v4(&ethernet(&[0x0800], &frames::ipv4(17, 0x2006, &[], &[0xff; 30])));
    assert_eq!((later.piece, later.selector, later.selector_known), (Piece::Later, [0, 0], false));
    let last = v4(&ethernet(&[0x0800], &frames::ipv4(6, 6, &[], &[0xff; 30])));
    assert_eq!((last.piece, last.tcp_flags, last.flags_known), (Piece::Later, 0, false));
    let whole = v4(&ethernet(&[0x0800], &frames::ipv4(17, 0x4000, &[], &udp(3, 4, b""))));
    assert_eq!(whole.piece, Piece::Whole, "do not fragment is no fragment");
}

#[test]
fn fragments_of_ipv6_are_told_apart() {
    let piece = |place: u16, payload: &[u8]| {
        let place = place.to_be_bytes();
        let header = [17, 0, place[0], place[1], 0, 0, 0, 99];
        v6(&ethernet(&[0x86dd], &frames::ipv6(44, &[&header[..], payload].concat())))
    };
    let first = piece(1, &udp(3, 4, b""));
    assert_eq!((first.piece, first.selector, first.id, first.proto), (Piece::First, [3, 4], 99, UDP));
    let later = piece(48, &[0xff; 24]);
    assert_eq!((later.piece, later.selector_known, later.proto), (Piece::Later, false, UDP));
    assert_eq!(piece(0, &udp(3, 4, b"")).piece, Piece::Whole, "an atomic fragment is a whole packet");
}

#[test]
fn a_later_fragment_is_not_searched_for_extension_headers() {
    let header = [60, 0, 0, 48, 0, 0, 0, 99];
    let headers = v6(&ethernet(&[0x86dd], &frames::ipv6(44, &[&header[..], &[0xff; 8]].concat())));
    assert_eq!((headers.proto, headers.piece, headers.malformed), (60, Piece::Later, false));
}

#[test]
fn icmp_has_type_and_code_only_in_its_own_family() {
    let frame = ethernet(&[0x0800], &frames::ipv4(ICMP, 0, &[], &[3, 1, 0, 0]));
    assert_eq!(v4(&frame).selector, [3, 1]);
    let frame = ethernet(&[0x86dd], &frames::ipv6(ICMPV6, &[135, 0, 0, 0]));
    assert_eq!(v6(&frame).selector, [135, 0]);
    let frame = ethernet(&[0x0800], &frames::ipv4(ICMPV6, 0, &[], &[135, 7, 0, 0]));
    assert_eq!((v4(&frame).selector, v4(&frame).selector_known), ([0, 0], false));
}

#[test]
fn sctp_has_ports() {
    let frame = ethernet(&[0x0800], &frames::ipv4(SCTP, 0, &[], &[0, 7, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0]));
    assert_eq!((v4(&frame).selector, v4(&frame).proto), ([7, 8], SCTP));
}

#[test]
fn frames_without_a_link_header() {
    let packet = frames::ipv4(6, 0, &[], &tcp(1, 2, 2, 0));
    let found = link(&packet[..], Layer::Ip);
    assert_eq!(found, Link { ethertype: ETHERTYPE_IPV4, l3: 0 });
    assert_eq!(ipv4(&packet[..], 0).unwrap().selector, [1, 2]);
    assert_eq!(link(&frames::ipv6(6, &[])[..], Layer::Ip).ethertype, ETHERTYPE_IPV6);
    assert_eq!(link_details(&packet[..], Layer::Ip).src_mac, [0; 6]);
}

#[test]
fn a_frame_that_is_not_ip_is_known_by_its_ends_and_type() {
    let frame = ethernet(&[0x0806], &[0; 28]);
    let headers = other(&frame[..], Layer::Ethernet, link(&frame[..], Layer::Ethernet), false);
    assert_eq!((&headers.src[..6], &headers.dst[..6], &headers.src[6..]), (&SRC_MAC[..], &DST_MAC[..], &[0; 10][..]));
    assert_eq!((headers.selector, headers.family, headers.proto), ([0x0806, 0], 0, 0));
}

#[test]
fn what_is_cut_off_is_malformed_and_keeps_what_could_be_read() {
    let frame = tcp4(1818, 1919, 2);
    let headers = v4(&frame[..42]);
    assert_eq!((headers.malformed, headers.selector, headers.flags_known), (true, [1818, 1919], false));
    assert_eq!((v4(&frame[..36]).malformed, v4(&frame[..36]).selector_known), (true, false));
    assert_eq!(ipv4(&frame[..30], 14), None);
    assert_eq!(plain4(&frame[..42], 14), None);
    assert_eq!(link(&frame[..10], Layer::Ethernet).ethertype, 0);
}

#[test]
fn headers_that_cannot_be_are_malformed() {
    let mut frame = tcp4(1, 2, 2);
    frame[14] = 0x44;
    assert!(v4(&frame).malformed, "a header of four words");
    frame[14] = 0x65;
    assert!(v4(&frame).malformed, "version 6 under the EtherType of IPv4");
}

#[test]
fn a_tunnel_repeats_its_inner_headers_too() {
    let inner = tcp4(1, 2, 0x10);
    let outer =
        |port, tunnel: &[u8]| ethernet(&[0x0800], &frames::ipv4(17, 0, &[], &udp(9, port, &[tunnel, &inner].concat())));
    let vxlan = outer(4789, &[8, 0, 0, 0, 0, 0, 1, 0]);
    assert_eq!(segment_header_len(&vxlan[..], 34, 4789), 34 + 8 + 8 + 54);
    let geneve = outer(6081, &[1, 0, 0x65, 0x58, 0, 0, 1, 0, 0, 0, 0, 0]);
    assert_eq!(segment_header_len(&geneve[..], 34, 6081), 34 + 8 + 12 + 54);
    assert_eq!(segment_header_len(&vxlan[..], 34, 53), 42, "another port is no tunnel");
    assert_eq!(segment_header_len(&vxlan[..60], 34, 4789), 42, "a tunnel cut short is taken for none");
}

proptest! {
    #[test]
    fn no_frame_panics_and_both_ways_agree(frame in prop::collection::vec(any::<u8>(), 0..160), ip in any::<bool>(), kind in 0..4) {
        let mut frame = frame;
        if let (false, Some(types)) = (ip, frame.get_mut(12..14)) {
            let ethertype: u16 = [0x0800, 0x86dd, 0x8100, 0x1234][kind as usize];
            types.copy_from_slice(&ethertype.to_be_bytes());
        }
        if let Some(first) = frame.get_mut(if ip { 0 } else { 14 }) {
            *first = [0x45, 0x60, 0x4f, *first][kind as usize];
        }
        let layer = if ip { Layer::Ip } else { Layer::Ethernet };
        let found = link(&frame[..], layer);
        let _ = other(&frame[..], layer, found, true);
        let _ = dscp(&frame[..], found);
        let _ = segment_header_len(&frame[..], found.l3, 4789);
        let _ = segment_header_len(&frame[..], found.l3, 6081);
        let long = ipv4(&frame[..], found.l3);
        if let Some(plain) = plain4(&frame[..], found.l3) {
            prop_assert_eq!(Some(plain), long);
        }
        let long = ipv6(&frame[..], found.l3);
        if let Some(plain) = plain6(&frame[..], found.l3) {
            prop_assert_eq!(Some(plain), long);
        }
    }
}
