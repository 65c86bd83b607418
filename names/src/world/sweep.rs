//! Forgetting what has ended long ago.

use super::{KEEP_MS, World};

impl World {
    /// Forgets who had which address more than [`KEEP_MS`] before `now`.
    pub(crate) fn sweep(&mut self, now: u64) {
        let before = now.saturating_sub(KEEP_MS);
        // Ends are told about in nearly the order in which they happen; one that is out of order waits for those before it.
        while let Some(ended) = self.ended.front().copied().filter(|ended| ended.until <= before) {
            self.ended.pop_front();
            if let Some(holders) = self.holders.remove(&ended.key)
                && let Some(left) = holders.forget(ended.thing, before)
            {
                self.holders.insert(ended.key, left);
            }
            self.macs -= usize::from(matches!(ended.key, crate::id::Key::Mac(_)));
            self.things[ended.thing as usize].remembered -= 1;
            self.forget_if_unused(ended.thing);
        }
    }
}
