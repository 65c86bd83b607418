//! A session in our terminal that outlives its connection.

use std::{
    io::{IsTerminal as _, Write as _, stderr},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::{Ended, connect, lend, pulse::Pulse};
use crate::cluster::{
    backoff::Backoff,
    exec::{ExecError, Target},
    signals::{Interrupts, Level},
};

/// How long a container that does not run is waited for: restarted, it is back by then.
const RESTART: Duration = Duration::from_mins(1);
/// A connection that held this long was one.
const STEADY: Duration = Duration::from_secs(5);

/// Runs `command` in our terminal, and again whenever the connection breaks, so that whoever gave the view a name gets
/// it back. The command is told every few seconds that somebody looks ([`super::pulse`]). Ctrl-C ends the waiting. What cannot pass (the pod is gone, no rights) is an error, and so is whatever keeps
/// the first connection from being made.
pub(crate) async fn attend(target: &Target, command: &[String], interrupts: &Interrupts) -> Result<Ended, ExecError> {
    let mut outage = Outage::default();
    let mut line = Line::default();
    loop {
        let error = match connect(target, command, interrupts).await {
            Ok(None) => return Ok(Ended::Interrupted),
            Err(error) => error,
            Ok(Some(session)) => {
                line.clear();
                let started = Instant::now();
                let ended = lend(session, interrupts, Pulse::start()).await?;
                let Ended::Lost(error) = ended else { return Ok(ended) };
                outage.had(started.elapsed());
                error
            }
        };
        let Some(pause) = outage.pause(&error, Instant::now()) else { return Err(error) };
        line.show(&error);
        tokio::select! {
            () = sleep(pause) => {}
            () = interrupts.reached(Level::Stop) => return Ok(Ended::Interrupted),
        }
    }
}

/// How long there has been no view.
#[derive(Debug, Default)]
struct Outage {
    /// There was a view once.
    broken: bool,
    since: Option<Instant>,
    backoff: Backoff,
}

impl Outage {
    /// There was a view for this long.
    fn had(&mut self, held: Duration) {
        self.broken = true;
        if held > STEADY {
            *self = Self { broken: true, ..Self::default() };
        }
    }

    /// How long to wait until the next try; `None` if there is no point in one.
    fn pause(&mut self, error: &ExecError, now: Instant) -> Option<Duration> {
        let since = *self.since.get_or_insert(now);
        let is_gone = matches!(error, ExecError::NotRunning { .. }) && now - since > RESTART;
        (self.broken && error.is_passing() && !is_gone).then(|| self.backoff.pause())
    }
}

/// One line on standard error, taken away when the view is back.
#[derive(Debug, Default)]
struct Line {
    shown: bool,
}

impl Line {
    fn show(&mut self, error: &ExecError) {
        let text = format!("{error}; reconnecting, Ctrl-C ends it...");
        let columns = crossterm::terminal::size().map_or(80, |(columns, _)| usize::from(columns));
        let cut: String = text.chars().take(columns.saturating_sub(1)).collect();
        let _ = match (stderr().is_terminal(), self.shown) {
            (true, _) => write!(stderr(), "\r\x1b[K{cut}"),
            (false, false) => writeln!(stderr(), "{text}"),
            (false, true) => Ok(()),
        };
        self.shown = true;
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.shown) && stderr().is_terminal() {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost() -> ExecError {
        ExecError::Lost { why: "test".into() }
    }

    #[test]
    fn what_was_never_there_is_not_waited_for() {
        assert_eq!(Outage::default().pause(&lost(), Instant::now()), None);
    }

    #[test]
    fn a_view_that_held_starts_the_waiting_anew() {
        let now = Instant::now();
        let mut outage = Outage::default();
        outage.had(Duration::ZERO);
        let first = outage.pause(&lost(), now);
        assert!(outage.pause(&lost(), now) > first);
        outage.had(STEADY * 2);
        assert_eq!(outage.pause(&lost(), now), first);
        assert_eq!(outage.pause(&ExecError::Unauthorized { message: String::new() }, now), None);
    }

    #[test]
    fn a_container_that_does_not_come_back_is_given_up() {
        let now = Instant::now();
        let mut outage = Outage::default();
        outage.had(Duration::ZERO);
        let stopped = ExecError::NotRunning { message: String::new() };
        assert!(outage.pause(&stopped, now).is_some());
        assert_eq!(outage.pause(&stopped, now + RESTART * 2), None);
        assert!(outage.pause(&lost(), now + RESTART * 2).is_some(), "a network may take its time");
    }
}
