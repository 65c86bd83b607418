//! One connection: its two directions, put together until each has said its hello.

use super::{
    super::{samples::Sample, stream::Stream},
    facts::Facts,
    hello::{MOST, Said, handshake_message, records},
    quic::{self, Initial, Sender},
};

/// A connection of which a hello has begun.
#[derive(Debug, Default)]
pub(super) struct Connection {
    pub(super) facts: Facts,
    /// Namespaces where it was seen.
    pub(super) netns: Vec<u32>,
    directions: [Direction; 2],
    quic: Option<Quic>,
}

/// One direction. Positions of TCP are sequence numbers.
#[derive(Debug, Default)]
struct Direction {
    stream: Option<Stream>,
    /// Where the hello began.
    start: u64,
    /// When it was read.
    done: Option<u64>,
}

#[derive(Debug)]
struct Quic {
    /// The id from which the keys follow.
    id: Vec<u8>,
    /// Which direction is the client's.
    client: usize,
}

/// Further Initials so soon after a hello are of the same connection.
const SAME_NS: u64 = 3_000_000_000;
/// Content types of records.
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;

impl Connection {
    fn note(&mut self, sample: &Sample<'_>) {
        if !self.netns.contains(&sample.spot.netns) {
            self.netns.push(sample.spot.netns);
        }
    }

    /// Takes a segment of TCP; `side` is its direction.
    pub(super) fn tcp(&mut self, side: usize, sample: &Sample<'_>) {
        self.note(sample);
        if sample.payload.first() == Some(&ALERT) {
            return self.hear(records(sample.payload));
        }
        let direction = &mut self.directions[side];
        direction.begin(sample);
        let Some(stream) = &mut direction.stream else { return };
        let position = stream.position(sample.sequence);
        if stream.put(position, sample.payload, MOST)
            && let Some(said) = records(stream.bytes())
        {
            direction.end(sample.time_ns);
            self.hear(Some(said));
        }
    }

    fn hear(&mut self, said: Option<Vec<Said>>) {
        said.into_iter().flatten().for_each(|said| self.facts.hear(said));
    }

    /// Takes a datagram of QUIC.
    pub(super) fn quic(&mut self, side: usize, sample: &Sample<'_>) {
        self.note(sample);
        self.facts.quic(sample.payload);
        if self.directions[side].done.is_some_and(|done| sample.time_ns.saturating_sub(done) < SAME_NS) {
            return;
        }
        for initial in quic::initials(sample.payload) {
            if let Some(frames) = self.open(side, &initial) {
                self.frames(side, &frames, sample.time_ns);
            }
        }
    }

    /// Opens an Initial with the keys of the connection, else with those that it would begin one with.
    fn open(&mut self, side: usize, initial: &Initial<'_>) -> Option<Vec<u8>> {
        let known = self
            .quic
            .as_ref()
            .and_then(|quic| initial.open(&quic.id, if quic.client == side { Sender::Client } else { Sender::Server }));
        if known.is_some() {
            return known;
        }
        let frames = initial.open(initial.destination, Sender::Client)?;
        self.quic = Some(Quic { id: initial.destination.to_vec(), client: side });
        self.directions = Default::default();
        Some(frames)
    }

    fn frames(&mut self, side: usize, frames: &[u8], now_ns: u64) {
        let direction = &mut self.directions[side];
        let stream = direction.stream.get_or_insert_default();
        // What cannot be read on is the end: what came before it counts.
        let _ = quic::crypto(frames, |position, bytes| {
            stream.put(position, bytes, MOST);
        });
        if let Some(said) = handshake_message(stream.bytes()) {
            direction.end(now_ns);
            self.hear(Some(said));
        }
    }
}

impl Direction {
    /// Begins to read where a hello begins that is not known yet.
    fn begin(&mut self, sample: &Sample<'_>) {
        // Above zero, so that what is sent again from before has a position too.
        let fresh = (1 << 32) + u64::from(sample.sequence);
        let position = self.stream.as_ref().map_or(fresh, |stream| stream.position(sample.sequence));
        let is_hello =
            sample.payload.first() == Some(&HANDSHAKE) && matches!(sample.payload.get(5), None | Some(1 | 2));
        let known = self.start != 0 && self.start as u32 == sample.sequence;
        let within = self.done.is_none() && self.stream.is_some() && position < self.start + MOST as u64;
        if is_hello && !known && !(within && position > self.start) {
            *self = Self { stream: Some(Stream::at(fresh)), start: fresh, done: None };
        }
    }

    /// The hello was read: what it was put together from is not needed any more.
    fn end(&mut self, now_ns: u64) {
        self.stream = None;
        self.done = Some(now_ns);
    }
}
