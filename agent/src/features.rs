//! What is known of flows besides their packets: each feature is a room of its own here, with at most one small program in
//! the kernel, and is there only if it was asked for.
//!
//! Owns the order in which features are asked. Must not know how packets are counted.

use flow::FlowRecord;

use crate::account::tuple::Tuple;

/// A flow of which a record is being made.
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "read by features")]
pub(crate) struct About<'a> {
    /// Its five-tuple.
    pub(crate) tuple: &'a Tuple,
    /// Key of the network namespace where it was counted, as in `FlowKey::netns`: 0 where programs serve one namespace only.
    pub(crate) netns: u32,
}

/// Something that can be found out of flows. All calls come from the thread of the worker.
pub(crate) trait Feature: Send {
    /// Takes in what has come since the last call; called every 50 ms, and before records are made. Must not block.
    fn collect(&mut self);

    /// Adds what became known of the flow in the ending interval. May be called for several records of one flow (other
    /// namespaces); what it adds to one must not be added to another where a user would sum it up.
    fn annotate(&mut self, about: &About<'_>, record: &mut FlowRecord);

    /// Ends the interval, after all records were annotated: what belongs to no record becomes a record of its own, without
    /// `Packets` and `Bytes`.
    fn rest(&mut self, emit: &mut dyn FnMut(FlowRecord));

    /// Adds what this feature has lost or left out to the counters of the capture.
    fn count(&self, counters: &mut flow::Counters);
}

/// The features of a capture.
#[derive(Default)]
pub(crate) struct Features(pub(crate) Vec<Box<dyn Feature>>);

impl Features {
    pub(crate) fn collect(&mut self) {
        self.0.iter_mut().for_each(|feature| feature.collect());
    }

    pub(crate) fn annotate(&mut self, about: &About<'_>, record: &mut FlowRecord) {
        self.0.iter_mut().for_each(|feature| feature.annotate(about, record));
    }

    pub(crate) fn rest(&mut self, mut emit: impl FnMut(FlowRecord)) {
        self.0.iter_mut().for_each(|feature| feature.rest(&mut emit));
    }

    pub(crate) fn count(&self, counters: &mut flow::Counters) {
        self.0.iter().for_each(|feature| feature.count(counters));
    }
}
