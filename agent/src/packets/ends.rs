//! Who sends and who receives packets, as far as features know: one record for the two ends of each five-tuple, once in a batch.
//!
//! Without such a feature there is nothing of this, and what a packet says itself the collector reads out of it. Memory is
//! bounded: of more tuples at once than that, packets go without, and are counted.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use agent_common::parse::{self, ETHERTYPE_IPV4, ETHERTYPE_IPV6, Headers, Layer};
use flow::{Counters, FlowRecord, LinkType, Packet, PacketBatch};

use crate::{
    account::{points::Points, tuple::Tuple},
    decode::flow_of,
    features::{About, Features},
    time::monotonic,
    topology::Topology,
};

/// Most tuples that are known at once: 32 MB where there is something to say of each ([`flow::CaptureConfig::agent_memory`]).
const MOST: usize = 16_384;
/// From so many on those are forgotten that the last batch did not need.
const MANY: usize = MOST / 4;
/// Features learn of a new connection when it is used: so long after its first packet each batch asks again.
const YOUNG_NS: u64 = 1_000_000_000;
/// Later it is asked so often: an end may pass to another process.
const AGAIN_NS: u64 = 1_000_000_000;
/// Between looks at what features have heard.
const COLLECT_NS: u64 = 20_000_000;

/// Where a packet was seen, and its tuple.
type Key = (u32, Tuple);

/// Where interfaces are.
#[derive(Clone, Debug)]
struct Place {
    key: u32,
    netns: Arc<str>,
    layer: Layer,
}

/// What is known of a tuple.
struct Known {
    since: u64,
    asked: u64,
    /// `None` where no feature knows anything.
    ends: Option<Arc<FlowRecord>>,
    /// The last batch that it was in, and where it stands there.
    batch: u64,
    index: u32,
}

/// Makes ends.
pub(super) struct Ends {
    features: Features,
    /// No flow was counted anywhere.
    points: Points,
    places: HashMap<u32, Place, foldhash::fast::RandomState>,
    version: u64,
    known: HashMap<Key, Known, foldhash::fast::RandomState>,
    batch: u64,
    collected_at: u64,
    refused: u64,
}

impl Ends {
    /// `None` where there is nobody to ask.
    pub(super) fn new(features: Features) -> Option<Self> {
        (!features.0.is_empty()).then(|| Self {
            features,
            points: Points::default(),
            places: HashMap::default(),
            version: 0,
            known: HashMap::default(),
            batch: 0,
            collected_at: 0,
            refused: 0,
        })
    }

    /// Takes in what features have heard, if it is time.
    pub(super) fn collect(&mut self, now: u64) {
        if now.saturating_sub(self.collected_at) >= COLLECT_NS {
            self.collected_at = now;
            self.features.collect();
        }
    }

    /// Takes over new interfaces.
    pub(super) fn refresh(&mut self, topology: &Topology) {
        if self.version == topology.version {
            return;
        }
        self.version = topology.version;
        for ((key, _), watched) in &topology.points {
            self.learn(*key, &watched.interface);
        }
    }

    /// Takes over one interface.
    pub(super) fn learn(&mut self, key: u32, interface: &flow::Interface) {
        let layer = if interface.link_type == LinkType::RawIp { Layer::Ip } else { Layer::Ethernet };
        self.places.insert(interface.id, Place { key, netns: Arc::clone(&interface.netns), layer });
    }

    /// Says of each packet who its ends are, where that is known.
    pub(super) fn name(&mut self, batch: &mut PacketBatch) {
        if batch.packets.is_empty() {
            return;
        }
        self.batch += 1;
        self.collected_at = monotonic();
        self.features.collect();
        self.make_room();
        let PacketBatch { data, packets, ends, .. } = batch;
        // Packets come in trains.
        let mut before: Option<(Key, u32)> = None;
        for packet in packets {
            let Some(place) = self.places.get(&packet.interface) else { continue };
            let start = packet.offset as usize;
            let bytes = data.get(start..start + packet.caplen as usize).unwrap_or_default();
            let Some(tuple) = tuple(bytes, place.layer) else { continue };
            let key = (place.key, tuple);
            packet.ends = match before {
                Some((same, index)) if same == key => index,
                _ => {
                    let netns = Arc::clone(&place.netns);
                    self.index(key, netns, ends)
                }
            };
            before = Some((key, packet.ends));
        }
    }

    fn make_room(&mut self) {
        if self.known.len() >= MANY {
            let last = self.batch - 1;
            self.known.retain(|_, known| known.batch == last);
        }
    }

    /// Where the ends of a tuple stand in the batch.
    fn index(&mut self, key: Key, netns: Arc<str>, ends: &mut Vec<Arc<FlowRecord>>) -> u32 {
        let now = self.collected_at;
        let has_room = self.known.len() < MOST;
        let known = match self.known.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) if has_room => new.insert(Known::new(now)),
            Entry::Vacant(_) => {
                self.refused += 1;
                return Packet::NO_ENDS;
            }
        };
        if known.batch == self.batch {
            return known.index;
        }
        if known.is_due(now) {
            known.asked = now;
            let (netns_key, tuple) = &key;
            let about = About { tuple, netns: *netns_key, members: &[], points: &self.points };
            known.take(ask(&mut self.features, &about, netns));
        }
        known.batch = self.batch;
        known.index = known.ends.as_ref().map_or(Packet::NO_ENDS, |record| {
            ends.push(Arc::clone(record));
            ends.len() as u32 - 1
        });
        known.index
    }

    /// Adds what features and we have left out.
    pub(super) fn count(&self, counters: &mut Counters) {
        self.features.count(counters);
        counters.lost_processes += self.refused;
    }
}

impl Known {
    const fn new(now: u64) -> Self {
        Self { since: now, asked: 0, ends: None, batch: 0, index: Packet::NO_ENDS }
    }

    const fn is_due(&self, now: u64) -> bool {
        now.saturating_sub(self.since) < YOUNG_NS || now.saturating_sub(self.asked) >= AGAIN_NS
    }

    /// What a feature does not know any more (a process that has ended) stays said.
    fn take(&mut self, new: Option<FlowRecord>) {
        if let Some(new) = new
            && self.ends.as_deref() != Some(&new)
        {
            self.ends = Some(Arc::new(new));
        }
    }
}

/// The record of both ends, if features have anything to say of them.
fn ask(features: &mut Features, about: &About<'_>, netns: Arc<str>) -> Option<FlowRecord> {
    let bare = FlowRecord { net_ns: Some(netns), ..flow_of(about.tuple) };
    let mut record = bare.clone();
    features.annotate(about, &mut record);
    (record != bare).then_some(record)
}

/// The tuple of a packet of which both ends can be known.
fn tuple(bytes: &[u8], layer: Layer) -> Option<Tuple> {
    let link = parse::link(bytes, layer);
    match link.ethertype {
        ETHERTYPE_IPV4 => parse::ipv4(bytes, link.l3).as_ref().and_then(of_headers),
        ETHERTYPE_IPV6 => parse::ipv6(bytes, link.l3).as_ref().and_then(of_headers),
        _ => None,
    }
}

/// Without ports there is no telling.
fn of_headers<A: Copy + AsRef<[u8]>>(headers: &Headers<A>) -> Option<Tuple> {
    let wide = |address: &[u8]| {
        let mut bytes = [0; 16];
        bytes[..address.len()].copy_from_slice(address);
        bytes
    };
    headers.selector_known.then(|| Tuple {
        src: wide(headers.src.as_ref()),
        dst: wide(headers.dst.as_ref()),
        selector: headers.selector,
        proto: headers.proto,
        family: headers.family,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    };

    use flow::Interface;

    use super::*;
    use crate::features::Feature;

    /// Names the process that has a port, and counts how often it is asked.
    #[derive(Clone, Default)]
    struct Ports(Arc<Mutex<HashMap<u16, &'static str>>>, Arc<AtomicU32>);

    impl Feature for Ports {
        fn collect(&mut self) {}

        fn annotate(&mut self, about: &About<'_>, record: &mut FlowRecord) {
            self.1.fetch_add(1, Ordering::Relaxed);
            let ports = self.0.lock().unwrap();
            let name = |port: u16| ports.get(&port).map(|name| Arc::from(format!("{name}@{}", about.netns)));
            record.src_process = name(about.tuple.selector[0]);
            record.dst_process = name(about.tuple.selector[1]);
        }

        fn rest(&mut self, _: &mut dyn FnMut(FlowRecord)) {}

        fn count(&self, _: &mut Counters) {}
    }

    fn ends(ports: &Ports) -> Ends {
        let mut ends = Ends::new(Features(vec![Box::new(ports.clone())])).unwrap();
        let interface =
            |id, netns: &str, link_type| Interface { id, netns: netns.into(), link_type, ..Interface::default() };
        ends.learn(77, &interface(0, "blue", LinkType::Ethernet));
        ends.learn(78, &interface(1, "red", LinkType::RawIp));
        ends
    }

    /// IPv4 and UDP, with an Ethernet header or without.
    fn frame(ethernet: bool, from: u16, to: u16) -> Vec<u8> {
        let mut bytes = Vec::new();
        if ethernet {
            bytes.extend([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]);
        }
        bytes.extend([0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        bytes.extend(from.to_be_bytes());
        bytes.extend(to.to_be_bytes());
        bytes.extend([0, 8, 0, 0]);
        bytes
    }

    fn batch(frames: &[(u32, Vec<u8>)]) -> PacketBatch {
        let mut batch = PacketBatch::default();
        for (interface, bytes) in frames {
            let (offset, caplen) = (batch.data.len() as u32, bytes.len() as u32);
            batch.packets.push(Packet { interface: *interface, offset, caplen, len: caplen, ..Packet::default() });
            batch.data.extend_from_slice(bytes);
        }
        batch
    }

    fn processes(batch: &PacketBatch) -> Vec<Option<String>> {
        let ends = batch.packets.iter().map(|packet| batch.ends(packet));
        ends.map(|record| record.and_then(|record| record.dst_process.as_deref().map(str::to_owned))).collect()
    }

    #[test]
    fn each_pair_of_ends_stands_once_in_a_batch_and_only_where_something_is_known() {
        let ports = Ports::default();
        ports.0.lock().unwrap().insert(80, "web");
        let mut ends = ends(&ports);
        let frames = [
            (0, frame(true, 1000, 80)),
            (0, frame(true, 1000, 80)),
            (1, frame(false, 1000, 80)),
            (0, frame(true, 1000, 81)),
            (0, frame(true, 1000, 80)),
            // An interface of which nothing was said, a frame that is cut, one that is no IP.
            (9, frame(true, 1000, 80)),
            (0, frame(true, 1000, 80)[..36].to_vec()),
            (0, vec![0xff; 60]),
        ];
        let mut one = batch(&frames);
        ends.name(&mut one);
        let (blue, red) = (Some("web@77".to_owned()), Some("web@78".to_owned()));
        let expected = [blue.clone(), blue.clone(), red, None, blue, None, None, None];
        assert_eq!(processes(&one), expected);
        assert_eq!((one.ends.len(), ports.1.load(Ordering::Relaxed)), (2, 3));
        let record = &one.ends[0];
        assert_eq!((record.src_port, record.dst_port, record.proto), (Some(1000), Some(80), Some(17)));
        assert_eq!((record.net_ns.as_deref(), record.packets, record.bytes), (Some("blue"), None, None));
    }

    #[test]
    fn what_becomes_known_later_is_said_later_and_what_was_known_stays() {
        let ports = Ports::default();
        let mut ends = ends(&ports);
        let named = |ends: &mut Ends| {
            let mut batch = batch(&[(0, frame(true, 1000, 80))]);
            ends.name(&mut batch);
            (processes(&batch)[0].clone(), batch.ends.first().cloned())
        };
        assert_eq!(named(&mut ends).0, None);
        ports.0.lock().unwrap().insert(80, "web");
        let (name, first) = named(&mut ends);
        assert_eq!(name.as_deref(), Some("web@77"));
        let second = named(&mut ends).1;
        assert!(Arc::ptr_eq(&first.unwrap(), &second.unwrap()), "nothing new, nothing made");
        ports.0.lock().unwrap().clear();
        assert_eq!(named(&mut ends).0.as_deref(), Some("web@77"));
    }

    #[test]
    fn memory_is_bounded_and_what_goes_without_is_counted() {
        let ports = Ports::default();
        ports.0.lock().unwrap().insert(80, "web");
        let mut ends = ends(&ports);
        let count = |counters: &Ends| {
            let mut all = Counters::default();
            counters.count(&mut all);
            all.lost_processes
        };
        let frames: Vec<_> = (0..MOST as u16 + 10).map(|port| (0, frame(true, port, 80))).collect();
        let mut one = batch(&frames);
        ends.name(&mut one);
        assert_eq!((one.ends.len(), ends.known.len(), count(&ends)), (MOST, MOST, 10));
        let mut two = batch(&frames[..1]);
        ends.name(&mut two);
        ends.name(&mut batch(&frames[..1]));
        assert_eq!(ends.known.len(), 1, "only what the last batch needed is left");
    }

    #[test]
    fn without_features_there_is_nothing() {
        assert!(Ends::new(Features::default()).is_none());
    }
}
