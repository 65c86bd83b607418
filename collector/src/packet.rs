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
}

impl<'a> Seen<'a> {
    /// Of a packet in a batch.
    pub(crate) fn new(packet: &Packet, interface: Option<&'a Interface>, cause: Option<&'a Arc<str>>) -> Self {
        let Packet { time_ns, len, direction, .. } = *packet;
        Self { time_ns, direction, len, interface, cause }
    }

    /// What its headers say, with when and where it was seen and how long it is. A packet that was dropped counts as one drop.
    pub(crate) fn record(&self, decoded: &Decoded<'_>) -> FlowRecord {
        let (time_ms, len) = (self.time_ns / 1_000_000, u64::from(self.len));
        let dropped = |value: u64| self.cause.map(|_| value);
        let headers = decoded.record();
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
