//! What has been heard of one agent: its sequence, its counters over all its lives.

use flow::Counters;
use serde::{Deserialize, Serialize};

use super::UNNUMBERED;
use crate::{
    Origin,
    hub::{first_of_life, same_life},
};

/// One agent.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Node {
    /// Sequence of the next batch; `None` before the first.
    #[serde(skip)]
    next: Option<u64>,
    latest: Counters,
    /// Sum of the last counters of its former lives: a restarted agent counts from zero.
    former: Counters,
    /// Batches of it that never arrived.
    lost: u64,
    /// Copies of its packets that were left out.
    #[serde(default)]
    copies: u64,
    /// Batches of it that were handed on in this life of the collector.
    #[serde(skip)]
    handed_on: u64,
}

/// What the sequence of a batch says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It came already.
    Before,
    /// It is the next, or the first of this node, which may bear any number.
    Next,
    /// So many are missing before it.
    Gap(u64),
    /// The agent counts from zero again.
    Restarted,
    /// The collector that relays counts from zero again; so many are missing since.
    Relaunched(u64),
}

impl Node {
    /// Takes note of a batch.
    pub(super) fn hear(&mut self, origin: Origin, sequence: u64, counters: &Counters) -> Heard {
        if sequence == UNNUMBERED {
            self.latest = *counters;
            return Heard::Next;
        }
        let heard = match (self.next, origin) {
            // Known from an earlier life of ours, and counting from zero since.
            (None, Origin::Cluster) if sequence == 0 && self.latest != Counters::default() => Heard::Restarted,
            (None, _) => Heard::Next,
            (Some(next), Origin::Relay) if !same_life(sequence, next) && sequence > next => {
                Heard::Relaunched(sequence - first_of_life_of(sequence))
            }
            (Some(_), Origin::Local | Origin::Cluster) if sequence == 0 => Heard::Restarted,
            (Some(next), _) if sequence < next => return Heard::Before,
            (Some(next), _) if sequence == next => Heard::Next,
            (Some(next), _) => Heard::Gap(sequence - next),
        };
        match heard {
            Heard::Restarted => self.former.add(&self.latest),
            Heard::Gap(lost) | Heard::Relaunched(lost) => self.lost += lost,
            Heard::Before | Heard::Next => {}
        }
        self.next = Some(sequence + 1);
        self.latest = *counters;
        heard
    }

    /// What its agent counts, over all its lives.
    pub(crate) fn counters(&self) -> Counters {
        let mut counters = self.former;
        counters.add(&self.latest);
        counters
    }

    /// So many copies of its packets were left out.
    pub(super) fn leave_out(&mut self, copies: u64) {
        self.copies += copies;
    }

    /// The same with what was lost on the way to here and left out here: what those who read us have to know.
    pub(super) fn told(&self) -> Counters {
        let mut counters = self.counters();
        counters.lost_sequence += self.lost;
        counters.copies += self.copies;
        counters
    }

    /// Number of the next batch that is handed on.
    pub(super) fn number(&mut self, life: u64) -> u64 {
        self.handed_on += 1;
        first_of_life(life) + self.handed_on - 1
    }
}

fn first_of_life_of(number: u64) -> u64 {
    first_of_life(crate::hub::life_of(number))
}
