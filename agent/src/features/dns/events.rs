//! What there is to tell of DNS, by flow, until a record tells it.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use flow::FlowRecord;

use super::{
    super::samples::Seen,
    message::{Question, rcode_name},
};
use crate::{account::tuple::Tuple, time::Anchor};

/// Most events between two records: about 40 MB.
const MOST: usize = 131_072;
/// The record of a packet comes in the same interval or, when it came while that ended, in the next: so long an event waits.
const WAIT_NS: u64 = 500_000_000;

/// A query, a response, or that there was none.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) number: u64,
    /// Of its first sighting.
    pub(super) time_ns: u64,
    /// Namespaces where it was seen.
    pub(super) netns: Vec<u32>,
    pub(super) id: Option<u16>,
    pub(super) flags: Option<u16>,
    pub(super) question: Option<Question>,
    pub(super) rcode: Option<u16>,
    /// The longest that was measured at one place.
    pub(super) latency_ns: Option<u64>,
    /// Measured between two places.
    pub(super) roughly_ns: Option<u64>,
    pub(super) errno: Option<u8>,
    /// No packet belongs to it: it waits for no record.
    pub(super) alone: bool,
}

impl Event {
    fn fill(self, record: &mut FlowRecord) {
        let (name, kind) = self.question.map(|Question { name, kind }| (name, kind)).unzip();
        record.dns_id = self.id;
        record.dns_flags = self.flags;
        record.dns_name = name;
        record.dns_type = kind;
        record.dns_latency_ms = self.latency_ns.or(self.roughly_ns).map(|ns| ns / 1_000_000);
        record.dns_flags_response_code = self.rcode.map(rcode_name);
        record.dns_errno = self.errno;
    }
}

/// Events that no record has told yet.
#[derive(Debug, Default)]
pub(super) struct Events {
    flows: HashMap<Tuple, Flow, foldhash::fast::RandomState>,
    count: usize,
    next: u64,
    /// Events for which there was no room.
    pub(super) lost: u64,
}

#[derive(Debug, Default)]
struct Flow {
    events: VecDeque<Event>,
    /// From the record of the ending interval.
    seen: Option<Arc<Seen>>,
}

impl Events {
    /// Notes an event; its number.
    pub(super) fn add(&mut self, tuple: &Tuple, mut event: Event) -> u64 {
        self.next += 1;
        if self.count >= MOST {
            self.lost += 1;
            return self.next;
        }
        self.count += 1;
        event.number = self.next;
        self.flows.entry(*tuple).or_default().events.push_back(event);
        self.next
    }

    /// The event of a number, if no record has told it yet.
    pub(super) fn find(&mut self, tuple: &Tuple, number: u64) -> Option<&mut Event> {
        let flow = self.flows.get_mut(tuple)?;
        flow.events.iter_mut().rev().find(|event| event.number == number)
    }

    /// Whether an error is noted for a flow already.
    pub(super) fn tells(&self, tuple: &Tuple, errno: u8) -> bool {
        self.flows.get(tuple).is_some_and(|flow| flow.events.iter().any(|event| event.errno == Some(errno)))
    }

    /// Lets a record tell the first event of its flow. What the record says of the flow, if it has events.
    pub(super) fn tell(&mut self, tuple: &Tuple, netns: u32, record: &mut FlowRecord) -> Option<Arc<Seen>> {
        let flow = self.flows.get_mut(tuple)?;
        let seen = Arc::new(Seen::of(record));
        flow.seen = Some(seen.clone());
        if let Some(first) = flow.events.iter().position(|event| event.netns.contains(&netns))
            && let Some(event) = flow.events.remove(first)
        {
            self.count -= 1;
            event.fill(record);
        }
        Some(seen)
    }

    /// Makes records of what no record has told, where none is to be waited for.
    pub(super) fn rest(
        &mut self,
        now_ns: u64,
        anchor: Anchor,
        mut known: impl FnMut(&Tuple) -> Option<Arc<Seen>>,
        emit: &mut dyn FnMut(FlowRecord),
    ) {
        let count = &mut self.count;
        self.flows.retain(|tuple, flow| {
            let seen = flow.seen.take();
            let told = seen.is_some();
            let seen = seen.or_else(|| known(tuple));
            flow.events.retain(|event| {
                let waits = !told && !event.alone && now_ns.saturating_sub(event.time_ns) < WAIT_NS;
                if !waits {
                    *count -= 1;
                    let seen = seen.as_deref().cloned().unwrap_or_default();
                    let mut record = seen.record(tuple, anchor.wall(event.time_ns) / 1_000_000);
                    event.clone().fill(&mut record);
                    emit(record);
                }
                waits
            });
            !flow.events.is_empty()
        });
    }
}
