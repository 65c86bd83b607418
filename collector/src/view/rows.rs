//! Rows by slot: a slot is kept as long as its row lives and used again afterwards.

use std::sync::Arc;

use super::row::Row;

/// Rows, shared with the picture that is held while the table is paused.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    slots: Vec<Option<Arc<Row>>>,
    free: Vec<u32>,
}

impl Rows {
    /// The row in `slot`.
    pub(super) fn get(&self, slot: u32) -> Option<&Arc<Row>> {
        self.slots.get(slot as usize)?.as_ref()
    }

    /// The row in `slot`, to be changed; a held picture keeps what it was.
    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut Row> {
        self.slots.get_mut(slot as usize)?.as_mut().map(Arc::make_mut)
    }

    /// Puts a row into a free slot.
    pub(super) fn insert(&mut self, row: Row) -> u32 {
        let row = Some(Arc::new(row));
        if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = row;
            return slot;
        }
        self.slots.push(row);
        (self.slots.len() - 1) as u32
    }

    /// Takes the row out of `slot`.
    pub(super) fn remove(&mut self, slot: u32) -> Option<Arc<Row>> {
        let row = self.slots.get_mut(slot as usize)?.take();
        if row.is_some() {
            self.free.push(slot);
        }
        row
    }

    /// Rows there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Slots there are, used or free: all of them are below this number.
    pub(super) fn capacity(&self) -> u32 {
        self.slots.len() as u32
    }
}
