//! A sign of life for the command. The container runtime ends neither a command nor its terminal when the connection
//! to it breaks: without this, each broken connection would leave a view behind that nobody looks at.

use std::time::Duration;

use tokio::time::{self, Instant, Interval, MissedTickBehavior};

use super::Input;

/// What is typed every [`EVERY`] seconds: the report of a terminal that it has the focus (xterm's mode 1004), which no
/// key makes and whoever does not wait for it ignores.
const PULSE: &[u8] = b"\x1b[I";
/// A command that has not felt it three times may go.
const EVERY: Duration = Duration::from_secs(5);

/// When it is due. Not at once: a terminal that the command has not set up yet would echo it.
#[derive(Debug)]
pub(super) struct Pulse(Interval);

impl Pulse {
    pub(super) fn start() -> Self {
        let mut every = time::interval_at(Instant::now() + EVERY, EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self(every)
    }

    pub(super) async fn due(&mut self) {
        self.0.tick().await;
    }

    #[expect(clippy::unused_self, reason = "only who has a pulse has it felt")]
    pub(super) fn beat(&self, input: &Input) {
        input.try_data(PULSE);
    }
}
