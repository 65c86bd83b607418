//! One way out for several captures of an agent: batches are numbered together, and bear the losses of all.

use std::sync::{Arc, Mutex, PoisonError};

use flow::{Batch, Body, Closed, Counters, Recording, Sink};

/// The way out.
#[derive(Clone)]
pub(super) struct Joint {
    shared: Arc<Mutex<Shared>>,
    node: Arc<str>,
}

struct Shared {
    sink: Box<dyn Sink>,
    sequence: u64,
    /// Of the capture itself, as of its last batch.
    main: Counters,
    /// Losses of those beside it, each as of its last batch.
    beside: Vec<Counters>,
}

/// What becomes of a batch before it goes out.
enum Part {
    Main,
    Recording(Arc<Recording>),
    Judged,
}

/// Where one of the captures delivers.
pub(super) struct Way {
    joint: Joint,
    part: Part,
    /// Its place among the losses.
    place: usize,
}

impl Joint {
    pub(super) fn new(sink: Box<dyn Sink>, node: Arc<str>) -> Self {
        let shared = Shared { sink, sequence: 0, main: Counters::default(), beside: Vec::new() };
        Self { shared: Arc::new(Mutex::new(shared)), node }
    }

    pub(super) fn node(&self) -> Arc<str> {
        Arc::clone(&self.node)
    }

    /// For the capture itself.
    pub(super) fn main(&self) -> Way {
        Way { joint: self.clone(), part: Part::Main, place: 0 }
    }

    /// For flows that are judged and go no further.
    pub(super) fn judged(&self) -> Way {
        self.way(Part::Judged)
    }

    /// For packets of a recording.
    pub(super) fn recording(&self, recording: Arc<Recording>) -> Way {
        self.way(Part::Recording(recording))
    }

    fn way(&self, part: Part) -> Way {
        let place = self.with(|shared| {
            shared.beside.push(Counters::default());
            shared.beside.len() - 1
        });
        Way { joint: self.clone(), part, place }
    }

    /// Says something to the user.
    pub(super) fn notice(&self, text: &str) {
        let time_ns = std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos() as u64);
        let batch = Batch { notices: vec![text.into()], time_ns, node: self.node(), ..Batch::default() };
        // After the end there is nobody to hear it.
        let _ = self.with(|shared| shared.deliver(batch));
    }

    fn with<T>(&self, f: impl FnOnce(&mut Shared) -> T) -> T {
        f(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shared {
    fn deliver(&mut self, mut batch: Batch) -> Result<(), Closed> {
        batch.counters = self.main;
        self.beside.iter().for_each(|lost| batch.counters.add(lost));
        batch.sequence = self.sequence;
        self.sequence += 1;
        self.sink.deliver(batch)
    }
}

impl Sink for Way {
    fn deliver(&mut self, mut batch: Batch) -> Result<(), Closed> {
        let Self { joint, part, place } = self;
        joint.with(|shared| {
            match part {
                Part::Main => shared.main = batch.counters,
                Part::Recording(recording) => {
                    shared.beside[*place] = batch.counters.lost();
                    batch.recording = Some(Arc::clone(recording));
                }
                Part::Judged => {
                    shared.beside[*place] = batch.counters.lost();
                    // Its interfaces are numbered apart from the packets', and nothing refers to them.
                    batch.interfaces.clear();
                    if matches!(batch.body, Body::None) && batch.notices.is_empty() {
                        return Ok(());
                    }
                }
            }
            shared.deliver(batch)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn batches_of_all_are_numbered_together_and_bear_the_losses_of_all() {
        let (sender, receiver) = mpsc::sync_channel(16);
        let joint = Joint::new(Box::new(sender), "node".into());
        let recording = Arc::new(Recording { number: 7, name: "n".into(), why: "w".into(), over: false });
        let (mut main, mut beside, mut judged) = (joint.main(), joint.recording(recording), joint.judged());
        let batch = |seen, lost_packets| Batch {
            sequence: 99,
            counters: Counters { seen, lost_packets, ..Counters::default() },
            ..Batch::default()
        };
        main.deliver(batch(10, 1)).unwrap();
        beside.deliver(batch(1000, 2)).unwrap();
        judged.deliver(batch(1000, 4)).unwrap();
        main.deliver(batch(20, 1)).unwrap();
        let told: Vec<_> = receiver
            .try_iter()
            .map(|b| (b.sequence, b.counters.seen, b.counters.lost_packets, b.recording.map(|r| r.number)))
            .collect();
        assert_eq!(told, [(0, 10, 1, None), (1, 10, 3, Some(7)), (2, 20, 7, None)]);
    }
}
