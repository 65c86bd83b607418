//! The collector's end: takes connections of agents, tells them what to do, delivers what they send.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver},
    },
    time::{Duration, Instant, SystemTime},
};

use flow::{
    CaptureConfig, Sink,
    control::{AgentState, FromAgent, ToAgent},
};
use tokio::runtime::Runtime;

use self::registry::Registry;
use crate::tls::{Identity, TlsError};

mod clock;
mod connection;
mod delivery;
mod listener;
mod registry;
mod standing;
mod steady;

/// Makes the sink of an agent that connects for the first time in its life.
pub type MakeSink = Box<dyn Fn(&AgentInfo) -> Box<dyn Sink> + Send + Sync>;

/// What a server needs.
pub struct Options {
    /// Where agents connect to; port 0 takes any that is free.
    pub listen: SocketAddr,
    /// [`crate::certs::Issued::collector`] and its CA.
    pub identity: Identity,
    /// What to capture. Each agent gets it with its own node's name and, if there is none in it, its own address.
    pub begin: CaptureConfig,
    /// Our version; agents of another one are refused.
    pub version: String,
    /// Where the batches of an agent go. The sink may block: then the agent waits. It is dropped when the agent has ended
    /// or another life of its node has begun.
    pub make_sink: MakeSink,
}

/// The server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened at.
    #[error("cannot listen at {address} for agents: {error}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
    /// No threads.
    #[error("cannot start the threads of the channel: {0}")]
    Threads(std::io::Error),
    /// Certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// What is known of an agent.
#[derive(Clone, Debug)]
pub struct AgentInfo {
    /// Name of its node.
    pub node: Arc<str>,
    /// Where it connected from.
    pub address: SocketAddr,
    /// `x86_64`, `aarch64`.
    pub arch: String,
    /// Release of its kernel.
    pub kernel: String,
    /// Its version.
    pub version: String,
    /// [`flow::control::Hello::life`]
    pub life: u64,
    /// What it said last of itself. A failure stays also when it has ended.
    pub state: AgentState,
    /// Its last batch is delivered; it says nothing more.
    pub ended: bool,
    /// There is a connection now.
    pub connected: bool,
    /// When it was last heard.
    pub last_heard: Instant,
    /// Batches delivered.
    pub batches: u64,
    /// Their size on the way, bytes.
    pub bytes: u64,
    /// Batches that could not be read: they are lost, and their sequence numbers are missing.
    pub unreadable: u64,
    /// Batches that came after the sink had closed.
    pub discarded: u64,
    /// How often it connected again in this life.
    pub reconnects: u32,
    /// How many lives of its node there were before.
    pub restarts: u32,
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An agent connected for the first time, or again.
    Connected {
        /// Its node.
        node: Arc<str>,
        /// It had been connected before, in the same life.
        again: bool,
    },
    /// A new life of a node's agent has connected: the former one is over.
    Restarted {
        /// The node.
        node: Arc<str>,
    },
    /// Its connection is gone; it may come back.
    Disconnected {
        /// Its node.
        node: Arc<str>,
        /// Why, in words.
        why: String,
    },
    /// It said something.
    Said {
        /// Its node.
        node: Arc<str>,
        /// What.
        message: FromAgent,
    },
}

/// Somebody who was turned away.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// When.
    pub when: SystemTime,
    /// Who.
    pub address: SocketAddr,
    /// Why, in words.
    pub why: String,
}

/// All who were turned away.
#[derive(Clone, Debug, Default)]
pub struct Refused {
    /// How many.
    pub total: u64,
    /// The last few, oldest first.
    pub last: Vec<Refusal>,
}

/// A running server; cheap to clone. It ends when the last clone goes, or by [`Server::close`].
#[derive(Clone)]
pub struct Server {
    registry: Arc<Registry>,
    running: Arc<Running>,
    address: SocketAddr,
}

struct Running(Mutex<Option<Runtime>>);

impl Running {
    fn take(&self) -> Option<Runtime> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.take() {
            runtime.shutdown_background();
        }
    }
}

/// Starts to take agents, on threads of its own.
///
/// # Errors
/// The address is taken, or the certificates cannot be used.
pub fn start(options: Options) -> Result<Server, StartError> {
    let Options { listen, identity, begin, version, make_sink } = options;
    let tls = identity.server()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("channel")
        .enable_all()
        .build()
        .map_err(StartError::Threads)?;
    let listener = {
        let _within = runtime.enter();
        listener::bind(listen)
    };
    let listener = listener.map_err(|error| StartError::Listen { address: listen, error })?;
    let address = listener.local_addr().map_err(|error| StartError::Listen { address: listen, error })?;
    let registry = Arc::new(Registry::new(begin, version, make_sink));
    runtime.spawn(listener::run(listener, Arc::new(tls), Arc::clone(&registry)));
    Ok(Server { registry, running: Arc::new(Running(Mutex::new(Some(runtime)))), address })
}

impl Server {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every agent that ever connected, by node; of several lives the newest.
    pub fn agents(&self) -> Vec<AgentInfo> {
        self.registry.agents()
    }

    /// Tells every agent, also those that connect from now on.
    pub fn send_all(&self, message: &ToAgent) {
        self.registry.send_all(message);
    }

    /// Tells the agent of `node`, as soon as there is one. What is told to all later replaces it. `Begin` is for all.
    pub fn send(&self, node: &str, message: &ToAgent) {
        self.registry.send(node, message);
    }

    /// What happens from now on; each receiver gets everything.
    pub fn events(&self) -> Receiver<Event> {
        let (sender, receiver) = mpsc::channel();
        self.registry.listen(sender);
        receiver
    }

    /// Who was turned away: no certificate, a foreign one, no TLS at all, too slow, another version.
    pub fn refused(&self) -> Refused {
        self.registry.refused()
    }

    /// Asks all agents to end and waits until each has delivered its last batch, `timeout` at most. Returns those that
    /// have not.
    pub fn stop_and_wait(&self, reason: &str, timeout: Duration) -> Vec<AgentInfo> {
        self.send_all(&ToAgent::Stop { reason: reason.to_owned() });
        self.registry.wait_for_ends(timeout)
    }

    /// Takes nothing more from anybody. Deliveries under way get two seconds, then all sinks are dropped. Not to be
    /// called from asynchronous code.
    pub fn close(&self) {
        if let Some(runtime) = self.running.take() {
            runtime.shutdown_timeout(Duration::from_secs(2));
        }
        self.registry.forget_connections();
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}
