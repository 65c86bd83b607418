//! Who speaks with whom: a record for each direction of a conversation, made and named once, shared by all its packets.
//!
//! Bounded: what was not seen for two seconds goes when there are too many. Names are asked for anew once a second, because
//! addresses change hands; and as long as they may still come.

use std::{net::IpAddr, sync::Arc};

use flow::{Batch, Body, Enrich, FlowRecord, Mac, Packet, PacketBatch};
use hashbrown::HashMap;

use super::{NOBODY, Room, services::Service};
use crate::packet::headers::{self, ARP, Frame, Net};

/// Directions of conversations that are known at a time, 2 KB each.
const MOST: usize = 16_384;
/// How long names hold, ns.
const HOLD: u64 = 1_000_000_000;
/// So many packets of a direction are looked up among those that went to a Service; a connection tells at its first.
const TRIES: u8 = 32;

/// What ends are known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    src: [u8; 16],
    dst: [u8; 16],
    ports: (u16, u16),
    /// Protocol number of IP.
    proto: Option<u8>,
    is_v6: bool,
    /// Number of node and namespace.
    room: u32,
}

/// One direction of a conversation.
#[derive(Debug)]
struct Entry {
    key: Key,
    macs: Option<(Mac, Mac)>,
    /// What the agent says of it.
    told: Option<Arc<FlowRecord>>,
    named: Arc<FlowRecord>,
    /// Whether there is anything in `named` but what the packet says itself.
    tells: bool,
    /// Names may still come.
    open: bool,
    /// Time of the packet for which it was named; 0 before that.
    named_ns: u64,
    /// Time of its last packet.
    touched_ns: u64,
    /// The Service on the other side of the translation, and at which end.
    through: Option<(Service, Side)>,
    tries: u8,
    /// Where it is in the batch of that number.
    place: (u64, u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Source,
    Destination,
}

/// All that are known.
#[derive(Debug, Default)]
pub(super) struct Ends {
    known: HashMap<Key, u32>,
    entries: Vec<Entry>,
    /// Those to be named.
    due: Vec<u32>,
    /// Number of the batch that is written.
    batch: u64,
    latest_ns: u64,
}

impl Ends {
    /// Forgets what is too much. Places found before are of no use then.
    pub(super) fn make_room(&mut self) {
        if self.entries.len() < MOST {
            return;
        }
        let oldest = self.latest_ns.saturating_sub(2 * HOLD);
        self.entries.retain(|entry| entry.touched_ns >= oldest);
        if self.entries.len() > MOST / 4 * 3 {
            self.entries.clear();
        }
        self.known = self.entries.iter().zip(0..).map(|(entry, slot)| (entry.key, slot)).collect();
    }

    /// The place of a packet's ends; `told` is what its agent says of them.
    pub(super) fn find(&mut self, frame: &Frame<'_>, room: u32, time_ns: u64, told: Option<&Arc<FlowRecord>>) -> u32 {
        let Some(key) = Key::of(frame, room) else { return NOBODY };
        let slot = self.slot(key, frame.macs);
        let entry = &mut self.entries[slot as usize];
        let is_new = told.is_some_and(|told| entry.is_told(told));
        self.latest_ns = self.latest_ns.max(time_ns);
        entry.touched_ns = time_ns;
        if is_new || entry.named_ns == 0 || time_ns.saturating_sub(entry.named_ns) >= HOLD {
            // Once in a batch.
            entry.named_ns = time_ns.max(1);
            self.due.push(slot);
        }
        slot
    }

    fn slot(&mut self, key: Key, macs: Option<(Mac, Mac)>) -> u32 {
        *self.known.entry(key).or_insert_with(|| {
            self.entries.push(Entry::new(key, macs));
            self.entries.len() as u32 - 1
        })
    }

    /// Names those of which [`Ends::find`] saw that it is time.
    pub(super) fn name_due(&mut self, rooms: &[Room], enrich: &mut dyn Enrich, now_ms: u64) {
        let mut due = std::mem::take(&mut self.due);
        due.sort_unstable_by_key(|slot| (self.room(*slot), *slot));
        due.dedup();
        let mut rest = &due[..];
        while let Some(first) = rest.first() {
            let number = self.room(*first);
            let (of_room, others) = rest.split_at(rest.partition_point(|slot| self.room(*slot) <= number));
            if let Some(room) = rooms.get(number as usize) {
                self.name(of_room, room, enrich, now_ms);
            }
            rest = others;
        }
        due.clear();
        self.due = due;
    }

    fn room(&self, slot: u32) -> u32 {
        self.entries.get(slot as usize).map_or(NOBODY, |entry| entry.key.room)
    }

    fn name(&mut self, slots: &[u32], (node, netns): &Room, enrich: &mut dyn Enrich, now_ms: u64) {
        let entries = slots.iter().filter_map(|slot| self.entries.get(*slot as usize));
        let ends: Vec<_> = entries.map(|entry| Arc::new(entry.question(netns))).collect();
        let time_ns = slots.first().and_then(|slot| self.entries.get(*slot as usize)).map_or(0, |entry| entry.named_ns);
        let body = Body::Packets(PacketBatch { ends, ..PacketBatch::default() });
        let mut batch = Batch::bare(Arc::clone(node), time_ns, body);
        enrich.enrich(&mut batch);
        let Body::Packets(PacketBatch { ends, .. }) = batch.body else { return };
        for (slot, answer) in slots.iter().zip(ends) {
            let open = enrich.pending(&answer, now_ms);
            if let Some(entry) = self.entries.get_mut(*slot as usize) {
                entry.answered(Arc::unwrap_or_clone(answer), open);
            }
        }
    }

    /// Whether names of any of them may still come.
    pub(super) fn any_open(&self, slots: &[u32]) -> bool {
        slots.iter().any(|slot| self.entries.get(*slot as usize).is_some_and(|entry| entry.open))
    }

    /// Names those anew whose names may have come.
    pub(super) fn ask_again(&mut self, slots: &[u32], rooms: &[Room], enrich: &mut dyn Enrich, now_ms: u64) {
        let is_open = |slot: &&u32| self.entries.get(**slot as usize).is_some_and(|entry| entry.open);
        self.due = slots.iter().filter(is_open).copied().collect();
        self.name_due(rooms, enrich, now_ms);
    }

    /// The Service that packets with these ends go to.
    pub(super) fn service(&self, slot: u32) -> Option<Service> {
        let entry = self.entries.get(slot as usize)?;
        let is_service = entry.named.dst_k8s_type.as_deref() == Some("Service");
        entry.named.dst_addr.filter(|_| is_service).map(|address| Service { address, port: entry.named.dst_port })
    }

    /// Whether packets with these ends may have gone to a Service before.
    pub(super) fn may_be_tied(&mut self, slot: u32) -> bool {
        let Some(entry) = self.entries.get_mut(slot as usize) else { return false };
        let open = entry.through.is_none() && entry.tries < TRIES && entry.key.proto.is_some();
        entry.tries = entry.tries.saturating_add(1);
        open
    }

    /// Packets with these ends went to `service` before translation; what comes back does so too.
    pub(super) fn tie(
        &mut self,
        slot: u32,
        service: Service,
        rooms: &[Room],
        enrich: &mut dyn Enrich,
        (time_ns, now_ms): (u64, u64),
    ) {
        let Some(Entry { key, macs, .. }) = self.entries.get(slot as usize) else { return };
        let back = self.slot(key.back(), macs.map(|(src, dst)| (dst, src)));
        for (slot, side) in [(slot, Side::Destination), (back, Side::Source)] {
            let Some(entry) = self.entries.get_mut(slot as usize) else { continue };
            (entry.through, entry.touched_ns) = (Some((service, side)), time_ns);
            entry.named_ns = time_ns.max(1);
            self.due.push(slot);
        }
        self.name_due(rooms, enrich, now_ms);
    }

    /// From here on places are those of another batch.
    pub(super) fn begin_batch(&mut self) {
        self.batch += 1;
    }

    /// Where the ends are in the list of the batch; put there when they are first needed. What is not known here stays as it was
    /// `told`.
    pub(super) fn place(&mut self, slot: u32, told: Option<&Arc<FlowRecord>>, list: &mut Vec<Arc<FlowRecord>>) -> u32 {
        let Some(entry) = self.entries.get_mut(slot as usize) else {
            let Some(told) = told else { return Packet::NO_ENDS };
            list.push(Arc::clone(told));
            return list.len() as u32 - 1;
        };
        if !entry.tells {
            return Packet::NO_ENDS;
        }
        if entry.place.0 != self.batch {
            entry.place = (self.batch, list.len() as u32);
            list.push(Arc::clone(&entry.named));
        }
        entry.place.1
    }
}

impl Key {
    /// `None` for what has neither IP nor ARP.
    fn of(frame: &Frame<'_>, room: u32) -> Option<Self> {
        match frame.net {
            Net::Ip(ip) => {
                let (proto, is_v6) = (Some(ip.proto), ip.is_v6);
                Some(Self { src: ip.src, dst: ip.dst, ports: ip.ports(), proto, is_v6, room })
            }
            Net::Other(ARP, bytes) => {
                let (src, dst) = headers::arp(bytes)?;
                Some(Self { src, dst, ports: (0, 0), proto: None, is_v6: false, room })
            }
            Net::Other(..) => None,
        }
    }

    fn back(&self) -> Self {
        Self { src: self.dst, dst: self.src, ports: (self.ports.1, self.ports.0), ..*self }
    }

    fn addresses(&self) -> (IpAddr, IpAddr) {
        (headers::address(self.src), headers::address(self.dst))
    }

    /// What a packet with this key says.
    fn record(&self, netns: &Arc<str>) -> FlowRecord {
        let (src, dst) = self.addresses();
        let has_ports = matches!(self.proto, Some(6 | 17 | 132));
        let etype = match (self.proto, self.is_v6) {
            (None, _) => ARP,
            (_, false) => 0x0800,
            (_, true) => 0x86dd,
        };
        FlowRecord {
            net_ns: Some(Arc::clone(netns)),
            etype: Some(etype),
            src_addr: Some(src),
            dst_addr: Some(dst),
            src_port: has_ports.then_some(self.ports.0),
            dst_port: has_ports.then_some(self.ports.1),
            proto: self.proto,
            ..FlowRecord::default()
        }
    }
}

impl Entry {
    fn new(key: Key, macs: Option<(Mac, Mac)>) -> Self {
        Self {
            key,
            macs,
            told: None,
            named: Arc::default(),
            tells: false,
            open: false,
            named_ns: 0,
            touched_ns: 0,
            through: None,
            tries: 0,
            place: (0, 0),
        }
    }

    /// Takes note of what the agent says; whether that is new.
    fn is_told(&mut self, told: &Arc<FlowRecord>) -> bool {
        if self.told.as_ref().is_some_and(|known| Arc::ptr_eq(known, told)) {
            return false;
        }
        let is_new = self.told.as_ref() != Some(told);
        self.told = Some(Arc::clone(told));
        is_new
    }

    /// What is asked: the agent's words where it says something, with time and MAC addresses, by which names may be told.
    fn question(&self, netns: &Arc<str>) -> FlowRecord {
        let mut record = self.key.record(netns);
        if let Some(told) = &self.told {
            record.absorb(told);
        }
        if let Some((service, side)) = self.through {
            let (address, port) = match side {
                Side::Source => (&mut record.xlat_src_addr, &mut record.xlat_src_port),
                Side::Destination => (&mut record.xlat_dst_addr, &mut record.xlat_dst_port),
            };
            if address.is_none() {
                (*address, *port) = (Some(service.address), service.port);
            }
        }
        let ms = self.named_ns / 1_000_000;
        (record.time_flow_start_ms, record.time_flow_end_ms) = (Some(ms), Some(ms));
        (record.src_mac, record.dst_mac) = self.macs.unzip();
        record
    }

    fn answered(&mut self, mut record: FlowRecord, open: bool) {
        (record.time_flow_start_ms, record.time_flow_end_ms, record.flow_direction) = (None, None, None);
        if self.key.proto.is_some() {
            (record.src_mac, record.dst_mac) = (None, None);
        }
        let is_named = |name: &Option<Arc<str>>| name.is_some();
        let names = [
            &record.src_k8s_name,
            &record.dst_k8s_name,
            &record.xlat_src_k8s_name,
            &record.xlat_dst_k8s_name,
            &record.src_subnet_label,
            &record.dst_subnet_label,
        ];
        self.tells = self.told.is_some() || names.into_iter().any(is_named);
        self.open = open;
        if *self.named != record {
            self.named = Arc::new(record);
            self.place = (0, 0);
        }
    }
}
