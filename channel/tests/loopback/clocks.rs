//! Clocks of nodes that differ from the collector's: what comes of their batches.

use std::{
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use channel::{Client, Server, client, server};
use flow::{Batch, Body, Clock, Closed, Packet, PacketBatch, Sink};

use crate::{
    proxy::Proxy,
    support::{SOON, VERSION, any_port, collector_identity, config, eventually, now, options},
};

const AHEAD: u64 = 50_000_000;

fn ahead() -> u64 {
    now() + AHEAD
}

fn far_behind() -> u64 {
    now() - 5_000_000_000
}

/// What arrives.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Batch>>>);

impl Sink for Kept {
    fn deliver(&mut self, batch: Batch) -> Result<(), Closed> {
        self.0.lock().unwrap().push(batch);
        Ok(())
    }
}

/// An agent with this clock behind a line, and what arrives of it.
struct Line {
    server: Server,
    proxy: Proxy,
    client: Client,
    kept: Kept,
    clock: fn() -> u64,
    sent: Vec<u64>,
}

impl Line {
    fn new(clock: fn() -> u64, there: u64, back: u64) -> Self {
        let kept = Kept::default();
        let sink = kept.clone();
        let server = server::start(server::Options {
            listen: any_port(),
            identity: collector_identity(),
            begin: config(),
            version: VERSION.to_owned(),
            make_sink: Box::new(move |_| Box::new(sink.clone())),
        })
        .unwrap();
        let proxy = Proxy::new(server.address());
        proxy.slow(Duration::from_millis(there), Duration::from_millis(back));
        let options = client::Options { clock, ..options(proxy.address(), "n1", 1) };
        let (client, _orders) = client::connect(options).unwrap();
        Self { server, proxy, client, kept, clock, sent: Vec::new() }
    }

    /// Sends a batch with one packet of this moment.
    fn send(&mut self) {
        let truth = now();
        let time_ns = truth.wrapping_add((self.clock)().wrapping_sub(now()));
        let packets = vec![Packet { time_ns, ..Packet::default() }];
        let body = Body::Packets(PacketBatch { packets, ..PacketBatch::default() });
        let batch = Batch { sequence: self.sent.len() as u64, ..Batch::bare("n1".into(), time_ns, body) };
        self.client.sink().deliver(batch).unwrap();
        self.sent.push(truth);
    }

    fn arrived(&self) -> Vec<Batch> {
        let count = self.sent.len();
        eventually("all have arrived", || self.kept.0.lock().unwrap().len() >= count);
        self.kept.0.lock().unwrap().clone()
    }

    fn newest(&self) -> (u64, Clock) {
        let arrived = self.arrived();
        let batch = arrived.last().unwrap();
        (time(batch), batch.clock.unwrap())
    }
}

fn time(batch: &Batch) -> u64 {
    let Body::Packets(packets) = &batch.body else { panic!("packets stay packets") };
    assert_eq!(packets.packets[0].time_ns, batch.time_ns);
    batch.time_ns
}

#[test]
fn a_clock_that_differs_is_put_right_from_the_first_batch_on_and_more_exactly_as_the_line_gets_better() {
    // The truth may lie anywhere within half a minute of a slow line; this one is crooked, too.
    let mut line = Line::new(ahead, 60, 1);
    for _ in 0..5 {
        line.send();
        thread::sleep(Duration::from_millis(20));
    }
    line.arrived();
    line.proxy.slow(Duration::ZERO, Duration::ZERO);
    eventually("the estimate is good", || {
        line.send();
        thread::sleep(Duration::from_millis(20));
        line.newest().1.error_ns < 5_000_000
    });
    let arrived = line.arrived();
    let clocks: Vec<Clock> = arrived.iter().map(|batch| batch.clock.unwrap()).collect();
    println!("{:?} at first, {:?} at last", clocks[0], clocks.last());
    assert!(clocks[0].error_ns > 30_000_000, "{:?}", clocks[0]);
    for (batch, (clock, truth)) in arrived.iter().zip(clocks.iter().zip(&line.sent)) {
        assert!(clock.ahead_ns.abs_diff(AHEAD as i64) <= clock.error_ns, "{clock:?}");
        // Two readings of the clock, between which anything may happen.
        assert!(time(batch).abs_diff(*truth) <= clock.error_ns + 20_000_000, "{clock:?}");
    }
    assert!(arrived.iter().map(time).is_sorted(), "a better estimate puts nothing out of order");
    line.client.finish(SOON).unwrap();
}

#[test]
fn a_clock_that_may_be_right_is_left_alone_to_the_nanosecond() {
    let mut line = Line::new(now, 0, 30);
    for _ in 0..10 {
        line.send();
        thread::sleep(Duration::from_millis(20));
    }
    line.proxy.slow(Duration::ZERO, Duration::ZERO);
    let times = Mutex::new(Vec::new());
    for number in 0..50u64 {
        let time_ns = now();
        times.lock().unwrap().push(time_ns);
        let batch = Batch { sequence: 10 + number, ..Batch::bare("n1".into(), time_ns, Body::None) };
        line.client.sink().deliver(batch).unwrap();
        line.sent.push(time_ns);
        thread::sleep(Duration::from_millis(10));
    }
    let arrived = line.arrived();
    let got: Vec<u64> = arrived[10..].iter().map(|batch| batch.time_ns).collect();
    assert_eq!(got, *times.lock().unwrap());
    assert!(arrived.iter().all(|batch| batch.clock.unwrap().ahead_ns == 0 && batch.notices.is_empty()));
}

#[test]
fn what_is_known_of_a_clock_survives_the_connection() {
    let mut line = Line::new(ahead, 0, 0);
    eventually("the estimate is good", || {
        line.send();
        thread::sleep(Duration::from_millis(20));
        line.newest().1.error_ns < 5_000_000
    });
    line.proxy.slow(Duration::from_millis(50), Duration::ZERO);
    line.proxy.cut();
    eventually("it is back", || line.server.agents()[0].reconnects == 1);
    line.send();
    let clock = line.newest().1;
    assert!(clock.error_ns < 10_000_000, "the new line alone would tell no better than 25 ms: {clock:?}");
    assert!(clock.ahead_ns.abs_diff(AHEAD as i64) <= clock.error_ns, "{clock:?}");
}

#[test]
fn a_clock_that_is_seconds_away_is_named_once() {
    let mut line = Line::new(far_behind, 0, 0);
    for _ in 0..5 {
        line.send();
    }
    let arrived = line.arrived();
    let notices: Vec<&str> = arrived.iter().flat_map(|batch| &batch.notices).map(|notice| &**notice).collect();
    let [notice] = notices[..] else { panic!("{notices:?}") };
    assert!(notice.starts_with("the clock of n1 is 5.0 s behind the collector's"), "{notice}");
    assert!(arrived.iter().zip(&line.sent).all(|(batch, truth)| time(batch).abs_diff(*truth) < 1_000_000_000));
}
