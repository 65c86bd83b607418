//! How fast one flow is now.

const SECOND: f64 = 1e9;
/// Weight of the newest interval against what was.
const NEWEST: f64 = 0.6;

/// Smoothed bytes and packets per second of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rate {
    /// Bytes per second.
    pub bytes: f64,
    /// Packets per second.
    pub packets: f64,
    before: (f64, f64),
    window: (u64, u64),
    window_ns: u64,
}

impl Rate {
    /// Counts a record that was made at `made_ns` and covers `interval_ns`. The time is that of the agent: batches that
    /// waited and come together are still different intervals.
    pub fn add(&mut self, made_ns: u64, interval_ns: u64, bytes: u64, packets: u64) {
        let interval = interval_ns.max(1);
        let gap = made_ns.saturating_sub(self.window_ns);
        // Several records of one interval are one sample.
        if self.window_ns == 0 || gap > interval / 2 {
            let known = self.window_ns != 0 && gap < 4 * interval;
            self.before = if known { (self.bytes, self.packets) } else { (f64::NAN, f64::NAN) };
            self.window = (0, 0);
            self.window_ns = made_ns;
        }
        self.window.0 += bytes;
        self.window.1 += packets;
        let per_second = SECOND / interval as f64;
        self.bytes = smooth(self.before.0, self.window.0 as f64 * per_second);
        self.packets = smooth(self.before.1, self.window.1 as f64 * per_second);
    }

    /// The flow has gone quiet.
    pub fn fade(&mut self) {
        *self = Self::default();
    }
}

fn smooth(before: f64, sample: f64) -> f64 {
    if before.is_nan() { sample } else { before.mul_add(1.0 - NEWEST, sample * NEWEST) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_flow_has_its_rate_from_the_first_interval_on() {
        let mut rate = Rate::default();
        for second in 1..4_u64 {
            rate.add(second * 1_000_000_000, 1_000_000_000, 500, 5);
            assert!((rate.bytes - 500.0).abs() < 1e-9 && (rate.packets - 5.0).abs() < 1e-9);
        }
    }

    #[test]
    fn two_records_of_one_interval_are_added_and_a_change_comes_smoothly() {
        let mut rate = Rate::default();
        rate.add(1_000_000_000, 1_000_000_000, 100, 1);
        rate.add(1_000_000_100, 1_000_000_000, 100, 1);
        assert!((rate.bytes - 200.0).abs() < 1e-9);
        rate.add(2_000_000_000, 1_000_000_000, 0, 0);
        assert!((rate.bytes - 80.0).abs() < 1e-9);
    }
}
