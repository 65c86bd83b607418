//! Packets mode with features: who sends and who receives each packet.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    process::Command,
    time::Duration,
};

use flow::{Body, CaptureConfig, Feature, FlowRecord, config::Mode};

use crate::{
    capture::{Capture, Outcome, config},
    lab::{Lab, can_run, inside, path, run},
};

/// Ends of each packet from and to a TCP port, in order: port of the source, its process, that of the destination.
fn ends(outcome: &Outcome, port: u16) -> Vec<(Option<String>, Option<String>)> {
    let text = |name: &Option<std::sync::Arc<str>>| name.as_deref().map(str::to_owned);
    let mut all = Vec::new();
    for batch in &outcome.batches {
        let Body::Packets(packets) = &batch.body else { continue };
        for packet in &packets.packets {
            let bytes = packets.bytes(packet);
            // Ethernet and IPv4 without options.
            let destination = u16::from_be_bytes([bytes[36], bytes[37]]);
            if bytes[23] == 6 && destination == port {
                let record = packets.ends(packet).map_or_else(FlowRecord::default, |ends| FlowRecord::clone(ends));
                all.push((text(&record.src_process), text(&record.dst_process)));
            }
        }
    }
    all
}

/// A question and an answer between bash in one namespace and us in the other.
fn exchange(client: &str, server: &str, port: u16) {
    let listener = inside(server, move || TcpListener::bind(("10.9.0.2", port)).unwrap()).join().unwrap();
    let script = format!("exec 3<>/dev/tcp/10.9.0.2/{port}; echo question >&3; read -r answer <&3; echo $answer");
    let mut bash = Command::new("ip");
    let child = bash.args(["netns", "exec", client, "bash", "-c", &script]).stdout(std::process::Stdio::piped());
    let child = child.spawn().unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line).unwrap();
    // Both ends have been heard of by then.
    std::thread::sleep(Duration::from_millis(300));
    stream.write_all(b"answer\n").unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"answer\n");
}

#[test]
fn kernel_packets_name_the_processes_at_both_ends() {
    if !can_run("kernel_packets_name_the_processes_at_both_ends") {
        return;
    }
    let mut lab = Lab::new();
    let [a, b, ..] = lab.pair();
    let features = vec![Feature::Process, Feature::PktDrop, Feature::Dns];
    let capture = Capture::start(CaptureConfig { mode: Mode::Packets, features, ..config(&lab.prefix) });
    if let Some(limit) = capture.limits().iter().find(|limit| limit.starts_with("processes")) {
        println!("SKIP kernel_packets_name_the_processes_at_both_ends: {limit}");
        return;
    }
    exchange(&a, &b, 7601);
    let outcome = capture.finish();
    let to_server = ends(&outcome, 7601);
    let us = std::fs::read_to_string("/proc/self/comm").unwrap();
    assert!(to_server.len() >= 8, "five packets or more, at two interfaces: {to_server:?}");
    assert!(to_server.iter().all(|(source, _)| source.as_deref() == Some("bash")), "from the first on: {to_server:?}");
    let (_, last) = to_server.last().unwrap();
    assert!(last.as_deref().is_some_and(|name| name.starts_with(us.trim())), "{last:?} {us:?}");
    let record = outcome.batches.iter().find_map(|batch| match &batch.body {
        Body::Packets(packets) => {
            packets.ends.iter().find(|ends| ends.dst_port == Some(7601) && ends.dst_pid.is_some())
        }
        _ => None,
    });
    let record = record.unwrap();
    assert_eq!(record.dst_pid, Some(std::process::id()));
    assert_eq!((record.dst_addr, record.proto), (Some([10, 9, 0, 2].into()), Some(6)));
    assert!(record.packets.is_none() && record.bytes.is_none() && record.net_ns.is_some());
}

#[test]
fn kernel_packets_without_a_feature_that_names_ends_have_none() {
    if !can_run("kernel_packets_without_a_feature_that_names_ends_have_none") {
        return;
    }
    let mut lab = Lab::new();
    let [a, b, ..] = lab.pair();
    // Of these one tells of flows only, and drops are packets.
    let features = vec![Feature::PktDrop, Feature::Tls];
    let capture = Capture::start(CaptureConfig { mode: Mode::Packets, features, ..config(&lab.prefix) });
    exchange(&a, &b, 7602);
    let outcome = capture.finish();
    let all = ends(&outcome, 7602);
    assert!(!all.is_empty() && all.iter().all(|ends| *ends == (None, None)));
    let made = outcome
        .batches
        .iter()
        .filter(|batch| matches!(&batch.body, Body::Packets(packets) if !packets.ends.is_empty()));
    assert_eq!(made.count(), 0);
}

#[test]
fn kernel_packets_tell_translated_addresses() {
    if !can_run("kernel_packets_tell_translated_addresses") {
        return;
    }
    let mut lab = Lab::new();
    let [a, b, ..] = lab.pair();
    let rules = "nft add table ip t && nft 'add chain ip t c { type nat hook output priority -100 ; }' && \
         nft 'add rule ip t c ip daddr 10.9.0.2 tcp dport 7699 dnat to 10.9.0.2:7603'";
    if Command::new("ip")
        .args(["netns", "exec", &a, "sh", "-c", rules])
        .output()
        .is_ok_and(|done| !done.status.success())
    {
        println!("SKIP kernel_packets_tell_translated_addresses: nft or its rules for NAT are not here");
        return;
    }
    let features = vec![Feature::PktTranslation];
    let netns = flow::config::NetNs::Path(path(&a));
    let capture = Capture::start(CaptureConfig { mode: Mode::Packets, features, netns, ..config(&lab.prefix) });
    if let Some(limit) = capture.limits().first() {
        println!("SKIP kernel_packets_tell_translated_addresses: {limit}");
        return;
    }
    let listener = inside(&b, || TcpListener::bind(("10.9.0.2", 7603)).unwrap()).join().unwrap();
    run(&format!("ip netns exec {a} bash -c 'exec 3<>/dev/tcp/10.9.0.2/7699; sleep 0.3; echo x >&3'"));
    drop(listener);
    let outcome = capture.finish();
    let told = outcome.batches.iter().any(|batch| match &batch.body {
        Body::Packets(packets) => {
            packets.ends.iter().any(|ends| (ends.dst_port, ends.xlat_dst_port) == (Some(7603), Some(7699)))
        }
        _ => false,
    });
    assert!(told, "{:?}", outcome.batches);
}
