//! The flight recorder: the packets of the last seconds in memory, delivered when they are asked for.
//!
//! Stands between the worker of packets mode and the way out. Owns what is kept for how long, what of it is delivered, and what
//! fell out before its time. Must not know why something is saved, but for the trigger's part that packets decide.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use flow::{Batch, Body, Closed, Counters, Filter, Fired, InterfaceCounts, LinkType, PacketBatch, Recording, Sink};

use super::{
    LATENESS,
    seen::Seen,
    window::{shrink, split, weight},
};

/// A trigger is told once in so long, until somebody has acted on it.
const TOLD_NS: u64 = 1_000_000_000;
/// How often it is told how the ring stands.
const STATED_NS: u64 = 250_000_000;

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    /// For so long.
    pub(super) time: Duration,
    /// Bytes at most.
    pub(super) bytes: usize,
}

/// What was ordered and not looked at yet.
#[derive(Debug, Default)]
struct Orders {
    /// What to save, and the moment around which it lies, ns since the epoch.
    save: Option<(Arc<Recording>, u64)>,
    release: Option<u32>,
}

/// The other end of a [`Ring`].
#[derive(Clone, Debug, Default)]
pub(super) struct Control(Arc<Mutex<Orders>>);

impl Control {
    /// Delivers what was taken from the ring's time before `moment_ns` until as long after it. Nothing happens while another
    /// recording is being delivered.
    pub(super) fn save(&self, recording: Arc<Recording>, moment_ns: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).save = Some((recording, moment_ns));
    }

    /// Delivers no more of a recording.
    pub(super) fn release(&self, number: u32) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).release = Some(number);
    }

    fn take(&self) -> Orders {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Packets that wait, with the counts that came with them.
struct Kept {
    body: PacketBatch,
    counts: Vec<InterfaceCounts>,
    weight: usize,
}

/// A recording that is being delivered.
struct Saving {
    recording: Arc<Recording>,
    until_ns: u64,
}

/// Where the worker delivers.
pub(super) struct Ring {
    memory: Memory,
    time_ns: u64,
    filter: Option<Filter>,
    out: Box<dyn Sink>,
    control: Control,
    kept: VecDeque<Kept>,
    bytes: usize,
    /// From then on nothing is missing, ns since the epoch.
    since_ns: u64,
    saving: Option<Saving>,
    ended: u32,
    saved: u64,
    aged: u64,
    fallen: u64,
    /// Of interfaces, for who reads packets.
    links: HashMap<u32, LinkType>,
    /// Counts of interfaces up to what is kept: a recording counts from there.
    before: HashMap<u32, InterfaceCounts>,
    /// Those of the recording that is being delivered.
    latest: HashMap<u32, InterfaceCounts>,
    /// Node, time and counters of the last batch that came.
    header: Batch,
    /// When it was last told how it stands, and which recording had ended then.
    stated_ns: u64,
    told_ended: u32,
    fired: Option<Fired>,
    /// When a trigger was told last.
    told_ns: u64,
}

impl Ring {
    /// An empty one, at the time `now_ns`.
    pub(super) fn new(memory: Memory, filter: Option<Filter>, now_ns: u64, out: Box<dyn Sink>) -> (Self, Control) {
        let control = Control::default();
        let ring = Self {
            memory,
            time_ns: memory.time.as_nanos() as u64,
            filter,
            out,
            control: control.clone(),
            kept: VecDeque::new(),
            bytes: 0,
            since_ns: now_ns,
            saving: None,
            ended: 0,
            saved: 0,
            aged: 0,
            fallen: 0,
            links: HashMap::new(),
            before: HashMap::new(),
            latest: HashMap::new(),
            header: Batch { time_ns: now_ns, ..Batch::default() },
            stated_ns: 0,
            told_ended: 0,
            fired: None,
            told_ns: 0,
        };
        (ring, control)
    }

    /// Begins and ends what was ordered.
    fn obey(&mut self) -> Result<(), Closed> {
        let Orders { save, release } = self.control.take();
        if let (Some((recording, moment_ns)), None) = (save, &self.saving)
            && recording.number > self.ended
        {
            self.begin(recording, moment_ns)?;
        }
        if let (Some(number), Some(saving)) = (release, &mut self.saving)
            && saving.recording.number == number
        {
            saving.until_ns = saving.until_ns.min(self.header.time_ns);
        }
        Ok(())
    }

    /// Delivers what is kept of the time before `moment_ns`.
    fn begin(&mut self, recording: Arc<Recording>, moment_ns: u64) -> Result<(), Closed> {
        let from_ns = moment_ns.saturating_sub(self.time_ns);
        self.saving = Some(Saving { recording, until_ns: moment_ns.saturating_add(self.time_ns) });
        (self.fired, self.bytes) = (None, 0);
        for Kept { body, counts, .. } in std::mem::take(&mut self.kept) {
            let (old, body) = split(body, from_ns);
            self.aged += old.packets.len() as u64;
            if body.packets.is_empty() {
                self.before.extend(by_interface(&counts));
            } else {
                self.pass(body, &counts)?;
            }
        }
        Ok(())
    }

    /// Delivers packets of the recording, or says that there are none up to now.
    fn pass(&mut self, body: PacketBatch, counts: &[InterfaceCounts]) -> Result<(), Closed> {
        self.saved += body.packets.len() as u64;
        self.latest.extend(by_interface(counts));
        let batch = Batch {
            time_ns: body.packets.last().map_or(self.header.time_ns, |packet| packet.time_ns),
            interface_counts: counts.iter().map(|counts| self.since_before(counts)).collect(),
            recording: self.saving.as_ref().map(|saving| Arc::clone(&saving.recording)),
            body: if body.packets.is_empty() { Body::None } else { Body::Packets(body) },
            ..self.told()
        };
        self.out.deliver(batch)
    }

    fn since_before(&self, counts: &InterfaceCounts) -> InterfaceCounts {
        let InterfaceCounts { interface, delivered, lost } = *counts;
        let before = self.before.get(&interface).map_or((0, 0), |before| (before.delivered, before.lost));
        let (delivered, lost) = (delivered.saturating_sub(before.0), lost.saturating_sub(before.1));
        InterfaceCounts { interface, delivered, lost }
    }

    /// Delivers what belongs to a recording; returns the rest.
    fn deliver_now(&mut self, body: PacketBatch, counts: &[InterfaceCounts]) -> Result<PacketBatch, Closed> {
        let Some(until_ns) = self.saving.as_ref().map(|saving| saving.until_ns) else { return Ok(body) };
        let (now, later) = split(body, until_ns);
        self.pass(now, counts)?;
        // Everything up to the time of the batch has come.
        if self.header.time_ns >= until_ns || !later.packets.is_empty() {
            self.ended = self.saving.take().map_or(self.ended, |saving| saving.recording.number);
            self.since_ns = until_ns;
            self.before.extend(self.latest.drain());
        }
        Ok(later)
    }

    fn keep(&mut self, mut body: PacketBatch, counts: Vec<InterfaceCounts>) {
        if body.packets.is_empty() {
            return;
        }
        self.look_for_trigger(&body);
        shrink(&mut body);
        let weight = weight(&body) + counts.capacity() * size_of::<InterfaceCounts>();
        self.bytes += weight;
        self.kept.push_back(Kept { body, counts, weight });
    }

    /// What is too old goes, and as much more as its memory is too small for.
    fn forget(&mut self) {
        let now_ns = self.header.time_ns;
        let asked_ns = now_ns.saturating_sub(self.time_ns);
        let too_old_ns = asked_ns.saturating_sub(LATENESS.as_nanos() as u64);
        while let Some(first) = self.kept.front() {
            let last_ns = first.body.packets.last().map_or(0, |packet| packet.time_ns);
            if last_ns >= too_old_ns && self.bytes <= self.memory.bytes {
                break;
            }
            let Some(Kept { body, counts, weight }) = self.kept.pop_front() else { break };
            self.bytes -= weight;
            self.before.extend(by_interface(&counts));
            // What a save would not ask for any more has not fallen out, whatever it had to make room for.
            let gone = if last_ns < asked_ns { &mut self.aged } else { &mut self.fallen };
            *gone += body.packets.len() as u64;
            self.since_ns = self.since_ns.max(last_ns + 1);
        }
    }

    fn look_for_trigger(&mut self, body: &PacketBatch) {
        let Some(filter) = &self.filter else { return };
        let now_ns = self.header.time_ns;
        if self.saving.is_some() || self.fired.is_some() || now_ns < self.told_ns + TOLD_NS {
            return;
        }
        let mut drops = body.drops.iter().peekable();
        for (at, packet) in body.packets.iter().enumerate() {
            let drop = drops.next_if(|drop| drop.packet as usize == at);
            let link = self.links.get(&packet.interface).copied().unwrap_or_default();
            let seen = Seen::new(packet, body.bytes(packet), link, drop.map(|drop| &*drop.cause));
            if filter.matches(&seen) {
                self.told_ns = now_ns;
                self.fired = Some(Fired { time_ns: packet.time_ns, what: seen.words().into() });
                return;
            }
        }
    }

    /// What every batch bears.
    fn told(&self) -> Batch {
        let counters =
            Counters { ring_saved: self.saved, ring_aged: self.aged, ring_fallen: self.fallen, ..self.header.counters };
        // What is kept may still come: nothing is complete beyond it.
        let time_ns = self.header.time_ns.saturating_sub(self.time_ns + LATENESS.as_nanos() as u64);
        Batch { node: Arc::clone(&self.header.node), time_ns, counters, ..Batch::default() }
    }

    /// How it stands, when that was not said for a while.
    fn tell(&mut self) -> Result<(), Closed> {
        let now_ns = self.header.time_ns;
        let is_news = self.fired.is_some() || self.ended != self.told_ended;
        if !is_news && now_ns < self.stated_ns + STATED_NS {
            return Ok(());
        }
        (self.stated_ns, self.told_ended) = (now_ns, self.ended);
        let held_ns = now_ns.saturating_sub(self.since_ns).min(self.time_ns);
        let (bytes, fired) = (self.bytes as u64, self.fired.take());
        self.out.deliver(Batch { ring: Some(flow::Ring { held_ns, bytes, ended: self.ended, fired }), ..self.told() })
    }
}

fn by_interface(counts: &[InterfaceCounts]) -> impl Iterator<Item = (u32, InterfaceCounts)> {
    counts.iter().map(|counts| (counts.interface, *counts))
}

impl Sink for Ring {
    fn deliver(&mut self, batch: Batch) -> Result<(), Closed> {
        let Batch { node, time_ns, counters, interfaces, interface_counts, notices, secrets, clock, body, .. } = batch;
        self.header = Batch { node, time_ns, counters, ..Batch::default() };
        self.links.extend(interfaces.iter().map(|interface| (interface.id, interface.link_type)));
        if !(interfaces.is_empty() && notices.is_empty() && secrets.is_empty()) {
            // Before the packets that need them.
            self.out.deliver(Batch { interfaces, notices, secrets, clock, ..self.told() })?;
        }
        self.obey()?;
        let body = if let Body::Packets(body) = body { body } else { PacketBatch::default() };
        let rest = self.deliver_now(body, &interface_counts)?;
        self.keep(rest, interface_counts);
        self.forget();
        self.tell()
    }
}

impl Drop for Ring {
    /// What was ordered after the last batch: the capture ends, and nothing else comes.
    fn drop(&mut self) {
        // Nobody may be there to take it.
        let _ = self.obey().and_then(|()| self.tell());
    }
}

#[cfg(test)]
mod tests;
