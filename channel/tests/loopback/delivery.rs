//! Each batch once and in order, whatever happens in between.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use channel::{client, server::Event};
use flow::{Batch, Body, Closed, Packet, PacketBatch, Sink as _, control::ToAgent};

use crate::{
    proxy::Proxy,
    support::{SOON, agent, any_port, batch, collector, eventually, options, start},
};

#[test]
fn batches_arrive_in_order_and_are_confirmed() {
    let (server, arrivals) = collector();
    let (client, _orders) = agent(server.address(), "n1", 1);
    let mut sink = client.sink();
    for sequence in 0..100 {
        sink.deliver(batch("n1", sequence, 10)).unwrap();
    }
    client.finish(SOON).unwrap();
    assert_eq!(arrivals.sequences(), (0..100).collect::<Vec<_>>());
    let agents = server.agents();
    assert_eq!((agents.len(), agents[0].batches, agents[0].ended, agents[0].unreadable), (1, 100, true, 0));
    assert_eq!(&*agents[0].node, "n1");
    assert_eq!(arrivals.sinks(), 0, "the sink of an agent that has ended is dropped");
    assert_eq!(sink.deliver(batch("n1", 100, 1)), Err(Closed), "the client has ended");
}

#[test]
fn a_connection_that_breaks_again_and_again_loses_and_doubles_nothing() {
    let (server, arrivals) = collector();
    let proxy = Proxy::new(server.address());
    let options = client::Options { buffer_bytes: 50_000, ..options(proxy.address(), "n1", 1) };
    let (client, _orders) = client::connect(options).unwrap();
    let mut sink = client.sink();
    let sender = thread::spawn(move || (0..2000).for_each(|sequence| sink.deliver(batch("n1", sequence, 30)).unwrap()));
    let mut cuts = 0;
    while !sender.is_finished() {
        let passed = proxy.passed();
        eventually("bytes pass", || proxy.passed() > passed + 60_000 || sender.is_finished());
        proxy.cut();
        cuts += 1;
    }
    sender.join().unwrap();
    client.finish(SOON).unwrap();
    assert_eq!(arrivals.sequences(), (0..2000).collect::<Vec<_>>());
    assert!(cuts > 3 && server.agents()[0].reconnects > 3, "{cuts} cuts, {} reconnects", server.agents()[0].reconnects);
    assert_eq!(server.agents()[0].batches, 2000);
}

#[test]
fn a_collector_that_restarts_gets_what_the_former_did_not_confirm() {
    let (server, arrivals) = collector();
    let address = server.address();
    let (client, _orders) = agent(address, "n1", 1);
    let mut sink = client.sink();
    (0..50).for_each(|sequence| sink.deliver(batch("n1", sequence, 1)).unwrap());
    eventually("all are delivered", || arrivals.all().len() == 50);
    // What comes now is taken over but not delivered.
    arrivals.shut(true);
    (50..60).for_each(|sequence| sink.deliver(batch("n1", sequence, 1)).unwrap());
    server.close();
    arrivals.close();
    arrivals.shut(false);
    drop(server);
    (60..70).for_each(|sequence| sink.deliver(batch("n1", sequence, 1)).unwrap());
    let later = Arc::default();
    let _server = start(address, &later);
    client.finish(SOON).unwrap();
    let got = later.sequences();
    // The last confirmations of the former may not have come through.
    assert!(got[0] <= 50 && got == (got[0]..70).collect::<Vec<_>>(), "{got:?}");
}

#[test]
fn a_blocked_sink_blocks_the_agent_and_lets_it_go_on() {
    let (server, arrivals) = collector();
    let (client, _orders) =
        client::connect(client::Options { buffer_bytes: 100_000, ..options(server.address(), "n1", 1) }).unwrap();
    arrivals.shut(true);
    let sent = Arc::new(AtomicU64::new(0));
    let (mut sink, count) = (client.sink(), Arc::clone(&sent));
    let sender = thread::spawn(move || {
        for sequence in 0..400 {
            sink.deliver(batch("n1", sequence, 1000)).unwrap();
            count.store(sequence + 1, Ordering::Relaxed);
        }
    });
    thread::sleep(Duration::from_secs(1));
    let before = sent.load(Ordering::Relaxed);
    thread::sleep(Duration::from_secs(9));
    // Longer than the time after which a silent end counts as dead: a waiting one is not.
    assert_eq!(sent.load(Ordering::Relaxed), before, "blocked");
    assert!(before < 10, "16 kB each, 100 kB may wait: {before}");
    assert_eq!((client.reconnects(), server.agents()[0].connected), (0, true), "waiting breaks no connection");
    assert!(client.silent_for() < Duration::from_secs(4), "heartbeats come through");
    arrivals.shut(false);
    sender.join().unwrap();
    client.finish(SOON).unwrap();
    assert_eq!(arrivals.sequences(), (0..400).collect::<Vec<_>>());
}

#[test]
fn one_agent_that_is_not_taken_from_does_not_hold_up_another() {
    let (server, arrivals) = collector();
    arrivals.shut(true);
    let (first, _orders) = agent(server.address(), "n1", 1);
    let mut sink = first.sink();
    (0..5).for_each(|sequence| sink.deliver(batch("n1", sequence, 1)).unwrap());
    let (second, orders) = agent(server.address(), "n2", 1);
    assert!(matches!(orders.recv_timeout(SOON), Ok(ToAgent::Begin(_))));
    assert!(second.silent_for() < Duration::from_secs(3));
    arrivals.shut(false);
    first.finish(SOON).unwrap();
    second.finish(SOON).unwrap();
}

#[test]
fn a_silent_collector_is_left_after_the_time_that_was_given() {
    let (server, arrivals) = collector();
    let address = server.address();
    let silence = Duration::from_secs(3);
    let (client, orders) = client::connect(client::Options { silence, ..options(address, "n1", 1) }).unwrap();
    let mut sink = client.sink();
    sink.deliver(batch("n1", 0, 1)).unwrap();
    eventually("it is delivered", || arrivals.all().len() == 1);
    drop(server);
    let begun = Instant::now();
    let blocked = thread::spawn(move || (1..).find_map(|sequence| sink.deliver(batch("n1", sequence, 9000)).err()));
    assert_eq!(blocked.join().unwrap(), Some(Closed));
    let waited = begun.elapsed();
    assert!(waited > Duration::from_millis(900) && waited < Duration::from_secs(6), "{waited:?}");
    assert!(orders.iter().count() <= 1, "the receiver of orders ends");
    assert!(client.gone().unwrap().starts_with("the collector is silent: "), "{:?}", client.gone());
    assert!(client.finish(Duration::from_secs(5)).unwrap_err().batches > 0);
}

#[test]
fn a_frozen_connection_is_noticed_by_both_ends_and_replaced() {
    let (server, arrivals) = collector();
    let proxy = Proxy::new(server.address());
    let events = server.events();
    let (client, _orders) = agent(proxy.address(), "n1", 1);
    let mut sink = client.sink();
    sink.deliver(batch("n1", 0, 1)).unwrap();
    eventually("it is delivered", || arrivals.all().len() == 1);
    proxy.freeze(true);
    sink.deliver(batch("n1", 1, 1)).unwrap();
    let events: Vec<_> = std::iter::from_fn(|| events.recv_timeout(SOON).ok()).take(2).collect();
    let silent = Event::Disconnected { node: "n1".into(), why: "it is silent".into() };
    assert_eq!(events, [Event::Connected { node: "n1".into(), again: false }, silent]);
    proxy.freeze(false);
    client.finish(SOON).unwrap();
    assert_eq!(arrivals.sequences(), [0, 1]);
    assert!(client.reconnects() >= 1);
}

#[test]
fn nobody_there_at_first_is_no_failure_and_nobody_at_all_is_one() {
    let address = std::net::TcpListener::bind(any_port()).unwrap().local_addr().unwrap();
    let waiting = thread::spawn(move || client::connect(options(address, "n1", 1)));
    thread::sleep(Duration::from_millis(500));
    let arrivals = Arc::default();
    let server = start(address, &arrivals);
    assert!(waiting.join().unwrap().is_ok());
    drop(server);
    let silence = Duration::from_secs(1);
    let error = client::connect(client::Options { silence, ..options(address, "n1", 1) }).unwrap_err().to_string();
    assert!(error.starts_with(&format!("no collector answers at {address} for 1 s: Connection refused")), "{error}");
}

#[test]
fn a_closed_sink_is_counted_and_the_agent_can_end() {
    let (server, arrivals) = collector();
    arrivals.close();
    let (client, _orders) = agent(server.address(), "n1", 1);
    let mut sink = client.sink();
    (0..5).for_each(|sequence| sink.deliver(batch("n1", sequence, 1)).unwrap());
    client.finish(SOON).unwrap();
    assert_eq!((server.agents()[0].discarded, server.agents()[0].batches), (5, 0));
}

#[test]
fn a_batch_larger_than_the_buffer_passes_alone_and_one_larger_than_any_frame_is_missing() {
    let (server, arrivals) = collector();
    let (client, _orders) = agent(server.address(), "n1", 1);
    let mut sink = client.sink();
    let packets = |sequence, mib: u32| {
        let packet = |n| Packet {
            time_ns: 1,
            interface: 1,
            len: 1 << 20,
            caplen: 1 << 20,
            offset: n << 20,
            direction: 0,
            ..Packet::default()
        };
        let data = vec![7; (mib as usize) << 20];
        let body = Body::Packets(PacketBatch {
            data,
            packets: (0..mib).map(packet).collect(),
            drops: Vec::new(),
            ..PacketBatch::default()
        });
        Batch { body, ..batch("n1", sequence, 0) }
    };
    for (sequence, mib) in [(0, 1), (1, 60), (2, 70), (3, 1)] {
        sink.deliver(packets(sequence, mib)).unwrap();
    }
    client.finish(SOON).unwrap();
    assert_eq!(arrivals.sequences(), [0, 1, 3], "the gap is for the collector to count");
}

#[test]
fn what_waits_at_the_collector_when_a_connection_breaks_is_delivered_once() {
    let (server, arrivals) = collector();
    let proxy = Proxy::new(server.address());
    let (client, _orders) = agent(proxy.address(), "n1", 1);
    let mut sink = client.sink();
    for round in 0..5 {
        arrivals.shut(true);
        (0..8).for_each(|n| sink.deliver(batch("n1", round * 8 + n, 1000)).unwrap());
        // Some are in the collector's hands now, delivered to nobody.
        thread::sleep(Duration::from_millis(100));
        proxy.cut();
        eventually("it is back", || server.agents()[0].reconnects > round as u32);
        thread::sleep(Duration::from_millis(100));
        arrivals.shut(false);
    }
    client.finish(SOON).unwrap();
    assert_eq!(arrivals.sequences(), (0..40).collect::<Vec<_>>());
}
