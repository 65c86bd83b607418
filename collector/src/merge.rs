//! What several nodes saw becomes one: flows that two of them saw count once, packets stand in the order of their times.
//!
//! Used where several agents deliver; one alone pays nothing. Knows no clock: times are given, ns since any start.

use flow::{Batch, config::Mode};

mod flows;
mod packets;

pub(crate) use flows::Flows;
pub(crate) use packets::Packets;

/// One of the two ways to merge, or none.
pub(crate) enum Merge {
    /// One agent.
    None,
    /// Flow records.
    Flows(Box<Flows>),
    /// Packets.
    Packets(Box<Packets>),
}

impl Merge {
    /// For a capture in which `mode` comes from several nodes; records cover `interval_ns` each.
    pub(crate) fn several(mode: Mode, interval_ns: u64) -> Self {
        match mode {
            Mode::Flows => Self::Flows(Box::new(Flows::new(interval_ns))),
            Mode::Packets => Self::Packets(Box::new(Packets::of_many())),
        }
    }

    /// Whether batches go on as they come.
    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Takes a batch and returns what may go on.
    pub(crate) fn push(&mut self, batch: Batch, now: u64) -> Vec<Batch> {
        match self {
            Self::None => vec![batch],
            Self::Flows(flows) => flows.push(batch, now),
            Self::Packets(packets) => packets.push(batch, now),
        }
    }

    /// When [`Merge::release`] has something to do.
    pub(crate) fn due(&self) -> Option<u64> {
        match self {
            Self::None => None,
            Self::Flows(flows) => flows.due(),
            Self::Packets(packets) => packets.due(),
        }
    }

    /// What was held back and need not be any longer.
    pub(crate) fn release(&mut self, now: u64) -> Vec<Batch> {
        match self {
            Self::None => Vec::new(),
            Self::Flows(flows) => flows.release(now),
            Self::Packets(packets) => packets.release(now),
        }
    }

    /// Everything that is held back.
    pub(crate) fn finish(&mut self) -> Vec<Batch> {
        self.release(u64::MAX)
    }

    /// Packets out of order and flows forgotten before their time.
    pub(crate) fn counts(&self) -> (u64, u64) {
        match self {
            Self::None => (0, 0),
            Self::Flows(flows) => (0, flows.unmerged()),
            Self::Packets(packets) => (packets.out_of_order(), 0),
        }
    }
}
