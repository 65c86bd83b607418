//! What the collector has not confirmed yet: bounded by bytes, in order, sent again after a reconnect.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use flow::Closed;
use tokio::sync::Notify;

use crate::{frame, heard::Heard, message};

/// Why nothing more is sent.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// The collector said why.
    Refused(String),
    /// The collector is silent for too long; why the last attempt to reach it failed.
    Silent(String),
    /// We have ended.
    Ended,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) => write!(f, "the collector refuses this agent: {why}"),
            Self::Silent(last) => write!(f, "the collector is silent: {last}"),
            Self::Ended => f.write_str("the agent has ended"),
        }
    }
}

/// A message as it goes over the wire.
#[derive(Clone, Debug)]
struct Item {
    frame: Arc<Vec<u8>>,
    is_batch: bool,
}

#[derive(Debug, Default)]
struct State {
    /// Messages from number `first` on.
    items: VecDeque<Item>,
    first: u64,
    /// Bytes of the batches among them.
    bytes: usize,
    batches: usize,
    welcomes: u64,
    end: Option<End>,
}

/// Shared by sinks and the thread that sends.
#[derive(Debug)]
pub(super) struct Outbox {
    state: Mutex<State>,
    /// Room, a welcome, or the end.
    changed: Condvar,
    /// Something to send, or the end.
    pub(super) work: Notify,
    pub(super) heard: Heard,
    most: usize,
}

impl Outbox {
    pub(super) fn new(most: usize) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), work: Notify::new(), heard: Heard::new(), most }
    }

    // Every change is complete before the lock is released, panics included.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room.
    pub(super) fn push_batch(&self, frame: Vec<u8>) -> Result<(), Closed> {
        let len = frame.len();
        let full = |state: &mut State| state.end.is_none() && state.batches > 0 && state.bytes + len > self.most;
        let mut state = self.changed.wait_while(self.lock(), full).unwrap_or_else(PoisonError::into_inner);
        if state.end.is_some() {
            return Err(Closed);
        }
        // One that no frame can hold is lost: its sequence number will be missing.
        if state.push(frame, true) {
            state.bytes += len;
            state.batches += 1;
            self.work.notify_one();
        }
        Ok(())
    }

    pub(super) fn push_report(&self, frame: Vec<u8>) {
        let mut state = self.lock();
        if state.end.is_none() && state.push(frame, false) {
            self.work.notify_one();
        }
    }

    /// The message `number`, or the first one after it that is still to be sent, and its number.
    pub(super) fn get(&self, number: u64) -> Option<(u64, Arc<Vec<u8>>)> {
        let state = self.lock();
        let number = number.max(state.first);
        let item = state.items.get((number - state.first) as usize)?;
        Some((number, Arc::clone(&item.frame)))
    }

    /// The collector has everything below `next`.
    pub(super) fn confirm(&self, next: u64) {
        let mut state = self.lock();
        while state.first < next {
            let Some(item) = state.items.pop_front() else { break };
            state.first += 1;
            if item.is_batch {
                state.bytes -= item.frame.len();
                state.batches -= 1;
            }
        }
        self.changed.notify_all();
    }

    pub(super) fn welcome(&self) {
        self.lock().welcomes += 1;
        self.heard.note();
        self.changed.notify_all();
    }

    pub(super) fn reconnects(&self) -> u64 {
        self.lock().welcomes.saturating_sub(1)
    }

    pub(super) fn wait_for_welcome(&self) -> Result<(), End> {
        let waiting = |state: &mut State| state.welcomes == 0 && state.end.is_none();
        let state = self.changed.wait_while(self.lock(), waiting).unwrap_or_else(PoisonError::into_inner);
        state.end.clone().map_or(Ok(()), Err)
    }

    /// How many batches are left, when nothing is left or `timeout` is over.
    pub(super) fn wait_until_empty(&self, timeout: Duration) -> usize {
        let waiting = |state: &mut State| !state.items.is_empty() && state.end.is_none();
        let waited = self.changed.wait_timeout_while(self.lock(), timeout, waiting);
        waited.unwrap_or_else(PoisonError::into_inner).0.batches
    }

    /// The first reason stands.
    pub(super) fn finish(&self, end: End) {
        self.lock().end.get_or_insert(end);
        self.changed.notify_all();
        self.work.notify_one();
    }

    pub(super) fn end(&self) -> Option<End> {
        self.lock().end.clone()
    }
}

impl State {
    /// Gives it the next number; false if it is too long for a frame.
    fn push(&mut self, mut frame: Vec<u8>, is_batch: bool) -> bool {
        match message::set_number(&mut frame, self.first + self.items.len() as u64) {
            Ok(()) => {
                self.items.push_back(Item { frame: Arc::new(frame), is_batch });
                true
            }
            Err(error) => {
                log::error!("a batch of {} bytes is lost: {error}", frame.len() - frame::HEAD);
                false
            }
        }
    }
}
