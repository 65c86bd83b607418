//! What agents are to do as of now: what one that connects is told first.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use flow::{CaptureConfig, Selection, control::ToAgent};

/// Orders in force.
#[derive(Debug)]
pub(super) struct Standing {
    config: CaptureConfig,
    all: Orders,
    nodes: HashMap<String, Orders>,
}

#[derive(Clone, Debug, Default)]
struct Orders {
    filter: Option<Selection>,
    watch: Option<ToAgent>,
    stop: Option<String>,
    /// Captures beside the capture.
    records: Option<ToAgent>,
}

impl Orders {
    fn note(&mut self, message: &ToAgent) {
        match message {
            // What was to be saved of an agent that was away then it does not hold any more when it is back.
            ToAgent::Begin(_) | ToAgent::Save { .. } | ToAgent::Release { .. } => {}
            ToAgent::Filter(selection) => self.filter = Some(selection.clone()),
            ToAgent::Watch { .. } => self.watch = Some(message.clone()),
            ToAgent::Record(_) => self.records = Some(message.clone()),
            ToAgent::Stop { reason } => self.stop = Some(reason.clone()),
        }
    }

    /// What was told to all is newer than what was told to this one.
    fn forget(&mut self, message: &ToAgent) {
        match message {
            ToAgent::Begin(_) | ToAgent::Filter(_) => self.filter = None,
            ToAgent::Watch { .. } => self.watch = None,
            ToAgent::Save { .. } | ToAgent::Release { .. } => {}
            ToAgent::Record(_) => self.records = None,
            ToAgent::Stop { .. } => self.stop = None,
        }
    }
}

impl Standing {
    pub(super) fn new(config: CaptureConfig) -> Self {
        Self { config, all: Orders::default(), nodes: HashMap::new() }
    }

    pub(super) fn tell_all(&mut self, message: &ToAgent) {
        if let ToAgent::Begin(config) = message {
            self.config = CaptureConfig::clone(config);
            self.all.filter = None;
        }
        self.all.note(message);
        self.nodes.values_mut().for_each(|orders| orders.forget(message));
    }

    pub(super) fn tell(&mut self, node: &str, message: &ToAgent) {
        self.nodes.entry(node.to_owned()).or_default().note(message);
    }

    /// What the agent of `node`, connected from `address`, is told first. After the end was asked for, only that: an agent
    /// that captures knows the rest, and another one need not begin.
    pub(super) fn first(&self, node: &Arc<str>, address: IpAddr) -> Vec<ToAgent> {
        let own = self.nodes.get(&**node);
        let pick = |of: fn(&Orders) -> bool| own.filter(|orders| of(orders)).unwrap_or(&self.all);
        if let Some(reason) = &pick(|orders| orders.stop.is_some()).stop {
            return vec![ToAgent::Stop { reason: reason.clone() }];
        }
        let mut config = self.config_for(node, address);
        if let Some(selection) = &pick(|orders| orders.filter.is_some()).filter {
            config = config.with(selection.clone());
        }
        let watch = pick(|orders| orders.watch.is_some()).watch.clone();
        let records = pick(|orders| orders.records.is_some()).records.clone();
        [ToAgent::Begin(Box::new(config))].into_iter().chain(watch).chain(records).collect()
    }

    pub(super) fn config_for(&self, node: &Arc<str>, address: IpAddr) -> CaptureConfig {
        CaptureConfig {
            node: Arc::clone(node),
            agent_ip: self.config.agent_ip.or(Some(address)),
            ..self.config.clone()
        }
    }
}
