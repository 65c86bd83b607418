//! What the collector's process does besides data: follows what agents say, tells the status about nodes, keeps the
//! capture's own traffic out, answers sessions.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::Receiver,
    },
    time::{Duration, Instant},
};

use channel::server::{AgentInfo, Event, Server};
use collector::{Input, NodeStatus, Recorder, Status, Wish, session};
use flow::{
    Own, Reason, Rules, Stop,
    control::{AgentState, FromAgent, ToAgent},
};
use log::{info, warn};
use names::Names;

use super::{
    own::OwnTraffic,
    selection::{self, Selected},
    settings::Settings,
};

/// Time between two looks at everything that nobody tells.
const TICK: Duration = Duration::from_millis(100);

/// Without an agent for this long, time passes all the same.
const NOBODY: Duration = Duration::from_mins(2);

/// Port of a kubelet that does not say otherwise.
const KUBELET: u16 = 10250;

/// What sessions ask of the supervisor: who came, and other rules.
#[derive(Clone, Debug, Default)]
pub(crate) struct Visits(Arc<Wishes>);

#[derive(Debug, Default)]
struct Wishes {
    arrivals: AtomicU64,
    rules: Mutex<Option<Rules>>,
    /// How many sets of addresses rules may refer to.
    sets: usize,
}

impl Visits {
    /// Of a capture whose rules may refer to so many sets.
    pub(crate) fn new(sets: usize) -> Self {
        Self(Arc::new(Wishes { sets, ..Wishes::default() }))
    }

    /// The end of them that sessions see.
    pub(crate) fn handler(&self, stop: Stop, recorder: Option<Recorder>) -> impl session::Handler + use<> {
        Handler { visits: self.clone(), stop, recorder }
    }

    fn rules(&self) -> MutexGuard<'_, Option<Rules>> {
        self.0.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Handler {
    visits: Visits,
    stop: Stop,
    /// None after the end.
    recorder: Option<Recorder>,
}

impl session::Handler for Handler {
    fn arrived(&self) {
        self.visits.0.arrivals.fetch_add(1, Ordering::Relaxed);
    }

    fn stop(&self, reason: &str) {
        info!("asked to end: {reason}");
        self.stop.request(Reason::User);
    }

    fn wish(&self, wish: &Wish) -> Result<String, String> {
        self.recorder.as_ref().map_or_else(|| Err("the capture has ended".to_owned()), |recorder| recorder.wish(wish))
    }

    fn set_filter(&self, rules: Rules) -> Result<(), String> {
        selection::check(&rules, self.visits.0.sets)?;
        *self.visits.rules() = Some(rules);
        Ok(())
    }
}

/// What it looks after.
pub(crate) struct Parts {
    pub(crate) server: Server,
    /// Where words for the user go, so that they reach tables, followers and files alike.
    pub(crate) input: Input,
    pub(crate) status: Status,
    pub(crate) visits: Visits,
    pub(crate) names: Names,
    pub(crate) selected: Selected<Names>,
    pub(crate) recorder: Recorder,
    pub(crate) stop: Stop,
}

/// Looks after agents and status.
pub(crate) struct Supervisor {
    start: Instant,
    expected: Vec<String>,
    server: Server,
    events: Receiver<Event>,
    input: Input,
    status: Status,
    visits: Visits,
    arrivals: u64,
    names: Names,
    selected: Selected<Names>,
    recorder: Recorder,
    own: OwnTraffic,
    told: Vec<Own>,
    /// Why agents of nodes were lost, as long as they are.
    lost: BTreeMap<String, String>,
    refused: u64,
    /// `--max-time`
    limit: Option<Duration>,
    stop: Stop,
}

impl Supervisor {
    /// `node` and `address` are those of this pod.
    pub(crate) fn new(settings: &Settings, node: &str, address: Option<IpAddr>, parts: Parts) -> Self {
        let Parts { server, input, status, visits, names, selected, recorder, stop } = parts;
        let address = address.filter(|_| !settings.include_self);
        if let Some(address) = address {
            let port = settings.kubelet_ports.get(node).copied().unwrap_or(KUBELET);
            server.send(node, &ToAgent::Watch { port, address });
        }
        let own = OwnTraffic::new(address);
        Self {
            start: Instant::now(),
            expected: settings.nodes.clone(),
            events: server.events(),
            server,
            input,
            status,
            visits,
            arrivals: 0,
            names,
            selected,
            recorder,
            told: own.all(),
            own,
            lost: BTreeMap::new(),
            refused: 0,
            limit: settings.config.limits.time,
            stop,
        }
    }

    /// Waits a moment for something to happen, then sees to it.
    pub(crate) fn step(&mut self) {
        if let Ok(event) = self.events.recv_timeout(TICK) {
            self.take(event);
        }
        while let Ok(event) = self.events.try_recv() {
            self.take(event);
        }
        self.see_visitors();
        self.tell_agents();
        self.record();
        self.tell_status();
    }

    /// Recordings that begin and end.
    fn record(&self) {
        self.recorder.orders().iter().for_each(|order| self.server.send_all(order));
        self.recorder.news().into_iter().for_each(|news| self.input.notice(news));
    }

    /// After the agents have ended: what they said last.
    pub(crate) fn last(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            self.take(event);
        }
        self.tell_status();
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Connected { node, again } => {
                self.lost.remove(&*node);
                if again {
                    self.input.notice(format!("the agent on {node} is connected again"));
                }
            }
            Event::Restarted { node } => {
                self.input.notice(format!("the agent on {node} was started again: what it had not delivered is lost"));
            }
            Event::Disconnected { node, why } => {
                // At the end they go because they are told to.
                if !self.stop.requested() {
                    self.input.notice(format!("the agent on {node} is lost: {why}"));
                }
                self.lost.insert(node.to_string(), why);
            }
            Event::Said { message: FromAgent::Connections(all), .. } => {
                self.own.connections(&all, self.start.elapsed());
            }
            Event::Said { message: FromAgent::Translated(all), .. } => self.own.translated(all),
            Event::Said { node, message: FromAgent::Unable(what) } => self.input.notice(format!("{node}: {what}")),
            Event::Said { message: FromAgent::State(_), .. } => {}
        }
    }

    fn see_visitors(&mut self) {
        let arrivals = self.visits.0.arrivals.load(Ordering::Relaxed);
        if arrivals != self.arrivals {
            self.arrivals = arrivals;
            self.own.arrived(self.start.elapsed());
        }
    }

    /// Rules, sets and own traffic, when they have changed.
    fn tell_agents(&mut self) {
        let rules = self.visits.rules().take();
        let own = self.own.all();
        let moved = self.selected.look();
        self.selected.news().into_iter().for_each(|news| self.input.notice(news));
        if rules.is_none() && !moved && own == self.told {
            return;
        }
        if let Some(rules) = rules {
            self.selected.set_rules(rules);
        }
        self.told.clone_from(&own);
        self.server.send_all(&ToAgent::Filter(self.selected.selection(own)));
    }

    fn tell_status(&mut self) {
        let agents = self.server.agents();
        self.watch_time(&agents);
        let mut nodes: Vec<NodeStatus> = self.expected.iter().map(|node| self.node(node, &agents)).collect();
        let unexpected = agents.iter().filter(|agent| !self.expected.iter().any(|node| **node == *agent.node));
        nodes.extend(unexpected.map(|agent| self.node(&agent.node, &agents)));
        self.status.set_nodes(nodes);
        self.status.set_names(words(&self.names.summary()));
        let refused = self.server.refused();
        if refused.total != self.refused {
            self.refused = refused.total;
            if let Some(last) = refused.last.last() {
                warn!("{} was turned away: {}", last.address, last.why);
                self.input.notice(format!("{} was turned away: {}", last.address, last.why));
            }
        }
    }

    /// The time of a capture is that since its first agent was attached; without any it is that of this process.
    fn watch_time(&self, agents: &[AgentInfo]) {
        let is_attached = agents.iter().any(|agent| matches!(agent.state, AgentState::Attached { .. }));
        let elapsed = if is_attached || self.start.elapsed() > NOBODY { self.status.begin() } else { Duration::ZERO };
        if self.limit.is_some_and(|limit| elapsed >= limit) {
            self.stop.request(Reason::Time);
        }
    }

    fn node(&self, name: &str, agents: &[AgentInfo]) -> NodeStatus {
        let agent = agents.iter().find(|agent| *agent.node == *name);
        NodeStatus {
            node: name.to_owned(),
            state: agent.map(|agent| agent.state.clone()),
            connected: agent.is_some_and(|agent| agent.connected),
            failed: self
                .lost
                .get(name)
                .filter(|_| agent.is_some_and(|agent| !agent.connected && !agent.ended))
                .cloned(),
            ..NodeStatus::default()
        }
    }
}

/// What names are known, in a few words.
fn words(summary: &names::Summary) -> String {
    let names::Summary { pods, nodes, services, bytes, errors, .. } = summary;
    let mut words = format!("{pods} pods, {nodes} nodes, {services} services ({}B)", flow::show::bytes(*bytes as u64));
    for error in errors {
        words.push_str("; ");
        words.push_str(error);
    }
    words
}
