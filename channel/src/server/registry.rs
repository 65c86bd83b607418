//! All agents, their connections, and whoever was turned away.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    net::SocketAddr,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc::Sender},
    time::{Duration, SystemTime},
};

use flow::{
    CaptureConfig,
    control::{AgentState, FromAgent, Hello, ToAgent},
};
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    task::JoinHandle,
};

use super::{
    AgentInfo, Event, MakeSink, Refusal, Refused,
    clock::NodeClock,
    connection::{Arrived, ROOM},
    delivery,
    standing::Standing,
    steady::Steady,
};
use crate::heard::Heard;

/// Refusals that are kept in words.
const REFUSALS: usize = 16;

/// Messages of an agent that wait to be delivered.
const INBOX: usize = 4;

/// Deliveries at a time: a decoded batch takes much more memory than its bytes.
const DELIVERIES: usize = 8;

/// Shared by all tasks of a server.
pub(super) struct Registry {
    state: Mutex<State>,
    /// An agent has ended or is gone.
    changed: Condvar,
    version: String,
    room: Arc<Semaphore>,
    pub(super) make_sink: MakeSink,
    pub(super) deliveries: Semaphore,
    /// Our clock, against which those of nodes are measured.
    pub(super) steady: Steady,
}

struct State {
    standing: Standing,
    agents: BTreeMap<Arc<str>, Agent>,
    /// Lives that another one has followed.
    former: HashSet<(String, u64)>,
    listeners: Vec<Sender<Event>>,
    refused: u64,
    refusals: VecDeque<Refusal>,
    connections: u64,
}

struct Agent {
    /// All but what `heard` and `connection` tell.
    info: AgentInfo,
    heard: Heard,
    /// Of its node.
    clock: NodeClock,
    inbox: mpsc::Sender<Arrived>,
    delivered: watch::Receiver<u64>,
    delivery: JoinHandle<()>,
    connection: Option<Connection>,
}

struct Connection {
    id: u64,
    outbox: mpsc::UnboundedSender<ToAgent>,
    /// Dropped to end it.
    _cut: oneshot::Sender<()>,
}

/// What a connection works with.
pub(super) struct Joined {
    pub(super) id: u64,
    pub(super) heard: Heard,
    pub(super) clock: NodeClock,
    pub(super) inbox: mpsc::Sender<Arrived>,
    pub(super) outbox: mpsc::UnboundedReceiver<ToAgent>,
    pub(super) delivered: watch::Receiver<u64>,
    pub(super) cut: oneshot::Receiver<()>,
}

impl Agent {
    fn info(&self) -> AgentInfo {
        AgentInfo { connected: self.connection.is_some(), last_heard: self.heard.last(), ..self.info.clone() }
    }

    /// Its last batch is delivered, or it failed and is gone.
    fn has_ended(&self) -> bool {
        self.info.ended || (matches!(self.info.state, AgentState::Failed { .. }) && self.connection.is_none())
    }

    /// It knows, too, that its last batch is delivered: it closed the connection.
    fn is_done(&self) -> bool {
        self.has_ended() && self.connection.is_none()
    }
}

impl State {
    fn tell(&mut self, event: &Event) {
        self.listeners.retain(|listener| listener.send(event.clone()).is_ok());
    }
}

impl Registry {
    pub(super) fn new(begin: CaptureConfig, version: String, make_sink: MakeSink) -> Self {
        let state = State {
            standing: Standing::new(begin),
            agents: BTreeMap::new(),
            former: HashSet::new(),
            listeners: Vec::new(),
            refused: 0,
            refusals: VecDeque::new(),
            connections: 0,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            version,
            room: Arc::new(Semaphore::new(ROOM)),
            make_sink,
            deliveries: Semaphore::new(DELIVERIES),
            steady: Steady::start(),
        }
    }

    // Every change is complete before the lock is released, panics included.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }

    pub(super) fn room(&self) -> Arc<Semaphore> {
        Arc::clone(&self.room)
    }

    pub(super) fn agents(&self) -> Vec<AgentInfo> {
        self.lock().agents.values().map(Agent::info).collect()
    }

    pub(super) fn listen(&self, listener: Sender<Event>) {
        self.lock().listeners.push(listener);
    }

    pub(super) fn refuse(&self, address: SocketAddr, why: String) {
        log::info!("{address} refused: {why}");
        let mut state = self.lock();
        state.refused += 1;
        if state.refusals.len() == REFUSALS {
            state.refusals.pop_front();
        }
        state.refusals.push_back(Refusal { when: SystemTime::now(), address, why });
    }

    pub(super) fn refused(&self) -> Refused {
        let state = self.lock();
        Refused { total: state.refused, last: state.refusals.iter().cloned().collect() }
    }

    /// A life that was followed by another is over, also if it does not know it yet.
    pub(super) fn may_enter(&self, hello: &Hello) -> Result<(), String> {
        if self.lock().former.contains(&(hello.node.clone(), hello.life)) {
            return Err(format!("another agent of {} has taken its place", hello.node));
        }
        Ok(())
    }

    /// A new connection of an agent; it takes the place of the one before. `None` if its life is over by now.
    pub(super) fn join(self: &Arc<Self>, hello: &Hello, address: SocketAddr) -> Option<Joined> {
        let mut state = self.lock();
        if state.former.contains(&(hello.node.clone(), hello.life)) {
            return None;
        }
        let node: Arc<str> = hello.node.as_str().into();
        let again = state.agents.get(&node).is_some_and(|agent| agent.info.life == hello.life);
        if !again {
            self.begin_life(&mut state, &node, hello, address);
        }
        state.connections += 1;
        let id = state.connections;
        let (outbox_in, outbox) = mpsc::unbounded_channel();
        for message in state.standing.first(&node, address.ip()) {
            let _ = outbox_in.send(message);
        }
        let agent = state.agents.get_mut(&node)?;
        let (cut_in, cut) = oneshot::channel();
        agent.connection = Some(Connection { id, outbox: outbox_in, _cut: cut_in });
        agent.info.address = address;
        agent.info.reconnects += u32::from(again);
        let (heard, clock) = (agent.heard.clone(), agent.clock.clone());
        let (inbox, delivered) = (agent.inbox.clone(), agent.delivered.clone());
        state.tell(&Event::Connected { node, again });
        Some(Joined { id, heard, clock, inbox, outbox, delivered, cut })
    }

    fn begin_life(self: &Arc<Self>, state: &mut State, node: &Arc<str>, hello: &Hello, address: SocketAddr) {
        let before = state.agents.remove(node);
        let restarts = before.as_ref().map_or(0, |agent| agent.info.restarts + 1);
        let before = before.map(|agent| {
            log::warn!("the agent of {node} has restarted");
            state.former.insert((node.to_string(), agent.info.life));
            state.tell(&Event::Restarted { node: Arc::clone(node) });
            agent.delivery
        });
        let heard = Heard::new();
        let info = info(hello, Arc::clone(node), address, restarts, &heard);
        let (inbox, arrived) = mpsc::channel(INBOX);
        let (delivered_in, delivered) = watch::channel(0);
        let clock = NodeClock::default();
        let task = delivery::Task {
            registry: Arc::clone(self),
            info: info.clone(),
            clock: clock.clone(),
            arrived,
            delivered: delivered_in,
        };
        let delivery = tokio::spawn(task.run(before));
        state
            .agents
            .insert(Arc::clone(node), Agent { info, heard, clock, inbox, delivered, delivery, connection: None });
    }

    pub(super) fn leave(&self, node: &Arc<str>, life: u64, id: u64, why: String) {
        let mut state = self.lock();
        let Some(agent) = state.agents.get_mut(node).filter(|agent| agent.info.life == life) else { return };
        if agent.connection.take_if(|connection| connection.id == id).is_some() {
            log::info!("the agent of {node} is disconnected: {why}");
            state.tell(&Event::Disconnected { node: Arc::clone(node), why });
            self.changed.notify_all();
        }
    }

    /// Changes what is known of an agent, unless its life is over.
    pub(super) fn update(&self, of: &AgentInfo, change: impl FnOnce(&mut AgentInfo)) {
        let mut state = self.lock();
        let agent = state.agents.get_mut(&of.node).filter(|agent| agent.info.life == of.life);
        if let Some(agent) = agent {
            change(&mut agent.info);
        }
    }

    pub(super) fn said(&self, of: &AgentInfo, message: FromAgent) {
        self.update(of, |info| match &message {
            FromAgent::State(AgentState::Ended) => {
                info.ended = true;
                if !matches!(info.state, AgentState::Failed { .. }) {
                    info.state = AgentState::Ended;
                }
            }
            FromAgent::State(state) => info.state = state.clone(),
            FromAgent::Connections(_) | FromAgent::Translated(_) | FromAgent::Unable(_) => {}
        });
        self.lock().tell(&Event::Said { node: Arc::clone(&of.node), message });
        self.changed.notify_all();
    }

    pub(super) fn send_all(&self, message: &ToAgent) {
        let mut state = self.lock();
        state.standing.tell_all(message);
        for agent in state.agents.values() {
            state.pass_on(agent, message);
        }
    }

    pub(super) fn send(&self, node: &str, message: &ToAgent) {
        let mut state = self.lock();
        state.standing.tell(node, message);
        if let Some(agent) = state.agents.get(node) {
            state.pass_on(agent, message);
        }
    }

    /// Those who have not ended when `timeout` is over.
    pub(super) fn wait_for_ends(&self, timeout: Duration) -> Vec<AgentInfo> {
        let waiting = |state: &mut State| !state.agents.values().all(Agent::is_done);
        let waited = self.changed.wait_timeout_while(self.lock(), timeout, waiting);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.agents.values().filter(|agent| !agent.has_ended()).map(Agent::info).collect()
    }

    /// The tasks are gone.
    pub(super) fn forget_connections(&self) {
        let mut state = self.lock();
        state.agents.values_mut().for_each(|agent| agent.connection = None);
        self.changed.notify_all();
    }
}

impl State {
    fn pass_on(&self, agent: &Agent, message: &ToAgent) {
        let Some(connection) = &agent.connection else { return };
        let message = match message {
            ToAgent::Begin(_) => {
                let address = agent.info.address.ip();
                ToAgent::Begin(Box::new(self.standing.config_for(&agent.info.node, address)))
            }
            other => other.clone(),
        };
        // One that is ending gets it when it connects again.
        let _ = connection.outbox.send(message);
    }
}

fn info(hello: &Hello, node: Arc<str>, address: SocketAddr, restarts: u32, heard: &Heard) -> AgentInfo {
    AgentInfo {
        node,
        address,
        arch: hello.arch.clone(),
        kernel: hello.kernel.clone(),
        version: hello.version.clone(),
        life: hello.life,
        state: AgentState::Starting,
        ended: false,
        connected: true,
        last_heard: heard.last(),
        batches: 0,
        bytes: 0,
        unreadable: 0,
        discarded: 0,
        reconnects: 0,
        restarts,
    }
}
