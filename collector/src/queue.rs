//! A channel bounded by the number of items and by their weight in bytes.
//!
//! Owns waiting and waking; knows nothing of what it carries but its [`Weight`].

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How much memory an item holds, roughly.
pub(crate) trait Weight {
    /// Bytes.
    fn weight(&self) -> usize;
}

/// What waiting for an item gave.
#[derive(Debug, PartialEq, Eq)]
pub enum Received<T> {
    /// An item.
    Item(T),
    /// None in time.
    Timeout,
    /// None ever again.
    Closed,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    weight: usize,
    senders: usize,
    closed: bool,
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
    drained: Condvar,
    max_items: usize,
    max_weight: usize,
}

/// Puts items in.
#[derive(Debug)]
pub(crate) struct Sender<T>(Arc<Shared<T>>);

/// Takes items out.
#[derive(Debug)]
pub(crate) struct Receiver<T>(Arc<Shared<T>>);

/// A channel for `max_items` items, of `max_weight` bytes together. A single heavier item passes alone.
pub(crate) fn channel<T>(max_items: usize, max_weight: usize) -> (Sender<T>, Receiver<T>) {
    let state = State { items: VecDeque::new(), weight: 0, senders: 1, closed: false };
    let shared = Arc::new(Shared {
        state: Mutex::new(state),
        filled: Condvar::new(),
        drained: Condvar::new(),
        max_items,
        max_weight,
    });
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

impl<T> Shared<T> {
    // Every change of the state is complete before the lock is released, panics included.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_full(&self, state: &State<T>, weight: usize) -> bool {
        let count = state.items.len();
        count > 0 && (count >= self.max_items || state.weight + weight > self.max_weight)
    }

    fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
        self.drained.notify_all();
    }
}

impl<T: Weight> Sender<T> {
    /// Waits for room; gives the item back if nobody will take it.
    pub(crate) fn send(&self, item: T) -> Result<(), T> {
        let weight = item.weight();
        let full = |state: &mut State<T>| !state.closed && self.0.is_full(state, weight);
        let mut state = self.0.drained.wait_while(self.0.lock(), full).unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return Err(item);
        }
        self.push(&mut state, item, weight);
        Ok(())
    }

    /// Never waits: makes room by replacing the oldest items by what `shrink` leaves of them.
    pub(crate) fn send_newest(&self, item: T, mut shrink: impl FnMut(T) -> Option<T>) {
        let weight = item.weight();
        let mut state = self.0.lock();
        if state.closed {
            return;
        }
        let mut kept = Vec::new();
        while self.0.is_full(&state, weight) {
            let Some(oldest) = state.items.pop_front() else { break };
            state.weight -= oldest.weight();
            kept.extend(shrink(oldest));
        }
        for item in kept.into_iter().rev() {
            state.weight += item.weight();
            state.items.push_front(item);
        }
        self.push(&mut state, item, weight);
    }

    fn push(&self, state: &mut State<T>, item: T, weight: usize) {
        state.weight += weight;
        state.items.push_back(item);
        self.0.filled.notify_one();
    }
}

impl<T> Sender<T> {
    /// Whether nobody will take an item any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.lock().closed
    }

    /// Nothing is accepted from now on; what is in the queue can still be received.
    pub(crate) fn close(&self) {
        self.0.close();
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.lock().senders += 1;
        Self(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.senders -= 1;
        let last = state.senders == 0;
        drop(state);
        if last {
            self.0.close();
        }
    }
}

impl<T: Weight> Receiver<T> {
    /// Waits for the next item.
    pub(crate) fn recv(&self) -> Option<T> {
        let waiting = |state: &mut State<T>| state.items.is_empty() && !state.closed;
        let state = self.0.filled.wait_while(self.0.lock(), waiting).unwrap_or_else(PoisonError::into_inner);
        self.take(state)
    }

    /// Waits for the next item, `timeout` at most.
    pub(crate) fn recv_timeout(&self, timeout: Duration) -> Received<T> {
        let deadline = Instant::now() + timeout;
        let mut state = self.0.lock();
        while state.items.is_empty() && !state.closed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Received::Timeout;
            }
            state = self.0.filled.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        self.take(state).map_or(Received::Closed, Received::Item)
    }

    fn take(&self, mut state: MutexGuard<'_, State<T>>) -> Option<T> {
        let item = state.items.pop_front()?;
        state.weight -= item.weight();
        self.0.drained.notify_all();
        Some(item)
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.0.close();
        self.0.lock().items.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[derive(Debug, PartialEq, Eq)]
    struct Stone(u32, usize);

    impl Weight for Stone {
        fn weight(&self) -> usize {
            self.1
        }
    }

    #[test]
    fn a_full_queue_blocks_the_sender_until_there_is_room() {
        let (sender, receiver) = channel(2, 100);
        sender.send(Stone(0, 60)).unwrap();
        let second = thread::spawn(move || sender.send(Stone(1, 60)).unwrap());
        thread::sleep(Duration::from_millis(30));
        assert!(!second.is_finished(), "60 + 60 exceeds 100");
        assert_eq!(receiver.recv(), Some(Stone(0, 60)));
        second.join().unwrap();
        assert_eq!(receiver.recv(), Some(Stone(1, 60)));
        assert_eq!(receiver.recv(), None, "the last sender is gone");
    }

    #[test]
    fn an_item_heavier_than_the_bound_passes_alone() {
        let (sender, receiver) = channel(8, 10);
        sender.send(Stone(0, 1000)).unwrap();
        assert_eq!(receiver.recv(), Some(Stone(0, 1000)));
    }

    #[test]
    fn the_newest_wins_and_remains_of_the_oldest_keep_their_order() {
        let (sender, receiver) = channel(100, 30);
        for n in 0..6 {
            sender.send_newest(Stone(n, 10), |old| Some(Stone(old.0, 0)));
        }
        let got: Vec<_> = (0..6).map(|_| receiver.recv().unwrap()).collect();
        assert_eq!(got, [Stone(0, 0), Stone(1, 0), Stone(2, 0), Stone(3, 10), Stone(4, 10), Stone(5, 10)]);
    }

    #[test]
    fn a_closed_queue_gives_what_it_holds_and_takes_nothing() {
        let (sender, receiver) = channel(8, 100);
        sender.send(Stone(0, 1)).unwrap();
        sender.close();
        assert_eq!(sender.send(Stone(1, 1)), Err(Stone(1, 1)));
        assert_eq!(receiver.recv_timeout(Duration::ZERO), Received::Item(Stone(0, 1)));
        assert_eq!(receiver.recv_timeout(Duration::from_secs(9)), Received::Closed);
    }

    #[test]
    fn waiting_ends_in_time() {
        let (_sender, receiver) = channel::<Stone>(1, 1);
        assert_eq!(receiver.recv_timeout(Duration::from_millis(5)), Received::Timeout);
    }
}
