//! What is read of packets: DNS, hellos of TLS and QUIC.

use std::{net::UdpSocket, thread, time::Duration};

use flow::Feature;

use crate::{
    capture::{Capture, config, packets},
    lab::{Lab, can_run, inside},
};

#[test]
fn kernel_everything_that_is_read_of_packets_loads() {
    if !can_run("kernel_everything_that_is_read_of_packets_loads") {
        return;
    }
    let mut lab = Lab::new();
    lab.pair();
    for features in [vec![Feature::Dns], vec![Feature::Tls], vec![Feature::Dns, Feature::Tls]] {
        let mut config = config(&lab.prefix);
        config.dns_ports = vec![53, 5353];
        config.features = features;
        let capture = Capture::start(config);
        assert_eq!(capture.finish().counters.losses().count(), 0);
    }
}

/// A query for the address of `seen.twice`.
const QUERY: &[u8] = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04seen\x05twice\x00\x00\x01\x00\x01";

#[test]
fn kernel_a_message_that_several_interfaces_see_is_one() {
    if !can_run("kernel_a_message_that_several_interfaces_see_is_one") {
        return;
    }
    let mut lab = Lab::new();
    let [a, b, ..] = lab.pair();
    let mut config = config(&lab.prefix);
    config.dns_ports = vec![5300];
    config.features = vec![Feature::Dns];
    let capture = Capture::start(config);
    capture.await_interfaces(2);
    let socket = inside(&b, || UdpSocket::bind("0.0.0.0:5300").unwrap()).join().unwrap();
    let server = thread::spawn(move || {
        let mut message = [0; 512];
        for _ in 0..3 {
            let (len, from) = socket.recv_from(&mut message).unwrap();
            thread::sleep(Duration::from_millis(30));
            message[2] |= 0x80;
            socket.send_to(&message[..len], from).unwrap();
        }
    });
    let client = inside(&a, move || {
        let socket = UdpSocket::bind("0.0.0.0:1000").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        // The same message again, as another client of that socket would send it.
        for _ in 0..3 {
            socket.send_to(QUERY, "10.9.0.2:5300").unwrap();
            socket.recv(&mut [0; 512]).unwrap();
        }
    });
    client.join().unwrap();
    server.join().unwrap();
    let outcome = capture.finish();
    let of_name = |port| {
        let of_port = outcome.records().filter(move |record| record.dst_port == Some(port));
        of_port.filter(|record| record.dns_name.as_deref() == Some("seen.twice")).collect::<Vec<_>>()
    };
    let (queries, responses) = (of_name(5300), of_name(1000));
    assert_eq!((queries.len(), responses.len()), (3, 3), "{queries:#?} {responses:#?}");
    for response in &responses {
        assert_eq!((response.dns_id, response.dns_flags_response_code.as_deref()), (Some(0x1234), Some("NoError")));
        assert!(response.dns_latency_ms.is_some_and(|latency| (30..500).contains(&latency)), "{response:?}");
        assert_eq!(response.net_ns.as_deref(), Some(b.as_str()));
    }
    assert_eq!((packets(&outcome.to_port(5300)), packets(&outcome.to_port(1000))), (3, 3));
    assert_eq!(outcome.counters.losses().count(), 0);
}
