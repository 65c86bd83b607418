//! A collector, agents, batches and a place where they arrive.

use std::{
    net::SocketAddr,
    sync::{Arc, Condvar, LazyLock, Mutex, mpsc::Receiver},
    time::{Duration, Instant},
};

use channel::{
    Client, Identity, Server,
    certs::{self, Issued},
    client, server,
};
use flow::{
    Batch, Body, CaptureConfig, Closed, Counters, FlowBatch, FlowRecord, Own, Sink,
    config::{Limits, Mode, NetNs, TcAttach},
    control::{Hello, ToAgent},
};

pub(crate) const VERSION: &str = "1.2.3";

pub(crate) static CERTS: LazyLock<Issued> = LazyLock::new(|| certs::issue("test").unwrap());

pub(crate) fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

pub(crate) fn collector_identity() -> Identity {
    Identity { ca_pem: CERTS.ca_pem.clone(), own: CERTS.collector.clone() }
}

pub(crate) fn agent_identity() -> Identity {
    Identity { ca_pem: CERTS.ca_pem.clone(), own: CERTS.agent.clone() }
}

pub(crate) fn config() -> CaptureConfig {
    CaptureConfig {
        mode: Mode::Flows,
        rules: Vec::new(),
        features: Vec::new(),
        netns: NetNs::Current,
        interfaces: Vec::new(),
        exclude_interfaces: Vec::new(),
        tc_attach: TcAttach::Any,
        sampling: 1,
        cache_max_flows: 1000,
        cache_active_timeout: Duration::from_secs(1),
        snaplen: 0,
        buffer_size: 1 << 20,
        files: flow::config::PacketFiles::default(),
        ring: None,
        trigger: None,
        tls_keys: false,
        key_owners: flow::config::KeyOwners::default(),
        observations: false,
        own: vec![Own::Address([10, 0, 0, 9].into())],
        spare_rules: 4,
        sets: Vec::new(),
        spare_sets: 0,
        after: None,
        drops_only: false,
        pods: false,
        dns_ports: Vec::new(),
        agent_ip: None,
        node: "".into(),
        limits: Limits { time: None, bytes: None, packets: None },
    }
}

pub(crate) fn hello(node: &str, life: u64) -> Hello {
    Hello {
        node: node.to_owned(),
        life,
        version: VERSION.to_owned(),
        arch: "x86_64".to_owned(),
        kernel: "6.12".to_owned(),
    }
}

/// What arrived, and a door that can be shut.
#[derive(Default)]
pub(crate) struct Arrivals {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    batches: Vec<(String, u64)>,
    sinks: usize,
    shut: bool,
    closed: bool,
}

pub(crate) struct Place(Arc<Arrivals>);

impl Sink for Place {
    fn deliver(&mut self, batch: Batch) -> Result<(), Closed> {
        let mut state = self.0.changed.wait_while(self.0.state.lock().unwrap(), |state| state.shut).unwrap();
        if state.closed {
            return Err(Closed);
        }
        state.batches.push((batch.node.to_string(), batch.sequence));
        self.0.changed.notify_all();
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.state.lock().unwrap().sinks -= 1;
    }
}

impl Arrivals {
    pub(crate) fn shut(&self, shut: bool) {
        self.state.lock().unwrap().shut = shut;
        self.changed.notify_all();
    }

    pub(crate) fn close(&self) {
        self.state.lock().unwrap().closed = true;
    }

    pub(crate) fn all(&self) -> Vec<(String, u64)> {
        self.state.lock().unwrap().batches.clone()
    }

    pub(crate) fn sequences(&self) -> Vec<u64> {
        self.all().iter().map(|batch| batch.1).collect()
    }

    pub(crate) fn sinks(&self) -> usize {
        self.state.lock().unwrap().sinks
    }
}

pub(crate) fn start(listen: SocketAddr, arrivals: &Arc<Arrivals>) -> Server {
    let arrivals = Arc::clone(arrivals);
    let make_sink = move |_: &server::AgentInfo| {
        arrivals.state.lock().unwrap().sinks += 1;
        Box::new(Place(Arc::clone(&arrivals))) as Box<dyn Sink>
    };
    server::start(server::Options {
        listen,
        identity: collector_identity(),
        begin: config(),
        version: VERSION.to_owned(),
        make_sink: Box::new(make_sink),
    })
    .unwrap()
}

pub(crate) fn collector() -> (Server, Arc<Arrivals>) {
    let arrivals = Arc::default();
    (start(any_port(), &arrivals), arrivals)
}

pub(crate) fn options(address: SocketAddr, node: &str, life: u64) -> client::Options {
    client::Options {
        address: address.to_string(),
        identity: agent_identity(),
        hello: hello(node, life),
        buffer_bytes: 1 << 20,
        silence: Duration::from_secs(30),
        clock: now,
    }
}

/// Wall clock, ns since the epoch.
pub(crate) fn now() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64
}

pub(crate) fn agent(address: SocketAddr, node: &str, life: u64) -> (Client, Receiver<ToAgent>) {
    client::connect(options(address, node, life)).unwrap()
}

pub(crate) fn batch(node: &str, sequence: u64, records: usize) -> Batch {
    let record = FlowRecord { bytes: Some(sequence), packets: Some(1), ..FlowRecord::default() };
    Batch {
        node: node.into(),
        sequence,
        time_ns: 1,
        counters: Counters::default(),
        interfaces: Vec::new(),
        interface_counts: Vec::new(),
        notices: Vec::new(),
        body: Body::Flows(FlowBatch { records: vec![record; records], observations: Vec::new() }),
        ..Batch::default()
    }
}

/// Waits for something that happens soon.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "still not: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) const SOON: Duration = Duration::from_secs(20);
