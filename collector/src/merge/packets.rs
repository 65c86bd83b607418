//! Packets of several nodes in the order of their times.
//!
//! Each agent delivers in order. A packet goes on when every node that speaks has got as far, or when it has waited for
//! [`WAIT`], or when too much waits. One that comes too late goes on at once and is counted.

use std::{collections::VecDeque, sync::Arc};

use flow::{Batch, Body, PacketBatch};

use crate::subset::part;

#[cfg(test)]
mod tests;

const MS: u64 = 1_000_000;
/// Longest wait of a packet; and a node that was silent for so long is not waited for. Agents speak four times a second.
const WAIT: u64 = 2000 * MS;
/// A batch says up to when its agent has delivered everything. So much later than that a processor may still put a packet
/// into its ring.
const IN_FLIGHT: u64 = 20 * MS;
/// In the beginning nodes come one after the other. For so long after the first, packets wait for those not heard of yet,
const BEGINNING: u64 = 5000 * MS;
/// each for so long.
const NEWCOMER: u64 = 200 * MS;
/// Most bytes that wait.
const MOST: usize = 32 << 20;

/// Packets that wait, by node.
#[derive(Debug, Default)]
pub(crate) struct Packets {
    sources: Vec<Source>,
    bytes: usize,
    /// Until when nodes may come that were not heard of yet; `None` before the first, or if nobody waits for them.
    beginning: Beginning,
    /// When something was released last.
    now: u64,
    /// Time of the latest packet that went on, ns since the epoch.
    reached: u64,
    out_of_order: u64,
}

/// The time in which nodes come.
#[derive(Clone, Copy, Debug, Default)]
enum Beginning {
    #[default]
    Over,
    /// Nobody has come yet.
    Ahead,
    Until(u64),
}

/// One node.
#[derive(Debug)]
struct Source {
    node: Arc<str>,
    waiting: VecDeque<Delivery>,
    /// It will deliver nothing older, ns since the epoch.
    latest: u64,
    heard: u64,
}

/// A batch of which packets wait from `next` on.
#[derive(Debug)]
struct Delivery {
    arrived: u64,
    /// With what it announces, until its first packet goes on.
    header: Batch,
    body: PacketBatch,
    next: usize,
}

impl Packets {
    /// For nodes that come one after the other.
    pub(crate) fn of_many() -> Self {
        Self { beginning: Beginning::Ahead, ..Self::default() }
    }

    /// Packets that stand after younger ones.
    pub(crate) fn out_of_order(&self) -> u64 {
        self.out_of_order
    }

    /// Takes a batch; returns what may go on.
    pub(crate) fn push(&mut self, mut batch: Batch, now: u64) -> Vec<Batch> {
        if batch.node.is_empty() {
            return vec![batch];
        }
        if let Beginning::Ahead = self.beginning {
            self.beginning = Beginning::Until(now + BEGINNING);
        }
        let source = self.source(&batch.node);
        source.heard = now;
        let Body::Packets(body) = std::mem::replace(&mut batch.body, Body::None) else {
            source.latest = source.latest.max(batch.time_ns.saturating_sub(IN_FLIGHT));
            let mut batches = self.release(now);
            batches.push(batch);
            return batches;
        };
        let Some(last) = body.packets.last() else { return vec![batch] };
        source.latest = source.latest.max(last.time_ns).max(batch.time_ns.saturating_sub(IN_FLIGHT));
        let bytes = body.data.len();
        source.waiting.push_back(Delivery { arrived: now, header: batch, body, next: 0 });
        self.bytes += bytes;
        self.release(now)
    }

    fn source(&mut self, node: &Arc<str>) -> &mut Source {
        let at = self.sources.iter().position(|source| source.node == *node).unwrap_or_else(|| {
            let node = Arc::clone(node);
            self.sources.push(Source { node, waiting: VecDeque::new(), latest: 0, heard: 0 });
            self.sources.len() - 1
        });
        &mut self.sources[at]
    }

    /// When something may go on although nothing comes.
    pub(crate) fn due(&self) -> Option<u64> {
        let oldest = self.sources.iter().filter_map(|source| Some(source.waiting.front()?.arrived)).min()?;
        let silent = self.sources.iter().filter(|source| source.waiting.is_empty()).map(|source| source.heard + WAIT);
        // What was due already was not what held anybody up.
        let young = self.sources.iter().flat_map(|source| &source.waiting).map(|delivery| delivery.arrived + NEWCOMER);
        let newcomers = young.filter(|_| self.beginning.holds(self.now));
        silent.chain(newcomers).filter(|due| *due > self.now).chain([oldest + WAIT]).min()
    }

    /// What may go on.
    pub(crate) fn release(&mut self, now: u64) -> Vec<Batch> {
        self.now = now;
        let mut batches = Vec::new();
        let limit = self.limit(now);
        while let Some((at, bound)) = self.first() {
            let time = self.sources[at].time().unwrap_or_default();
            if time > limit && self.bytes <= MOST {
                break;
            }
            let bound = if time > limit { time } else { bound.min(limit) };
            batches.extend(self.run(at, bound));
        }
        batches
    }

    /// Time up to which nothing older is to be expected, or waited for.
    fn limit(&self, now: u64) -> u64 {
        let speaks = |source: &&Source| now.saturating_sub(source.heard) < WAIT;
        let watermark = self.sources.iter().filter(speaks).map(|source| source.latest).min();
        let overdue = |source: &Source| {
            let overdue = source.waiting.iter().take_while(|delivery| now.saturating_sub(delivery.arrived) >= WAIT);
            overdue.filter_map(|delivery| delivery.body.packets.last()).map(|packet| packet.time_ns).max()
        };
        let overdue = self.sources.iter().filter_map(overdue).max();
        let watermark = watermark.map(|watermark| watermark.min(self.newcomers(now)));
        watermark.into_iter().chain(overdue).chain([self.reached]).max().unwrap_or(u64::MAX)
    }

    /// Time up to which a node not heard of yet may have packets on their way.
    fn newcomers(&self, now: u64) -> u64 {
        if !self.beginning.holds(now) {
            return u64::MAX;
        }
        let young = |source: &Source| {
            let young = source.waiting.iter().find(|delivery| now.saturating_sub(delivery.arrived) < NEWCOMER)?;
            young.body.packets.get(young.next).map(|packet| packet.time_ns.saturating_sub(1))
        };
        self.sources.iter().filter_map(young).min().unwrap_or(u64::MAX)
    }

    /// The node with the oldest packet, and the time of the oldest of the others.
    fn first(&self) -> Option<(usize, u64)> {
        let mut first: Option<(usize, u64)> = None;
        let mut bound = u64::MAX;
        for (at, time) in self.sources.iter().enumerate().filter_map(|(at, source)| Some((at, source.time()?))) {
            match first {
                Some((_, least)) if time >= least => bound = bound.min(time),
                _ => bound = first.replace((at, time)).map_or(bound, |(_, least)| bound.min(least)),
            }
        }
        first.map(|(at, _)| (at, bound))
    }

    /// Takes packets of one delivery up to the time `bound`, one at least.
    fn run(&mut self, at: usize, bound: u64) -> Option<Batch> {
        let delivery = self.sources[at].waiting.front_mut()?;
        let start = delivery.next;
        for packet in &delivery.body.packets[start..] {
            if delivery.next > start && packet.time_ns > bound {
                break;
            }
            self.out_of_order += u64::from(packet.time_ns < self.reached);
            self.reached = self.reached.max(packet.time_ns);
            delivery.next += 1;
        }
        let is_last = delivery.next == delivery.body.packets.len();
        let mut batch = header(&mut delivery.header);
        if is_last {
            let delivery = self.sources[at].waiting.pop_front()?;
            self.bytes -= delivery.body.data.len();
            let whole = start == 0;
            batch.body = Body::Packets(if whole { delivery.body } else { part(&delivery.body, start..delivery.next) });
        } else {
            batch.body = Body::Packets(part(&delivery.body, start..delivery.next));
        }
        Some(batch)
    }
}

impl Beginning {
    fn holds(self, now: u64) -> bool {
        matches!(self, Self::Until(end) if now < end)
    }
}

impl Source {
    /// Time of its oldest packet.
    fn time(&self) -> Option<u64> {
        let delivery = self.waiting.front()?;
        delivery.body.packets.get(delivery.next).map(|packet| packet.time_ns)
    }
}

/// The header for the next run: what is announced is announced once.
fn header(batch: &mut Batch) -> Batch {
    Batch {
        node: Arc::clone(&batch.node),
        sequence: batch.sequence,
        time_ns: batch.time_ns,
        counters: batch.counters,
        interfaces: std::mem::take(&mut batch.interfaces),
        interface_counts: std::mem::take(&mut batch.interface_counts),
        notices: std::mem::take(&mut batch.notices),
        secrets: std::mem::take(&mut batch.secrets),
        clock: batch.clock,
        recording: batch.recording.clone(),
        ring: batch.ring.take(),
        body: Body::None,
    }
}
