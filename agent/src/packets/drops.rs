//! Copies of dropped packets, on their way to where the others are.
//!
//! Owns which interface a dropped packet is shown at: its device where that is watched and the buffer looks as it does there,
//! else one called `dropped`, whose packets begin with the IP header. Must not know of order and batches.

use std::collections::HashMap;

use agent_common::{
    drops::DropHead,
    parse::{self, ETHERTYPE_IPV4, ETHERTYPE_IPV6, Layer},
    types::PacketHead,
};
use aya::maps::{MapData, RingBuf};
use flow::{Counters, Interface, LinkType};

use crate::{
    bpf::Pod as _,
    features::{
        Start,
        drops::{self, counted::Tally, judge::Judge, places::Places, reasons::Reasons},
    },
    topology::Topology,
    trace::Wanted,
};

const RING: u32 = 4 << 20;
/// As in the programs: what lies in one piece is seldom longer.
const MOST: u32 = 4096;
/// Name of the interface of packets that were dropped where there is none.
const NOWHERE: &str = "dropped";

/// The ring of dropped packets.
pub(crate) struct Copies {
    ring: RingBuf<MapData>,
    tally: Tally,
    pub(super) reasons: Reasons,
    judge: Judge,
    places: Places,
    /// Interfaces of our own, by namespace.
    nowhere: HashMap<u32, u32>,
    /// Those that were not announced yet, by namespace.
    pub(super) new: Vec<(u32, Interface)>,
    /// Records that could not be read.
    unreadable: u64,
}

/// A dropped packet at its interface.
pub(super) struct Copy<'a> {
    pub(super) head: PacketHead,
    pub(super) bytes: &'a [u8],
    pub(super) reason: u32,
}

impl Copies {
    /// Begins to copy what is dropped.
    ///
    /// # Errors
    /// One sentence why this kernel or these rights do not give it.
    pub(crate) fn begin(start: &mut Start<'_>) -> Result<Self, String> {
        Self::watch(start).map_err(|reason| format!("dropped packets cannot be seen: {reason}"))
    }

    fn watch(start: &mut Start<'_>) -> Result<Self, String> {
        let (reasons, mut globals) = drops::kernel(start)?;
        let snaplen = if start.config.snaplen == 0 { MOST } else { start.config.snaplen.min(MOST) };
        globals.push(("DROP_SNAPLEN", snaplen));
        let wanted = Wanted {
            programs: &[("drop_copy", "kfree_skb")],
            sizes: &[("DROP_PACKETS", RING), ("DROP_SCRATCH", start.cpus)],
            globals: &globals,
        };
        let mut traced = start.tracer.begin(&wanted)?;
        Ok(Self {
            ring: traced.take("DROP_PACKETS")?,
            tally: Tally::new(&mut traced)?,
            reasons,
            judge: start.judge.clone(),
            places: Places::new(start),
            nowhere: HashMap::new(),
            new: Vec::new(),
            unreadable: 0,
        })
    }

    /// Takes the next packet out of the ring and hands it to `each` if it is wanted; false when there was none.
    pub(super) fn next(&mut self, topology: &Topology, each: impl FnOnce(&Copy<'_>)) -> bool {
        let Self { ring, judge, places, nowhere, new, unreadable, .. } = self;
        let Some(item) = ring.next() else { return false };
        places.refresh();
        let Some((DropHead { head, reason, .. }, bytes)) = split(&item) else {
            *unreadable += 1;
            return true;
        };
        let (taken, l3) = look(judge, &head, bytes);
        if !taken || !places.is_wanted(head.netns, head.ifindex) {
            return true;
        }
        let device = topology.points.get(&(head.netns, head.ifindex)).map(|watched| watched.interface.link_type);
        let kind = if head.l3 == 0 { LinkType::Ethernet } else { LinkType::RawIp };
        if device == Some(kind) {
            each(&Copy { head, bytes, reason });
        } else if let Some((l3, rest)) = l3.and_then(|l3| Some((l3, bytes.get(l3..)?))) {
            let cut = l3 as u32;
            let (len, caplen) = (head.len.saturating_sub(cut), head.caplen.saturating_sub(cut));
            // Numbers of the observer's go up from 0.
            let id = u32::MAX - nowhere.len() as u32;
            nowhere.entry(head.netns).or_insert_with(|| {
                let netns = places.names(head.netns, 0).0.unwrap_or_default();
                let interface = Interface {
                    id,
                    netns,
                    index: 0,
                    name: NOWHERE.into(),
                    link_type: LinkType::RawIp,
                    ..Interface::default()
                };
                new.push((head.netns, interface));
                id
            });
            let head = PacketHead { ifindex: 0, l3: 1, len, caplen, vlan_proto: 0, ..head };
            each(&Copy { head, bytes: rest, reason });
        } else {
            // Not IP, and nowhere to show it.
            *unreadable += 1;
        }
        true
    }

    /// The number of the interface of a namespace where dropped packets are shown that have none.
    pub(super) fn nowhere(&self, netns: u32) -> Option<u32> {
        self.nowhere.get(&netns).copied()
    }

    /// Adds what was lost to the counters of the capture.
    pub(super) fn count(&self, counters: &mut Counters) {
        self.tally.count(counters);
        counters.lost_drops += self.unreadable;
    }
}

/// Head and captured bytes of a ring record.
fn split(item: &[u8]) -> Option<(DropHead, &[u8])> {
    let drop = DropHead::read(item)?;
    let bytes = item.get(size_of::<DropHead>()..)?.get(..drop.head.caplen as usize)?;
    Some((drop, bytes))
}

/// Whether the filter takes a packet, and where its IP header is, if it has one.
fn look(judge: &Judge, head: &PacketHead, bytes: &[u8]) -> (bool, Option<usize>) {
    let layer = if head.l3 == 0 { Layer::Ethernet } else { Layer::Ip };
    let link = parse::link(bytes, layer);
    let four = if link.ethertype == ETHERTYPE_IPV4 { parse::ipv4(bytes, link.l3) } else { None };
    let six = if link.ethertype == ETHERTYPE_IPV6 { parse::ipv6(bytes, link.l3) } else { None };
    match (four, six) {
        (Some(headers), _) => (judge.accepts(&headers), Some(link.l3)),
        (_, Some(headers)) => (judge.accepts(&headers), Some(link.l3)),
        _ => (judge.accepts(&parse::other(bytes, layer, link, false)), None),
    }
}
