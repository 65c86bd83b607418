//! Sinks that take nothing for long: what is lost is counted, and programs go when they should.

use std::{
    sync::mpsc::{Receiver, Sender, channel},
    time::{Duration, Instant},
};

use flow::{Batch, Body, CaptureConfig, Closed, Sink, Stop, config::Mode, stop::Reason};

use crate::{
    capture::config,
    lab::{Lab, can_run, send},
    leftovers::programs,
};

/// Takes batches as long as somebody listens at the other end of `taken`; between them it waits for a permission, and refuses
/// when there will be none.
struct Gate {
    permission: Receiver<()>,
    taken: Sender<Batch>,
    open: bool,
}

impl Sink for Gate {
    fn deliver(&mut self, batch: Batch) -> Result<(), Closed> {
        if !self.open {
            self.permission.recv().map_err(|_| Closed)?;
            self.open = true;
        }
        self.taken.send(batch).map_err(|_| Closed)
    }
}

fn gate() -> (Box<Gate>, Sender<()>, Receiver<Batch>) {
    let ((permit, permission), (taken, batches)) = (channel(), channel());
    (Box::new(Gate { permission, taken, open: false }), permit, batches)
}

/// Packets to the port in records, or in packets.
fn delivered(batches: &[Batch]) -> u64 {
    let of = |batch: &Batch| match &batch.body {
        Body::Flows(flows) => {
            let records = flows.records.iter().filter(|record| record.dst_port == Some(9999));
            records.filter_map(|record| record.packets).sum()
        }
        Body::Packets(packets) => packets.packets.len() as u64,
        Body::None => 0,
    };
    batches.iter().map(of).sum()
}

#[test]
fn kernel_what_a_blocked_sink_makes_be_lost_is_counted() {
    if !can_run("kernel_what_a_blocked_sink_makes_be_lost_is_counted") {
        return;
    }
    for mode in [Mode::Flows, Mode::Packets] {
        let mut lab = Lab::new();
        let [a, b, ..] = lab.pair();
        let (sink, permit, batches) = gate();
        let netns = flow::config::NetNs::Path(crate::lab::path(&b));
        let config = CaptureConfig { mode, netns, buffer_size: 1 << 20, ..config(&lab.prefix) };
        let agent = agent::start(config, sink, Stop::default()).unwrap();
        let mut sent = 0;
        // Let the worker meet the closed gate before most of it is sent.
        for count in [100, 40_000] {
            sent += send(&a, "10.9.0.2:9999", 1000, count, 100);
            std::thread::sleep(Duration::from_millis(600));
        }
        permit.send(()).unwrap();
        let counters = agent.finish().unwrap();
        let batches: Vec<Batch> = batches.try_iter().collect();
        let (lost, icmp) = (counters.lost_packets, counters.seen - sent);
        println!("{mode:?}: {sent} sent, {} delivered, {lost} lost", delivered(&batches));
        match mode {
            // One flow needs one entry, however long nobody reads it.
            Mode::Flows => assert_eq!(delivered(&batches), sent),
            Mode::Packets => assert_eq!(delivered(&batches) + lost, sent + icmp),
        }
        assert_eq!(lost > 0, mode == Mode::Packets);
        assert_eq!(batches.last().map(|batch| batch.counters), Some(counters));
    }
}

#[test]
fn kernel_programs_go_at_once_while_the_sink_takes_nothing() {
    if !can_run("kernel_programs_go_at_once_while_the_sink_takes_nothing") {
        return;
    }
    let mut lab = Lab::new();
    let [a, _, one, _] = lab.pair();
    for by_stop in [false, true] {
        let (sink, permit, _batches) = gate();
        let stop = Stop::default();
        let agent = agent::start(config(&lab.prefix), sink, stop.clone()).unwrap();
        send(&a, "10.9.0.2:9999", 1000, 10, 100);
        // The worker is at the gate by now.
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(programs(&a, &one), [1, 1]);
        let begun = Instant::now();
        // Either somebody ends the capture, or the agent is finished; both wait for the sink.
        let agent = if by_stop {
            stop.request(Reason::User);
            Ok(agent)
        } else {
            Err(std::thread::spawn(|| agent.finish()))
        };
        while programs(&a, &one) != [0, 0] {
            assert!(begun.elapsed() < Duration::from_secs(2), "by stop: {by_stop}");
            std::thread::sleep(Duration::from_millis(10));
        }
        println!("by stop {by_stop}: detached after {:?}", begun.elapsed());
        let ending = agent.map_or_else(|ending| ending, |agent| std::thread::spawn(|| agent.finish()));
        std::thread::sleep(Duration::from_millis(100));
        assert!(!ending.is_finished());
        // Silence enough: the sink refuses, and the end follows.
        drop(permit);
        let counters = ending.join().unwrap().unwrap();
        assert_eq!(counters.accepted, counters.seen);
    }
}
