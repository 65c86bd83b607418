//! Many new flows: everything is in records or counted as lost; memory and speed.

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use flow::{Batch, Body, Closed, Sink, Stop};

use crate::{
    capture::config,
    lab::{Lab, bind, can_run, inside, run},
};

/// Counts instead of keeping: records would be most of the memory.
#[derive(Clone, Default)]
struct Sums(std::sync::Arc<std::sync::Mutex<(u64, u64)>>);

impl Sink for Sums {
    fn deliver(&mut self, batch: Batch) -> Result<(), Closed> {
        if let Body::Flows(flows) = &batch.body {
            let mut sums = self.0.lock().unwrap();
            for record in flows.records.iter().filter(|record| record.src_port == Some(1000)) {
                *sums = (sums.0 + 1, sums.1 + record.packets.unwrap());
            }
        }
        Ok(())
    }
}

/// Sends one packet for each of `count` flows, at most `rate` a second, to addresses behind 10.9.0.2.
fn new_flows(namespace: &str, count: u32, rate: u32, first: u32) -> u64 {
    let sender = inside(namespace, move || {
        let socket = bind(1000);
        let begun = Instant::now();
        let mut sent = 0;
        for number in first..first + count {
            let to = (Ipv4Addr::new(10, 10, (number >> 16) as u8, (number >> 24) as u8), (number & 0xffff) as u16 | 1);
            let to = (Ipv4Addr::from(u32::from(to.0) + ((number & 1) << 16)), to.1);
            sent += u64::from(socket.send_to(&[0; 22], to).is_ok());
            if number % 256 == 0 {
                let due = Duration::from_secs_f64(f64::from(number - first) / f64::from(rate));
                std::thread::sleep(due.saturating_sub(begun.elapsed()));
            }
        }
        sent
    });
    sender.join().unwrap()
}

fn route(namespace: &str) {
    run(&format!("ip -n {namespace} route add 10.10.0.0/15 via 10.9.0.2"));
}

#[test]
fn kernel_a_storm_of_new_flows_is_almost_all_in_records_and_the_rest_is_admitted() {
    if !can_run("kernel_a_storm_of_new_flows_is_almost_all_in_records_and_the_rest_is_admitted") {
        return;
    }
    let mut lab = Lab::new();
    let [a, ..] = lab.pair();
    route(&a);
    let mut config = config(&lab.prefix);
    config.cache_active_timeout = Duration::from_secs(1);
    let sums = Sums::default();
    let cpu = process_cpu();
    let agent = agent::start(config, Box::new(sums.clone()), Stop::default()).unwrap();
    let begun = Instant::now();
    let sent = new_flows(&a, 400_000, 80_000, 0);
    let took = begun.elapsed();
    let worker = thread_cpu("flows");
    let counters = agent.finish().unwrap();
    let (records, packets) = *sums.0.lock().unwrap();
    let rate = sent as f64 / took.as_secs_f64();
    println!(
        "{sent} new flows at {rate:.0}/s: {records} records, {packets} packets, lost {} (at both ends), via fallback {}, \
         CPU of the agent's thread {worker:?}, of the process with its sender {:.2?}, rss {} MB",
        counters.lost_flow_packets,
        counters.fallback,
        process_cpu().saturating_sub(cpu),
        rss() >> 20,
    );
    assert!(packets + counters.lost_flow_packets >= sent);
    assert!(packets <= sent);
    // What an emulated processor keeps up with says nothing.
    let is_short = std::env::var_os("KERNEL_TIER_SHORT").is_some();
    assert!(is_short || packets * 100 >= sent * 95);
}

#[test]
fn kernel_a_tiny_map_loses_nothing_that_it_does_not_admit() {
    if !can_run("kernel_a_tiny_map_loses_nothing_that_it_does_not_admit") {
        return;
    }
    let mut lab = Lab::new();
    let [a, b, ..] = lab.pair();
    route(&a);
    let mut config = config(&lab.prefix);
    config.netns = flow::config::NetNs::Path(crate::lab::path(&b));
    config.cache_max_flows = 100;
    let sums = Sums::default();
    let agent = agent::start(config, Box::new(sums.clone()), Stop::default()).unwrap();
    let sent = new_flows(&a, 200_000, 400_000, 0);
    let counters = agent.finish().unwrap();
    let (_, packets) = *sums.0.lock().unwrap();
    println!(
        "{sent} sent, {packets} in records, {} via fallback, {} lost",
        counters.fallback, counters.lost_flow_packets
    );
    assert_eq!(packets + counters.lost_flow_packets, sent);
    assert!(counters.fallback > 0);
}

/// Alone in its process: `cargo test -p agent --test kernel -- --ignored --exact storm::kernel_memory_at_100_000_flows`.
#[test]
#[ignore = "measures the memory of the whole process"]
fn kernel_memory_at_100_000_flows() {
    if !can_run("kernel_memory_at_100_000_flows") {
        return;
    }
    let mut lab = Lab::new();
    let [a, ..] = lab.pair();
    route(&a);
    let mut config = config(&lab.prefix);
    config.cache_active_timeout = Duration::from_secs(1);
    config.cache_max_flows = 300_000;
    let before = rss();
    let sums = Sums::default();
    let agent = agent::start(config, Box::new(sums.clone()), Stop::default()).unwrap();
    let started = rss();
    // Each flow again before it is forgotten: all 100,000 stay alive.
    let sent: u64 = (0..6).map(|_| new_flows(&a, 100_000, 50_000, 0)).sum();
    std::thread::sleep(Duration::from_millis(1500));
    let most = rss();
    agent.finish().unwrap();
    let (records, packets) = *sums.0.lock().unwrap();
    println!(
        "{sent} packets of 100000 flows at both ends of a veth, {records} records: rss {} KB before, {} KB started, {} KB then",
        before >> 10,
        started >> 10,
        most >> 10,
    );
    assert_eq!(packets, sent);
    assert!(most < 64 << 20);
}

/// Resident memory of this process, bytes.
fn rss() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// CPU time of the threads of that name.
pub(crate) fn thread_cpu(name: &str) -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let of = |task: std::fs::DirEntry| {
        let comm = std::fs::read_to_string(task.path().join("comm")).ok()?;
        let sched = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        let nanoseconds: u64 = sched.split(' ').next()?.parse().ok()?;
        (comm.trim() == name).then_some(Duration::from_nanos(nanoseconds))
    };
    tasks.filter_map(of).sum()
}

/// CPU time of this process.
fn process_cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec of ours.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
