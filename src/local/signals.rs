//! SIGINT, SIGTERM and SIGHUP: the first asks for the end, a third one does not wait for it.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use flow::{Reason, Stop};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals as Iterator,
};

use crate::error::exit;

/// What the watching thread tells.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signals {
    interrupted: Arc<AtomicBool>,
    finished: Arc<AtomicBool>,
}

/// Signals that are waited for politely.
const PATIENCE: usize = 2;

impl Signals {
    /// Watches until the process ends.
    pub(crate) fn watch(stop: Stop) -> io::Result<Self> {
        let mut signals = Iterator::new([SIGINT, SIGTERM, SIGHUP])?;
        let state = Self::default();
        let shared = state.clone();
        thread::Builder::new().name("signals".into()).spawn(move || {
            for (count, signal) in signals.forever().enumerate() {
                shared.handle(signal, count, &stop);
            }
        })?;
        Ok(state)
    }

    fn handle(&self, signal: i32, count: usize, stop: &Stop) {
        // The files are closed: there is nothing to wait for but an answer to a question.
        if self.finished.load(Ordering::Relaxed) || count >= PATIENCE {
            std::process::exit(i32::from(exit::INTERRUPTED));
        }
        if signal == SIGINT {
            self.interrupted.store(true, Ordering::Relaxed);
            stop.request(Reason::User);
        } else {
            stop.request(Reason::Signal(signal));
        }
    }

    /// Whether Ctrl-C came.
    pub(super) fn interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// The files are closed; from now on a signal ends the process.
    pub(super) fn finished(&self) {
        self.finished.store(true, Ordering::Relaxed);
    }
}
