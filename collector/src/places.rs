//! Where records have gone that observations of later batches still refer to: a record is known by how many came before it.
//!
//! Used where records are left out or put together on their way; what is referred to only later than a million records after
//! is forgotten.

use std::collections::VecDeque;

/// Most records remembered.
const MOST: usize = 1 << 20;

/// What has become of each of the latest records.
#[derive(Debug)]
pub(crate) struct Places<T> {
    places: VecDeque<T>,
    /// Number of the next record.
    next: u64,
}

impl<T> Default for Places<T> {
    fn default() -> Self {
        Self { places: VecDeque::new(), next: 0 }
    }
}

impl<T: Copy> Places<T> {
    /// Number of the next record.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// The next record has gone there.
    pub(crate) fn push(&mut self, place: T) {
        if self.places.len() == MOST {
            self.places.pop_front();
        }
        self.places.push_back(place);
        self.next += 1;
    }

    /// What has become of the record that is `index` after record `first`, which may be negative.
    pub(crate) fn get(&self, first: u64, index: i32) -> Option<T> {
        let oldest = self.next - self.places.len() as u64;
        let at = first.checked_add_signed(index.into())?.checked_sub(oldest)?;
        self.places.get(usize::try_from(at).ok()?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_found_by_their_distance_as_long_as_they_are_remembered() {
        let mut places = Places::default();
        (0..MOST as u64 + 10).for_each(|n| places.push(n));
        let first = places.next();
        assert_eq!((places.get(first, -1), places.get(first, -10)), (Some(MOST as u64 + 9), Some(MOST as u64)));
        assert_eq!((places.get(first, 0), places.get(first, -(MOST as i32) - 1)), (None, None));
        assert_eq!(places.get(0, -1), None);
    }
}
