//! Slots with numbers, in pieces: growing never copies what is there, so memory has no peaks.

const PIECE: usize = 4096;

/// Values by number; freed numbers are used again.
#[derive(Debug)]
pub(super) struct Slab<T> {
    pieces: Vec<Vec<T>>,
    free: Vec<u32>,
}

impl<T: Copy> Slab<T> {
    pub(super) const fn new() -> Self {
        Self { pieces: Vec::new(), free: Vec::new() }
    }

    pub(super) fn insert(&mut self, value: T) -> u32 {
        if let Some(slot) = self.free.pop() {
            *self.get_mut(slot) = value;
            return slot;
        }
        if self.pieces.last().is_none_or(|piece| piece.len() == PIECE) {
            self.pieces.push(Vec::with_capacity(PIECE));
        }
        let last = self.pieces.len() - 1;
        let piece = &mut self.pieces[last];
        piece.push(value);
        (last * PIECE + piece.len() - 1) as u32
    }

    pub(super) fn remove(&mut self, slot: u32) {
        self.free.push(slot);
    }

    pub(super) fn get(&self, slot: u32) -> &T {
        &self.pieces[slot as usize / PIECE][slot as usize % PIECE]
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> &mut T {
        &mut self.pieces[slot as usize / PIECE][slot as usize % PIECE]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_and_freed_ones_come_back() {
        let mut slab = Slab::new();
        let slots: Vec<u32> = (0..10_000).map(|value| slab.insert(value)).collect();
        assert!(slots.iter().enumerate().all(|(value, slot)| *slab.get(*slot) == value));
        slab.remove(5000);
        assert_eq!(slab.insert(7), 5000);
        assert_eq!(*slab.get(5000), 7);
    }
}
