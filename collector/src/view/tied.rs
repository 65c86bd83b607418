//! The conversations of a table of flows, made when they are first asked for: what came of each flow so far is taken over some
//! rows at a time, and what comes meanwhile goes to both.

use flow::FlowRecord;

use super::{
    flows::{Flows, Pace},
    row::Row,
    rows::Rows,
};

/// Rows of conversations, and how far flows were taken over.
#[derive(Debug)]
pub(super) struct Tied {
    pub(super) flows: Flows,
    /// Slots of flows from here on are still to be taken over.
    next: u32,
    /// Slots of flows when that began: later ones are new.
    end: u32,
}

impl Tied {
    /// Nothing taken over yet.
    pub(super) fn new(pace: Pace, cap: usize, flows: &Rows) -> Self {
        Self { flows: Flows::tied(pace, cap), next: 0, end: flows.capacity() }
    }

    /// Whether flows are still to be taken over.
    pub(super) fn is_behind(&self) -> bool {
        self.next < self.end
    }

    /// Takes over up to `count` flows; slots that changed are appended to `changed`.
    pub(super) fn catch_up(&mut self, flows: &Rows, count: usize, changed: &mut Vec<u32>) {
        let end = self.end.min(self.next.saturating_add(u32::try_from(count).unwrap_or(u32::MAX)));
        for slot in self.next..end {
            if let Some(Row::Flow(flow)) = flows.get(slot).map(AsRef::as_ref) {
                changed.push(self.flows.take_over(flow));
            }
        }
        self.next = end;
    }

    /// Takes in a record that the flow in `slot` has taken in; the slot of its conversation. A flow that is still to be taken over
    /// brings the record along.
    pub(super) fn add(&mut self, slot: u32, record: &FlowRecord, (made_ns, now_ns): (u64, u64)) -> Option<u32> {
        let is_taken = slot < self.next || slot >= self.end;
        is_taken.then(|| self.flows.add(record, made_ns, now_ns))
    }
}
