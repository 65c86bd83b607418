//! A table of bounded size that forgets what was not asked for longest, more or less: two halves, the older of which is thrown
//! away when the newer is full.

use std::{collections::HashMap, hash::Hash};

type Half<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// Values by key; at most twice `half` of them.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    new: Half<K, V>,
    old: Half<K, V>,
    half: usize,
}

impl<K: Hash + Eq + Copy, V> Recent<K, V> {
    pub(crate) fn new(half: usize) -> Self {
        Self { new: Half::default(), old: Half::default(), half }
    }

    /// The value, which counts as asked for.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        if let Some(value) = self.old.remove(key) {
            self.make_room();
            self.new.insert(*key, value);
        }
        self.new.get_mut(key)
    }

    /// Enters a value. How many others were forgotten for it.
    pub(crate) fn insert(&mut self, key: K, value: V) -> usize {
        let forgotten = self.make_room();
        self.old.remove(&key);
        self.new.insert(key, value);
        forgotten
    }

    fn make_room(&mut self) -> usize {
        if self.new.len() < self.half {
            return 0;
        }
        let forgotten = std::mem::replace(&mut self.old, std::mem::take(&mut self.new));
        forgotten.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.new.is_empty() && self.old.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_the_size_is_bounded() {
        let mut recent = Recent::new(10);
        recent.insert(0, 'a');
        let mut forgotten = 0;
        for key in 1..1000 {
            forgotten += recent.insert(key, 'b');
            assert_eq!(recent.get_mut(&0), Some(&mut 'a'));
            assert!(recent.new.len() + recent.old.len() <= 20);
        }
        assert_eq!(recent.new.len() + recent.old.len() + forgotten, 1000);
        assert_eq!(recent.get_mut(&1), None);
        assert!(!recent.is_empty());
    }
}
