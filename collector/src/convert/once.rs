//! One copy of each packet, told by its id.

use std::collections::{HashSet, VecDeque};

use flow::{Batch, Body};

use crate::subset;

/// Ids remembered: copies of a packet are seen within moments, on however many interfaces.
const REMEMBERED: usize = 1 << 20;

/// The ids seen of late.
#[derive(Debug, Default)]
pub(super) struct Once {
    seen: HashSet<u64>,
    order: VecDeque<u64>,
    copies: u64,
}

impl Once {
    /// Leaves the first copy of each packet, and those that tell why it was dropped; packets without an id stay.
    pub(super) fn apply(&mut self, batch: &mut Batch) {
        let Body::Packets(packets) = &mut batch.body else { return };
        let Self { seen, order, copies } = self;
        *copies += subset::retain_packets(packets, |packet, _, cause| {
            packet.id == 0 || cause.is_some() || is_new(packet.id, seen, order)
        });
    }

    /// How many were left out.
    pub(super) fn copies(&self) -> u64 {
        self.copies
    }
}

fn is_new(id: u64, seen: &mut HashSet<u64>, order: &mut VecDeque<u64>) -> bool {
    if !seen.insert(id) {
        return false;
    }
    order.push_back(id);
    if order.len() > REMEMBERED
        && let Some(oldest) = order.pop_front()
    {
        seen.remove(&oldest);
    }
    true
}
