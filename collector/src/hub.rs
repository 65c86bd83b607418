//! Where everything that the stores get can be had by others: any number of viewers, who take the newest and may skip,
//! and of followers, who take all of it by number or are told what they missed.
//!
//! Owns one log of recent batches, bounded by memory. Nobody here can slow the capture: it never waits for a reader.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use flow::Batch;

use crate::{
    feed::{self, Feed, Feeder},
    queue::Received,
};

mod log;
#[cfg(test)]
mod tests;

use log::Log;

/// Bits of a number that count batches; those above count the lives of the collector.
const LIFE_SHIFT: u32 = 40;

/// Number of the first batch of a life; sequence numbers of a relay are counted the same way.
pub(crate) fn first_of_life(life: u64) -> u64 {
    life << LIFE_SHIFT
}

/// Whether two numbers are of the same life.
pub(crate) fn same_life(one: u64, other: u64) -> bool {
    life_of(one) == life_of(other)
}

/// The life that a number is of.
pub(crate) fn life_of(number: u64) -> u64 {
    number >> LIFE_SHIFT
}

/// How much is kept, bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// For viewers that come later.
    pub(crate) history: usize,
    /// For followers, the history included.
    pub(crate) follow: usize,
    /// What may wait for one viewer.
    pub(crate) view: usize,
}

/// Gives out batches as the stores get them; cheap to clone.
#[derive(Clone, Debug)]
pub struct Hub(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    grown: Condvar,
    bounds: Bounds,
}

#[derive(Debug)]
struct State {
    log: Log,
    viewers: Vec<Feeder>,
    closed: bool,
}

/// Something a follower gets.
#[derive(Clone, Debug)]
pub enum Followed {
    /// The batch of that number. What only announces interfaces of batches that are gone bears the number before the next.
    Batch {
        /// Numbers ascend by one; where they do not, a [`Followed::Gap`] stands between.
        number: u64,
        /// It.
        batch: Arc<Batch>,
    },
    /// So many batches are gone for this follower; `None` if it cannot be known, because the collector was started again.
    /// Whoever feeds the batches into a collector ([`crate::Origin::Relay`]) need not count: their sequence tells it.
    Gap(Option<u64>),
}

/// Takes everything in order, by number.
#[derive(Debug)]
pub struct Follow {
    hub: Hub,
    next: u64,
    /// To be given before anything else.
    waiting: VecDeque<Followed>,
    /// Record with which what this follower gets begins: observations of earlier ones are left out.
    since: u64,
}

impl Hub {
    /// `life`: how many collectors of this capture there were before this one.
    pub(crate) fn new(bounds: Bounds, life: u64) -> Self {
        let state = State { log: Log::new(first_of_life(life)), viewers: Vec::new(), closed: false };
        Self(Arc::new(Shared { state: Mutex::new(state), grown: Condvar::new(), bounds }))
    }

    /// A hub of a capture that has ended: it gives nothing.
    pub fn ended() -> Self {
        let this = Self::new(Bounds { history: 0, follow: 0, view: 0 }, 0);
        this.close();
        this
    }

    /// For a table: what was seen lately, then what comes. If it is slow, the newest wins, counted.
    pub fn view(&self) -> Feed {
        let (feeder, feed) = feed::feed(self.0.bounds.view.max(self.0.bounds.history));
        let mut state = self.lock();
        for batch in state.log.history(self.0.bounds.history) {
            feeder.offer(batch);
        }
        // A closed hub drops the feeder: the feed ends after its history.
        if !state.closed {
            state.viewers.push(feeder);
        }
        feed
    }

    /// For a copy: all batches from number `from` on, `None` from now on. What is no longer in memory is a gap.
    pub fn follow(&self, from: Option<u64>) -> Follow {
        let state = self.lock();
        let mut follow = Follow { hub: self.clone(), next: 0, waiting: VecDeque::new(), since: 0 };
        match from {
            Some(number) => follow.next = number,
            None => follow.begin_at(&state.log, state.log.end()),
        }
        drop(state);
        follow
    }

    /// Gives a batch to everybody; how many older records or packets viewers will not see therefore (of the viewer that
    /// misses most).
    pub(crate) fn offer(&self, batch: &Arc<Batch>) -> u64 {
        let mut state = self.lock();
        let State { log, viewers, .. } = &mut *state;
        log.push(Arc::clone(batch));
        let gone = log.shrink(self.0.bounds.follow.max(self.0.bounds.history));
        viewers.retain(|viewer| !viewer.is_abandoned());
        let skipped = viewers.iter().map(|viewer| viewer.offer(Arc::clone(batch))).max().unwrap_or(0);
        drop(state);
        // Freed while nobody waits.
        drop(gone);
        self.0.grown.notify_all();
        skipped
    }

    /// There will be no more.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.viewers.clear();
        drop(state);
        self.0.grown.notify_all();
    }

    // Every change is complete before the lock is released.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Follow {
    /// The number that the next batch will bear, if nothing is lost: where to go on after a lost connection.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Waits for the next batch or gap, `timeout` at most.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Received<Followed> {
        let deadline = Instant::now() + timeout;
        let hub = self.hub.clone();
        let mut state = hub.lock();
        loop {
            self.catch_up(&state.log);
            if let Some(first) = self.waiting.pop_front() {
                return Received::Item(first);
            }
            if let Some(batch) = state.log.get(self.next, self.since) {
                let number = self.next;
                self.next += 1;
                return Received::Item(Followed::Batch { number, batch });
            }
            if state.closed {
                return Received::Closed;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Received::Timeout;
            }
            state = hub.0.grown.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Goes to the oldest batch that there is, if the next is gone, and says so.
    fn catch_up(&mut self, log: &Log) {
        let begin = log.begin();
        let known = same_life(self.next, begin);
        if known && self.next >= begin {
            return;
        }
        self.waiting.push_back(Followed::Gap(known.then(|| begin - self.next)));
        self.begin_at(log, begin);
    }

    /// The next batch is that of `number`; what it and later ones refer to is told before.
    fn begin_at(&mut self, log: &Log, number: u64) {
        self.next = number;
        self.since = log.records_before(number);
        let announced = log.announcements(number).into_iter();
        self.waiting.extend(announced.map(|batch| Followed::Batch { number: number.saturating_sub(1), batch }));
    }
}
