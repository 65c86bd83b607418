//! Signals of Unix: ends, and being stopped for a while.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use flow::{Reason, Stop};
use rustix::process::{Signal, getpid, getsid, kill_current_process_group};
use signal_hook::{
    SigId,
    consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP},
    flag, low_level,
};

/// Flags set by signals; handlers are taken away on drop.
pub(in crate::tui) struct Signals {
    ends: Vec<(i32, Arc<AtomicBool>)>,
    suspend: Arc<AtomicBool>,
    continued: Arc<AtomicBool>,
    ids: Vec<SigId>,
}

impl Signals {
    pub(in crate::tui) fn catch() -> io::Result<Self> {
        let mut signals =
            Self { ends: Vec::new(), suspend: Arc::default(), continued: Arc::default(), ids: Vec::new() };
        for number in [SIGTERM, SIGHUP, SIGINT] {
            let raised = Arc::default();
            signals.ids.push(flag::register(number, Arc::clone(&raised))?);
            signals.ends.push((number, raised));
        }
        signals.ids.push(flag::register(SIGTSTP, Arc::clone(&signals.suspend))?);
        signals.ids.push(flag::register(SIGCONT, Arc::clone(&signals.continued))?);
        Ok(signals)
    }

    /// Asks for the end if a signal did.
    pub(in crate::tui) fn forward(&self, stop: &Stop) {
        let raised = self.ends.iter().find(|(_, raised)| raised.load(Ordering::Relaxed));
        if let Some((number, _)) = raised {
            stop.request(Reason::Signal(*number));
        }
    }

    /// Whether somebody asked us to stop for a while, once.
    pub(in crate::tui) fn take_suspend(&self) -> bool {
        self.suspend.swap(false, Ordering::Relaxed)
    }

    /// Whether we were stopped and run again, once.
    pub(in crate::tui) fn take_continued(&self) -> bool {
        self.continued.swap(false, Ordering::Relaxed)
    }

    /// Stops this process, and with it the job that the shell started, until it is continued. False if nobody is there
    /// who could continue it.
    pub(in crate::tui) fn suspend(&self) -> bool {
        if getsid(None).is_ok_and(|session| session == getpid()) {
            return false;
        }
        let _ = kill_current_process_group(Signal::TSTP);
        let _ = low_level::emulate_default_handler(SIGTSTP);
        self.take_suspend();
        self.take_continued();
        true
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.ids.drain(..).for_each(|id| {
            low_level::unregister(id);
        });
    }
}
