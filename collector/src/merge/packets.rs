//! Packets of several nodes.

use flow::Batch;

/// Packets that wait.
#[derive(Default)]
pub(crate) struct Packets {}

impl Packets {
    pub(crate) fn push(&mut self, batch: Batch, _now: u64) -> Vec<Batch> {
        vec![batch]
    }

    pub(crate) fn due(&self) -> Option<u64> {
        None
    }

    pub(crate) fn release(&mut self, _now: u64) -> Vec<Batch> {
        Vec::new()
    }

    pub(crate) fn out_of_order(&self) -> u64 {
        0
    }
}
