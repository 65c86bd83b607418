//! Which response answers which query, how long it took, and which query was never answered.
//!
//! Every message may be seen at several places (both ends of a veth pair, a bridge): that is one message. Time is measured at
//! one and the same place; of several the longest counts, which is the one nearest to who asked.

use std::collections::{HashMap, VecDeque};

use super::{
    super::samples::{Spot, reversed},
    events::{Event, Events},
    message::{Message, Question},
};
use crate::account::tuple::Tuple;

/// A query that was not answered for so long is told as such.
const PATIENCE_NS: u64 = 5_000_000_000;
/// So long further sightings of an answer are expected.
const SIGHTINGS_NS: u64 = 1_000_000_000;
/// Most transactions at a time: about 50 MB.
const MOST: usize = 131_072;

/// ENOENT: a response to a query that was not seen.
pub(super) const NO_QUERY: u8 = 2;
/// EINVAL: no DNS message.
pub(super) const MALFORMED: u8 = 22;
/// ETIMEDOUT: no response.
pub(super) const NO_RESPONSE: u8 = 110;

/// Where and when a message was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sighting<'a> {
    pub(super) tuple: &'a Tuple,
    pub(super) spot: Spot,
    pub(super) time_ns: u64,
}

/// From who asks to who is asked, and the id.
type Key = (Tuple, u16);

#[derive(Debug)]
struct Transaction {
    question: Option<Question>,
    flags: u16,
    /// The first query at each place.
    asked: Vec<(Spot, u64)>,
    answered: Vec<Spot>,
    /// Of the last query, or of the first response.
    last_ns: u64,
    /// Numbers of the events of query and response.
    query: u64,
    response: u64,
}

/// Transactions that have begun.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    open: HashMap<Key, Vec<Transaction>, foldhash::fast::RandomState>,
    count: usize,
    waiting: VecDeque<(u64, Key)>,
    ending: VecDeque<(u64, Key)>,
    /// Queries for which there was no room.
    pub(super) lost: u64,
    /// Messages are missing here and there: who was not answered cannot be told.
    blind: bool,
    /// The same for queries up to this time.
    pub(super) blind_until: u64,
}

impl Transactions {
    pub(super) fn new(blind: bool) -> Self {
        Self { blind, ..Self::default() }
    }

    pub(super) fn take(&mut self, seen: Sighting<'_>, message: Message, events: &mut Events) {
        if message.is_response { self.response(seen, message, events) } else { self.query(seen, message, events) }
    }

    fn query(&mut self, seen: Sighting<'_>, message: Message, events: &mut Events) {
        let key = (*seen.tuple, message.id);
        let of_key = self.open.entry(key).or_default();
        let same = of_key.iter().position(|known| matches(known.question.as_ref(), message.question.as_ref()));
        if let Some(index) = same {
            let known = &mut of_key[index];
            let again = known.asked.iter().any(|(spot, _)| *spot == seen.spot);
            if !again {
                known.asked.push((seen.spot, seen.time_ns));
                sighted(events.find(seen.tuple, known.query), seen.spot);
                return;
            }
            if known.answered.is_empty() {
                // Asked again, and still waiting since the first time.
                known.last_ns = seen.time_ns;
                self.waiting.push_back((seen.time_ns + PATIENCE_NS, key));
                if events.find(seen.tuple, known.query).is_none() {
                    known.query = events.add(seen.tuple, event(seen, &message));
                }
                return;
            }
            of_key.swap_remove(index);
            self.count -= 1;
        }
        let number = events.add(seen.tuple, event(seen, &message));
        if self.count >= MOST {
            self.lost += 1;
            return;
        }
        self.count += 1;
        self.waiting.push_back((seen.time_ns + PATIENCE_NS, key));
        of_key.push(Transaction {
            question: message.question,
            flags: message.flags,
            asked: vec![(seen.spot, seen.time_ns)],
            answered: Vec::new(),
            last_ns: seen.time_ns,
            query: number,
            response: 0,
        });
    }

    fn response(&mut self, seen: Sighting<'_>, message: Message, events: &mut Events) {
        let key = (reversed(seen.tuple), message.id);
        let of_key = self.open.entry(key).or_default();
        let same = of_key.iter().position(|known| {
            message.question.is_none() || matches(known.question.as_ref(), message.question.as_ref())
        });
        let Some(index) = same else {
            return self.unasked(seen, key, message, events);
        };
        let known = &mut of_key[index];
        if known.answered.contains(&seen.spot) {
            return;
        }
        let first = known.answered.is_empty();
        known.answered.push(seen.spot);
        if first {
            known.last_ns = seen.time_ns;
            self.ending.push_back((seen.time_ns + SIGHTINGS_NS, key));
            let question = known.question.clone();
            let rcode = Some(message.rcode);
            known.response = events.add(seen.tuple, Event { question, rcode, ..event(seen, &message) });
        }
        let since = |time_ns: &u64| seen.time_ns.saturating_sub(*time_ns);
        let here = known.asked.iter().filter(|(spot, _)| near(*spot, seen.spot)).map(|(_, asked)| since(asked)).max();
        let anywhere = known.asked.iter().map(|(_, asked)| since(asked)).max();
        let event = events.find(seen.tuple, known.response);
        if let Some(event) = sighted(event, seen.spot) {
            event.latency_ns = event.latency_ns.max(here);
            event.roughly_ns = event.roughly_ns.or(anywhere);
        }
    }

    /// A response whose query was not seen: noted, so that it is one however often it is seen.
    fn unasked(&mut self, seen: Sighting<'_>, key: Key, message: Message, events: &mut Events) {
        let excused = self.blind || seen.time_ns < self.blind_until || is_multicast(seen.tuple);
        let errno = (!excused).then_some(NO_QUERY);
        let number = events.add(seen.tuple, Event { rcode: Some(message.rcode), errno, ..event(seen, &message) });
        if self.count >= MOST {
            return;
        }
        self.count += 1;
        self.ending.push_back((seen.time_ns + SIGHTINGS_NS, key));
        self.open.entry(key).or_default().push(Transaction {
            question: message.question,
            flags: message.flags,
            asked: Vec::new(),
            answered: vec![seen.spot],
            last_ns: seen.time_ns,
            query: 0,
            response: number,
        });
    }

    /// Ends transactions whose time is over; those that were not answered become events.
    pub(super) fn expire(&mut self, now_ns: u64, events: &mut Events) {
        while let Some((due, key)) = self.ending.pop_front_if(|(due, _)| *due <= now_ns) {
            self.end(key, |known| !known.answered.is_empty() && known.last_ns + SIGHTINGS_NS <= due);
        }
        while let Some((due, key)) = self.waiting.pop_front_if(|(due, _)| *due <= now_ns) {
            let ended = self.end(key, |known| known.answered.is_empty() && known.last_ns + PATIENCE_NS <= due);
            let told = !self.blind && !is_multicast(&key.0);
            for known in ended.into_iter().filter(|known| told && known.last_ns >= self.blind_until) {
                events.add(&key.0, unanswered(key.1, known));
            }
        }
    }

    fn end(&mut self, key: Key, over: impl Fn(&Transaction) -> bool) -> Vec<Transaction> {
        let Some(of_key) = self.open.get_mut(&key) else { return Vec::new() };
        let ended: Vec<_> = of_key.extract_if(.., |known| over(known)).collect();
        self.count -= ended.len();
        if of_key.is_empty() {
            self.open.remove(&key);
        }
        ended
    }
}

fn matches(known: Option<&Question>, other: Option<&Question>) -> bool {
    match (known, other) {
        (Some(known), Some(other)) => known.is(other),
        (None, None) => true,
        _ => false,
    }
}

/// The same interface, whichever direction.
fn near(one: Spot, other: Spot) -> bool {
    (one.netns, one.ifindex) == (other.netns, other.ifindex)
}

/// mDNS (RFC 6762): nobody has to answer, and answers go to all.
fn is_multicast(tuple: &Tuple) -> bool {
    let multicast = |address: &[u8; 16]| match tuple.family {
        4 => address[0] & 0xf0 == 0xe0,
        _ => address[0] == 0xff,
    };
    multicast(&tuple.src) || multicast(&tuple.dst) || tuple.selector == [5353, 5353]
}

fn sighted(event: Option<&mut Event>, spot: Spot) -> Option<&mut Event> {
    let event = event?;
    if !event.netns.contains(&spot.netns) {
        event.netns.push(spot.netns);
    }
    Some(event)
}

fn event(seen: Sighting<'_>, message: &Message) -> Event {
    Event {
        number: 0,
        time_ns: seen.time_ns,
        netns: vec![seen.spot.netns],
        id: Some(message.id),
        flags: Some(message.flags),
        question: message.question.clone(),
        rcode: None,
        latency_ns: None,
        roughly_ns: None,
        errno: None,
        alone: false,
    }
}

/// What was sent to a port of DNS and is no message.
pub(super) fn malformed(seen: Sighting<'_>) -> Event {
    Event {
        number: 0,
        time_ns: seen.time_ns,
        netns: vec![seen.spot.netns],
        id: None,
        flags: None,
        question: None,
        rcode: None,
        latency_ns: None,
        roughly_ns: None,
        errno: Some(MALFORMED),
        alone: false,
    }
}

fn unanswered(id: u16, known: Transaction) -> Event {
    Event {
        number: 0,
        time_ns: known.last_ns + PATIENCE_NS,
        netns: known.asked.iter().map(|(spot, _)| spot.netns).collect(),
        id: Some(id),
        flags: Some(known.flags),
        question: known.question,
        rcode: None,
        latency_ns: None,
        roughly_ns: None,
        errno: Some(NO_RESPONSE),
        alone: true,
    }
}
