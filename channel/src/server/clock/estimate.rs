//! How far another clock is ahead of ours, by exchanges of stamps (RFC 5905, section 8). Pure.

/// Two clocks drift apart by at most so much: a tenth of a millisecond a second. RFC 5905 reckons with 15 ppm of clocks that
/// are disciplined; these may not be, and what is wrong here is a wrong order of packets.
const DRIFT_PPM: u64 = 100;
/// How exactly a clock is read, and an anchor taken, ns.
const READING: u64 = 10_000;
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

/// What one exchange says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sample {
    /// When, by our clock.
    at: u64,
    /// How far the other clock is ahead.
    ahead: i64,
    /// Half of the way there and back, without the time that the other end took: the truth lies within so much.
    error: u64,
}

impl Sample {
    fn of(stamps: Stamps) -> Option<Self> {
        let there_and_back = stamps.here.checked_sub(stamps.asked)?;
        let delay = there_and_back.checked_sub(stamps.answered.checked_sub(stamps.heard)?)?;
        let [asked, heard, answered, here] = [stamps.asked, stamps.heard, stamps.answered, stamps.here].map(i128::from);
        let ahead = i64::try_from(i128::midpoint(heard - asked, answered - here)).ok()?;
        (there_and_back <= LONGEST).then_some(Self { at: stamps.here, ahead, error: delay / 2 + READING })
    }

    /// What the truth may differ by at this moment.
    const fn error(&self, now: u64) -> u64 {
        self.error + now.saturating_sub(self.at) / 1_000_000 * DRIFT_PPM
    }
}

/// The best of all exchanges so far: the one with the shortest way, as long as clocks cannot have drifted further than
/// what a newer one is worse by. How loaded ends or lines are makes it not worse but older.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Estimate(Option<Sample>);

impl Estimate {
    /// Takes in an exchange; one whose stamps cannot be is left out.
    pub(super) fn add(&mut self, stamps: Stamps) {
        let Some(new) = Sample::of(stamps) else { return };
        if self.0.is_none_or(|best| new.error <= best.error(new.at)) {
            self.0 = Some(new);
        }
    }

    /// How far the other clock is ahead, and what that may be wrong by, ns.
    pub(super) fn at(&self, now: u64) -> Option<(i64, u64)> {
        self.0.map(|best| (best.ahead, best.error(now)))
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
        assert_eq!(estimate.at(1706 * MS), Some((50_000_000, 3 * MS + READING)));
    }

    #[test]
    fn a_quick_exchange_is_kept_among_slow_ones_until_clocks_may_have_drifted_more() {
        let mut estimate = Estimate::default();
        estimate.add(exchange(1000 * MS, -7_000_000, MS, 0, MS));
        for second in 2..10 {
            estimate.add(exchange(second * 1000 * MS, -7_000_000, 90 * MS, 0, 2 * MS));
            assert_eq!(estimate.at(0), Some((-7_000_000, MS + READING)));
        }
        // 46 ms are worse by 45 ms, which take 450 s at 100 ppm.
        estimate.add(exchange(400_000 * MS, -7_000_000, 90 * MS, 0, 2 * MS));
        assert_eq!(estimate.at(0), Some((-7_000_000, MS + READING)));
        estimate.add(exchange(460_000 * MS, -7_000_000, 90 * MS, 0, 2 * MS));
        assert_eq!(estimate.at(0), Some((-7_000_000 + 44_000_000, 46 * MS + READING)));
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
