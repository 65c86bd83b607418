//! Namespaces and interfaces of drops: which of them the capture is about, and their names.

use std::{collections::HashSet, sync::Arc};

use agent_common::drops::UNKNOWN_NETNS;
use flow::config::NamePattern;

use crate::{
    features::Start,
    interfaces::Selection,
    topology::{Shared, Topology},
};

/// The loopback interface of every namespace.
const LOOPBACK: u32 = 1;
const LOOPBACK_NAME: &str = "lo";

/// What is watched at interfaces.
pub(crate) struct Places {
    shared: Shared,
    topology: Arc<Topology>,
    /// Keys of namespaces that are watched.
    watched: HashSet<u32>,
    /// Interfaces are wanted whatever they are called.
    any: bool,
    /// Loopback interfaces are wanted.
    loopback: bool,
}

/// Name of a namespace and of an interface in it, as records bear them.
type Names = (Option<Arc<str>>, Option<Arc<[Arc<str>]>>);

impl Places {
    pub(crate) fn new(start: &Start<'_>) -> Self {
        let config = start.config;
        let is_loopback = |pattern: &NamePattern| matches!(pattern, NamePattern::Exact(name) if name == LOOPBACK_NAME);
        let selection = Selection::new(&config.interfaces, &config.exclude_interfaces);
        Self {
            shared: start.topology.clone(),
            topology: Arc::default(),
            watched: HashSet::new(),
            any: config.interfaces.is_empty() && config.exclude_interfaces.iter().all(is_loopback),
            loopback: selection.is_ok_and(|selection| selection.takes(LOOPBACK_NAME)),
        }
    }

    /// Looks at what has come and gone.
    pub(crate) fn refresh(&mut self) {
        let topology = self.shared.current();
        if topology.version != self.topology.version {
            self.watched = topology.points.keys().map(|point| point.0).collect();
            self.topology = topology;
        }
    }

    /// Whether packets are counted in this namespace.
    pub(crate) fn is_watched(&self, netns: u32) -> bool {
        self.watched.contains(&netns)
    }

    /// Whether a drop there is one that was asked for, although no packet of it was counted.
    pub(crate) fn is_wanted(&self, netns: u32, ifindex: u32) -> bool {
        let known = self.topology.points.contains_key(&(netns, ifindex));
        known || if ifindex == LOOPBACK { self.loopback } else { self.any }
    }

    /// Names as far as they are known; a namespace that nobody watches is its number.
    pub(crate) fn names(&self, netns: u32, ifindex: u32) -> Names {
        let interface = self.topology.points.get(&(netns, ifindex)).map(|watched| &watched.interface);
        if let Some(interface) = interface {
            return (Some(interface.netns.clone()), Some([interface.name.clone()].into()));
        }
        let mut points = self.topology.points.iter();
        let known = points.find(|(point, _)| point.0 == netns).map(|(_, watched)| watched.interface.netns.clone());
        let number = || (netns != UNKNOWN_NETNS && netns != 0).then(|| format!("netns {netns}").into());
        (known.or_else(number), None)
    }
}
