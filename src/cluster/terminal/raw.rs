//! Raw mode, and the way back from it.

use std::{
    io::{self, Write as _},
    panic,
    sync::{Mutex, Once, PoisonError},
};

use crossterm::terminal::{disable_raw_mode, enable_raw_mode};

use super::modes::Modes;

/// What has to be undone; `None` while the terminal is our user's.
static LENT: Mutex<Option<Modes>> = Mutex::new(None);

/// Raw mode while it lives.
#[derive(Debug)]
pub(super) struct Raw(());

impl Raw {
    pub(super) fn enter() -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(hook);
        enable_raw_mode()?;
        *lent() = Some(Modes::default());
        let raw = Self(());
        #[cfg(windows)]
        super::keys::sequences(true)?;
        Ok(raw)
    }

    /// What goes to the terminal, so that it can be undone should the command not do so.
    #[expect(clippy::unused_self, reason = "only in raw mode is there something to undo")]
    pub(super) fn seen(&self, bytes: &[u8]) {
        if let Some(modes) = lent().as_mut() {
            modes.seen(bytes);
        }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back, if it is lent; for those who leave without unwinding.
pub(crate) fn restore() {
    let Some(modes) = lent().take() else { return };
    let mut out = io::stdout();
    let _ = out.write_all(modes.undo().as_bytes()).and_then(|()| out.flush());
    #[cfg(windows)]
    let _ = super::keys::sequences(false);
    let _ = disable_raw_mode();
}

fn lent() -> std::sync::MutexGuard<'static, Option<Modes>> {
    LENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The message of a panic should be readable, whichever thread it is on.
fn hook() {
    let next = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        restore();
        next(info);
    }));
}
