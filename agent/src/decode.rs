//! From accounting rows to flow records: what the flow programs count. What features know is added in [`crate::features`].

use std::{net::IpAddr, sync::Arc};

use flow::{FlowRecord, Mac, Observation};

use crate::{
    account::{Row, points::Points, tuple::Tuple},
    time::Anchor,
};

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
const SCTP: u8 = 132;
const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;

/// What all records of a capture have in common.
#[derive(Clone, Debug)]
pub(crate) struct Decoder {
    pub(crate) anchor: Anchor,
    pub(crate) agent_ip: Option<IpAddr>,
    pub(crate) sampling: u32,
}

impl Decoder {
    /// A record of one row, made at `now_ns` since the epoch.
    pub(crate) fn record(&self, row: &Row<'_>, now_ns: u64) -> FlowRecord {
        let tuple = row.tuple;
        let ip = tuple.family != 0;
        FlowRecord {
            time_flow_start_ms: Some(self.anchor.wall(row.first_ns) / 1_000_000),
            time_flow_end_ms: Some(self.anchor.wall(row.last_ns) / 1_000_000),
            time_received: Some(now_ns / 1_000_000_000),
            agent_ip: self.agent_ip,
            net_ns: Some(row.netns.clone()),
            interfaces: Some(row.listed.0.clone()),
            if_directions: Some(row.listed.1.clone()),
            flow_direction: Some(row.direction),
            src_mac: mac(row.source.src_mac),
            dst_mac: mac(row.source.dst_mac),
            vlan_id: Some(row.source.vlan[0]).filter(|id| *id != 0),
            vlan_inner_id: Some(row.source.vlan[1]).filter(|id| *id != 0),
            dscp: ip.then_some(row.source.dscp),
            flags: (ip && tuple.proto == TCP).then_some(row.flags),
            bytes: Some(row.bytes),
            packets: Some(row.packets),
            sampling: Some(self.sampling).filter(|sampling| *sampling > 1),
            // Names come from the collector, the rest from features.
            ..flow_of(tuple)
        }
    }

    /// What all records have in common, added to one that a feature made.
    pub(crate) fn common(&self, record: FlowRecord) -> FlowRecord {
        FlowRecord { agent_ip: self.agent_ip, sampling: Some(self.sampling).filter(|sampling| *sampling > 1), ..record }
    }
}

/// What a record says of its flow itself.
pub(crate) fn flow_of(tuple: &Tuple) -> FlowRecord {
    let addresses = tuple.addresses();
    let ip = addresses.is_some();
    let ports = matches!((ip, tuple.proto), (true, TCP | UDP | SCTP)) && tuple.selector != [0, 0];
    let icmp = matches!((tuple.family, tuple.proto), (4, ICMP) | (6, ICMPV6));
    FlowRecord {
        etype: Some(match tuple.family {
            4 => ETHERTYPE_IPV4,
            6 => ETHERTYPE_IPV6,
            _ => tuple.selector[0],
        }),
        src_addr: addresses.map(|(src, _)| src),
        dst_addr: addresses.map(|(_, dst)| dst),
        src_port: ports.then_some(tuple.selector[0]),
        dst_port: ports.then_some(tuple.selector[1]),
        proto: ip.then_some(tuple.proto),
        icmp_type: icmp.then_some(tuple.selector[0] as u8),
        icmp_code: icmp.then_some(tuple.selector[1] as u8),
        ..FlowRecord::default()
    }
}

/// What the points of a row counted for themselves; `record` is its index in the batch.
pub(crate) fn observations<'a>(
    row: &Row<'a>,
    points: &'a Points,
    record: i32,
) -> impl Iterator<Item = Observation> + 'a {
    row.members.iter().map(move |member| {
        let point = points.get(member.point);
        Observation {
            record,
            node: None,
            netns: Arc::clone(&point.netns),
            interface: Arc::clone(&point.interface),
            direction: u8::from(point.place.egress),
            bytes: member.bytes,
            packets: member.packets,
        }
    })
}

/// L3 devices have no MAC addresses: zeros.
fn mac(bytes: [u8; 6]) -> Option<Mac> {
    (bytes != [0; 6]).then_some(Mac(bytes))
}
