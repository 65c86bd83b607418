//! Not proofs but figures: `cargo test --release -p channel -- --ignored --nocapture speed`.

use std::{
    net::IpAddr,
    sync::{Arc, mpsc},
    thread,
    time::Instant,
};

use channel::server;
use flow::{Batch, Body, FlowBatch, FlowRecord, Packet, PacketBatch, Sink};

use crate::support::{SOON, VERSION, agent, any_port, batch, collector, collector_identity, config, eventually};

/// Records as agents make them.
fn flows(sequence: u64) -> Batch {
    let record = |n: u64| FlowRecord {
        time_flow_start_ms: Some(1_800_000_000_000 + n),
        time_flow_end_ms: Some(1_800_000_000_900 + n),
        time_received: Some(1_800_000_001),
        agent_ip: Some(IpAddr::from([192, 168, 1, 4])),
        net_ns: Some("".into()),
        interfaces: Some([Arc::from("veth1"), Arc::from("eth0")].into()),
        if_directions: Some([0, 1].into()),
        etype: Some(0x800),
        src_addr: Some(IpAddr::from([10, 128, 0, n as u8])),
        src_port: Some(30_000 + n as u16),
        dst_addr: Some(IpAddr::from([10, 129, 0, 7])),
        dst_port: Some(443),
        proto: Some(6),
        flags: Some(0x10),
        bytes: Some(1500 * n),
        packets: Some(n),
        ..FlowRecord::default()
    };
    let records = (0..1000).map(record).collect();
    Batch {
        body: Body::Flows(FlowBatch { records, observations: Vec::new() }),
        time_ns: 1_800_000_001_000_000_000,
        ..batch("n1", sequence, 0)
    }
}

/// 4 MiB of full-sized packets.
fn packets(sequence: u64) -> Batch {
    let data = vec![0x5a; 4 << 20];
    let packet = |n: u32| Packet {
        time_ns: u64::from(n),
        interface: 1,
        len: 1500,
        caplen: 1500,
        offset: n * 1500,
        direction: 0,
        ..Packet::default()
    };
    let packets = (0..(4 << 20) / 1500).map(packet).collect();
    Batch {
        body: Body::Packets(PacketBatch { data, packets, drops: Vec::new(), ..PacketBatch::default() }),
        ..batch("n1", sequence, 0)
    }
}

/// Seconds until all have gone through `sink` and come out of the receiver.
fn through(
    mut sink: Box<dyn Sink>,
    out: mpsc::Receiver<Batch>,
    make: fn(u64) -> Batch,
    count: u64,
    end: impl FnOnce(),
) -> f64 {
    // Made beforehand: making them costs more than sending them.
    let batches: Vec<_> = (0..count).map(make).collect();
    let begun = Instant::now();
    let reader = thread::spawn(move || (0..count).for_each(|n| assert_eq!(out.recv().unwrap().sequence, n)));
    for batch in batches {
        sink.deliver(batch).unwrap();
    }
    end();
    reader.join().unwrap();
    begun.elapsed().as_secs_f64()
}

fn channel_against_memory(what: &str, make: fn(u64) -> Batch, count: u64, per_batch: f64) {
    let (sink, out) = mpsc::sync_channel(8);
    let memory = through(Box::new(sink), out, make, count, || ());
    let (sink, out) = mpsc::sync_channel(8);
    let server = server::start(server::Options {
        listen: any_port(),
        identity: collector_identity(),
        begin: config(),
        version: VERSION.to_owned(),
        make_sink: Box::new(move |_: &server::AgentInfo| Box::new(sink.clone())),
    })
    .unwrap();
    let (client, _orders) = agent(server.address(), "n1", 1);
    let sink = Box::new(client.sink());
    let tls = through(sink, out, make, count, || client.finish(SOON).unwrap());
    let bytes = server.agents()[0].bytes as f64;
    println!(
        "{what}: {:.0} a second through TLS on loopback ({:.0} MB/s), {:.0} through memory; ratio {:.3}",
        count as f64 * per_batch / tls,
        bytes / tls / 1e6,
        count as f64 * per_batch / memory,
        memory / tls
    );
}

#[test]
#[ignore = "a measurement"]
fn speed_of_flows() {
    channel_against_memory("records", flows, 400, 1000.0);
}

#[test]
#[ignore = "a measurement"]
fn speed_of_packets() {
    channel_against_memory("packets of 1500 bytes", packets, 100, f64::from((4 << 20) / 1500));
}

#[test]
#[ignore = "a measurement"]
fn speed_of_connecting() {
    let (server, arrivals) = collector();
    let (address, begun) = (server.address(), Instant::now());
    let agents: Vec<_> = (0..300)
        .map(|n| {
            thread::spawn(move || {
                let (client, orders) = agent(address, &format!("n{n}"), 1);
                client.sink().deliver(batch(&format!("n{n}"), 0, 10)).unwrap();
                (client, orders)
            })
        })
        .collect();
    let agents: Vec<_> = agents.into_iter().map(|agent| agent.join().unwrap()).collect();
    eventually("all have delivered", || arrivals.all().len() == 300);
    println!("300 agents at once: {:?} until the first batch of each is delivered", begun.elapsed());
    drop(agents);
}
