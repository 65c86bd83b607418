//! The clock of an agent's node against ours: measured over its connections, applied to its batches.
//!
//! A clock is only put right where it is surely wrong: as long as the difference is smaller than the error of the
//! measurement, times stay what they are, to the nanosecond. Lives as long as the agent does; connections may change.

mod course;
mod estimate;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flow::{Batch, Clock as Told};

pub(super) use self::estimate::Stamps;
use self::{course::Course, estimate::Estimate};

/// Who is further away is told to the user.
const WORTH_A_WORD: u64 = 1_000_000_000;

/// The clock of one node; cheap to clone, all clones are one.
#[derive(Clone, Debug, Default)]
pub(super) struct NodeClock(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    estimate: Estimate,
    course: Course,
    /// What the measurement might have been wrong by that the course follows.
    followed: u64,
    was_told: bool,
}

impl NodeClock {
    // Every change is complete before the lock is released, panics included.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in an exchange.
    pub(super) fn measured(&self, stamps: Stamps) {
        self.lock().measured(stamps);
    }

    /// Puts the times of a batch right, and says by how much; `now` is our clock.
    pub(super) fn put_right(&self, batch: &mut Batch, now: u64) {
        self.lock().put_right(batch, now);
    }
}

impl State {
    fn measured(&mut self, stamps: Stamps) {
        self.estimate.add(stamps);
        let Some((ahead, error)) = self.estimate.at(stamps.here) else { return };
        // What is believed stands as long as it may be true; a correction, which is no more than a measurement, until there is a
        // better one.
        let may_be_true = ahead.abs_diff(self.course.to()) <= error;
        let is_better = self.course.to() != 0 && error < self.followed;
        if !may_be_true || is_better {
            self.course.lead_to(if ahead.unsigned_abs() <= error { 0 } else { ahead });
            self.followed = error;
        }
    }

    fn put_right(&mut self, batch: &mut Batch, now: u64) {
        let time = batch.time_ns;
        let ahead_ns = self.course.ahead(time);
        if !self.course.is_zero() {
            batch.map_times(|time| self.course.right(time));
        }
        self.course.reached(time);
        let Some((measured, error)) = self.estimate.at(now) else { return };
        let clock = Told { ahead_ns, error_ns: measured.abs_diff(ahead_ns) + error };
        batch.clock = Some(clock);
        if !self.was_told && ahead_ns.unsigned_abs().saturating_sub(clock.error_ns) > WORTH_A_WORD {
            self.was_told = true;
            batch.notices.push(notice(&batch.node, ahead_ns).into());
        }
    }
}

fn notice(node: &str, ahead_ns: i64) -> String {
    let seconds = ahead_ns.unsigned_abs() as f64 / 1e9;
    let way = if ahead_ns < 0 { "behind" } else { "ahead of" };
    format!(
        "the clock of {node} is {seconds:.1} s {way} the collector's: times of what it captures are put right by that"
    )
}

#[cfg(test)]
mod tests {
    use flow::{Body, Packet, PacketBatch};

    use super::*;

    const MS: u64 = 1_000_000;

    /// An exchange with a clock that is `ahead`, begun at `asked`, on lines with these delays.
    fn exchange(asked: u64, ahead: i64, there: u64, back: u64) -> Stamps {
        let heard = (asked + there).saturating_add_signed(ahead);
        Stamps { asked, heard, answered: heard, here: asked + there + back }
    }

    fn batch(times: &[u64]) -> Batch {
        let packets = times.iter().map(|time_ns| Packet { time_ns: *time_ns, ..Packet::default() }).collect();
        let body = Body::Packets(PacketBatch { packets, ..PacketBatch::default() });
        Batch::bare("n1".into(), times.last().copied().unwrap_or_default(), body)
    }

    fn times(batch: &Batch) -> Vec<u64> {
        let Body::Packets(packets) = &batch.body else { panic!("packets stay packets") };
        packets.packets.iter().map(|packet| packet.time_ns).collect()
    }

    #[test]
    fn a_clock_that_may_be_right_stays_untouched_however_crooked_the_line_is() {
        let clock = NodeClock::default();
        // All of the way there, none back: it looks 20 ms ahead, and may be right.
        for round in 1..50 {
            clock.measured(exchange(round * 1000 * MS, 0, 40 * MS / round, 0));
        }
        let mut one = batch(&[60_000_000_001, 60_000_000_002]);
        clock.put_right(&mut one, 60_000 * MS);
        assert_eq!(times(&one), [60_000_000_001, 60_000_000_002]);
        let told = one.clock.unwrap();
        assert!(told.ahead_ns == 0 && told.error_ns < 3 * MS, "{told:?}");
        assert_eq!(one.notices.len(), 0);
    }

    #[test]
    fn a_clock_that_is_wrong_is_put_right_from_the_first_packet_on() {
        let clock = NodeClock::default();
        clock.measured(exchange(1000 * MS, 50_000_000, MS, MS));
        let mut one = batch(&[2_050_000_001, 2_050_000_009]);
        clock.put_right(&mut one, 2000 * MS);
        assert_eq!((times(&one), one.time_ns), (vec![2_000_000_001, 2_000_000_009], 2_000_000_009));
        assert_eq!(one.clock.unwrap().ahead_ns, 50_000_000);
    }

    #[test]
    fn what_is_believed_stands_as_long_as_it_may_be_true_and_changes_without_a_step() {
        let clock = NodeClock::default();
        // Crooked: it looks 54 ms ahead and is 50 ms.
        clock.measured(exchange(1000 * MS, 50_000_000, 10 * MS, 2 * MS));
        let mut one = batch(&[2_054_000_000]);
        clock.put_right(&mut one, 2000 * MS);
        assert_eq!(times(&one), [2000 * MS]);
        clock.measured(exchange(2000 * MS, 50_000_000, 11 * MS, 3 * MS));
        let mut two = batch(&[2_055_000_000]);
        clock.put_right(&mut two, 2001 * MS);
        assert_eq!(times(&two), [2001 * MS], "a slower way says nothing new");
        // A straight one: 4 ms less, at 10 ms a second.
        clock.measured(exchange(2001 * MS, 50_000_000, MS, MS));
        let mut three = batch(&[2_055_000_001, 2_255_000_000, 2_455_000_000, 9_050_000_000]);
        clock.put_right(&mut three, 3000 * MS);
        assert_eq!(times(&three), [2_001_000_001, 2203 * MS, 2405 * MS, 9000 * MS]);
    }

    #[test]
    fn a_better_measurement_is_followed_and_a_worse_one_that_agrees_is_not() {
        let clock = NodeClock::default();
        let told = |clock: &NodeClock, now: u64| {
            let mut batch = batch(&[now + 50 * MS]);
            clock.put_right(&mut batch, now);
            batch.clock.unwrap().ahead_ns
        };
        clock.measured(exchange(1000 * MS, 50_000_000, 3 * MS, MS));
        clock.measured(exchange(1010 * MS, 50_000_000, 2 * MS, MS));
        assert_eq!(told(&clock, 1020 * MS), 50_500_000);
        clock.measured(exchange(1030 * MS, 50_000_000, MS, MS));
        // At 10 ms a second it is there 50 ms later.
        assert_eq!(told(&clock, 1100 * MS), 50_000_000);
        clock.measured(exchange(60_000 * MS, 50_000_000, 4 * MS, 2 * MS));
        assert_eq!(told(&clock, 60_010 * MS), 50_000_000);
    }

    #[test]
    fn one_that_is_far_off_is_named_once() {
        let clock = NodeClock::default();
        clock.measured(exchange(100_000 * MS, -3_200_000_000, MS, MS));
        let said: Vec<_> = (0..3)
            .flat_map(|round| {
                let mut batch = batch(&[97_000_000_000 + round]);
                clock.put_right(&mut batch, 100_100 * MS);
                batch.notices
            })
            .collect();
        assert_eq!(said.len(), 1);
        assert!(said[0].starts_with("the clock of n1 is 3.2 s behind the collector's"), "{said:?}");
    }
}
