//! What travels from an agent to the collector: batches of flows or packets with the counters of that moment.
//!
//! Times are nanoseconds since 1970-01-01 UTC; the agent has already turned its monotonic stamps into them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{counters::Counters, schema::FlowRecord};

/// One delivery of one agent.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Name of the machine the agent runs on.
    pub node: Arc<str>,
    /// 0, 1, 2...: a gap is a lost batch.
    pub sequence: u64,
    /// When it was made, ns since the epoch.
    pub time_ns: u64,
    /// The agent's counters, cumulative.
    pub counters: Counters,
    /// Interfaces that later packets refer to, and that no earlier batch announced.
    pub interfaces: Vec<Interface>,
    /// Per-interface counts that changed since they were last sent, cumulative.
    pub interface_counts: Vec<InterfaceCounts>,
    /// What happened besides traffic, in words for the user: attached, gone, a feature missing.
    pub notices: Vec<Arc<str>>,
    /// The data.
    pub body: Body,
}

impl Batch {
    /// Data without anything else: no number, no counters, nothing announced.
    pub fn bare(node: Arc<str>, time_ns: u64, body: Body) -> Self {
        Self {
            node,
            sequence: 0,
            time_ns,
            counters: Counters::default(),
            interfaces: Vec::new(),
            interface_counts: Vec::new(),
            notices: Vec::new(),
            body,
        }
    }
}

/// The data of a [`Batch`].
#[derive(Clone, Debug)]
pub enum Body {
    /// Flow records of one interval, each a delta since the one before.
    Flows(FlowBatch),
    /// Packets in the order of their times, also against earlier batches of the same agent.
    Packets(PacketBatch),
    /// Nothing but counters, notices or interfaces.
    None,
}

/// Many flow records.
#[derive(Clone, Debug, Default)]
pub struct FlowBatch {
    /// One record per flow.
    pub records: Vec<FlowRecord>,
    /// What each point of observation counted for itself; empty unless `--observations`.
    pub observations: Vec<Observation>,
}

/// What one interface and direction counted of a flow in the interval of its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Index of the record in [`FlowBatch::records`]. Where batches of several nodes were merged it may be negative: the
    /// record is that many before the first of this batch, in the order in which records were merged.
    pub record: i32,
    /// Machine that counted, where it is not [`Batch::node`].
    pub node: Option<Arc<str>>,
    /// Network namespace, as in [`Interface::netns`].
    pub netns: Arc<str>,
    /// Name of the interface.
    pub interface: Arc<str>,
    /// 0 ingress, 1 egress.
    pub direction: u8,
    /// Bytes on the wire.
    pub bytes: u64,
    /// Packets on the wire.
    pub packets: u64,
}

/// Where an agent delivers its batches.
pub trait Sink: Send {
    /// Hands over one batch; blocks while the receiver is behind, so that the loss, if any, is counted in the kernel.
    ///
    /// # Errors
    /// The receiver is gone: the agent stops.
    fn deliver(&mut self, batch: Batch) -> Result<(), Closed>;
}

/// The receiver of batches is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the collector is gone")]
pub struct Closed;

impl Sink for std::sync::mpsc::SyncSender<Batch> {
    fn deliver(&mut self, batch: Batch) -> Result<(), Closed> {
        self.send(batch).map_err(|_| Closed)
    }
}

/// Many packets, their bytes in one buffer.
#[derive(Clone, Debug, Default)]
pub struct PacketBatch {
    /// Captured bytes of all packets, one after the other.
    pub data: Vec<u8>,
    /// Where each packet lies in `data`, and what is known of it.
    pub packets: Vec<Packet>,
    /// Which of them the kernel dropped, in their order: these were seen where they were dropped, not at an interface.
    pub drops: Vec<Drop>,
}

/// A packet that the kernel dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drop {
    /// Index in [`PacketBatch::packets`].
    pub packet: u32,
    /// The kernel's reason by name, as in `PktDropLatestDropCause`.
    pub cause: Arc<str>,
}

impl PacketBatch {
    /// The captured bytes of `packet`; empty if it does not lie within this batch.
    pub fn bytes(&self, packet: &Packet) -> &[u8] {
        let start = packet.offset as usize;
        self.data.get(start..start + packet.caplen as usize).unwrap_or_default()
    }
}

/// What is known of one captured packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// When it was seen, ns since the epoch.
    pub time_ns: u64,
    /// [`Interface::id`].
    pub interface: u32,
    /// Length of the whole frame, VLAN tags included, bytes.
    pub len: u32,
    /// Bytes kept of it.
    pub caplen: u32,
    /// Where they begin in [`PacketBatch::data`].
    pub offset: u32,
    /// 0 ingress, 1 egress.
    pub direction: u8,
}

/// What the bytes of a frame begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkType {
    /// An Ethernet header: LINKTYPE_ETHERNET, 1.
    Ethernet,
    /// An IPv4 or IPv6 header: LINKTYPE_RAW, 101.
    RawIp,
}

/// An interface in a network namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Number of this interface within this agent's capture, never used twice.
    pub id: u32,
    /// Name of its network namespace, empty for the one the agent runs in.
    pub netns: Arc<str>,
    /// Kernel's index within that namespace.
    pub index: u32,
    /// Kernel's name.
    pub name: Arc<str>,
    /// What frames begin with.
    pub link_type: LinkType,
}

/// Cumulative counts at one interface, in packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceCounts {
    /// [`Interface::id`].
    pub interface: u32,
    /// Packets delivered into batches.
    pub delivered: u64,
    /// Packets lost after the filter took them.
    pub lost: u64,
}
