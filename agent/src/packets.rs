//! The worker of packets mode: empties the rings, puts packets in the order of their times, delivers them.

pub(crate) mod drops;
mod ends;
mod frame;
mod losses;
pub(crate) mod merge;

use std::{sync::Arc, time::Duration};

use agent_common::types::PacketHead;
use aya::maps::{MapData, RingBuf};
use flow::{Body, CaptureConfig, Counters};

use self::{
    drops::Copies,
    ends::Ends,
    losses::Tally,
    merge::{Merger, NOT_DROPPED},
};
use crate::{
    bpf::Pod as _,
    features::{Features, keys::Keys},
    loader::{KernelCounters, PacketMaps},
    outbox::Outbox,
    time::{Anchor, monotonic},
    topology::Shared,
    worker::{Ended, Work},
};

/// Between looks at the rings while packets come, and while none come.
const BUSY: Duration = Duration::from_millis(4);
const IDLE: Duration = Duration::from_millis(20);
/// A batch goes out at this age or size.
const AGE_NS: u64 = 25_000_000;
const BYTES: usize = 4 << 20;
const PACKETS: usize = 16_384;
/// A CPU may have stamped a packet and not put it into its ring yet: packets younger than this wait.
const HOLD_NS: u64 = 10_000_000;
/// The same where keys of TLS are expected: readers want them before the packets that they open, and a packet is captured
/// before the process that receives it has derived them.
const HOLD_FOR_KEYS_NS: u64 = 250_000_000;
/// How often counters are sent when there is no traffic. Where nodes are merged, packets of the others wait for this.
const QUIET_NS: u64 = 250_000_000;

/// State of packets mode.
pub(crate) struct Packets {
    rings: Vec<RingBuf<MapData>>,
    /// The last shard is theirs.
    drops: Option<Copies>,
    keys: Option<Keys>,
    ends: Option<Ends>,
    /// Packets younger than this wait, ns.
    hold: u64,
    kernel: KernelCounters,
    shared: Shared,
    outbox: Outbox,
    merger: Merger,
    tally: Tally,
    /// When the last batch went out.
    delivered_at: u64,
    /// Up to when packets were in it, monotonic ns.
    delivered_to: u64,
    /// When the oldest packet of the batch was taken.
    since: Option<u64>,
    /// Packets came at the last look; more than could be taken in one go.
    busy: bool,
    behind: bool,
}

impl Packets {
    pub(crate) fn new(
        config: &CaptureConfig,
        maps: PacketMaps,
        drops: Option<Copies>,
        kernel: KernelCounters,
        shared: Shared,
        anchor: Anchor,
        outbox: Outbox,
    ) -> Self {
        let snaplen = if config.snaplen == 0 { usize::MAX } else { config.snaplen as usize };
        Self {
            merger: Merger::new(maps.rings.len() + usize::from(drops.is_some()), BYTES, snaplen, anchor),
            tally: Tally::new(maps.lost),
            rings: maps.rings,
            drops,
            keys: None,
            ends: None,
            hold: if config.tls_keys || config.files.keylog { HOLD_FOR_KEYS_NS } else { HOLD_NS },
            kernel,
            shared,
            outbox,
            delivered_at: 0,
            delivered_to: 0,
            since: None,
            busy: false,
            behind: false,
        }
    }

    /// Secrets of TLS go with the packets.
    pub(crate) fn with_keys(self, keys: Option<Keys>) -> Self {
        Self { keys, ..self }
    }

    /// Packets tell what these know of their ends.
    pub(crate) fn with_features(self, features: Features) -> Self {
        Self { ends: Ends::new(features), ..self }
    }

    /// Takes what is in the rings, as far as there is room for it.
    fn read(&mut self) {
        (self.busy, self.behind) = (false, false);
        for (shard, ring) in self.rings.iter_mut().enumerate() {
            while self.merger.has_room(shard) {
                let Some(item) = ring.next() else {
                    self.merger.is_empty_now(shard);
                    break;
                };
                self.busy = true;
                match split(&item) {
                    Some((head, bytes)) => self.merger.put(shard, &head, bytes, NOT_DROPPED),
                    None => self.outbox.counters.lost_unreadable += 1,
                }
            }
            self.behind |= !self.merger.has_room(shard);
        }
    }

    /// Takes what was dropped, likewise.
    fn read_drops(&mut self) {
        let Some(drops) = &mut self.drops else { return };
        let topology = self.shared.current();
        let (shard, merger) = (self.rings.len(), &mut self.merger);
        while merger.has_room(shard) {
            if !drops.next(&topology, |copy| merger.put(shard, &copy.head, copy.bytes, copy.reason)) {
                merger.is_empty_now(shard);
                break;
            }
            self.busy = true;
        }
        self.behind |= !merger.has_room(shard);
        if let Some(ends) = &mut self.ends {
            drops.new.iter().for_each(|(key, interface)| ends.learn(*key, interface));
        }
        self.outbox.add(drops.new.drain(..).map(|(_, interface)| interface));
    }

    /// Takes packets, and makes those up to `until` part of the batch, which goes out when it is full.
    fn take(&mut self, until: u64) -> Result<(), Ended> {
        self.read();
        self.read_drops();
        // After the rings were read: every interface that they speak of is known by now.
        let topology = self.shared.current();
        self.outbox.announce(&topology);
        if let Some(ends) = &mut self.ends {
            ends.refresh(&topology);
        }
        let (tally, drops) = (&mut self.tally, &self.drops);
        let unknown = self.merger.settle(until, |netns, ifindex| {
            let id = if ifindex == 0 {
                drops.as_ref()?.nowhere(netns)?
            } else {
                topology.points.get(&(netns, ifindex))?.interface.id
            };
            tally.delivered(id);
            Some(id)
        });
        self.outbox.counters.lost_unreadable += unknown;
        if self.merger.batch_bytes() >= BYTES || self.merger.batch_packets() >= PACKETS {
            self.deliver()
        } else {
            Ok(())
        }
    }

    fn deliver(&mut self) -> Result<(), Ended> {
        (self.since, self.delivered_at) = (None, monotonic());
        self.take_keys();
        self.take_counters();
        if self.outbox.counters.lost_packets > 0 {
            self.tally.read_losses(&self.shared.current());
        }
        let late = self.merger.take_late();
        if late > 0 {
            let text = format!("{late} packets came too late to be put in the order of their times");
            self.outbox.remarks.push(Arc::from(text));
        }
        let drops = &mut self.drops;
        let mut cause = |reason| drops.as_mut().map(|drops| drops.reasons.name(reason)).unwrap_or_default();
        let mut batch = self.merger.take_batch(&mut cause);
        if let Some(ends) = &mut self.ends {
            ends.name(&mut batch);
        }
        self.outbox.complete_to = self.merger.settled();
        let body = if batch.packets.is_empty() { Body::None } else { Body::Packets(batch) };
        Ok(self.outbox.send(body, self.tally.changed())?)
    }

    fn take_keys(&mut self) {
        if let Some(keys) = &mut self.keys {
            keys.take(self.delivered_to, &mut self.outbox.secrets);
            self.delivered_to = self.merger.settled_to().unwrap_or(self.delivered_to);
            self.outbox.remarks.extend(keys.notices());
        }
    }

    fn take_counters(&mut self) {
        let lost_unreadable = self.outbox.counters.lost_unreadable;
        self.outbox.counters = Counters { lost_unreadable, ..self.kernel.all() };
        if let Some(drops) = &self.drops {
            drops.count(&mut self.outbox.counters);
        }
        if let Some(keys) = &self.keys {
            keys.count(&mut self.outbox.counters);
        }
        if let Some(ends) = &self.ends {
            ends.count(&mut self.outbox.counters);
        }
    }
}

/// Head and captured bytes of a ring record.
fn split(item: &[u8]) -> Option<(PacketHead, &[u8])> {
    let head = PacketHead::read(item)?;
    let bytes = item.get(size_of::<PacketHead>()..)?.get(..head.caplen as usize)?;
    Some((head, bytes))
}

impl Work for Packets {
    fn pause(&self) -> Duration {
        match (self.behind, self.busy || self.since.is_some()) {
            (true, _) => Duration::ZERO,
            (false, true) => BUSY,
            (false, false) => IDLE,
        }
    }

    fn step(&mut self) -> Result<(), Ended> {
        let now = monotonic();
        if let Some(ends) = &mut self.ends {
            ends.collect(now);
        }
        // Where there is no room to wait in, order is all that counts.
        let hold = if self.behind { HOLD_NS } else { self.hold };
        self.take(now.saturating_sub(hold))?;
        if self.merger.holds_packets() {
            self.since.get_or_insert(now);
        }
        let (begun, age) = self.since.map_or((self.delivered_at, QUIET_NS), |since| (since, AGE_NS));
        if now.saturating_sub(begun) >= age { self.deliver() } else { Ok(()) }
    }

    fn finish(&mut self) -> Result<(), Ended> {
        self.take(u64::MAX)?;
        while self.busy {
            self.take(u64::MAX)?;
        }
        self.tally.hurry();
        self.deliver()
    }

    fn counters(&mut self) -> Counters {
        self.take_counters();
        self.outbox.counters
    }
}
