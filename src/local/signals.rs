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
use signal_hook::consts::SIGINT;

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
        let state = Self::default();
        let shared = state.clone();
        let mut count = 0;
        listen(move |signal| {
            shared.handle(signal, count, &stop);
            count += 1;
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

/// Calls `handle` for each signal that asks for an end, on a thread of its own.
#[cfg(unix)]
fn listen(handle: impl FnMut(i32) + Send + 'static) -> io::Result<()> {
    use signal_hook::{
        consts::{SIGHUP, SIGTERM},
        iterator::Signals as Iterator,
    };
    let mut signals = Iterator::new([SIGINT, SIGTERM, SIGHUP])?;
    spawn(move || signals.forever().for_each(handle))
}

/// The same on Windows, where nothing can be waited for that a handler may touch: flags, looked at often.
#[cfg(windows)]
fn listen(mut handle: impl FnMut(i32) + Send + 'static) -> io::Result<()> {
    use signal_hook::{consts::SIGTERM, flag};
    let signals = [SIGINT, SIGTERM].map(|number| (number, Arc::new(AtomicBool::new(false))));
    for (number, raised) in &signals {
        flag::register(*number, Arc::clone(raised))?;
    }
    spawn(move || {
        loop {
            let raised = signals.iter().filter(|(_, raised)| raised.swap(false, Ordering::Relaxed));
            raised.for_each(|(number, _)| handle(*number));
            thread::sleep(std::time::Duration::from_millis(50));
        }
    })
}

fn spawn(watch: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name("signals".into()).spawn(watch).map(drop)
}
