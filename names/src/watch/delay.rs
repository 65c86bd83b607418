//! How long to wait before a failed watch is tried again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(250);
/// Short enough that names are back soon after the API server is.
const MOST: Duration = Duration::from_secs(2);
/// What was refused stays refused until somebody grants it.
const REFUSED: Duration = Duration::from_secs(30);

/// Grows with each failure; after a success a new one begins.
#[derive(Debug)]
pub(super) struct Delay(Duration);

impl Delay {
    /// Before the first failure.
    pub(super) fn new() -> Self {
        Self(FIRST)
    }

    /// It failed: how long to wait now. The lowest bits of the clock spread the watches.
    pub(super) fn next(&mut self, refused: bool, clock_ms: u64) -> Duration {
        let wait = if refused { REFUSED } else { self.0 };
        self.0 = (self.0 * 2).min(MOST);
        wait + wait * (clock_ms % 32) as u32 / 128
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit() {
        let mut delay = Delay::new();
        let waits: Vec<u128> = (0..7).map(|_| delay.next(false, 0).as_millis()).collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 2000, 2000, 2000]);
        assert!(Delay::new().next(false, 31) < FIRST * 5 / 4, "spread by less than a quarter");
    }

    #[test]
    fn what_is_refused_is_not_asked_for_all_the_time() {
        assert_eq!(Delay::new().next(true, 0), REFUSED);
    }
}
