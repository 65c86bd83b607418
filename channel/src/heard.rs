//! When the other end was last heard: a reader that notes when something came.
//!
//! Heartbeats find an end that is gone. `TCP_USER_TIMEOUT` would do so too, but it also ends a connection whose other
//! end is only behind (its window stays closed for longer than the time-out), and a collector may be behind.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::io::{AsyncRead, ReadBuf};

/// Each end says something at least this often.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(2);

/// Who says nothing for so long is gone: the connection is given up.
pub(crate) const DEAD: Duration = Duration::from_secs(7);

/// The time when something was last heard; cheap to clone, all clones are one.
#[derive(Clone, Debug)]
pub(crate) struct Heard(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    begun: Instant,
    /// Milliseconds since then.
    at: AtomicU64,
    /// How many of us do not listen at the moment: silence then says nothing about the other end.
    deaf: AtomicUsize,
}

impl Heard {
    /// Heard now.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Inner { begun: Instant::now(), at: AtomicU64::new(0), deaf: AtomicUsize::new(0) }))
    }

    pub(crate) fn note(&self) {
        self.0.at.store(self.0.begun.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    pub(crate) fn last(&self) -> Instant {
        self.0.begun + Duration::from_millis(self.0.at.load(Ordering::Relaxed))
    }

    pub(crate) fn silent_for(&self) -> Duration {
        self.last().elapsed()
    }

    /// From now until the guard goes nobody listens.
    pub(crate) fn deafen(&self) -> Deaf<'_> {
        self.0.deaf.fetch_add(1, Ordering::Relaxed);
        Deaf(self)
    }

    /// Returns once nothing was heard for [`DEAD`], though somebody listened.
    pub(crate) async fn dead(&self) {
        loop {
            let silent = if self.0.deaf.load(Ordering::Relaxed) > 0 { Duration::ZERO } else { self.silent_for() };
            let Some(left) = DEAD.checked_sub(silent) else { return };
            tokio::time::sleep(left.max(Duration::from_millis(10))).await;
        }
    }
}

/// While this lives nobody listens.
pub(crate) struct Deaf<'a>(&'a Heard);

impl Drop for Deaf<'_> {
    fn drop(&mut self) {
        self.0.note();
        self.0.0.deaf.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A reader that notes each time something comes.
pub(crate) struct Listening<R> {
    pub(crate) inner: R,
    pub(crate) heard: Heard,
}

impl<R: AsyncRead + Unpin> AsyncRead for Listening<R> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.inner).poll_read(context, buf);
        if buf.filled().len() > before {
            self.heard.note();
        }
        result
    }
}
