//! One copy of each packet, told by its id.

use std::collections::{HashSet, VecDeque};

use flow::{Batch, Body};

use crate::subset;

/// Ids remembered: copies of a packet are seen within moments, on however many interfaces.
const REMEMBERED: usize = 1 << 20;

/// An id, and whether the packet was seen where it was dropped.
type Seen = (u64, bool);

/// The ids seen of late.
#[derive(Debug, Default)]
pub(super) struct Once {
    seen: HashSet<Seen>,
    order: VecDeque<Seen>,
    copies: u64,
}

impl Once {
    /// Leaves the first copy of each packet, and the first that tells why it was dropped; packets without an id stay.
    pub(super) fn apply(&mut self, batch: &mut Batch) {
        let Body::Packets(packets) = &mut batch.body else { return };
        let Self { seen, order, copies } = self;
        *copies += subset::retain_packets(packets, |packet, _, cause| {
            packet.id == 0 || is_new((packet.id, cause.is_some()), seen, order)
        });
    }

    /// How many were left out.
    pub(super) fn copies(&self) -> u64 {
        self.copies
    }
}

fn is_new(id: Seen, seen: &mut HashSet<Seen>, order: &mut VecDeque<Seen>) -> bool {
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
