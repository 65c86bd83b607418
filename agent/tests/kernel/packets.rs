//! Packets mode: each packet once, in order, whole.

use std::time::Duration;

use flow::{
    Body, PacketBatch,
    config::{Mode, NetNs},
};

use crate::{
    capture::{Capture, Outcome, config},
    lab::{Lab, can_run, inside, path, send},
};

fn batches(outcome: &Outcome) -> impl Iterator<Item = &PacketBatch> {
    outcome.batches.iter().filter_map(|batch| match &batch.body {
        Body::Packets(packets) => Some(packets),
        _ => None,
    })
}

#[test]
fn kernel_each_packet_once_in_order_and_whole() {
    if !can_run("kernel_each_packet_once_in_order_and_whole") {
        return;
    }
    let mut lab = Lab::new();
    let [a, b, one, other] = lab.pair();
    let receiver = inside(&b, || std::net::UdpSocket::bind("0.0.0.0:9999").unwrap()).join().unwrap();
    let capture = Capture::start(flow::CaptureConfig { mode: Mode::Packets, ..config(&lab.prefix) });
    let before = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    assert_eq!(send(&a, "10.9.0.2:9999", 1000, 20_000, 200), 20_000);
    let outcome = capture.finish();
    let after = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    let mut numbers = [Vec::new(), Vec::new()];
    let mut last = before;
    for batch in batches(&outcome) {
        for packet in &batch.packets {
            let interface = outcome.interfaces().find(|interface| interface.id == packet.interface).unwrap();
            let name = if packet.direction == 1 { &one } else { &other };
            assert_eq!(&*interface.name, name.as_str());
            assert_eq!((packet.len, packet.caplen), (242, 242));
            assert!(packet.time_ns >= last && packet.time_ns <= after, "order");
            last = packet.time_ns;
            let number: [u8; 8] = batch.bytes(packet)[42..50].try_into().unwrap();
            numbers[usize::from(packet.direction)].push(u64::from_be_bytes(number));
        }
    }
    for numbers in numbers {
        assert!(numbers.iter().copied().eq(0..20_000), "{} packets", numbers.len());
    }
    assert_eq!(outcome.counters.losses().count(), 0);
    let newest = outcome.batches.iter().flat_map(|batch| &batch.interface_counts);
    let delivered: std::collections::BTreeMap<u32, u64> =
        newest.map(|counts| (counts.interface, counts.delivered)).collect();
    assert_eq!(delivered.values().sum::<u64>(), 40_000);
    drop(receiver);
}

#[test]
fn kernel_a_full_ring_loses_exactly_what_it_says() {
    if !can_run("kernel_a_full_ring_loses_exactly_what_it_says") {
        return;
    }
    let mut lab = Lab::new();
    let [a, b, ..] = lab.pair();
    let receiver = inside(&b, || std::net::UdpSocket::bind("0.0.0.0:9999").unwrap()).join().unwrap();
    let mut config = flow::CaptureConfig { mode: Mode::Packets, snaplen: 96, ..config(&lab.prefix) };
    config.netns = NetNs::Path(path(&b));
    config.buffer_size = 1 << 16;
    let capture = Capture::start(config);
    let mut sent = 0;
    for _ in 0..8 {
        sent += send(&a, "10.9.0.2:9999", 1000, 50_000, 200);
    }
    let outcome = capture.finish();
    let got: usize = batches(&outcome).map(|batch| batch.packets.len()).sum();
    assert!(batches(&outcome).flat_map(|batch| &batch.packets).all(|packet| (packet.caplen, packet.len) == (96, 242)));
    println!("{sent} sent, {got} delivered, {} lost", outcome.counters.lost_packets);
    assert_eq!(got as u64 + outcome.counters.lost_packets, sent);
    let lost_at: Option<u64> =
        outcome.batches.iter().flat_map(|batch| &batch.interface_counts).map(|counts| counts.lost).max();
    assert_eq!(lost_at.unwrap_or(0), outcome.counters.lost_packets);
    drop(receiver);
}

#[test]
fn kernel_the_first_packet_is_there_within_100_ms() {
    if !can_run("kernel_the_first_packet_is_there_within_100_ms") {
        return;
    }
    let mut lab = Lab::new();
    let [a, ..] = lab.pair();
    let capture = Capture::start(flow::CaptureConfig { mode: Mode::Packets, ..config(&lab.prefix) });
    std::thread::sleep(Duration::from_millis(200));
    send(&a, "10.9.0.2:9999", 1000, 1, 200);
    let sent = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    std::thread::sleep(Duration::from_millis(300));
    let outcome = capture.finish();
    let batch = outcome.batches.iter().find(|batch| matches!(&batch.body, Body::Packets(_))).unwrap();
    let took = batch.time_ns.saturating_sub(sent) / 1_000_000;
    println!("the first packet was delivered after {took} ms");
    assert!(took < 100, "{took} ms");
}

/// A figure: `cargo test --release -p agent --test kernel -- --ignored --nocapture speed_of_packets`.
#[test]
#[ignore = "a measurement"]
fn kernel_speed_of_packets() {
    if can_run("kernel_speed_of_packets") {
        measure("bare", Vec::new());
    }
}

/// The same with the processes of both ends.
#[test]
#[ignore = "a measurement"]
fn kernel_speed_of_packets_with_processes() {
    if can_run("kernel_speed_of_packets_with_processes") {
        measure("with processes", vec![flow::Feature::Process]);
    }
}

fn measure(what: &str, features: Vec<flow::Feature>) {
    let mut lab = Lab::new();
    let [a, b, ..] = lab.pair();
    let receiver = inside(&b, || std::net::UdpSocket::bind("0.0.0.0:9999").unwrap()).join().unwrap();
    let config = flow::CaptureConfig {
        mode: Mode::Packets,
        snaplen: 256,
        buffer_size: 64 << 20,
        features,
        ..config(&lab.prefix)
    };
    let kept = crate::capture::Counted::default();
    let agent = agent::start(config, Box::new(kept.clone()), flow::Stop::default()).unwrap();
    let begun = std::time::Instant::now();
    let senders: Vec<_> = [1000, 1001]
        .map(|port| {
            let a = a.clone();
            std::thread::spawn(move || send(&a, "10.9.0.2:9999", port, 500_000, 260))
        })
        .into();
    let sent: u64 = senders.into_iter().map(|sender| sender.join().unwrap()).sum();
    let (took, cpu) = (begun.elapsed(), crate::storm::thread_cpu("packets"));
    let counters = agent.finish().unwrap();
    let got = kept.get();
    println!(
        "{what}: {sent} sent, {got} delivered, {} lost, {:.0} packets/s captured, {} ns CPU of the agent each",
        counters.lost_packets,
        got as f64 / took.as_secs_f64(),
        cpu.as_nanos() / u128::from(got.max(1)),
    );
    assert!(got + counters.lost_packets >= 2 * sent);
    drop(receiver);
}
