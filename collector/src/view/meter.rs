//! How much came per second, lately.

use std::collections::VecDeque;

const SECOND: u64 = 1_000_000_000;
/// Seconds that [`Meter::rate`] averages over, so that intervals of one second do not make it jump.
const WINDOW: u64 = 3;
/// Seconds remembered for the little graph.
const HISTORY: usize = 60;

/// Sums by second.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    /// Second of the last bucket, since the epoch.
    last: u64,
    buckets: VecDeque<u64>,
}

impl Meter {
    /// Adds `amount` at `now_ns` (ns since the epoch); what is older than all that is remembered is left out.
    pub fn add(&mut self, now_ns: u64, amount: u64) {
        self.advance(now_ns);
        let age = usize::try_from(self.last.saturating_sub(now_ns / SECOND)).unwrap_or(usize::MAX);
        while age < HISTORY && self.buckets.len() <= age {
            self.buckets.push_front(0);
        }
        let at = self.buckets.len().checked_sub(age.saturating_add(1));
        if let Some(bucket) = at.and_then(|at| self.buckets.get_mut(at)) {
            *bucket += amount;
        }
    }

    fn advance(&mut self, now_ns: u64) {
        let second = now_ns / SECOND;
        if self.buckets.is_empty() {
            self.last = second;
            self.buckets.push_back(0);
        }
        let empty = second.saturating_sub(self.last).min(HISTORY as u64);
        self.buckets.extend((0..empty).map(|_| 0));
        self.last = self.last.max(second);
        while self.buckets.len() > HISTORY {
            self.buckets.pop_front();
        }
    }

    /// Per second, over the last three full seconds (fewer at the beginning).
    pub fn rate(&mut self, now_ns: u64) -> u64 {
        self.advance(now_ns);
        let full = self.buckets.len().saturating_sub(1);
        let window = full.min(WINDOW as usize);
        match window {
            0 => self.buckets.back().copied().unwrap_or_default(),
            _ => self.buckets.range(full - window..full).sum::<u64>() / window as u64,
        }
    }

    /// The last full seconds, oldest first, `count` at most.
    pub fn history(&self, count: usize) -> impl Iterator<Item = u64> + use<'_> {
        let full = self.buckets.len().saturating_sub(1);
        self.buckets.range(full.saturating_sub(count)..full).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_three_full_seconds() {
        let mut meter = Meter::default();
        for second in 0..5 {
            meter.add(second * SECOND, 100 * second);
        }
        assert_eq!(meter.rate(4 * SECOND), (100 + 200 + 300) / 3);
        assert_eq!(meter.rate(5 * SECOND), (200 + 300 + 400) / 3);
        assert_eq!(meter.rate(9 * SECOND), 0);
        assert_eq!(meter.history(2).collect::<Vec<_>>(), [0, 0]);
    }

    #[test]
    fn what_comes_late_is_added_to_its_second() {
        let mut meter = Meter::default();
        assert_eq!(meter.rate(10 * SECOND), 0);
        meter.add(8 * SECOND, 6);
        meter.add(7 * SECOND, 3);
        assert_eq!(meter.rate(10 * SECOND), 3);
        assert_eq!(meter.history(5).collect::<Vec<_>>(), [3, 6, 0]);
    }

    #[test]
    fn a_clock_set_back_or_far_ahead_does_no_harm() {
        let mut meter = Meter::default();
        meter.add(100 * SECOND, 1);
        meter.add(10 * SECOND, 1);
        meter.add(u64::MAX, 1);
        assert_eq!(meter.rate(u64::MAX), 0);
        assert!(meter.history(100).count() < 60);
    }
}
