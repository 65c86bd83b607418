//! How far another clock is ahead of ours, by exchanges of stamps (RFC 5905, section 8). Pure.

/// Two clocks drift apart by at most so much (RFC 5905, PHI). Where they do nevertheless, measurements contradict each other,
/// and the newest counts.
const DRIFT_PPM: u64 = 15;
/// How exactly a clock is read, and an anchor taken, ns.
const READING: i64 = 10_000;
/// An exchange that took longer tells nothing.
const LONGEST: u64 = 60_000_000_000;

/// The four stamps of one exchange, ns since the epoch by the clock of who took them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamps {
    /// We asked.
    pub(crate) asked: u64,
    /// The other end heard it.
    pub(crate) heard: u64,
    /// It answered.
    pub(crate) answered: u64,
    /// The answer was here.
    pub(crate) here: u64,
}

/// What the other clock is ahead by at most, and at least, as of a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bounds {
    most: i64,
    least: i64,
}

impl Bounds {
    /// Nothing is heard before it was said: the way there tells the most, the way back the least.
    fn of(stamps: Stamps) -> Option<Self> {
        let there_and_back = stamps.here.checked_sub(stamps.asked)?;
        let thinks = stamps.answered.checked_sub(stamps.heard)?;
        let difference = |a: u64, b: u64| i64::try_from(i128::from(a) - i128::from(b)).ok();
        let most = difference(stamps.heard, stamps.asked)?.checked_add(READING)?;
        let least = difference(stamps.answered, stamps.here)?.checked_sub(READING)?;
        (there_and_back <= LONGEST && thinks <= there_and_back).then_some(Self { most, least })
    }
}

/// The bounds by all exchanges so far: each of the two by the quickest way in its direction, as long as clocks cannot have
/// drifted further than what newer ones are worse by. A busy line or end makes no bound worse; it only leaves it older.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Estimate(Option<(Bounds, u64)>);

impl Estimate {
    /// Takes in an exchange; one whose stamps cannot be is left out.
    pub(super) fn add(&mut self, stamps: Stamps) {
        let Some(new) = Bounds::of(stamps) else { return };
        let best = self.bounds(stamps.here).map_or(new, |old| {
            let both = Bounds { most: old.most.min(new.most), least: old.least.max(new.least) };
            if both.least <= both.most { both } else { new }
        });
        self.0 = Some((best, stamps.here));
    }

    /// How far the other clock is ahead, and what that may be wrong by, ns.
    pub(super) fn at(&self, now: u64) -> Option<(i64, u64)> {
        let Bounds { most, least } = self.bounds(now)?;
        Some((i64::midpoint(least, most), most.abs_diff(least).div_ceil(2)))
    }

    /// As of now: they were better when they were found.
    fn bounds(&self, now: u64) -> Option<Bounds> {
        let (Bounds { most, least }, at) = self.0?;
        let drift = now.saturating_sub(at).saturating_mul(DRIFT_PPM) / 1_000_000;
        Some(Bounds { most: most.saturating_add_unsigned(drift), least: least.saturating_sub_unsigned(drift) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;

    /// An exchange with a clock that is `ahead`, begun at `asked`, on lines with these delays.
    pub(crate) fn exchange(asked: u64, ahead: i64, there: u64, thinks: u64, back: u64) -> Stamps {
        let heard = (asked + there).saturating_add_signed(ahead);
        Stamps { asked, heard, answered: heard + thinks, here: asked + there + thinks + back }
    }

    #[test]
    fn equal_ways_tell_the_truth_and_what_the_other_end_thinks_does_not_matter() {
        let mut estimate = Estimate::default();
        estimate.add(exchange(1000 * MS, 50_000_000, 3 * MS, 700 * MS, 3 * MS));
        assert_eq!(estimate.at(1706 * MS), Some((50_000_000, 3 * MS + READING as u64)));
    }

    #[test]
    fn the_quickest_way_in_each_direction_counts_until_clocks_may_have_drifted_more() {
        let mut estimate = Estimate::default();
        estimate.add(exchange(1000 * MS, -7_000_000, MS, 0, 90 * MS));
        estimate.add(exchange(1100 * MS, -7_000_000, 90 * MS, 0, MS));
        let (told, error) = estimate.at(1191 * MS).unwrap();
        assert!(
            told.abs_diff(-7_000_000) < 2_000 && error < 2 * MS,
            "two crooked ones make a straight one: {told} {error}"
        );
        // Ten minutes with slow ones only: 9 ms that clocks may have drifted.
        for second in (2..=600).step_by(2) {
            estimate.add(exchange(second * 1000 * MS, -7_000_000, 90 * MS, 0, 90 * MS));
        }
        let (told, error) = estimate.at(600_000 * MS).unwrap();
        assert!(told.abs_diff(-7_000_000) < 10_000 && error > 9 * MS && error < 11 * MS, "{told} {error}");
    }

    #[test]
    fn clocks_that_drift_more_than_clocks_may_are_followed() {
        let mut estimate = Estimate::default();
        for second in 1..100u64 {
            // 500 ppm.
            let ahead = second as i64 * 500_000;
            estimate.add(exchange(second * 1000 * MS, ahead, MS / 10, 0, MS / 10));
            let (told, error) = estimate.at(second * 1000 * MS).unwrap();
            assert!(told.abs_diff(ahead) <= error, "{told} {error} {ahead}");
        }
    }

    #[test]
    fn stamps_that_cannot_be_are_left_out() {
        let mut estimate = Estimate::default();
        let good = exchange(1000 * MS, 0, MS, 0, MS);
        estimate.add(Stamps { here: good.asked - 1, ..good });
        estimate.add(Stamps { answered: good.heard - 1, ..good });
        // It thought for longer than the whole exchange took.
        estimate.add(Stamps { answered: good.heard + 3 * MS, ..good });
        estimate.add(Stamps { here: good.here + LONGEST, ..good });
        estimate.add(Stamps { heard: u64::MAX, answered: u64::MAX, ..good });
        assert_eq!(estimate.at(0), None);
    }

    proptest! {
        /// However the ways differ, the truth lies within what is told.
        #[test]
        fn the_truth_lies_within_the_error(
            ahead in -10_000_000_000i64..10_000_000_000,
            ways in proptest::collection::vec((0u64..500 * MS, 0u64..50 * MS, 0u64..500 * MS), 1..40),
        ) {
            let mut estimate = Estimate::default();
            let mut now = 100_000_000_000;
            for (there, thinks, back) in ways {
                let stamps = exchange(now, ahead, there, thinks, back);
                estimate.add(stamps);
                now = stamps.here + 2_000 * MS;
                let (told, error) = estimate.at(now).unwrap();
                prop_assert!(told.abs_diff(ahead) <= error, "{told} {error}");
            }
        }

        #[test]
        fn any_stamps_are_taken(asked: u64, heard: u64, answered: u64, here: u64) {
            let mut estimate = Estimate::default();
            estimate.add(Stamps { asked, heard, answered, here });
            estimate.at(here);
        }
    }
}
