//! The capture's batches at home, as it runs: a second collector here, fed through exec by the one in the cluster, writes
//! files and lines without a way back.
//!
//! Owns reconnecting by number. What could not be had is a gap that the collector here counts, and that the caller sees.

use std::{
    convert::Infallible,
    io,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use collector::{
    Input, Started, Summary,
    session::{self, Message, SessionError},
};
use flow::{Sink as _, Stop};
use log::debug;
use tokio::{task, time};
use tokio_util::io::SyncIoBridge;

use super::{
    backoff::Backoff,
    exec::ExecError,
    remote::{Remote, failed},
};
use crate::{error::Error, keylog::Keylog, report::Report};

/// What came home.
#[derive(Debug)]
pub(crate) struct Home {
    /// What the collector here made of it.
    pub(crate) summary: Summary,
    /// Everything there was came.
    pub(crate) is_whole: bool,
}

/// A stream of a capture, and the collector here.
pub(crate) struct Stream {
    started: Started,
    keylog: Option<Keylog>,
    shared: Arc<Shared>,
    /// Where people are told what happens; none where a table shows it.
    news: Option<Report>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Number of the next batch; 0 before the first.
    next: AtomicU64,
    gap: AtomicBool,
    ended: AtomicBool,
    /// The connection broke, and nothing has come since.
    lost: AtomicBool,
    /// Something came after that, and nobody has been told.
    back: AtomicBool,
    /// What the collector itself said, and nobody has been told yet. Agents' own words are about single interfaces.
    words: Mutex<Vec<Arc<str>>>,
}

impl Stream {
    /// Opens files and lines here. `stop` is requested when nobody reads them any more.
    /// Keys of a key log (`--tls-keylog`) go into them here, and nowhere else.
    pub(crate) fn open(
        options: collector::Options,
        keylog: Option<&Path>,
        stop: Stop,
        news: Option<Report>,
    ) -> Result<Self, Error> {
        let started = collector::start(options, stop).map_err(Error::failed)?;
        let keylog = keylog.map(|path| Keylog::follow(path, started.input.clone())).transpose()?;
        Ok(Self { started, keylog, shared: Arc::default(), news })
    }

    /// Takes what comes until the capture has ended. Cancelled, it can be gone on with.
    pub(crate) async fn follow(&self, remote: &Remote) -> Result<(), Error> {
        let followed = tokio::select! {
            followed = self.take_all(remote) => followed,
            never = self.tell() => match never {},
        };
        self.tell_news();
        followed
    }

    async fn take_all(&self, remote: &Remote) -> Result<(), Error> {
        let mut backoff = Backoff::default();
        loop {
            let before = self.shared.next.load(Ordering::Acquire);
            match self.once(remote).await {
                Ok(()) if self.shared.ended.load(Ordering::Acquire) => return Ok(()),
                Ok(()) => self.is_lost("it was closed"),
                Err(error) if error.is_passing() => self.is_lost(&error.to_string()),
                Err(error) => return Err(failed(&error)),
            }
            if self.shared.next.load(Ordering::Acquire) > before {
                backoff = Backoff::default();
            }
            time::sleep(backoff.pause()).await;
        }
    }

    /// Said once, until the next batch says that it is back.
    fn is_lost(&self, why: &str) {
        debug!("the stream of the capture broke: {why}");
        if !self.shared.lost.swap(true, Ordering::AcqRel)
            && let Some(report) = self.news
        {
            report.notice(&format!("the connection to the collector is lost ({why}); trying again"));
        }
    }

    /// Tells what happens, as it does.
    async fn tell(&self) -> Infallible {
        loop {
            time::sleep(NEWS).await;
            self.tell_news();
        }
    }

    fn tell_news(&self) {
        let Some(report) = self.news else { return };
        if self.shared.back.swap(false, Ordering::AcqRel) {
            report.notice("connected to the collector again");
        }
        for words in self.shared.words.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            report.notice(&words);
        }
    }

    /// Over one connection.
    async fn once(&self, remote: &Remote) -> Result<(), ExecError> {
        let next = self.shared.next.load(Ordering::Acquire);
        let from = next.to_string();
        let words: &[&str] = if next == 0 { &["stream", "--from", "0"] } else { &["stream", "--from", &from] };
        let stream = remote.target().stream(&remote.command(words)).await?;
        let (input, shared) = (self.started.input.clone(), Arc::clone(&self.shared));
        // The reader is dropped, and with it the connection, when this future is.
        let mut bridge = SyncIoBridge::new(Box::pin(stream));
        let read = task::spawn_blocking(move || take(&mut bridge, input, &shared));
        match read.await {
            Ok(Err(error)) => debug!("{error}"),
            Ok(Ok(())) => {}
            Err(error) => debug!("the reader of the stream: {error}"),
        }
        Ok(())
    }

    /// Closes the files here.
    pub(crate) fn finish(self) -> Home {
        let is_whole = self.shared.ended.load(Ordering::Acquire) && !self.shared.gap.load(Ordering::Acquire);
        if let Some(keylog) = self.keylog {
            keylog.finish();
        }
        Home { summary: self.started.collector.finish(), is_whole }
    }
}

fn take(from: &mut impl io::Read, mut input: Input, shared: &Shared) -> Result<(), SessionError> {
    while let Some(message) = session::read(from)? {
        match message {
            Message::Batch { number, batch } => {
                if shared.lost.swap(false, Ordering::AcqRel) {
                    shared.back.store(true, Ordering::Release);
                }
                if batch.node.is_empty() {
                    let mut words = shared.words.lock().unwrap_or_else(PoisonError::into_inner);
                    words.extend(batch.notices.iter().cloned());
                }
                let batch = Arc::try_unwrap(batch).unwrap_or_else(|batch| (*batch).clone());
                if input.deliver(batch).is_err() {
                    return Ok(());
                }
                if let Some(number) = number {
                    shared.next.store(number + 1, Ordering::Release);
                }
            }
            Message::Gap(_) => shared.gap.store(true, Ordering::Release),
            Message::End => {
                shared.ended.store(true, Ordering::Release);
                return Ok(());
            }
            _ => {}
        }
    }
    Ok(())
}

/// Time between two looks for something to tell.
const NEWS: Duration = Duration::from_millis(250);

/// Longest wait for what is on its way when the capture has ended.
pub(crate) const LAST: Duration = Duration::from_secs(20);
