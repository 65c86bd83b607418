//! An agent's process on a node: connects to the collector, captures what that says, delivers, and tells how it goes.
//!
//! It ends by a signal, or when the collector has been silent for the time of the lease; a capture that was stopped or that
//! cannot work here only waits, because a container that exits would be started again.

mod shift;

use std::{
    env, fs,
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use agent::{Agent, Attached};
use channel::client::{self, Client};
use flow::{
    CaptureConfig, Own, Selection, Stop,
    control::{AgentState, Connection, FromAgent, Hello, ToAgent},
};
use log::{info, warn};

use super::CHANNEL_PORT;
use crate::{
    error::{Error, Outcome, exit},
    local::Signals,
    version::VERSION,
};

/// Time between two looks at signals, interfaces and own connections.
const TICK: Duration = Duration::from_millis(200);

/// Time between two looks at translated connections, of which a busy host has many.
const TRANSLATED: Duration = Duration::from_secs(5);

/// Longest wait for the last batches to be taken. With the time that detaching takes it has to fit into what the collector
/// waits and the pod is given, 15 s.
const FLUSH: Duration = Duration::from_secs(4);

/// Silence of the collector after which the agent goes, unless LEASE_SECONDS says otherwise.
const LEASE: Duration = Duration::from_mins(2);

/// Memory of batches that wait for the collector, bytes; beyond it the kernel's maps fill, and what is lost there is counted.
const BUFFER: usize = 32 << 20;

pub(crate) fn run() -> Outcome {
    let place = Place::of_pod()?;
    let shifted = shift::apply(&place.node);
    let terminate = Stop::default();
    Signals::watch(terminate.clone()).map_err(|error| Error::failed(format!("cannot watch signals: {error}")))?;
    // Whatever becomes of this life: what a former one left goes at once.
    if let Err(error) = agent::sweep() {
        warn!("cannot look for what a killed agent left: {error}");
    }
    let (client, orders) = client::connect(place.options()?).map_err(Error::failed)?;
    info!("connected to the collector at {}", place.collector);
    let mut life = Life { place, client, orders, agent: None, watch: None, told: None, shifted };
    life.run(&terminate)
}

/// What the DaemonSet tells its pods.
struct Place {
    node: String,
    address: Option<std::net::IpAddr>,
    collector: String,
    lease: Duration,
}

impl Place {
    fn of_pod() -> Result<Self, Error> {
        let variable = |name: &str| {
            env::var(name)
                .map_err(|_| Error::failed(format!("{name} is not set: `pod agent` runs in the pods of a capture")))
        };
        let lease = env::var("LEASE_SECONDS").ok().and_then(|text| text.parse().ok()).map(Duration::from_secs);
        Ok(Self {
            node: variable("NODE_NAME")?,
            address: variable("HOST_IP")?.parse().ok(),
            collector: format!("{}:{CHANNEL_PORT}", variable("COLLECTOR")?),
            lease: lease.unwrap_or(LEASE),
        })
    }

    fn options(&self) -> Result<client::Options, Error> {
        Ok(client::Options {
            address: self.collector.clone(),
            identity: super::identity()?,
            hello: Hello {
                node: self.node.clone(),
                life: life(),
                version: VERSION.to_owned(),
                arch: env::consts::ARCH.to_owned(),
                kernel: agent::kernel_release(),
            },
            buffer_bytes: BUFFER,
            silence: self.lease,
            clock: agent::clock_ns,
        })
    }
}

/// Drawn anew for each process.
fn life() -> u64 {
    let mut bytes = [0; 8];
    let read = fs::File::open("/dev/urandom").and_then(|mut file| std::io::Read::read_exact(&mut file, &mut bytes));
    if read.is_err() {
        bytes = u64::from(std::process::id()).to_ne_bytes();
    }
    u64::from_ne_bytes(bytes)
}

struct Life {
    place: Place,
    client: Client,
    orders: Receiver<ToAgent>,
    agent: Option<(Agent, Stop)>,
    watch: Option<Watch>,
    told: Option<AgentState>,
    /// What a test did to our clock.
    shifted: Option<String>,
}

/// What is told of the capture's own traffic.
struct Watch {
    port: u16,
    address: std::net::IpAddr,
    connections: Vec<Connection>,
    translated: Vec<Own>,
    looked: Option<Instant>,
}

impl Life {
    fn run(&mut self, terminate: &Stop) -> Outcome {
        self.tell(AgentState::Starting);
        while !terminate.requested() {
            match self.orders.recv_timeout(TICK) {
                Ok(message) => self.obey(message),
                Err(RecvTimeoutError::Timeout) => {}
                // Over and delivered: the DaemonSet goes when the guardian or the client sees to it.
                Err(RecvTimeoutError::Disconnected) if self.told == Some(AgentState::Ended) => {
                    terminate.wait_timeout(TICK);
                }
                Err(RecvTimeoutError::Disconnected) => return self.abandoned(),
            }
            self.look();
        }
        self.finish("the pod ends");
        Ok(exit::DONE)
    }

    fn obey(&mut self, message: ToAgent) {
        match message {
            ToAgent::Begin(config) if self.agent.is_some() => self.filter(&config.selection()),
            ToAgent::Begin(config) if !matches!(self.told, Some(AgentState::Failed { .. } | AgentState::Ended)) => {
                self.begin(*config);
            }
            ToAgent::Begin(_) => {}
            ToAgent::Filter(selection) => self.filter(&selection),
            ToAgent::Watch { port, address } => {
                let (connections, translated) = (Vec::new(), Vec::new());
                self.watch = Some(Watch { port, address, connections, translated, looked: None });
            }
            ToAgent::Save { .. } | ToAgent::Release { .. } | ToAgent::Record(_) => {
                if let Some((agent, _)) = &self.agent {
                    agent.record(&message);
                }
            }
            ToAgent::Stop { reason } => self.finish(&reason),
        }
    }

    fn begin(&mut self, config: CaptureConfig) {
        let config = CaptureConfig { node: self.place.node.as_str().into(), agent_ip: self.place.address, ..config };
        let stop = Stop::default();
        let mut limits = match agent::preflight(&config) {
            Ok(support) => support.limits,
            Err(error) => return self.tell(failure(&error)),
        };
        match agent::start(config, Box::new(self.client.sink()), stop.clone()) {
            Ok(agent) => {
                limits.extend_from_slice(agent.limits());
                limits.extend(self.shifted.clone());
                let state = attached(agent.attached(), limits);
                self.agent = Some((agent, stop));
                self.tell(state);
            }
            Err(error) => self.tell(failure(&error)),
        }
    }

    fn filter(&self, selection: &Selection) {
        let Some((agent, _)) = &self.agent else { return };
        if let Err(error) = agent.set_filter(selection) {
            warn!("cannot replace the rules: {error}");
            let what = format!("the changed filter is not in force, the one before it stays: {error}");
            self.client.report(&FromAgent::Unable(what));
        }
    }

    /// What has changed without anybody saying so.
    fn look(&mut self) {
        if let Some((agent, stop)) = &self.agent {
            if agent.has_ended() {
                let what =
                    stop.reason().map_or_else(|| "it has ended by itself".to_owned(), |reason| format!("{reason:?}"));
                self.agent = None;
                self.tell(AgentState::Failed { what, hint: None });
            } else if let Some(AgentState::Attached { limits, .. }) = &self.told {
                let state = attached(agent.attached(), limits.clone());
                self.tell(state);
            }
        }
        self.look_at_own();
    }

    fn look_at_own(&mut self) {
        let Some(watch) = &mut self.watch else { return };
        let first = watch.looked.is_none();
        if let Ok(connections) = agent::connections(watch.port) {
            let same = connections
                .iter()
                .map(|c| (c.local, c.remote))
                .eq(watch.connections.iter().map(|c| (c.local, c.remote)));
            if first || !same {
                watch.connections.clone_from(&connections);
                self.client.report(&FromAgent::Connections(connections));
            }
        }
        if watch.looked.is_none_or(|looked| looked.elapsed() > TRANSLATED) {
            watch.looked = Some(Instant::now());
            let translated = agent::translated(watch.address).unwrap_or_default();
            if translated != watch.translated {
                watch.translated.clone_from(&translated);
                self.client.report(&FromAgent::Translated(translated));
            }
        }
    }

    fn tell(&mut self, state: AgentState) {
        if self.told.as_ref() != Some(&state) {
            self.client.report(&FromAgent::State(state.clone()));
            self.told = Some(state);
        }
    }

    /// Detaches and delivers what there is.
    fn finish(&mut self, reason: &str) {
        let Some((agent, _)) = self.agent.take() else { return };
        info!("the capture ends: {reason}");
        if let Err(error) = agent.finish() {
            warn!("{error}");
        }
        if let Err(unsent) = self.client.finish(FLUSH) {
            warn!("{unsent}");
        }
        self.told = Some(AgentState::Ended);
    }

    /// Nobody has heard of the collector for the time of the lease.
    fn abandoned(&mut self) -> Outcome {
        self.agent = None;
        Err(Error::failed(format!("the collector was silent for {:?}: nothing is captured any more", self.place.lease)))
    }
}

fn attached(attached: Attached, limits: Vec<String>) -> AgentState {
    let Attached { interfaces, namespaces } = attached;
    AgentState::Attached { interfaces: interfaces as u32, namespaces: namespaces as u32, limits }
}

fn failure(error: &agent::AgentError) -> AgentState {
    AgentState::Failed { what: error.to_string(), hint: error.hint().map(str::to_owned) }
}
