//! When a capture that its client has left is ended and removed: pure, on a monotonic clock of its own.
//!
//! The lease's own times are never compared with a clock here, because clocks differ: only whether they change counts.

use std::time::Duration;

/// What was agreed on when the capture began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    /// Without a renewal for this long the client is gone.
    pub(crate) lease: Duration,
    /// How long files wait for somebody to fetch them.
    pub(crate) keep: Duration,
    /// Nobody is expected to renew anything while it runs (`--background`).
    pub(crate) background: bool,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing.
    Wait,
    /// End the capture: its client is gone.
    Stop,
    /// The capture has ended: agents are of no use any more.
    RemoveAgents,
    /// Nobody has come for the files.
    RemoveAll,
}

/// Judges. Times are since an arbitrary start.
#[derive(Debug)]
pub(crate) struct Judge {
    terms: Terms,
    renewed: Option<String>,
    /// When the client was last heard of.
    heard: Duration,
    ended: Option<Duration>,
}

impl Judge {
    /// The client is taken to be there at `now`.
    pub(crate) fn new(terms: Terms, now: Duration) -> Self {
        Self { terms, renewed: None, heard: now, ended: None }
    }

    /// The lease was read: its renewal time, in whatever form.
    pub(crate) fn saw(&mut self, renewed: Option<String>, now: Duration) {
        if renewed.is_some() && renewed != self.renewed {
            self.renewed = renewed;
            self.heard = now;
        }
    }

    /// Nothing could be read for `time`: it does not count.
    pub(crate) fn blind(&mut self, time: Duration) {
        self.heard += time;
        if let Some(ended) = &mut self.ended {
            *ended += time;
        }
    }

    /// The capture has ended, at `now` if that is news.
    pub(crate) fn ended(&mut self, now: Duration) {
        self.ended.get_or_insert(now);
    }

    pub(crate) fn verdict(&self, now: Duration) -> Verdict {
        let lapse = self.heard + self.terms.lease;
        let alive = now < lapse;
        match self.ended {
            None if alive || self.terms.background => Verdict::Wait,
            None => Verdict::Stop,
            Some(_) if alive => Verdict::RemoveAgents,
            // The files wait from the moment on at which there were files and nobody to fetch them.
            Some(ended) if now < ended.max(lapse) + self.terms.keep => Verdict::RemoveAgents,
            Some(_) => Verdict::RemoveAll,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms { lease: Duration::from_mins(2), keep: Duration::from_mins(10), background: false };

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_client_that_renews_is_never_disturbed() {
        let mut judge = Judge::new(TERMS, s(0));
        for time in (0..10_000).step_by(20) {
            judge.saw(Some(time.to_string()), s(time));
            assert_eq!(judge.verdict(s(time + 19)), Verdict::Wait);
        }
    }

    #[test]
    fn a_client_that_is_gone_ends_the_capture_and_later_everything() {
        let mut judge = Judge::new(TERMS, s(0));
        judge.saw(Some("a".into()), s(10));
        judge.saw(Some("a".into()), s(100));
        assert_eq!(judge.verdict(s(129)), Verdict::Wait);
        assert_eq!(judge.verdict(s(130)), Verdict::Stop);
        judge.ended(s(130));
        assert_eq!(judge.verdict(s(131)), Verdict::RemoveAgents);
        assert_eq!(judge.verdict(s(729)), Verdict::RemoveAgents);
        assert_eq!(judge.verdict(s(730)), Verdict::RemoveAll);
    }

    #[test]
    fn somebody_who_comes_back_in_time_keeps_the_files() {
        let mut judge = Judge::new(TERMS, s(0));
        judge.ended(s(120));
        judge.saw(Some("back".into()), s(700));
        assert_eq!(judge.verdict(s(800)), Verdict::RemoveAgents);
        assert_eq!(judge.verdict(s(700 + 120 + 599)), Verdict::RemoveAgents);
        assert_eq!(judge.verdict(s(700 + 120 + 600)), Verdict::RemoveAll);
    }

    #[test]
    fn time_without_an_answer_from_the_api_does_not_count() {
        let mut judge = Judge::new(TERMS, s(0));
        judge.blind(s(1000));
        assert_eq!(judge.verdict(s(1119)), Verdict::Wait);
        assert_eq!(judge.verdict(s(1120)), Verdict::Stop);
    }

    #[test]
    fn a_background_capture_runs_to_its_own_end_and_waits_for_its_reader() {
        let mut judge = Judge::new(Terms { background: true, ..TERMS }, s(0));
        assert_eq!(judge.verdict(s(100_000)), Verdict::Wait);
        judge.ended(s(100_000));
        assert_eq!(judge.verdict(s(100_599)), Verdict::RemoveAgents);
        assert_eq!(judge.verdict(s(100_600)), Verdict::RemoveAll);
    }

    #[test]
    fn a_lease_that_is_not_there_is_no_sign_of_life() {
        let mut judge = Judge::new(TERMS, s(0));
        judge.saw(None, s(60));
        assert_eq!(judge.verdict(s(120)), Verdict::Stop);
    }
}
