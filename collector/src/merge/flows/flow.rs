//! One flow and what each node counted of it.

use std::sync::Arc;

use ::flow::FlowRecord;

use super::{details::Details, held::Place};

/// What one node counted since the flow is known.
#[derive(Clone, Copy, Debug)]
struct Side {
    node: u16,
    packets: u64,
    bytes: u64,
}

/// A flow.
#[derive(Debug, Default)]
pub(super) struct Flow {
    sides: Vec<Side>,
    /// What was handed on of it: the largest of the counts that were known by then.
    packets: u64,
    bytes: u64,
    /// When a record of it came last.
    pub(super) touched: u64,
    /// Number of the record handed on last; `None` before the first.
    pub(super) last: Option<u64>,
    /// Latest end that was handed on, ms.
    end_told: u64,
    /// Of records that were not handed on: what the next one that is takes over.
    flags: u16,
    start: u64,
    end: u64,
    /// Records of it that are held back, oldest first.
    pub(super) held: Vec<Place>,
    /// What features found out.
    pub(super) details: Details,
}

/// What becomes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is handed on.
    On,
    /// It brings no growth.
    Covered,
    /// The same, and what it says besides waits for the next one that is handed on.
    Waits,
}

impl Flow {
    /// Whether `record` would say nothing new if it were added now.
    pub(super) fn covers(&self, node: u16, record: &FlowRecord) -> bool {
        if !has_counts(record) {
            return !self.says_more(record);
        }
        let (packets, bytes) = counts(record);
        let (known, known_bytes) =
            self.sides.iter().find(|side| side.node == node).map_or((0, 0), |side| (side.packets, side.bytes));
        known.saturating_add(packets) <= self.packets && known_bytes.saturating_add(bytes) <= self.bytes
    }

    /// Adds what `node`, of that number and name, counted. If the record is to be handed on, it says what the flow has grown by
    /// instead of what the node counted. One without counts is handed on as it is, unless another node has told the same.
    pub(super) fn add(&mut self, (node, name): (u16, &Arc<str>), record: &mut FlowRecord) -> Outcome {
        if !has_counts(record) {
            if !self.says_more(record) {
                return Outcome::Covered;
            }
            self.details.note(record);
            return Outcome::On;
        }
        let (packets, bytes) = counts(record);
        let side = self.side(node);
        side.packets = side.packets.saturating_add(packets);
        side.bytes = side.bytes.saturating_add(bytes);
        let side = *side;
        let most = (side.packets.max(self.packets), side.bytes.max(self.bytes));
        let growth = (most.0 - self.packets, most.1 - self.bytes);
        (self.packets, self.bytes) = most;
        if growth == (0, 0) {
            self.set_aside(record);
            let waits = self.details.set_aside(name, record);
            return if waits { Outcome::Waits } else { Outcome::Covered };
        }
        (record.packets, record.bytes) = (Some(growth.0), Some(growth.1));
        self.complete(record);
        self.details.join(record);
        Outcome::On
    }

    /// Whether a record without counts is worth handing on: what it is there for is unknown, or news.
    fn says_more(&self, record: &FlowRecord) -> bool {
        !Details::are_in(record) || self.details.has_news(record)
    }

    /// Whether more than one node has seen it.
    pub(super) fn is_shared(&self) -> bool {
        self.sides.len() > 1
    }

    /// Whether it must not be forgotten now.
    pub(super) fn is_waited_for(&self) -> bool {
        !self.held.is_empty() || self.details.is_waiting()
    }

    fn side(&mut self, node: u16) -> &mut Side {
        let at = self.sides.iter().position(|side| side.node == node).unwrap_or_else(|| {
            self.sides.push(Side { node, packets: 0, bytes: 0 });
            self.sides.len() - 1
        });
        &mut self.sides[at]
    }

    fn set_aside(&mut self, record: &FlowRecord) {
        self.flags |= record.flags.unwrap_or_default();
        // What was told already is not told again.
        let start = record.time_flow_start_ms.unwrap_or(u64::MAX).max(self.end_told);
        let end = record.time_flow_end_ms.unwrap_or_default();
        if end > self.end_told {
            self.start = if self.start == 0 { start } else { self.start.min(start) };
            self.end = self.end.max(end);
        }
    }

    fn complete(&mut self, record: &mut FlowRecord) {
        if self.flags != 0 {
            record.flags = Some(record.flags.unwrap_or_default() | self.flags);
        }
        if self.end != 0 {
            record.time_flow_start_ms = record.time_flow_start_ms.map(|start| start.min(self.start));
            record.time_flow_end_ms = record.time_flow_end_ms.map(|end| end.max(self.end));
        }
        (self.flags, self.start, self.end) = (0, 0, 0);
        self.end_told = self.end_told.max(record.time_flow_end_ms.unwrap_or_default());
    }
}

/// Records that only tell what a feature found out have no counts.
fn has_counts(record: &FlowRecord) -> bool {
    record.packets.is_some() || record.bytes.is_some()
}

fn counts(record: &FlowRecord) -> (u64, u64) {
    (record.packets.unwrap_or_default(), record.bytes.unwrap_or_default())
}
