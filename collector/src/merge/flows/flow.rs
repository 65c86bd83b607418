//! One flow and what each node counted of it.

use ::flow::FlowRecord;

use super::held::Place;

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
}

impl Flow {
    /// Whether `record` would say nothing new if it were added now.
    pub(super) fn covers(&self, node: u16, record: &FlowRecord) -> bool {
        let (packets, bytes) = counts(record);
        let (known, known_bytes) =
            self.sides.iter().find(|side| side.node == node).map_or((0, 0), |side| (side.packets, side.bytes));
        !tells_drops(record)
            && known.saturating_add(packets) <= self.packets
            && known_bytes.saturating_add(bytes) <= self.bytes
    }

    /// Adds what `node` counted; true if the record is to be handed on, with what the flow has grown by instead of what
    /// the node counted.
    pub(super) fn add(&mut self, node: u16, record: &mut FlowRecord) -> bool {
        let (packets, bytes) = counts(record);
        let side = self.side(node);
        side.packets = side.packets.saturating_add(packets);
        side.bytes = side.bytes.saturating_add(bytes);
        let side = *side;
        let most = (side.packets.max(self.packets), side.bytes.max(self.bytes));
        let growth = (most.0 - self.packets, most.1 - self.bytes);
        (self.packets, self.bytes) = most;
        if growth == (0, 0) && !tells_drops(record) {
            self.set_aside(record);
            return false;
        }
        (record.packets, record.bytes) = (Some(growth.0), Some(growth.1));
        self.complete(record);
        true
    }

    /// Whether more than one node has seen it.
    pub(super) fn is_shared(&self) -> bool {
        self.sides.len() > 1
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

/// What the kernel of one node dropped no other node has counted.
fn tells_drops(record: &FlowRecord) -> bool {
    record.pkt_drop_packets.is_some_and(|drops| drops > 0)
}

fn counts(record: &FlowRecord) -> (u64, u64) {
    (record.packets.unwrap_or_default(), record.bytes.unwrap_or_default())
}
