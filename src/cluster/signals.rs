//! Ctrl-C and its kin over the whole life of a client, as levels that only rise.
//!
//! A thread of its own listens, so that the last level works also while everything else hangs. In raw mode Ctrl-C is
//! a byte of input and raises nothing. Must not know what is stopped, copied or removed.

use std::{
    io,
    process::exit,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use tokio::{runtime, sync::watch};

use super::terminal;
use crate::{error::exit as code, report};

/// How urgent it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Nobody asked for anything.
    #[default]
    Run,
    /// Stop the capture, copy the files, remove everything.
    Stop,
    /// Do not copy any more, remove everything.
    SkipCopy,
    /// Exit at once; what is left is said.
    Exit,
}

impl Level {
    fn next(self) -> Self {
        match self {
            Self::Run => Self::Stop,
            Self::Stop => Self::SkipCopy,
            Self::SkipCopy | Self::Exit => Self::Exit,
        }
    }
}

/// What came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Ctrl-C, SIGINT; Ctrl-Break on Windows.
    Interrupt,
    /// SIGTERM; the end of the session or of the system on Windows.
    Terminate,
    /// SIGHUP: the terminal has gone; its window was closed on Windows.
    HangUp,
}

/// The levels, shared by all that have to know.
#[derive(Clone, Debug)]
pub(crate) struct Interrupts {
    state: watch::Sender<State>,
    left: Arc<Mutex<String>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    level: Level,
    first: Option<Signal>,
}

impl Interrupts {
    /// Watches until the process ends.
    pub(crate) fn watch() -> io::Result<Self> {
        let interrupts = Self::silent();
        let shared = interrupts.clone();
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (ready, started) = mpsc::sync_channel(1);
        thread::Builder::new().name("signals".into()).spawn(move || {
            runtime.block_on(async {
                match source::Source::new() {
                    Ok(source) => {
                        let _ = ready.send(Ok(()));
                        shared.listen(source).await;
                    }
                    Err(error) => drop(ready.send(Err(error))),
                }
            });
        })?;
        started.recv().unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))?;
        Ok(interrupts)
    }

    async fn listen(&self, mut source: source::Source) {
        while let Some(signal) = source.next().await {
            self.receive(signal);
        }
    }

    /// Watches nothing.
    pub(crate) fn silent() -> Self {
        Self { state: watch::Sender::default(), left: Arc::default() }
    }

    /// The level now.
    pub(crate) fn level(&self) -> Level {
        self.state.borrow().level
    }

    /// The signal that came first.
    pub(crate) fn first(&self) -> Option<Signal> {
        self.state.borrow().first
    }

    /// Waits until the level is `level` or above.
    pub(crate) async fn reached(&self, level: Level) {
        // It fails only without a sender, and we hold one.
        let _ = self.state.subscribe().wait_for(|state| state.level >= level).await;
    }

    /// Raises the level; it never falls.
    #[cfg(test)]
    pub(crate) fn raise(&self, level: Level) {
        self.state.send_if_modified(|state| {
            let rises = level > state.level;
            state.level = state.level.max(level);
            rises
        });
    }

    /// What to say, one sentence or more, should the process have to exit at once: what is left and how to remove it.
    pub(crate) fn left(&self, text: impl Into<String>) {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = text.into();
    }

    fn receive(&self, signal: Signal) {
        if self.rise(signal) == Level::Exit {
            self.exit();
        }
    }

    /// A hang-up is told twice (by the shell and by the kernel) and never means impatience.
    fn rise(&self, signal: Signal) -> Level {
        self.state.send_modify(|state| {
            state.first = state.first.or(Some(signal));
            state.level = match signal {
                Signal::HangUp => state.level.max(Level::Stop),
                Signal::Interrupt | Signal::Terminate => state.level.next(),
            };
        });
        self.level()
    }

    fn exit(&self) -> ! {
        terminal::restore();
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if !left.is_empty() {
            report::plain(&left);
        }
        exit(i32::from(code::INTERRUPTED));
    }
}

#[cfg(unix)]
mod source {
    //! Signals of Unix.

    use std::io;

    use tokio::signal::unix::{Signal as Unix, SignalKind, signal};

    use super::Signal;

    pub(super) struct Source {
        interrupt: Unix,
        terminate: Unix,
        hang_up: Unix,
    }

    impl Source {
        pub(super) fn new() -> io::Result<Self> {
            Ok(Self {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
                hang_up: signal(SignalKind::hangup())?,
            })
        }

        pub(super) async fn next(&mut self) -> Option<Signal> {
            tokio::select! {
                came = self.interrupt.recv() => came.map(|()| Signal::Interrupt),
                came = self.terminate.recv() => came.map(|()| Signal::Terminate),
                came = self.hang_up.recv() => came.map(|()| Signal::HangUp),
            }
        }
    }
}

#[cfg(windows)]
mod source {
    //! Control events of Windows consoles.

    use std::io;

    use tokio::signal::windows::{
        CtrlBreak, CtrlC, CtrlClose, CtrlShutdown, ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown,
    };

    use super::Signal;

    pub(super) struct Source {
        interrupt: CtrlC,
        pause: CtrlBreak,
        close: CtrlClose,
        shutdown: CtrlShutdown,
    }

    impl Source {
        pub(super) fn new() -> io::Result<Self> {
            Ok(Self { interrupt: ctrl_c()?, pause: ctrl_break()?, close: ctrl_close()?, shutdown: ctrl_shutdown()? })
        }

        pub(super) async fn next(&mut self) -> Option<Signal> {
            tokio::select! {
                came = self.interrupt.recv() => came.map(|()| Signal::Interrupt),
                came = self.pause.recv() => came.map(|()| Signal::Interrupt),
                came = self.close.recv() => came.map(|()| Signal::HangUp),
                came = self.shutdown.recv() => came.map(|()| Signal::Terminate),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[test]
    fn each_interrupt_is_more_urgent_than_the_last() {
        let interrupts = Interrupts::silent();
        assert_eq!(interrupts.level(), Level::Run);
        assert_eq!(interrupts.rise(Signal::Interrupt), Level::Stop);
        assert_eq!(interrupts.rise(Signal::Terminate), Level::SkipCopy);
        assert_eq!(interrupts.rise(Signal::Interrupt), Level::Exit);
        assert_eq!(interrupts.first(), Some(Signal::Interrupt));
    }

    #[test]
    fn a_hang_up_that_is_told_twice_still_copies() {
        let interrupts = Interrupts::silent();
        interrupts.rise(Signal::HangUp);
        assert_eq!(interrupts.rise(Signal::HangUp), Level::Stop);
        interrupts.raise(Level::Run);
        assert_eq!(interrupts.level(), Level::Stop, "a level never falls");
    }

    #[tokio::test]
    async fn whoever_waits_learns_of_what_was_and_what_comes() {
        let interrupts = Interrupts::silent();
        let waiting = interrupts.clone();
        let waiter = tokio::spawn(async move { waiting.reached(Level::SkipCopy).await });
        interrupts.raise(Level::Stop);
        interrupts.reached(Level::Stop).await;
        assert!(timeout(Duration::from_millis(50), interrupts.reached(Level::SkipCopy)).await.is_err());
        interrupts.raise(Level::Exit);
        waiter.await.unwrap();
    }
}
