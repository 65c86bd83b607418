//! The life of the thread that takes data out of the kernel: steps until the end is asked for, then everything that is
//! still in flight, in the right order: detach, wait, drain, deliver.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use flow::{Closed, Counters, Stop, stop::Reason};

use crate::{bpf::grace, error::AgentError, observer::Running};

/// Why a step did not go well.
#[derive(Debug)]
pub(crate) enum Ended {
    /// Nobody takes batches any more.
    Closed,
    /// Something failed.
    Failed(AgentError),
}

impl From<Closed> for Ended {
    fn from(Closed: Closed) -> Self {
        Self::Closed
    }
}

impl From<AgentError> for Ended {
    fn from(error: AgentError) -> Self {
        Self::Failed(error)
    }
}

/// What a mode does.
pub(crate) trait Work: Send {
    /// How long until the next step is due.
    fn pause(&self) -> Duration;
    /// Looks after what has come meanwhile.
    fn step(&mut self) -> Result<(), Ended>;
    /// Delivers everything there is; nothing is attached any more.
    fn finish(&mut self) -> Result<(), Ended>;
    /// The counters as of now.
    fn counters(&mut self) -> Counters;
}

/// Asks one agent to end, without asking the whole capture.
#[derive(Clone, Debug, Default)]
pub(crate) struct Finish(Arc<AtomicBool>);

impl Finish {
    pub(crate) fn request(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn requested(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Detaches when it is dropped: a worker that panics leaves nothing attached.
struct Detach<'a>(&'a Running);

impl Drop for Detach<'_> {
    fn drop(&mut self) {
        self.0.detach();
    }
}

/// Runs until the end.
pub(crate) fn run(
    mut work: impl Work,
    observer: &Running,
    stop: &Stop,
    finish: &Finish,
) -> Result<Counters, AgentError> {
    let attached = Detach(observer);
    let result = steps(&mut work, stop, finish);
    drop(attached);
    let last = match result {
        Ok(()) => end(&mut work),
        error => error,
    };
    match last {
        Ok(()) | Err(Ended::Closed) => {}
        Err(Ended::Failed(error)) => {
            stop.request(Reason::Failed(error.to_string()));
            return Err(error);
        }
    }
    if matches!(last, Err(Ended::Closed)) {
        stop.request(Reason::Failed(Closed.to_string()));
    }
    Ok(work.counters())
}

fn steps(work: &mut impl Work, stop: &Stop, finish: &Finish) -> Result<(), Ended> {
    while !stop.wait_timeout(work.pause()) && !finish.requested() {
        work.step()?;
    }
    Ok(())
}

fn end(work: &mut impl Work) -> Result<(), Ended> {
    grace::wait().map_err(|error| AgentError::os("cannot wait for the eBPF programs to end", error))?;
    work.finish()
}
