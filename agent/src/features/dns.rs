//! Queries and responses (`--enable-dns`): what was asked for, what came back and after how long, what never came.
//!
//! Owns the meaning of the Dns fields. A record tells of one message: a query on the flow towards the server, a response with
//! its code and latency on the flow back. Further messages of a flow in an interval become records of their own, and so does a
//! query that nobody answers for five seconds. `DnsErrno` is 0 (absent), 2 (ENOENT: a response whose query was not seen), 22
//! (EINVAL: no DNS message) or 110 (ETIMEDOUT: no response).

mod events;
pub(crate) mod message;
mod stream;
mod transactions;

use std::sync::Arc;

use flow::{Counters, FlowRecord};

use self::{
    events::Events,
    stream::Messages,
    transactions::{MALFORMED, Sighting, Transactions, malformed},
};
use super::{
    About, Begun, Feature, Start,
    recent::Recent,
    samples::{Sample, Samples, Seen, Spot},
};
use crate::{
    account::tuple::Tuple,
    time::{Anchor, monotonic},
};

/// Directions of TCP connections that are followed, in each half of the table.
const STREAMS: usize = 4096;
/// Flows of which it is remembered where they were seen, in each half of the table.
const FLOWS: usize = 16_384;
/// After messages were lost, what seems to be unanswered may not be.
const DOUBT_NS: u64 = 5_000_000_000;

/// State of the feature.
struct Dns {
    samples: Samples,
    streams: Recent<(Tuple, Spot), Messages>,
    transactions: Transactions,
    events: Events,
    seen: Recent<Tuple, Arc<Seen>>,
    anchor: Anchor,
    /// Losses of the ring that are known of.
    lost: u64,
}

/// Begins to read what the programs copy to the ring.
pub(crate) fn begin(start: &mut Start<'_>) -> Begun {
    let maps = start.samples.dns.take().ok_or("DNS is read in flows only")?;
    let blind = start.config.sampling > 1 || one_way(&start.config.rules);
    if blind {
        start.limits.push(
            "DNS: not every packet is looked at, so which queries have no answer is not told; latencies are where both were seen"
                .to_owned(),
        );
    }
    Ok(Box::new(Dns {
        samples: Samples::new(maps),
        streams: Recent::new(STREAMS),
        transactions: Transactions::new(blind),
        events: Events::default(),
        seen: Recent::new(FLOWS),
        anchor: start.anchor,
        lost: 0,
    }))
}

/// Whether rules may let queries pass and leave their responses out.
fn one_way(rules: &[flow::Rule]) -> bool {
    rules.iter().any(|rule| {
        let ends = rule.src.is_some() || rule.dst.is_some() || rule.src_set.is_some() || rule.dst_set.is_some();
        ends || rule.sport.is_some() || rule.dport.is_some() || rule.direction.is_some()
    })
}

impl Dns {
    fn doubt_after_losses(&mut self) {
        let lost = self.samples.lost();
        if lost > self.lost {
            self.lost = lost;
            self.transactions.blind_until = monotonic() + DOUBT_NS;
        }
    }
}

/// Reads what is in a sample.
fn take(
    sample: &Sample<'_>,
    streams: &mut Recent<(Tuple, Spot), Messages>,
    transactions: &mut Transactions,
    events: &mut Events,
) {
    let seen = Sighting { tuple: &sample.tuple, spot: sample.spot, time_ns: sample.time_ns };
    let mut each = |bytes: &[u8], expected| {
        let message = message::read(bytes);
        let is_message = message.is_some();
        match message {
            Some(message) => transactions.take(seen, message, events),
            None if expected && !events.tells(seen.tuple, MALFORMED) => {
                events.add(seen.tuple, malformed(seen));
            }
            None => {}
        }
        is_message
    };
    if !sample.is_tcp() {
        each(sample.payload, true);
        return;
    }
    let key = (sample.tuple, sample.spot);
    if streams.get_mut(&key).is_none() {
        streams.insert(key, Messages::new(sample.sequence));
    }
    if let Some(stream) = streams.get_mut(&key) {
        stream.put(sample.sequence, sample.payload, sample.payload_len, each);
    }
}

impl Feature for Dns {
    fn collect(&mut self) {
        // Before the ring is emptied: whatever was answered until now is in it.
        let now = monotonic();
        let Self { samples, streams, transactions, events, .. } = self;
        samples.take(|sample| take(sample, streams, transactions, events));
        self.doubt_after_losses();
        self.transactions.expire(now, &mut self.events);
    }

    fn annotate(&mut self, about: &About<'_>, record: &mut FlowRecord) {
        if let Some(seen) = self.events.tell(about.tuple, about.netns, record) {
            self.seen.insert(*about.tuple, seen);
        }
    }

    fn rest(&mut self, emit: &mut dyn FnMut(FlowRecord)) {
        let Self { events, seen, anchor, .. } = self;
        events.rest(monotonic(), *anchor, |tuple| seen.get_mut(tuple).cloned(), emit);
    }

    fn count(&self, counters: &mut Counters) {
        counters.lost_dns = self.samples.lost() + self.samples.unreadable + self.transactions.lost + self.events.lost;
    }
}
