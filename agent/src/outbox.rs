//! What goes to the collector: batches with numbers, counters, interfaces and notices.
//!
//! Must not know how the data came about.

use std::{
    collections::HashMap,
    sync::{Arc, mpsc::Receiver},
};

use flow::{Batch, Body, Closed, Counters, InterfaceCounts, Sink};

use crate::{
    time::{Anchor, monotonic},
    topology::Topology,
};

/// The way out of one agent.
pub(crate) struct Outbox {
    sink: Box<dyn Sink>,
    node: Arc<str>,
    sequence: u64,
    anchor: Anchor,
    /// Where interfaces that were announced led then.
    announced: HashMap<u32, bool>,
    version: u64,
    interfaces: Vec<flow::Interface>,
    notices: Receiver<Arc<str>>,
    /// Notices of the worker itself.
    pub(crate) remarks: Vec<Arc<str>>,
    /// Secrets for the next batch, before its packets.
    pub(crate) secrets: Vec<Arc<str>>,
    /// As of the next batch.
    pub(crate) counters: Counters,
    sent: Counters,
    /// All packets up to this time were delivered, or are in the next batch; ns since the epoch. Who merges nodes waits to
    /// hear it, so that it is said even where nothing else is new.
    pub(crate) complete_to: Option<u64>,
}

impl Outbox {
    pub(crate) fn new(sink: Box<dyn Sink>, node: Arc<str>, anchor: Anchor, notices: Receiver<Arc<str>>) -> Self {
        Self {
            sink,
            node,
            sequence: 0,
            anchor,
            announced: HashMap::new(),
            version: 0,
            interfaces: Vec::new(),
            notices,
            remarks: Vec::new(),
            secrets: Vec::new(),
            counters: Counters::default(),
            sent: Counters::default(),
            complete_to: None,
        }
    }

    /// Wall clock, ns since the epoch.
    pub(crate) fn now_ns(&self) -> u64 {
        self.anchor.wall(monotonic())
    }

    /// Notes the interfaces that were not announced yet, or not as they are now, for the next batch.
    pub(crate) fn announce(&mut self, topology: &Topology) {
        if self.version == topology.version {
            return;
        }
        self.version = topology.version;
        let all = topology.points.values().map(|watched| &watched.interface);
        let before = self.interfaces.len();
        let announced = &mut self.announced;
        let new =
            all.filter(|interface| announced.insert(interface.id, interface.leads_out) != Some(interface.leads_out));
        self.interfaces.extend(new.cloned());
        self.interfaces[before..].sort_by_key(|interface| interface.id);
    }

    /// Notes interfaces that are nobody else's for the next batch.
    pub(crate) fn add(&mut self, interfaces: impl IntoIterator<Item = flow::Interface>) {
        self.interfaces.extend(interfaces);
    }

    /// Delivers one batch. One without data is left out when it would say nothing new.
    ///
    /// # Errors
    /// The collector is gone.
    pub(crate) fn send(&mut self, body: Body, interface_counts: Vec<InterfaceCounts>) -> Result<(), Closed> {
        let mut notices = std::mem::take(&mut self.remarks);
        notices.extend(self.notices.try_iter());
        let nothing_new = matches!(body, Body::None)
            && notices.is_empty()
            && self.secrets.is_empty()
            && self.interfaces.is_empty()
            && interface_counts.is_empty()
            && self.counters == self.sent
            && self.complete_to.is_none();
        if nothing_new {
            return Ok(());
        }
        let batch = Batch {
            node: self.node.clone(),
            sequence: self.sequence,
            time_ns: self.complete_to.take().unwrap_or_else(|| self.now_ns()),
            counters: self.counters,
            interfaces: std::mem::take(&mut self.interfaces),
            interface_counts,
            notices,
            secrets: std::mem::take(&mut self.secrets),
            body,
            ..Batch::default()
        };
        self.sequence += 1;
        self.sent = self.counters;
        self.sink.deliver(batch)
    }
}
