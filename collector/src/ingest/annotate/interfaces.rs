//! The interfaces of all nodes, and whose they are: a pod's own, or the near end of one that leads into a pod.
//!
//! That is learnt from packets. What a pod sends bears its address, and where a pod forwards what others send, the hop count has been
//! lowered: a sender's own are those that begin at 64, 128 or 255, and ARP requests. What is sent to a pod tells less, because a
//! forwarding pod gets what is meant for others: it counts where nothing else is said for a while and no other interface has that
//! pod. Whoever knows names has the last word: the address has to be that of a pod of this node and nobody else's.

use std::{net::IpAddr, sync::Arc};

use flow::{Batch, Body, Enrich, Interface, LinkType, Packet, PacketBatch};
use hashbrown::HashMap;

use super::Room;
use crate::{
    packet::headers::{self, ARP, Frame, Net},
    subset,
};

/// Packets that are looked at as they come; after these, one in [`LATER`].
const FIRST: u32 = 64;
/// Time between two looks after that, ns.
const LATER: u64 = 1_000_000_000;
/// For so long nothing else may be said before what is sent to a pod counts, ns.
const DOUBT: u64 = 250_000_000;
/// Hop counts with which packets begin.
const BEGIN: [u8; 3] = [64, 128, 255];

/// What is known of all interfaces.
#[derive(Debug, Default)]
pub(super) struct Interfaces {
    nodes: HashMap<Arc<str>, Node>,
    /// Nodes and namespaces, by number.
    rooms: Vec<Room>,
}

/// Those of one node.
#[derive(Debug)]
pub(super) struct Node {
    known: HashMap<u32, Known>,
    /// Of an interface that was not announced.
    nowhere: Here,
}

/// What packets need to know of where they were seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Here {
    pub(super) link: LinkType,
    /// Number of node and namespace.
    pub(super) room: u32,
}

#[derive(Debug)]
struct Known {
    here: Here,
    interface: Interface,
    search: Search,
}

/// How the search for a place stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Search {
    /// It has one, or nobody looks for one.
    Over,
    /// What is sent here told it.
    Supposed,
    Wanted {
        looked: u32,
        next_ns: u64,
        supposed: Option<(IpAddr, u64)>,
    },
}

/// What a packet says of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hint {
    /// Whoever is there sent from this address.
    Sent(IpAddr),
    /// Somebody sent to this address there.
    SentTo(IpAddr),
}

impl Interfaces {
    /// Takes note of what a batch announces.
    pub(super) fn learn(&mut self, batch: &Batch) {
        let Self { nodes, rooms } = self;
        if !batch.node.is_empty() && !nodes.contains_key(&batch.node) {
            let nowhere = Here { link: LinkType::Ethernet, room: room(rooms, &batch.node, &"".into()) };
            nodes.insert(Arc::clone(&batch.node), Node { known: HashMap::new(), nowhere });
        }
        let Some(node) = nodes.get_mut(&batch.node) else { return };
        for interface in &batch.interfaces {
            let here = Here { link: interface.link_type, room: room(rooms, &batch.node, &interface.netns) };
            let known = Known { here, interface: interface.clone(), search: Search::of(interface) };
            node.known.insert(interface.id, known);
        }
    }

    /// Nodes and namespaces, by number.
    pub(super) fn rooms(&self) -> &[Room] {
        &self.rooms
    }

    /// The interfaces of a node that was learnt of.
    pub(super) fn of_node(&self, node: &str) -> Lookup<'_> {
        Lookup(self.nodes.get(node))
    }

    /// Looks for the places of interfaces in the packets of `batch`; those found are announced in it, before its packets.
    pub(super) fn place(&mut self, batch: &mut Batch, enrich: &dyn Enrich) {
        let Body::Packets(packets) = &batch.body else { return };
        let Some(node) = self.nodes.get_mut(&batch.node).filter(|node| node.is_searching()) else { return };
        for (at, packet) in packets.packets.iter().enumerate() {
            let changed = node.look(&batch.node, (packets, at, packet), enrich);
            for interface in changed {
                match batch.interfaces.iter_mut().find(|announced| announced.id == interface.id) {
                    Some(announced) => *announced = interface,
                    None => batch.interfaces.push(interface),
                }
            }
        }
    }
}

/// The interfaces of one node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lookup<'a>(Option<&'a Node>);

impl Lookup<'_> {
    pub(super) fn at(self, interface: u32) -> Here {
        let Some(node) = self.0 else { return Here { link: LinkType::Ethernet, room: super::NOBODY } };
        node.known.get(&interface).map_or(node.nowhere, |known| known.here)
    }
}

fn room(rooms: &mut Vec<Room>, node: &Arc<str>, netns: &Arc<str>) -> u32 {
    let known = rooms.iter().position(|(of, name)| of == node && name == netns);
    known.unwrap_or_else(|| {
        rooms.push((Arc::clone(node), Arc::clone(netns)));
        rooms.len() - 1
    }) as u32
}

impl Search {
    /// A place is looked for where a pod may be: behind an interface that leads out, or in a namespace that is not the agent's.
    fn of(interface: &Interface) -> Self {
        let may_be = interface.leads_out || !interface.netns.is_empty();
        if interface.place.is_some() || !may_be {
            return Self::Over;
        }
        Self::Wanted { looked: 0, next_ns: 0, supposed: None }
    }
}

impl Node {
    fn is_searching(&self) -> bool {
        self.known.values().any(|known| matches!(known.search, Search::Wanted { .. }))
    }

    /// Looks at one packet; the interfaces of which something else is known since.
    fn look(
        &mut self,
        name: &str,
        (batch, at, packet): (&PacketBatch, usize, &Packet),
        enrich: &dyn Enrich,
    ) -> Vec<Interface> {
        let Some(known) = self.known.get_mut(&packet.interface) else { return Vec::new() };
        let Search::Wanted { looked, next_ns, supposed } = &mut known.search else { return Vec::new() };
        // A dropped packet was seen where it was dropped.
        if packet.time_ns < *next_ns || subset::cause(&batch.drops, at).is_some() {
            return Vec::new();
        }
        *looked = looked.saturating_add(1);
        if *looked > FIRST {
            *next_ns = packet.time_ns + LATER;
        }
        let frame = headers::outermost(batch.bytes(packet), packet.len as usize, known.here.link);
        let from_there = (packet.direction == 0) == known.interface.leads_out;
        let (address, is_certain) = match frame.and_then(|frame| hint(&frame, from_there)) {
            Some(Hint::Sent(address)) => (address, true),
            Some(Hint::SentTo(address)) => (address, false),
            None => return Vec::new(),
        };
        let Some(place) = enrich.place(name, &known.interface, address, packet.time_ns / 1_000_000) else {
            return Vec::new();
        };
        if !is_certain {
            let (first, since) = supposed.get_or_insert((address, packet.time_ns));
            let (same, since) = (*first == address, *since);
            if !same {
                // Meant for several: whoever is there forwards.
                *supposed = Some((address, packet.time_ns));
            }
            if !same || packet.time_ns.saturating_sub(since) < DOUBT || self.is_elsewhere(packet.interface, &place) {
                return Vec::new();
            }
        }
        self.settle(packet.interface, &place, is_certain)
    }

    /// Whether another interface has that place.
    fn is_elsewhere(&self, interface: u32, place: &flow::Place) -> bool {
        self.known
            .values()
            .any(|known| known.interface.id != interface && known.interface.place.as_deref() == Some(place))
    }

    /// The interface has that place; one of which that was only supposed has it no more.
    fn settle(&mut self, interface: u32, place: &flow::Place, is_certain: bool) -> Vec<Interface> {
        let mut changed = Vec::new();
        for known in self.known.values_mut() {
            if known.interface.id == interface {
                known.interface.place = Some(Arc::new(place.clone()));
                known.search = if is_certain { Search::Over } else { Search::Supposed };
                changed.push(known.interface.clone());
            } else if known.search == Search::Supposed && known.interface.place.as_deref() == Some(place) {
                known.interface.place = None;
                known.search = Search::of(&known.interface);
                changed.push(known.interface.clone());
            }
        }
        changed
    }
}

/// What a frame says of whoever is there, who sent it or to whom it was sent.
fn hint(frame: &Frame<'_>, from_there: bool) -> Option<Hint> {
    let (src, dst, is_own) = match frame.net {
        Net::Ip(ip) => (ip.src, ip.dst, BEGIN.contains(&ip.ttl)),
        // An answer may be given for others (proxy ARP).
        Net::Other(ARP, bytes) => {
            let (sender, target) = headers::arp(bytes)?;
            (sender, target, bytes.get(6..8) == Some(&[0, 1]))
        }
        Net::Other(..) => return None,
    };
    let address = headers::address(if from_there { src } else { dst });
    match (is_of_one(address), from_there, is_own) {
        (true, true, true) => Some(Hint::Sent(address)),
        (true, false, _) => Some(Hint::SentTo(address)),
        _ => None,
    }
}

/// Whether one host on the network may have it.
fn is_of_one(address: IpAddr) -> bool {
    let is_local = match address {
        IpAddr::V4(address) => address.is_broadcast() || address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    !is_local && !address.is_multicast() && !address.is_unspecified() && !address.is_loopback()
}
