//! An agent with a sink that keeps everything.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use agent::{Agent, AgentError};
use flow::{
    Batch, Body, CaptureConfig, Closed, Counters, FlowRecord, Interface, Own, Rule, Selection, Sink, Stop,
    config::{Limits, Mode, NamePattern, NetNs, TcAttach},
};

/// Flows of all namespaces, at interfaces whose names begin so.
pub(crate) fn config(prefix: &str) -> CaptureConfig {
    CaptureConfig {
        mode: Mode::Flows,
        rules: Vec::new(),
        features: Vec::new(),
        netns: NetNs::All,
        interfaces: vec![NamePattern::Regex(format!("^{prefix}"))],
        exclude_interfaces: Vec::new(),
        tc_attach: TcAttach::Any,
        sampling: 1,
        cache_max_flows: 100_000,
        cache_active_timeout: Duration::from_millis(200),
        snaplen: 0,
        buffer_size: 32 << 20,
        files: flow::config::PacketFiles::default(),
        ring: None,
        trigger: None,
        tls_keys: false,
        key_owners: flow::config::KeyOwners::default(),
        observations: false,
        own: Vec::new(),
        spare_rules: 0,
        sets: Vec::new(),
        spare_sets: 0,
        after: None,
        drops_only: false,
        pods: false,
        dns_ports: Vec::new(),
        agent_ip: None,
        node: Arc::from("test"),
        limits: Limits { time: None, bytes: None, packets: None },
    }
}

#[derive(Clone, Default)]
pub(crate) struct Kept(pub(crate) Arc<Mutex<Vec<Batch>>>);

impl Sink for Kept {
    fn deliver(&mut self, batch: Batch) -> Result<(), Closed> {
        self.0.lock().unwrap().push(batch);
        Ok(())
    }
}

/// Counts packets and keeps none.
#[derive(Clone, Default)]
pub(crate) struct Counted(Arc<Mutex<u64>>);

impl Sink for Counted {
    fn deliver(&mut self, batch: Batch) -> Result<(), Closed> {
        if let Body::Packets(packets) = &batch.body {
            *self.0.lock().unwrap() += packets.packets.len() as u64;
        }
        Ok(())
    }
}

impl Counted {
    pub(crate) fn get(&self) -> u64 {
        *self.0.lock().unwrap()
    }
}

/// A running capture.
pub(crate) struct Capture {
    agent: Agent,
    kept: Kept,
    pub(crate) stop: Stop,
}

/// What it brought.
pub(crate) struct Outcome {
    pub(crate) batches: Vec<Batch>,
    pub(crate) counters: Counters,
}

impl Capture {
    pub(crate) fn start(config: CaptureConfig) -> Self {
        let (kept, stop) = (Kept::default(), Stop::default());
        let agent =
            agent::start(config, Box::new(kept.clone()), stop.clone()).unwrap_or_else(|error| panic!("{error}"));
        Self { agent, kept, stop }
    }

    /// Waits until this many interfaces are watched; how long that took.
    pub(crate) fn await_interfaces(&self, count: usize) -> Duration {
        let begun = Instant::now();
        while self.agent.attached().interfaces != count {
            assert!(begun.elapsed() < Duration::from_secs(5), "{:?} of {count} interfaces", self.agent.attached());
            std::thread::sleep(Duration::from_millis(5));
        }
        begun.elapsed()
    }

    /// Waits until an interface was announced.
    pub(crate) fn await_announced(&self, name: &str) {
        let begun = Instant::now();
        let told = |batch: &Batch| batch.interfaces.iter().any(|interface| *interface.name == *name);
        while !self.kept.0.lock().unwrap().iter().any(told) {
            assert!(begun.elapsed() < Duration::from_secs(5), "{name} was not announced");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn limits(&self) -> &[String] {
        self.agent.limits()
    }

    pub(crate) fn attached(&self) -> agent::Attached {
        self.agent.attached()
    }

    pub(crate) fn set_filter(&self, rules: &[Rule], own: &[Own]) -> Result<(), AgentError> {
        self.agent.set_filter(&Selection { rules: rules.to_vec(), sets: Vec::new(), own: own.to_vec() })
    }

    pub(crate) fn select(&self, selection: &Selection) -> Result<(), AgentError> {
        self.agent.set_filter(selection)
    }

    pub(crate) fn finish(self) -> Outcome {
        let counters = self.agent.finish().unwrap();
        let batches = std::mem::take(&mut *self.kept.0.lock().unwrap());
        assert!(batches.iter().enumerate().all(|(index, batch)| batch.sequence == index as u64));
        Outcome { batches, counters }
    }
}

impl Outcome {
    pub(crate) fn records(&self) -> impl Iterator<Item = &FlowRecord> {
        self.batches.iter().flat_map(|batch| match &batch.body {
            Body::Flows(flows) => flows.records.as_slice(),
            _ => &[],
        })
    }

    /// Records to a UDP port.
    pub(crate) fn to_port(&self, port: u16) -> Vec<&FlowRecord> {
        self.records().filter(|record| record.dst_port == Some(port)).collect()
    }

    pub(crate) fn interfaces(&self) -> impl Iterator<Item = &Interface> {
        self.batches.iter().flat_map(|batch| &batch.interfaces)
    }

    pub(crate) fn notices(&self) -> Vec<&str> {
        self.batches.iter().flat_map(|batch| &batch.notices).map(|notice| &**notice).collect()
    }
}

pub(crate) fn packets(records: &[&FlowRecord]) -> u64 {
    records.iter().filter_map(|record| record.packets).sum()
}

pub(crate) fn bytes(records: &[&FlowRecord]) -> u64 {
    records.iter().filter_map(|record| record.bytes).sum()
}
