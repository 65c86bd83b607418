//! The size of our terminal, and when it changes.

use std::io;

/// Tells of changes.
#[derive(Debug)]
pub(super) struct Sizes {
    #[cfg(unix)]
    signals: tokio::signal::unix::Signal,
    #[cfg(not(unix))]
    last: Option<(u16, u16)>,
}

impl Sizes {
    /// Columns and rows.
    #[expect(clippy::unused_self, reason = "a size is asked of whoever watches it")]
    pub(super) fn now(&self) -> Option<(u16, u16)> {
        crossterm::terminal::size().ok()
    }
}

#[cfg(unix)]
impl Sizes {
    pub(super) fn watch() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { signals: signal(SignalKind::window_change())? })
    }

    /// Waits for the next change.
    pub(super) async fn changed(&mut self) {
        self.signals.recv().await;
    }
}

#[cfg(not(unix))]
impl Sizes {
    #[expect(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
    pub(super) fn watch() -> io::Result<Self> {
        Ok(Self { last: crossterm::terminal::size().ok() })
    }

    /// Waits for the next change; nothing tells, so it looks.
    pub(super) async fn changed(&mut self) {
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(250)).await;
            let now = crossterm::terminal::size().ok();
            if now != self.last {
                self.last = now;
                return;
            }
        }
    }
}
