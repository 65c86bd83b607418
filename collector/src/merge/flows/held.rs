//! Records that wait for the node of their source to speak first.

use std::{collections::VecDeque, sync::Arc};

use flow::{FlowRecord, Observation};

/// Where a record waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    delivery: u64,
    record: u32,
}

/// A record with what the points of its node counted.
pub(super) type Waiting = (FlowRecord, Vec<Observation>);

/// Records of one batch.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) due: u64,
    pub(super) node: Arc<str>,
    pub(super) time_ns: u64,
    pub(super) records: Vec<Option<Waiting>>,
}

/// Deliveries, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Held {
    deliveries: VecDeque<Delivery>,
    /// Number of the oldest.
    first: u64,
    records: usize,
}

impl Held {
    /// Records that wait.
    pub(super) fn len(&self) -> usize {
        self.records
    }

    /// When the oldest has waited long enough.
    pub(super) fn due(&self) -> Option<u64> {
        self.deliveries.front().map(|delivery| delivery.due)
    }

    /// Where record `record` of the next delivery will wait.
    pub(super) fn place(&self, record: usize) -> Place {
        Place { delivery: self.first + self.deliveries.len() as u64, record: record as u32 }
    }

    pub(super) fn push(&mut self, delivery: Delivery) {
        if !delivery.records.is_empty() {
            self.records += delivery.records.len();
            self.deliveries.push_back(delivery);
        }
    }

    /// A record that waits, and the node it is of.
    pub(super) fn get(&self, place: Place) -> Option<(&Arc<str>, &FlowRecord)> {
        let delivery = self.deliveries.get(usize::try_from(place.delivery.checked_sub(self.first)?).ok()?)?;
        Some((&delivery.node, &delivery.records.get(place.record as usize)?.as_ref()?.0))
    }

    /// Takes a record out.
    pub(super) fn take(&mut self, place: Place) -> Option<Waiting> {
        let at = usize::try_from(place.delivery.checked_sub(self.first)?).ok()?;
        let waiting = self.deliveries.get_mut(at)?.records.get_mut(place.record as usize)?.take();
        self.records -= usize::from(waiting.is_some());
        waiting
    }

    /// The oldest delivery, with the places that its records had.
    pub(super) fn pop(&mut self) -> Option<(Delivery, u64)> {
        let delivery = self.deliveries.pop_front()?;
        self.first += 1;
        self.records -= delivery.records.iter().flatten().count();
        Some((delivery, self.first - 1))
    }
}

impl Place {
    /// The place of record `record` of that delivery.
    pub(super) fn new(delivery: u64, record: usize) -> Self {
        Self { delivery, record: record as u32 }
    }
}
