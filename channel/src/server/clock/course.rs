//! By how much times of a node are put back, over its time: a course without steps, so that nothing is put out of order. Pure.

/// A correction moves by one part of so many of the time that passes: 10 ms a second.
const SLEW: u64 = 100;

/// How far a clock is taken to be ahead: `from` until `since`, then on its way to `to`, then that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Course {
    from: i64,
    to: i64,
    /// By the clock that is put right.
    since: u64,
    /// The last time that was put right; `None` as long as there was none.
    latest: Option<u64>,
}

impl Course {
    /// How far the clock is taken to be ahead at its time `time`, ns.
    pub(super) fn ahead(&self, time: u64) -> i64 {
        let moved = time.saturating_sub(self.since) / SLEW;
        if self.to.abs_diff(self.from) <= moved {
            return self.to;
        }
        if self.to > self.from {
            self.from.saturating_add_unsigned(moved)
        } else {
            self.from.saturating_sub_unsigned(moved)
        }
    }

    /// Where it leads.
    pub(super) const fn to(&self) -> i64 {
        self.to
    }

    /// Changes where it leads: at once as long as nothing was put right, then slowly.
    pub(super) fn lead_to(&mut self, to: i64) {
        match self.latest {
            Some(latest) => (self.from, self.since) = (self.ahead(latest), latest),
            None => self.from = to,
        }
        self.to = to;
    }

    /// The time by our clock.
    pub(super) fn right(&self, time: u64) -> u64 {
        let ahead = self.ahead(time);
        if ahead < 0 { time.saturating_add(ahead.unsigned_abs()) } else { time.saturating_sub(ahead.unsigned_abs()) }
    }

    /// Everything up to this time was put right.
    pub(super) fn reached(&mut self, time: u64) {
        self.latest = self.latest.max(Some(time));
    }

    /// Whether times stay as they are.
    pub(super) const fn is_zero(&self) -> bool {
        self.from == 0 && self.to == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_estimate_counts_at_once_and_later_ones_slowly() {
        let mut course = Course::default();
        course.lead_to(50_000_000);
        assert_eq!(course.right(1_050_000_000), 1_000_000_000);
        course.reached(1_050_000_000);
        course.lead_to(49_000_000);
        assert_eq!(course.right(1_050_000_000), 1_000_000_000);
        assert_eq!(course.ahead(1_050_000_000 + 50_000_000), 49_500_000);
        assert_eq!(course.ahead(1_050_000_000 + 100_000_000), 49_000_000);
        assert_eq!(course.ahead(9_000_000_000), 49_000_000);
    }

    #[test]
    fn a_course_of_nothing_changes_nothing() {
        let mut course = Course::default();
        course.reached(5);
        assert!(course.is_zero() && course.right(u64::MAX) == u64::MAX && course.right(0) == 0);
    }

    proptest! {
        /// Whatever estimates follow each other: times stay in their order, and get where the last one says.
        #[test]
        fn times_stay_in_order(steps in proptest::collection::vec((0u64..300_000_000, proptest::option::of(-1_000_000_000i64..1_000_000_000)), 1..200)) {
            let (mut course, mut time, mut before) = (Course::default(), 10_000_000_000, 0);
            for (passed, to) in steps {
                if let Some(to) = to {
                    course.lead_to(to);
                }
                time += passed;
                let right = course.right(time);
                prop_assert!(right >= before, "{right} {before}");
                course.reached(time);
                before = right;
            }
            prop_assert_eq!(course.ahead(time + 2_000_000_000 * SLEW), course.to());
        }
    }
}
