//! Samples that the programs took of packets: read from their ring, with what the headers say.
//!
//! Owns the shape of a sample. Must not know what its payload says.

use std::{net::IpAddr, sync::Arc};

use agent_common::{
    parse::{TCP, UDP},
    sample::{SAMPLE_BYTES, SampleHead},
    types::DIR_EGRESS,
};
use flow::FlowRecord;

use crate::{account::tuple::Tuple, bpf::Pod as _, loader::samples::SampleMaps};

/// Where a packet was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Spot {
    pub(crate) netns: u32,
    pub(crate) ifindex: u32,
    pub(crate) egress: bool,
}

/// A packet, as far as it was copied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample<'a> {
    /// CLOCK_MONOTONIC ns.
    pub(crate) time_ns: u64,
    pub(crate) spot: Spot,
    pub(crate) tuple: Tuple,
    /// `SAMPLE_*`.
    pub(crate) what: u8,
    /// Sequence number of the first byte of `payload`; 0 when not TCP.
    pub(crate) sequence: u32,
    /// What follows the transport header, as far as it was copied.
    pub(crate) payload: &'a [u8],
    /// Length of that on the wire.
    pub(crate) payload_len: usize,
}

impl<'a> Sample<'a> {
    /// Reads an entry of the ring; `None` when it is none.
    pub(crate) fn read(item: &'a [u8]) -> Option<Self> {
        let head = SampleHead::read(item)?;
        let packet = item.get(size_of::<SampleHead>()..)?.get(..head.caplen as usize)?;
        let (l4, payload) = (usize::from(head.l4), usize::from(head.payload));
        let len = (head.len as usize).min(ip_len(packet, head.family)?).checked_sub(payload)?;
        let (len, sequence) = match head.proto {
            UDP => (len.min(udp_len(packet, l4)?), 0),
            _ => (len, u32::from_be_bytes(*packet.get(l4 + 4..)?.first_chunk()?)),
        };
        let copied = packet.get(payload..)?;
        Some(Self {
            time_ns: head.time_ns,
            spot: Spot { netns: head.netns, ifindex: head.ifindex, egress: head.kind & DIR_EGRESS != 0 },
            tuple: tuple(packet, &head)?,
            what: head.what,
            sequence,
            payload: &copied[..len.min(copied.len())],
            payload_len: len,
        })
    }

    pub(crate) fn is_tcp(&self) -> bool {
        self.tuple.proto == TCP
    }
}

/// Length that the IP header announces; buffers of segmentation offload may announce none.
fn ip_len(packet: &[u8], family: u8) -> Option<usize> {
    let be16 = |at: usize| Some(usize::from(u16::from_be_bytes(*packet.get(at..)?.first_chunk()?)));
    let len = if family == 4 { be16(2)? } else { be16(4)? + 40 };
    Some(if len == 0 || (family == 6 && len == 40) { usize::MAX } else { len })
}

/// Length that the UDP header announces, without itself.
fn udp_len(packet: &[u8], l4: usize) -> Option<usize> {
    match u16::from_be_bytes(*packet.get(l4 + 4..)?.first_chunk()?) {
        0 => Some(usize::MAX),
        len => Some(usize::from(len).saturating_sub(8)),
    }
}

fn tuple(packet: &[u8], head: &SampleHead) -> Option<Tuple> {
    let ports = packet.get(usize::from(head.l4)..)?.first_chunk::<4>()?;
    let selector = [u16::from_be_bytes([ports[0], ports[1]]), u16::from_be_bytes([ports[2], ports[3]])];
    let (mut src, mut dst) = ([0; 16], [0; 16]);
    if head.family == 4 {
        src[..4].copy_from_slice(packet.get(12..16)?);
        dst[..4].copy_from_slice(packet.get(16..20)?);
    } else {
        src.copy_from_slice(packet.get(8..24)?);
        dst.copy_from_slice(packet.get(24..40)?);
    }
    Some(Tuple { src, dst, selector, proto: head.proto, family: head.family })
}

/// The same flow in the other direction.
pub(crate) const fn reversed(tuple: &Tuple) -> Tuple {
    let [from, to] = tuple.selector;
    Tuple { src: tuple.dst, dst: tuple.src, selector: [to, from], proto: tuple.proto, family: tuple.family }
}

/// One name for both directions of a connection, and whether `tuple` is the other one.
pub(crate) fn connection(tuple: &Tuple) -> (Tuple, bool) {
    let other = reversed(tuple);
    let order = |tuple: &Tuple| (tuple.src, tuple.selector[0]);
    if order(&other) < order(tuple) { (other, true) } else { (*tuple, false) }
}

/// The ring of a feature.
pub(crate) struct Samples {
    maps: SampleMaps,
    pub(crate) unreadable: u64,
}

impl Samples {
    pub(crate) const fn new(maps: SampleMaps) -> Self {
        Self { maps, unreadable: 0 }
    }

    /// Everything that is in the ring now; at most what fits into it, so that a flood does not keep the worker from its work.
    pub(crate) fn take(&mut self, mut each: impl FnMut(&Sample<'_>)) {
        let mut room = MOST_BYTES;
        while room > 0
            && let Some(item) = self.maps.ring.next()
        {
            room = room.saturating_sub(item.len() + RING_HEADER);
            match Sample::read(&item) {
                Some(sample) => each(&sample),
                None => self.unreadable += 1,
            }
        }
    }

    /// How many samples found the ring full.
    pub(crate) fn lost(&self) -> u64 {
        self.maps.lost()
    }
}

/// Bytes taken from a ring in one go, and what the kernel puts before each entry.
const MOST_BYTES: usize = 1024 * SAMPLE_BYTES;
const RING_HEADER: usize = 8;

/// What records of a flow say of where it was seen, for records that a feature adds to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    net_ns: Option<Arc<str>>,
    interfaces: Option<Arc<[Arc<str>]>>,
    if_directions: Option<Arc<[u8]>>,
    flow_direction: Option<u8>,
    src_mac: Option<flow::Mac>,
    dst_mac: Option<flow::Mac>,
    vlan: [Option<u16>; 2],
}

impl Seen {
    pub(crate) fn of(record: &FlowRecord) -> Self {
        Self {
            net_ns: record.net_ns.clone(),
            interfaces: record.interfaces.clone(),
            if_directions: record.if_directions.clone(),
            flow_direction: record.flow_direction,
            src_mac: record.src_mac,
            dst_mac: record.dst_mac,
            vlan: [record.vlan_id, record.vlan_inner_id],
        }
    }

    /// A record of a flow of TCP or UDP at one moment, without packets.
    pub(crate) fn record(self, tuple: &Tuple, time_ms: u64) -> FlowRecord {
        let addresses: Option<(IpAddr, IpAddr)> = tuple.addresses();
        FlowRecord {
            time_flow_start_ms: Some(time_ms),
            time_flow_end_ms: Some(time_ms),
            net_ns: self.net_ns,
            interfaces: self.interfaces,
            if_directions: self.if_directions,
            flow_direction: self.flow_direction,
            etype: Some(if tuple.family == 4 { 0x0800 } else { 0x86dd }),
            src_mac: self.src_mac,
            dst_mac: self.dst_mac,
            vlan_id: self.vlan[0],
            vlan_inner_id: self.vlan[1],
            src_addr: addresses.map(|(src, _)| src),
            dst_addr: addresses.map(|(_, dst)| dst),
            src_port: Some(tuple.selector[0]),
            dst_port: Some(tuple.selector[1]),
            proto: Some(tuple.proto),
            ..FlowRecord::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn item(head: SampleHead, packet: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(head.time_ns.to_ne_bytes());
        for word in [head.netns, head.ifindex, head.len, head.caplen] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.extend(head.l4.to_ne_bytes());
        bytes.extend(head.payload.to_ne_bytes());
        bytes.extend([head.what, head.kind, head.family, head.proto]);
        bytes.extend(packet);
        bytes
    }

    fn head(len: u32, caplen: u32) -> SampleHead {
        SampleHead {
            time_ns: 7,
            netns: 1,
            ifindex: 2,
            len,
            caplen,
            l4: 20,
            payload: 28,
            what: 0,
            kind: DIR_EGRESS,
            family: 4,
            proto: UDP,
        }
    }

    #[test]
    fn padding_of_short_frames_is_no_payload() {
        let mut packet = vec![0x45, 0, 0, 31, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        packet.extend([0x30, 0x39, 0, 53, 0, 11, 0, 0, b'a', b'b', b'c', 0, 0, 0]);
        let bytes = item(head(34, 34), &packet);
        let sample = Sample::read(&bytes).unwrap();
        assert_eq!((sample.payload, sample.payload_len), (b"abc".as_slice(), 3));
        assert_eq!((sample.tuple.selector, sample.tuple.src[3], sample.tuple.dst[3]), ([12345, 53], 1, 2));
        assert!(sample.spot.egress);
        assert_eq!(connection(&sample.tuple).0, connection(&reversed(&sample.tuple)).0);
    }

    proptest! {
        #[test]
        fn any_entry_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), l4 in 0_u16..80, payload in 0_u16..80, family in 0_u8..8) {
            let head = SampleHead { l4, payload, family, ..head(bytes.len() as u32, bytes.len() as u32) };
            if let Some(sample) = Sample::read(&item(head, &bytes)) {
                prop_assert!(sample.payload.len() <= bytes.len());
            }
            let _ = Sample::read(&bytes);
        }
    }
}
