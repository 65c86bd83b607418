//! Waiting for keys on a console of Windows.

use std::{io, time::Duration};

/// Where keys come from: the console of this process.
pub(in crate::tui) struct Keyboard;

impl Keyboard {
    pub(in crate::tui) fn open() -> io::Result<Self> {
        Ok(Self)
    }

    /// Waits until a key can be read, `timeout` at most; whether there is one.
    pub(in crate::tui) fn wait(&self, timeout: Duration) -> io::Result<bool> {
        crossterm::event::poll(timeout)
    }
}
