//! Signals as Windows has them: ends only; nothing there is stopped for a while.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use flow::{Reason, Stop};
use signal_hook::{
    SigId,
    consts::{SIGINT, SIGTERM},
    flag, low_level,
};

/// Flags set by signals; handlers are taken away on drop.
pub(in crate::tui) struct Signals {
    ends: Vec<(i32, Arc<AtomicBool>)>,
    ids: Vec<SigId>,
}

impl Signals {
    pub(in crate::tui) fn catch() -> io::Result<Self> {
        let mut signals = Self { ends: Vec::new(), ids: Vec::new() };
        for number in [SIGTERM, SIGINT] {
            let raised = Arc::default();
            signals.ids.push(flag::register(number, Arc::clone(&raised))?);
            signals.ends.push((number, raised));
        }
        Ok(signals)
    }

    /// Asks for the end if a signal did.
    pub(in crate::tui) fn forward(&self, stop: &Stop) {
        let raised = self.ends.iter().find(|(_, raised)| raised.load(Ordering::Relaxed));
        if let Some((number, _)) = raised {
            stop.request(Reason::Signal(*number));
        }
    }

    /// Whether somebody asked us to stop for a while: nobody does.
    pub(in crate::tui) fn take_suspend(&self) -> bool {
        false
    }

    /// Whether we were stopped and run again: never.
    pub(in crate::tui) fn take_continued(&self) -> bool {
        false
    }

    /// Nobody is there who could continue it.
    pub(in crate::tui) fn suspend(&self) -> bool {
        false
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.ids.drain(..).for_each(|id| {
            low_level::unregister(id);
        });
    }
}
