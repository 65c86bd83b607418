//! Which sockets belong to the capture although no packet of theirs was counted: a SYN that the kernel dropped before it came to an
//! interface, or the end of a connection that nobody was told of.

use std::{collections::HashMap, sync::Arc};

use flow::config::NamePattern;

use crate::{
    account::tuple::Tuple,
    features::{Judge, Start},
    loader::settings::NetnsSource,
    time::{Anchor, monotonic},
    topology::Shared,
};

/// Flags of the packet that the filter is asked about.
const SYN: u16 = 2;

pub(super) struct Scope {
    judge: Judge,
    /// Whether what passes the filter is wanted wherever it would pass an interface.
    everywhere: bool,
    /// Also what goes through the loopback interface.
    loopback: bool,
    /// Namespace 0 is the only one that is looked at.
    single: bool,
    topology: Shared,
    names: HashMap<u32, Arc<str>>,
    version: u64,
    anchor: Anchor,
}

impl Scope {
    pub(super) fn new(start: &Start<'_>) -> Self {
        let config = start.config;
        // Leaving out loopback is the default.
        let is_loopback = |name: &NamePattern| *name == NamePattern::Exact("lo".to_owned());
        let all = config.interfaces.is_empty() && config.exclude_interfaces.iter().all(is_loopback);
        Self {
            judge: start.judge.clone(),
            everywhere: all && config.sampling <= 1 && !config.drops_only,
            loopback: config.exclude_interfaces.is_empty(),
            single: NetnsSource::choose(&config.netns) == NetnsSource::Single,
            topology: start.topology.clone(),
            names: HashMap::new(),
            version: 0,
            anchor: start.anchor,
        }
    }

    #[cfg(test)]
    pub(super) fn of(judge: Judge, everywhere: bool) -> Self {
        Self {
            judge,
            everywhere,
            loopback: false,
            single: true,
            topology: Shared::default(),
            names: HashMap::new(),
            version: 0,
            anchor: Anchor::at(0),
        }
    }

    /// Takes over the names of namespaces.
    pub(super) fn refresh(&mut self) {
        let topology = self.topology.current();
        if topology.version != self.version {
            self.version = topology.version;
            let names = topology.points.iter().map(|((netns, _), watched)| (*netns, watched.interface.netns.clone()));
            self.names = names.collect();
        }
    }

    /// Whether a record of a flow that was never counted is wanted.
    pub(super) fn takes(&self, netns: u32, tuple: &Tuple) -> bool {
        self.everywhere
            && (!self.single || netns == 0)
            && (self.loopback || !is_local(tuple))
            && self.judge.takes(tuple, SYN)
    }

    /// Name of a namespace that is looked at.
    pub(super) fn name(&self, netns: u32) -> Option<Arc<str>> {
        self.names.get(&netns).cloned()
    }

    /// Wall clock, milliseconds.
    pub(super) fn now_ms(&self) -> u64 {
        self.anchor.wall(monotonic()) / 1_000_000
    }
}

/// Whether the flow stays on the loopback interface, as far as its addresses tell.
fn is_local(tuple: &Tuple) -> bool {
    tuple.addresses().is_none_or(|(src, dst)| dst.is_loopback() || src == dst)
}
