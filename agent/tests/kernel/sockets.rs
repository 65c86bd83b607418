//! Connections of a namespace: those of a port, and those that bear another name behind an address translation.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
};

use flow::{Own, control::Connection};

use crate::lab::{Lab, can_run, inside, run};

/// A connection from one namespace to a listener in another; both ends.
fn connect(from: &str, to: &str, address: &str) -> (TcpStream, TcpStream) {
    let port = address.parse::<SocketAddr>().unwrap().port();
    let listener =
        inside(to, move || TcpListener::bind(("::", port)).or_else(|_| TcpListener::bind(("0.0.0.0", port))));
    let listener = listener.join().unwrap().unwrap();
    let address = address.to_owned();
    let client = inside(from, move || TcpStream::connect(address).unwrap()).join().unwrap();
    (client, listener.accept().unwrap().0)
}

#[test]
fn kernel_connections_of_a_port_are_those_of_this_namespace() {
    if !can_run("kernel_connections_of_a_port_are_those_of_this_namespace") {
        return;
    }
    let mut lab = Lab::new();
    let [a, b, ..] = lab.pair();
    let (mut client, mut server) = connect(&a, &b, "10.9.0.2:10250");
    let of = |namespace: &str| inside(namespace, || agent::connections(10250).unwrap()).join().unwrap();
    let (local, remote) = ("10.9.0.2:10250".parse().unwrap(), client.local_addr().unwrap());
    let connection = |acked| Connection { local, remote, acked };
    assert_eq!(of(&b), [connection(0)]);
    server.write_all(&[7; 5000]).unwrap();
    client.read_exact(&mut [0; 5000]).unwrap();
    assert_eq!(of(&b), [connection(5000)]);
    assert_eq!(of(&a), []);
    drop((client, server));
    assert_eq!(of(&b), []);
}

#[test]
fn kernel_a_masqueraded_connection_is_found_by_the_address_that_it_lost() {
    if !can_run("kernel_a_masqueraded_connection_is_found_by_the_address_that_it_lost") {
        return;
    }
    let mut lab = Lab::new();
    let (a, router, b) = (lab.namespace("a"), lab.namespace("r"), lab.namespace("b"));
    lab.join((&a, "1"), (&router, "2"));
    let (outer, far) = lab.join((&router, "3"), (&b, "4"));
    run(&format!(
        "ip -n {router} address flush dev {outer} && ip -n {router} address add 10.8.0.3/24 dev {outer} && \
         ip -n {b} address flush dev {far} && ip -n {b} address add 10.8.0.4/24 dev {far} && \
         ip -n {a} route add default via 10.9.0.2 && ip netns exec {router} sysctl -qw net.ipv4.ip_forward=1"
    ));
    let rules = "add table ip t; add chain ip t c { type nat hook postrouting priority 100; }; \
                 add rule ip t c ip saddr 10.9.0.1 masquerade";
    run(&format!("ip netns exec {router} nft '{rules}'"));
    let (client, server) = connect(&a, &b, "10.8.0.4:6443");
    let found = |address: &str| {
        let address = address.parse().unwrap();
        inside(&router, move || agent::translated(address).unwrap()).join().unwrap()
    };
    let seen_from = server.peer_addr().unwrap();
    let seen_from = SocketAddr::new(seen_from.ip().to_canonical(), seen_from.port());
    assert_eq!(seen_from.ip().to_string(), "10.8.0.3");
    assert_eq!(found("10.9.0.1"), [Own::Connection(seen_from, "10.8.0.4:6443".parse().unwrap())]);
    // Of an address that keeps its name nothing needs to be told.
    assert_eq!(found("10.8.0.4"), []);
    drop((client, server));
}
