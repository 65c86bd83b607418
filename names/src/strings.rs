//! Strings that many objects share, kept once.

use std::sync::Arc;

use hashbrown::HashSet;

/// A set of shared strings. Those that nobody uses any more go when it has doubled.
#[derive(Debug, Default)]
pub(crate) struct Strings {
    set: HashSet<Arc<str>>,
    /// Size at which unused strings are looked for.
    sweep_at: usize,
}

impl Strings {
    /// The shared string that reads `text`.
    pub(crate) fn get(&mut self, text: &str) -> Arc<str> {
        if let Some(shared) = self.set.get(text) {
            return Arc::clone(shared);
        }
        if self.set.len() >= self.sweep_at {
            self.sweep();
        }
        let shared: Arc<str> = Arc::from(text);
        self.set.insert(Arc::clone(&shared));
        shared
    }

    fn sweep(&mut self) {
        self.set.retain(|text| Arc::strong_count(text) > 1);
        self.sweep_at = (self.set.len() * 2).max(1024);
    }

    /// Memory held, bytes, roughly.
    pub(crate) fn bytes(&self) -> usize {
        let text: usize = self.set.iter().map(heap_bytes).sum();
        text + self.set.capacity() * (size_of::<Arc<str>>() + 1)
    }
}

/// What a shared string takes on the heap: its counters and its text.
pub(crate) fn heap_bytes(text: &Arc<str>) -> usize {
    2 * size_of::<usize>() + text.len().next_multiple_of(size_of::<usize>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_strings_are_one_and_unused_ones_go() {
        let mut strings = Strings::default();
        let a = strings.get("kube-system");
        assert!(Arc::ptr_eq(&a, &strings.get("kube-system")));
        for number in 0..5000 {
            strings.get(&format!("gone-{number}"));
        }
        assert!(strings.set.len() < 2048, "{}", strings.set.len());
        assert!(Arc::ptr_eq(&a, &strings.get("kube-system")));
    }
}
