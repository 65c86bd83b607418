//! What is typed, as bytes: a thread reads our terminal and ends with its owner, so that what is typed later is the
//! shell's.

use tokio::sync::oneshot;

use super::Input;

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix::Reader;
#[cfg(windows)]
use windows::Reader;
#[cfg(windows)]
pub(super) use windows::sequences;

/// Forwards keys while it lives.
#[derive(Debug)]
pub(super) struct Keys {
    /// Ends the thread when dropped.
    _reader: Reader,
    ended: Option<oneshot::Receiver<()>>,
}

impl Keys {
    /// Sends what is typed to `input`.
    pub(super) fn forward(input: Input) -> std::io::Result<Self> {
        let (sender, ended) = oneshot::channel();
        Ok(Self { _reader: Reader::start(input, sender)?, ended: Some(ended) })
    }

    /// Waits until the terminal has gone.
    pub(super) async fn ended(&mut self) {
        if let Some(ended) = &mut self.ended {
            let has_gone = ended.await.is_ok();
            self.ended = None;
            if has_gone {
                return;
            }
        }
        // The thread ended because the command took no more: what that means is told elsewhere.
        std::future::pending::<()>().await;
    }
}

/// Whether there is a terminal to read from.
pub(super) fn are_there() -> bool {
    Reader::is_possible()
}
