//! Traffic that several tests send.

use std::{net::IpAddr, thread, time::Duration};

use lab::{Ends, Pair, RawSocket, frame::Shape, sockets, topology::MAC_NOBODY};

/// Ordinary traffic of every kind, and frames that no socket here sends.
pub(super) fn mixed(pair: &Pair) {
    for (address, side) in [(pair.v4(2), 4), (pair.v6(2), 6)] {
        sockets::ping(&pair.a, address, 3).unwrap();
        sockets::http(&pair.a, &pair.b, (address, 8080).into(), 60_000 + side).unwrap();
        sockets::datagrams(&pair.a, &pair.b, (address, 5000).into(), &[100, 4000, 20_000]).unwrap();
        sockets::closed_port(&pair.a, (address, 81).into()).unwrap();
    }
    odd_frames(pair);
    settle();
}

/// VLAN, QinQ, SCTP, IPv4 options, IPv6 extension headers, protocols without ports.
pub(super) fn odd_frames(pair: &Pair) {
    let socket = RawSocket::open(&pair.a, "a0").unwrap();
    for ends in [nobody(pair.ends4()), nobody(pair.ends6())] {
        for frame in odd(&ends) {
            socket.send(&frame).unwrap();
        }
    }
}

fn odd(ends: &Ends) -> Vec<Vec<u8>> {
    let vlan = Shape { tags: vec![(0x8100, 42)], ..Shape::default() };
    let qinq = Shape { tags: vec![(0x88a8, 100), (0x8100, 200)], ..Shape::default() };
    let router_alert = Shape { options: vec![0x94, 4, 0, 0], ..Shape::default() };
    let most_options = Shape { options: [vec![7, 39, 4], vec![0; 37]].concat(), ..Shape::default() };
    // Hop-by-hop, destination options of 16 bytes, routing header of type 4 without segments: RFC 8200, 8754.
    let extensions =
        vec![(0, vec![1, 4, 0, 0, 0, 0]), (60, [vec![1, 12], vec![0; 12]].concat()), (43, vec![4, 0, 0, 0, 0, 0])];
    let extended = Shape { extensions, ..Shape::default() };
    vec![
        ends.udp_in(&vlan, (7001, 7002), b"in a vlan"),
        ends.udp_in(&qinq, (7003, 7004), b"in a vlan in a vlan"),
        ends.udp_in(&router_alert, (7005, 7006), b"one option"),
        ends.udp_in(&most_options, (7007, 7008), b"forty bytes of options"),
        ends.udp_in(&extended, (7009, 7010), b"behind extension headers"),
        ends.sctp((7011, 7012), b"stream"),
        ends.sctp((7012, 7011), b"back"),
        ends.tcp((7013, 7014), 0xc2, b""),
        ends.tcp((7013, 7014), 0x29, b"urgent"),
        ends.icmp(if ends.source.is_ipv4() { 13 } else { 139 }, 2, &[0; 16]),
        ends.ip(&Shape::default(), 47, &[0, 0, 0x88, 0xbe, 1, 2, 3, 4]),
        ends.ip(&Shape::default(), 50, &[9; 40]),
    ]
}

/// The same ends with a destination that drops what it gets.
pub(super) fn nobody(ends: Ends) -> Ends {
    Ends { target_mac: MAC_NOBODY, ..ends }
}

/// The same, between other addresses.
pub(super) fn between(ends: Ends, source: &str, target: &str) -> Ends {
    let address = |text: &str| -> IpAddr { text.parse().unwrap() };
    Ends { source: address(source), target: address(target), ..ends }
}

/// Until what was sent has gone through every queue.
pub(super) fn settle() {
    thread::sleep(Duration::from_millis(300));
}
