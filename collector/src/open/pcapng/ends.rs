//! Who is at the ends of packets, as comments and names of addresses tell, each once.
//!
//! Caches are bounded: a file in which every packet has another comment costs time, not memory.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use flow::{FlowRecord, Packet, PacketBatch};

use super::section::Section;
use crate::{annotation, decode::Decoded};

/// Comments that are remembered, and their bytes.
const MOST_COMMENTS: usize = 4096;
const MOST_BYTES: usize = 4 << 20;

/// Ends that are remembered.
const MOST_ENDS: usize = 4096;

/// Ends in one batch; past them the batch is full.
pub(super) const MOST_IN_BATCH: usize = 1024;

/// Longest name of a reason, bytes: that of the kernel's names is below 64.
const MAX_CAUSE: usize = 128;

/// What a comment of ours says.
#[derive(Debug, Default)]
pub(super) struct Said {
    ends: Option<FlowRecord>,
    pub(super) cause: Option<Arc<str>>,
}

/// A packet's addresses, ports and protocol, and the comment that goes with them (where it lies in memory; 0 for none).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    addresses: Option<(IpAddr, IpAddr, u8)>,
    ports: Option<(u16, u16)>,
    said: usize,
}

/// What is known of ends.
#[derive(Debug, Default)]
pub(super) struct Ends {
    said: HashMap<Box<[u8]>, Arc<Said>>,
    /// Bytes of those comments.
    bytes: usize,
    /// With what was said, so that nothing else comes to lie there.
    known: HashMap<Key, (Arc<FlowRecord>, Option<Arc<Said>>)>,
    /// State of the names of addresses to which they belong.
    names: u64,
    /// Places in the batch at hand, by where a record lies.
    places: HashMap<usize, u32>,
}

impl Ends {
    /// A new batch begins.
    pub(super) fn next_batch(&mut self) {
        self.places.clear();
    }

    /// What the comments of a packet say, if one of them is ours.
    pub(super) fn said(&mut self, comments: &[&[u8]]) -> Option<Arc<Said>> {
        comments.iter().find_map(|comment| self.said_by(comment))
    }

    fn said_by(&mut self, comment: &[u8]) -> Option<Arc<Said>> {
        if let Some(said) = self.said.get(comment) {
            return Some(Arc::clone(said));
        }
        let annotation::Read { ends, cause } = annotation::read(str::from_utf8(comment).ok()?)?;
        let cause = cause.filter(|cause| cause.len() <= MAX_CAUSE);
        let said = Arc::new(Said { ends, cause });
        if self.said.len() >= MOST_COMMENTS || self.bytes >= MOST_BYTES {
            self.said.clear();
            self.bytes = 0;
        }
        self.bytes += comment.len();
        self.said.insert(comment.into(), Arc::clone(&said));
        Some(said)
    }

    /// The place in `batch` of the ends of a packet with these headers.
    pub(super) fn place(
        &mut self,
        said: Option<&Arc<Said>>,
        decoded: impl FnOnce() -> Headers,
        section: &Section,
        batch: &mut PacketBatch,
    ) -> u32 {
        let said = said.filter(|said| said.ends.is_some());
        if said.is_none() && !section.has_names() {
            return Packet::NO_ENDS;
        }
        if self.names != section.names_changed || self.known.len() >= MOST_ENDS {
            self.known.clear();
            self.names = section.names_changed;
        }
        let Headers { addresses, ports } = decoded();
        let key = Key { addresses, ports, said: said.map_or(0, |said| Arc::as_ptr(said).addr()) };
        let record = if let Some((record, _)) = self.known.get(&key) {
            record
        } else {
            let Some(record) = record(key, said.and_then(|said| said.ends.as_ref()), section) else {
                return Packet::NO_ENDS;
            };
            &self.known.entry(key).or_insert((Arc::new(record), said.cloned())).0
        };
        let next = batch.ends.len() as u32;
        let place = *self.places.entry(Arc::as_ptr(record).addr()).or_insert(next);
        if place == next {
            batch.ends.push(Arc::clone(record));
        }
        place
    }
}

/// What of a packet's headers tells who its ends are.
pub(super) struct Headers {
    addresses: Option<(IpAddr, IpAddr, u8)>,
    ports: Option<(u16, u16)>,
}

impl Headers {
    pub(super) fn of(decoded: &Decoded<'_>) -> Self {
        Self { addresses: decoded.ip.map(|ip| (ip.src, ip.dst, ip.proto)), ports: decoded.ports() }
    }
}

/// The record of ends: names from the comment, else those of the addresses; `None` if nobody has a name.
fn record(key: Key, said: Option<&FlowRecord>, section: &Section) -> Option<FlowRecord> {
    let (src, dst, proto) = (key.addresses.map(|a| a.0), key.addresses.map(|a| a.1), key.addresses.map(|a| a.2));
    let mut record = said.cloned().unwrap_or_default();
    if said.is_none() {
        let name = |address: Option<IpAddr>| section.name(address?).cloned();
        (record.src_k8s_name, record.dst_k8s_name) = (name(src), name(dst));
        if record.src_k8s_name.is_none() && record.dst_k8s_name.is_none() {
            return None;
        }
    }
    let (src_port, dst_port) = key.ports.unzip();
    Some(FlowRecord { src_addr: src, dst_addr: dst, proto, src_port, dst_port, ..record })
}
