//! The two directions of a connection tied together: what makes them one, who is the client, and how their records become one.
//!
//! The client is told by the handshake (who sends a SYN without ACK, or an ICMP request), else by the ports (the lower one is the
//! server's), else by who spoke first. A record of a conversation has the client as its source.

use std::{net::IpAddr, sync::Arc};

use flow::{Feature, Field, FlowRecord};
use sha2::{Digest as _, Sha256};

const SYN: u16 = 0x02;
const SYN_ACK: u16 = 0x100;

/// A number that both directions of a connection have in common, and no other connection: the first 64 bits of a SHA-256 over
/// network namespace, protocol and both ends. Also whether the record's source is the first of the two ends in the order in which
/// they are hashed.
pub(crate) fn id(record: &FlowRecord) -> (u64, bool) {
    let end = |address: Option<IpAddr>, port: Option<u16>, mac: Option<flow::Mac>| {
        let mut bytes = [0_u8; 24];
        let address = match address {
            Some(IpAddr::V4(address)) => u128::from(address.to_ipv6_mapped()),
            Some(IpAddr::V6(address)) => u128::from(address),
            None => 0,
        };
        bytes[..16].copy_from_slice(&address.to_be_bytes());
        bytes[16..18].copy_from_slice(&port.unwrap_or_default().to_be_bytes());
        // Frames that are not IP have no other ends.
        if let (0, Some(mac)) = (address, mac) {
            bytes[18..].copy_from_slice(&mac.0);
        }
        bytes
    };
    let source = end(record.src_addr, record.src_port, record.src_mac);
    let destination = end(record.dst_addr, record.dst_port, record.dst_mac);
    let is_first = source <= destination;
    let (first, second) = if is_first { (source, destination) } else { (destination, source) };
    let mut hash = Sha256::new();
    hash.update(first);
    hash.update(second);
    let etype = record.etype.filter(|_| record.src_addr.is_none()).unwrap_or_default();
    hash.update([record.proto.unwrap_or_default(), message(record)]);
    hash.update(etype.to_be_bytes());
    hash.update(record.net_ns.as_deref().unwrap_or_default());
    let digest: [u8; 32] = hash.finalize().into();
    (digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes)), is_first)
}

/// The same as text, for the field `_HashId`.
pub(crate) fn hash_id(id: u64) -> Arc<str> {
    format!("{id:016x}").into()
}

/// Requests and replies of ICMP and ICMPv6 (RFC 792, RFC 4443, RFC 4861): protocol, request, reply.
const MESSAGES: [(u8, u8, u8); 5] = [(1, 8, 0), (1, 13, 14), (58, 128, 129), (58, 133, 134), (58, 135, 136)];

/// The ICMP type; that of the request for a reply.
fn message(record: &FlowRecord) -> u8 {
    let (proto, kind) = (record.proto.unwrap_or_default(), record.icmp_type.unwrap_or_default());
    let pair = MESSAGES.iter().find(|(of, _, reply)| *of == proto && *reply == kind && record.icmp_type.is_some());
    pair.map_or(kind, |(_, request, _)| *request)
}

/// By what the client is known; later ones are better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Evidence {
    SpokeFirst,
    Port,
    Handshake,
    /// The record is one of a conversation already.
    Told,
}

/// Whether the source of `record` is the client, and by what.
fn evidence(record: &FlowRecord) -> (bool, Evidence) {
    if record.bytes_ab.is_some() {
        return (true, Evidence::Told);
    }
    let flags = record.flags.unwrap_or_default();
    let (proto, kind) = (record.proto.unwrap_or_default(), record.icmp_type);
    let role = MESSAGES.iter().find_map(|(of, request, reply)| match kind {
        Some(kind) if *of == proto && kind == *request => Some(true),
        Some(kind) if *of == proto && kind == *reply => Some(false),
        _ => None,
    });
    match (record.src_port, record.dst_port) {
        _ if flags & SYN_ACK != 0 => (false, Evidence::Handshake),
        _ if flags & SYN != 0 => (true, Evidence::Handshake),
        (Some(source), Some(destination)) if source != destination => (source > destination, Evidence::Port),
        _ => role.map_or((true, Evidence::SpokeFirst), |is_client| (is_client, Evidence::Handshake)),
    }
}

/// Who is the client of one conversation, as far as that is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    /// It is the first of the two ends (see [`id`]).
    pub(crate) is_first: bool,
    evidence: Evidence,
    /// Start of the record by which it is known, ms.
    since: u64,
}

impl Client {
    /// What the first record of a conversation says.
    pub(crate) fn of(record: &FlowRecord, from_first: bool) -> Self {
        let (is_source, evidence) = evidence(record);
        Self { is_first: is_source == from_first, evidence, since: record.time_flow_start_ms.unwrap_or_default() }
    }

    /// Takes in another record; whether the client is the other end from now on.
    pub(crate) fn learn(&mut self, record: &FlowRecord, from_first: bool) -> bool {
        let new = Self::of(record, from_first);
        let is_better = new.evidence > self.evidence
            || (new.evidence, self.evidence) == (Evidence::SpokeFirst, Evidence::SpokeFirst) && new.since < self.since;
        let before = self.is_first;
        if is_better {
            *self = new;
        }
        before != self.is_first
    }
}

/// `record` as one of a conversation: with the client as source, and what each end sent.
pub(crate) fn sided(record: &FlowRecord, from_client: bool) -> FlowRecord {
    let mut sided = record.clone();
    if sided.bytes_ab.is_none() {
        let counted = |count: Option<u64>| count.map(|_| 0);
        (sided.bytes_ab, sided.bytes_ba) = (sided.bytes, counted(sided.bytes));
        (sided.packets_ab, sided.packets_ba) = (sided.packets, counted(sided.packets));
    }
    if !from_client {
        sided.turn_round();
    }
    sided
}

/// Adds a record made by [`sided`] to what is known of its conversation.
pub(crate) fn fold(conversation: &mut FlowRecord, mut sided: FlowRecord, from_client: bool) {
    let (names, directions, networks) = interfaces(conversation, &sided);
    if !from_client {
        // How the client marks its packets, and where it is seen from the node, is the conversation's.
        for field in [Field::Dscp, Field::FlowDirection, Field::IcmpType, Field::IcmpCode] {
            if conversation.get(field).is_some() {
                sided.clear(field);
            }
        }
    }
    // An answer tells all that its query tells; a query that comes with it must not take that away.
    if conversation.dns_flags_response_code.is_some()
        && sided.dns_flags_response_code.is_none()
        && sided.dns_id == conversation.dns_id
    {
        let dns = Field::ALL.iter().filter(|field| field.feature() == Feature::Dns);
        dns.for_each(|field| sided.clear(*field));
    }
    conversation.absorb(&sided);
    (conversation.interfaces, conversation.if_directions, conversation.udns) = (names, directions, networks);
}

/// Where a conversation was seen: interfaces, directions, networks.
type Seen = (Option<Arc<[Arc<str>]>>, Option<Arc<[u8]>>, Option<Arc<[Arc<str>]>>);

/// An interface, the direction there and its network.
type Place = (Arc<str>, Option<u8>, Option<Arc<str>>);

/// The interfaces of both, each once, with the directions in which it was crossed (3 for both) and its network.
fn interfaces(one: &FlowRecord, other: &FlowRecord) -> Seen {
    let of = |record: &FlowRecord| (record.interfaces.clone(), record.if_directions.clone(), record.udns.clone());
    let same = one.interfaces == other.interfaces && one.if_directions == other.if_directions;
    if same || one.interfaces.is_none() {
        return of(other);
    }
    if other.interfaces.is_none() {
        return of(one);
    }
    let mut seen: Vec<Place> = Vec::new();
    for record in [one, other] {
        let names = record.interfaces.iter().flat_map(|names| names.iter());
        for (at, name) in names.enumerate() {
            let direction = record.if_directions.as_ref().and_then(|list| list.get(at)).copied();
            let network = record.udns.as_ref().and_then(|list| list.get(at)).cloned();
            match seen.iter_mut().find(|(known, ..)| known == name) {
                Some((_, known, _)) if *known != direction => *known = Some(3),
                Some(_) => {}
                None => seen.push((Arc::clone(name), direction, network)),
            }
        }
    }
    let directions = seen.iter().map(|(_, direction, _)| *direction).collect::<Option<Arc<[u8]>>>();
    let networks = seen.iter().map(|(_, _, network)| network.clone()).collect::<Option<Arc<[Arc<str>]>>>();
    (Some(seen.into_iter().map(|(name, ..)| name).collect()), directions, networks)
}

#[cfg(test)]
mod tests;
