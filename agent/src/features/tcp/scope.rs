//! Which sockets belong to the capture although no packet of theirs was counted: a SYN that the kernel dropped before it came to an
//! interface, or the end of a connection that nobody was told of.

use std::{collections::HashMap, sync::Arc};

use flow::{
    CaptureConfig, FlowRecord, Rules,
    rules::{Action, Sets, Subject, verdict},
};

use crate::{
    loader::settings::NetnsSource,
    time::{Anchor, monotonic},
    topology::Shared,
};

pub(super) struct Scope {
    rules: Rules,
    sets: Sets,
    /// Whether what passes the rules is wanted wherever it would pass an interface.
    everywhere: bool,
    /// Namespace 0 is the only one that is looked at.
    single: bool,
    topology: Shared,
    names: HashMap<u32, Arc<str>>,
    version: u64,
    anchor: Anchor,
}

impl Scope {
    pub(super) fn new(config: &CaptureConfig, topology: Shared, anchor: Anchor) -> Self {
        let all = config.interfaces.is_empty() && config.exclude_interfaces.is_empty();
        Self {
            rules: config.rules.clone(),
            sets: Sets::new(&config.sets),
            // Sets that will come are not known here.
            everywhere: all && config.spare_sets == 0 && config.sampling <= 1 && !config.drops_only,
            single: NetnsSource::choose(&config.netns) == NetnsSource::Single,
            topology,
            names: HashMap::new(),
            version: 0,
            anchor,
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
    pub(super) fn takes(&self, netns: u32, record: &FlowRecord) -> bool {
        self.everywhere
            && (!self.single || netns == 0)
            && verdict(&self.rules, &self.sets, &Subject::from(record)) == Action::Accept
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
