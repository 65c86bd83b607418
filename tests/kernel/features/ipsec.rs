//! IPsec: policies with and without their associations, and a tunnel where the kernel has ESP.

use std::{net::UdpSocket, thread, time::Duration};

use anyhow::{Context as _, Result, bail};
use lab::{Netns, Pair, need, needs, netns::run};
use serde_json::Value;

use crate::flows;

/// `ip xfrm` with arguments split at blanks.
fn xfrm(netns: &Netns, arguments: &str) -> Result<()> {
    run(netns.command("ip").arg("xfrm").args(arguments.split_whitespace())).with_context(|| arguments.to_owned())
}

/// What the kernel said, without the command.
fn last_words(error: &anyhow::Error) -> String {
    error.root_cause().to_string().rsplit(": ").next().unwrap_or_default().to_owned()
}

/// A datagram that nobody answers.
fn send(from: &Netns, source: &str, to: &str) {
    let sent = from.run(|| Ok(UdpSocket::bind((source, 0))?.send_to(b"hello", to)));
    // What a policy blocks, the kernel refuses to send at times.
    drop(sent.unwrap());
}

fn find<'a>(records: &'a [Value], source: &str, destination: &str, proto: u8) -> Vec<&'a Value> {
    let fits =
        |record: &&Value| record["SrcAddr"] == source && record["DstAddr"] == destination && record["Proto"] == proto;
    records.iter().filter(fits).collect()
}

fn verdict(record: &Value) -> (Option<&str>, Option<u64>) {
    (record["IPSecStatus"].as_str(), record["IPSecRetCode"].as_u64())
}

const UDP: u8 = 17;
const ESP: u8 = 50;
const BLOCKED: u64 = 1;
const NO_ASSOCIATION: u64 = 3;
const FORGED: u64 = 74;

#[test]
fn flows_that_a_policy_blocks_or_has_no_association_for_are_errors_and_others_bear_nothing() {
    needs!("ip", "ethtool");
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(81).unwrap();
    if let Err(error) = xfrm(&pair.b, "policy add src 10.81.0.0/24 dst 10.98.0.0/16 dir fwd action block") {
        return need::skip(&format!("no XFRM in this kernel: {}", last_words(&error)));
    }
    let demand = |to: &str| {
        format!(
            "policy add src 10.81.0.0/24 dst {to} dir out tmpl src 10.81.0.2 dst 192.0.2.1 proto esp reqid 7 mode tunnel"
        )
    };
    xfrm(&pair.b, &demand("10.99.0.0/16")).unwrap();
    pair.b.sysctl("net/ipv4/ip_forward", "1").unwrap();
    pair.a.ip("route add default via 10.81.0.2").unwrap();
    pair.b.ip("route add default via 10.81.0.1").unwrap();
    let capture = flows().of(&pair.b, "b0").arg("--enable-ipsec").start().unwrap();
    send(&pair.a, "10.81.0.1", "10.99.0.1:7000");
    send(&pair.a, "10.81.0.1", "10.98.0.1:7000");
    send(&pair.a, "10.81.0.1", "10.81.0.2:7000");
    // A policy that comes while the capture runs.
    xfrm(&pair.b, &demand("10.97.0.0/16")).unwrap();
    thread::sleep(Duration::from_millis(300));
    send(&pair.a, "10.81.0.1", "10.97.0.1:7000");
    let records = capture.stop().unwrap().files.records().unwrap();
    let of = |to: &str| {
        let found = find(&records, "10.81.0.1", to, UDP);
        assert!(!found.is_empty(), "no record of {to}: {records:#?}");
        verdict(found[0])
    };
    assert_eq!(of("10.99.0.1"), (Some("error"), Some(NO_ASSOCIATION)));
    assert_eq!(of("10.98.0.1"), (Some("error"), Some(BLOCKED)));
    assert_eq!(of("10.97.0.1"), (Some("error"), Some(NO_ASSOCIATION)));
    assert_eq!(of("10.81.0.2"), (None, None));
}

/// Keys of the test's own.
const CIPHER_KEY: &str = "0x00112233445566778899aabbccddeeff";
const KEY: &str = "0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const OTHER_KEY: &str = "0xff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn association(netns: &Netns, source: &str, destination: &str, key: &str) -> Result<()> {
    let arguments = format!(
        "state add src {source} dst {destination} proto esp spi 0x100 reqid 7 mode tunnel \
         auth-trunc hmac(sha256) {key} 128 enc cbc(aes) {CIPHER_KEY}"
    );
    xfrm(netns, &arguments)
}

/// A tunnel between 10.201.1.1 behind `a` and 10.201.2.1 behind `b`.
fn tunnel(pair: &Pair) -> Result<()> {
    let [a, b] = [pair.v4(1).to_string(), pair.v4(2).to_string()];
    for netns in [&pair.a, &pair.b] {
        association(netns, &a, &b, KEY)?;
        association(netns, &b, &a, KEY)?;
    }
    let policy = |netns, from: &str, to: &str, direction: &str, source: &str, destination: &str| {
        let template = format!("tmpl src {source} dst {destination} proto esp reqid 7 mode tunnel");
        xfrm(netns, &format!("policy add src {from} dst {to} dir {direction} {template}"))
    };
    let (left, right) = ("10.201.1.0/24", "10.201.2.0/24");
    policy(&pair.a, left, right, "out", &a, &b)?;
    policy(&pair.a, right, left, "in", &b, &a)?;
    policy(&pair.b, right, left, "out", &b, &a)?;
    policy(&pair.b, left, right, "in", &a, &b)?;
    for (netns, own, other, gateway) in [(&pair.a, "10.201.1.1", right, &b), (&pair.b, "10.201.2.1", left, &a)] {
        netns.ip(&format!("addr add {own}/32 dev lo"))?;
        netns.ip(&format!("route add {other} via {gateway} src {own}"))?;
    }
    Ok(())
}

/// A question and its answer through the tunnel.
fn ask(pair: &Pair) -> Result<()> {
    let server = pair.b.run(|| Ok(UdpSocket::bind("10.201.2.1:7000")?))?;
    let client = pair.a.run(|| Ok(UdpSocket::bind("10.201.1.1:7001")?))?;
    for socket in [&server, &client] {
        socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    }
    client.send_to(b"question", "10.201.2.1:7000")?;
    let (_, from) = server.recv_from(&mut [0; 64])?;
    server.send_to(b"answer", from)?;
    if client.recv(&mut [0; 64])? != 6 {
        bail!("another answer");
    }
    Ok(())
}

#[test]
fn a_tunnel_is_a_success_outside_and_inside_and_an_error_while_its_packets_are_not_authentic() {
    needs!("ip", "ethtool");
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(82).unwrap();
    if let Err(error) = association(&pair.a, "192.0.2.1", "192.0.2.2", KEY) {
        return need::skip(&format!("no ESP in this kernel: {}", last_words(&error)));
    }
    tunnel(&pair).unwrap();
    let capture = flows().of(&pair.b, "b0").arg("--enable-ipsec").start().unwrap();
    ask(&pair).unwrap();
    let records = capture.stop().unwrap().files.records().unwrap();
    let [a, b] = [pair.v4(1).to_string(), pair.v4(2).to_string()];
    // Inside is seen where packets come out of the tunnel.
    for (source, destination, proto) in [(&*a, &*b, ESP), (&b, &a, ESP), ("10.201.1.1", "10.201.2.1", UDP)] {
        let found = find(&records, source, destination, proto);
        assert!(!found.is_empty(), "no record of {source} to {destination}: {records:#?}");
        for record in found {
            assert_eq!(verdict(record), (Some("success"), Some(0)), "{record}");
        }
    }
    let capture = flows().of(&pair.b, "b0").arg("--enable-ipsec").start().unwrap();
    // The other side signs with another key from now on.
    xfrm(&pair.a, &format!("state delete src {a} dst {b} proto esp spi 0x100")).unwrap();
    association(&pair.a, &a, &b, OTHER_KEY).unwrap();
    for _ in 0..20 {
        send(&pair.a, "10.201.1.1", "10.201.2.1:7000");
        thread::sleep(Duration::from_millis(150));
    }
    let records = capture.stop().unwrap().files.records().unwrap();
    let outer = find(&records, &a, &b, ESP);
    let failed = outer.iter().filter(|record| verdict(record) == (Some("error"), Some(FORGED))).count();
    assert!(failed >= 1, "{outer:#?}");
    assert_eq!(find(&records, "10.201.1.1", "10.201.2.1", UDP), Vec::<&Value>::new(), "they never came out");
}

#[test]
fn esp_without_its_association_is_an_error_where_a_policy_demands_it() {
    needs!("ip", "ethtool");
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(83).unwrap();
    if let Err(error) = association(&pair.a, "192.0.2.1", "192.0.2.2", KEY) {
        return need::skip(&format!("no ESP in this kernel: {}", last_words(&error)));
    }
    tunnel(&pair).unwrap();
    let [a, b] = [pair.v4(1).to_string(), pair.v4(2).to_string()];
    xfrm(&pair.b, &format!("state delete src {a} dst {b} proto esp spi 0x100")).unwrap();
    let capture = flows().of(&pair.b, "b0").arg("--enable-ipsec").start().unwrap();
    send(&pair.a, "10.201.1.1", "10.201.2.1:7000");
    let records = capture.stop().unwrap().files.records().unwrap();
    let outer = find(&records, &a, &b, ESP);
    assert_eq!(outer.iter().map(|record| verdict(record)).collect::<Vec<_>>(), [(Some("error"), Some(NO_ASSOCIATION))]);
}
