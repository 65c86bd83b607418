//! Our own clock: the wall clock as it was at the beginning, and from then on without jumps.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Comparisons at the beginning; the tightest counts.
const TRIES: usize = 16;

/// A clock that never jumps, whatever is done to the machine's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steady {
    begun: Instant,
    epoch_ns: u64,
}

impl Steady {
    /// Compares the machine's clocks.
    pub(super) fn start() -> Self {
        let tries = (0..TRIES).map(|_| {
            let before = Instant::now();
            let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
            let took = before.elapsed();
            (took, Self { begun: before + took / 2, epoch_ns: wall.as_nanos() as u64 })
        });
        let best = tries.min_by_key(|(took, _)| *took);
        best.map_or_else(|| Self { begun: Instant::now(), epoch_ns: 0 }, |(_, steady)| steady)
    }

    /// Nanoseconds since the epoch.
    pub(super) fn now_ns(&self) -> u64 {
        self.epoch_ns + self.begun.elapsed().as_nanos() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_as_the_wall_clock() {
        let steady = Steady::start();
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
        assert!(steady.now_ns().abs_diff(wall) < 50_000_000);
    }
}
