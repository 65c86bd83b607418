//! One packet as a flow record of one packet: what filters and tables ask of it.

use std::sync::Arc;

use flow::{FlowRecord, Interface, Packet};

use crate::decode::Decoded;

pub(crate) mod headers;
pub(crate) mod id;

/// What is known of a packet besides its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    /// When it was seen, ns since the epoch.
    pub(crate) time_ns: u64,
    /// 0 ingress, 1 egress.
    pub(crate) direction: u8,
    /// Length of the whole frame, bytes.
    pub(crate) len: u32,
    /// Where it was seen.
    pub(crate) interface: Option<&'a Interface>,
    /// The kernel's reason, if it was dropped.
    pub(crate) cause: Option<&'a Arc<str>>,
    /// Who sent it and was sent to, if that is known.
    pub(crate) ends: Option<&'a Arc<FlowRecord>>,
}

impl<'a> Seen<'a> {
    /// Of a packet in a batch.
    pub(crate) fn new(
        packet: &Packet,
        interface: Option<&'a Interface>,
        cause: Option<&'a Arc<str>>,
        ends: Option<&'a Arc<FlowRecord>>,
    ) -> Self {
        let Packet { time_ns, len, direction, .. } = *packet;
        Self { time_ns, direction, len, interface, cause, ends }
    }

    /// What its headers say and what is known of its ends, with when and where it was seen and how long it is. A packet that was
    /// dropped counts as one drop.
    pub(crate) fn record(&self, decoded: &Decoded<'_>) -> FlowRecord {
        let (time_ms, len) = (self.time_ns / 1_000_000, u64::from(self.len));
        let dropped = |value: u64| self.cause.map(|_| value);
        let headers = told(decoded, self.ends);
        FlowRecord {
            time_flow_start_ms: Some(time_ms),
            time_flow_end_ms: Some(time_ms),
            net_ns: self.interface.map(|interface| Arc::clone(&interface.netns)),
            interfaces: self.interface.map(|interface| Arc::from([Arc::clone(&interface.name)])),
            if_directions: Some(Arc::from([self.direction])),
            bytes: Some(len),
            packets: Some(1),
            pkt_drop_bytes: dropped(len),
            pkt_drop_packets: dropped(1),
            pkt_drop_latest_flags: headers.flags.filter(|_| self.cause.is_some()),
            pkt_drop_latest_drop_cause: self.cause.cloned(),
            ..headers
        }
    }
}

/// What the headers of a packet say, with what is known of its ends besides: names, processes, the other side of a translation. Where
/// a tunnel carries what the ends speak of, addresses are those of the tunnel, as the headers have them.
pub(crate) fn told(decoded: &Decoded<'_>, ends: Option<&Arc<FlowRecord>>) -> FlowRecord {
    let headers = decoded.record();
    let Some(ends) = ends else { return headers };
    FlowRecord {
        etype: headers.etype,
        src_mac: headers.src_mac,
        dst_mac: headers.dst_mac,
        vlan_id: headers.vlan_id,
        vlan_inner_id: headers.vlan_inner_id,
        src_addr: headers.src_addr,
        dst_addr: headers.dst_addr,
        src_port: headers.src_port,
        dst_port: headers.dst_port,
        proto: headers.proto,
        dscp: headers.dscp,
        icmp_type: headers.icmp_type,
        icmp_code: headers.icmp_code,
        flags: headers.flags,
        ..(**ends).clone()
    }
}
