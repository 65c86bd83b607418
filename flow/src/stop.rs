//! The one way to end a capture: anybody requests it, the first reason stands, everybody can wait for it.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};

/// Why a capture ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// `--max-time` is over.
    Time,
    /// `--max-bytes` is written.
    Bytes,
    /// `--max-packets` are written.
    Packets,
    /// The user asked: `q`, Ctrl-C.
    User,
    /// A signal asked: SIGTERM, SIGHUP.
    Signal(i32),
    /// Whoever reads our standard output has gone.
    BrokenPipe,
    /// The client of a capture on a cluster is gone: its lease has lapsed.
    Lapsed,
    /// Something failed; the sentence says what.
    Failed(String),
}

/// Shared by all parts of a capture; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<(Mutex<Option<Reason>>, Condvar)>);

impl Stop {
    /// Asks for the end. Later reasons are ignored.
    pub fn request(&self, reason: Reason) {
        self.lock().get_or_insert(reason);
        self.0.1.notify_all();
    }

    /// The reason, once there is one.
    pub fn reason(&self) -> Option<Reason> {
        self.lock().clone()
    }

    /// Whether the end was asked for.
    pub fn requested(&self) -> bool {
        self.lock().is_some()
    }

    /// Sleeps until the end is asked for, `timeout` at most; true when it was.
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        let waited = self.0.1.wait_timeout_while(self.lock(), timeout, |reason| reason.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.is_some()
    }

    // A panic while the lock is held leaves an Option that is whole either way.
    fn lock(&self) -> MutexGuard<'_, Option<Reason>> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_stands() {
        let stop = Stop::default();
        assert!(!stop.wait_timeout(Duration::from_millis(1)));
        stop.request(Reason::Bytes);
        stop.clone().request(Reason::User);
        assert_eq!(stop.reason(), Some(Reason::Bytes));
        assert!(stop.wait_timeout(Duration::ZERO));
    }
}
