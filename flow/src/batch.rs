//! What travels from an agent to the collector: batches of flows or packets with the counters of that moment.
//!
//! Times are nanoseconds since 1970-01-01 UTC; the agent has already turned its monotonic stamps into them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{counters::Counters, schema::FlowRecord};

/// One delivery of one agent.
#[derive(Clone, Debug, Default)]
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
    /// Secrets with which TLS connections can be read, new since the last batch: lines of a key log as NSS writes it
    /// (draft-ietf-tls-keylogfile), without their ends. They open packets of this batch and later ones.
    pub secrets: Vec<Arc<str>>,
    /// How the clock of [`Batch::node`] stands, once it has been compared. Times in this batch are already put right by it.
    pub clock: Option<Clock>,
    /// What the packets in it are taken for, where that is not the capture itself: they go into a file of their own.
    pub recording: Option<Arc<Recording>>,
    /// What the flight recorder of the agent holds (`--ring`).
    pub ring: Option<Ring>,
    /// The data.
    pub body: Body,
}

impl Batch {
    /// Data without anything else: no number, no counters, nothing announced.
    pub fn bare(node: Arc<str>, time_ns: u64, body: Body) -> Self {
        Self { node, time_ns, body, ..Self::default() }
    }
}

/// The clock of a node against the collector's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// How far it is ahead of the collector's, ns.
    pub ahead_ns: i64,
    /// Half of the shortest round trip it was measured by: most that this can be wrong, ns.
    pub error_ns: u64,
}

/// Packets with a file of their own: what a flight recorder saves, or those of one flow beside a capture of flows.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Recording {
    /// Never used twice in a capture; later ones have larger numbers.
    pub number: u32,
    /// What its file is called, without extension.
    pub name: Arc<str>,
    /// Why it was made, in one line for the file.
    pub why: Arc<str>,
    /// Nothing more of it will come.
    pub over: bool,
}

/// A flight recorder at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ring {
    /// For so long back everything that was taken is there, at most for the time asked for, ns.
    pub held_ns: u64,
    /// Memory that it fills, bytes.
    pub bytes: u64,
    /// Number of the last [`Recording`] that this agent has delivered to its end; 0 before the first.
    pub ended: u32,
    /// The trigger holds for a packet that went in just now.
    pub fired: Option<Fired>,
}

/// What a trigger was waiting for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fired {
    /// When it happened, ns since the epoch.
    pub time_ns: u64,
    /// The packet or record in a few words.
    pub what: Arc<str>,
}

/// The data of a [`Batch`].
#[derive(Clone, Debug, Default)]
pub enum Body {
    /// Flow records of one interval, each a delta since the one before.
    Flows(FlowBatch),
    /// Packets in the order of their times, also against earlier batches of the same agent.
    Packets(PacketBatch),
    /// Nothing but counters, notices or interfaces.
    #[default]
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
    /// Who sent and who was sent to: each pair of ends once, as a record of addresses, ports and names without counts.
    /// [`Packet::ends`] refers to it.
    ///
    /// The Service that they speak through is what [`FlowRecord::service`] says: before translation an end itself is the
    /// Service; after it that end is a pod, and `XlatDstAddr`, `XlatDstPort` and `XlatDstK8S_*` are the Service's (of replies
    /// `XlatSrc*`).
    pub ends: Vec<Arc<FlowRecord>>,
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

    /// Who sent and who was sent to, if that is known.
    pub fn ends(&self, packet: &Packet) -> Option<&Arc<FlowRecord>> {
        self.ends.get(packet.ends as usize)
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
    /// The same packet has the same number wherever it is seen (epb_packetid); 0 where there is none.
    pub id: u64,
    /// Index in [`PacketBatch::ends`], or [`Packet::NO_ENDS`].
    pub ends: u32,
}

impl Packet {
    /// Nothing is known of its ends.
    pub const NO_ENDS: u32 = u32::MAX;
}

impl Default for Packet {
    fn default() -> Self {
        Self { time_ns: 0, interface: 0, len: 0, caplen: 0, offset: 0, direction: 0, id: 0, ends: Self::NO_ENDS }
    }
}

/// What the bytes of a frame begin with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkType {
    /// An Ethernet header: LINKTYPE_ETHERNET, 1.
    #[default]
    Ethernet,
    /// An IPv4 or IPv6 header: LINKTYPE_RAW, 101.
    RawIp,
}

/// An interface in a network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Its speed, bits per second; 0 where the kernel tells none.
    pub speed: u64,
    /// It is the near end of a veth pair whose other end lies in another namespace, as those of pods do: what enters here
    /// was sent there.
    pub leads_out: bool,
    /// Whose it is, once that is known; the interface is announced again then.
    pub place: Option<Arc<Place>>,
}

/// A pod at an interface: its own, or the far end of one that [`Interface::leads_out`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Namespace of the pod.
    pub namespace: Arc<str>,
    /// Name of the pod.
    pub pod: Arc<str>,
    /// UID of the pod.
    pub uid: Arc<str>,
    /// Name of the interface within the pod, `eth0` where nothing else is said.
    pub interface: Arc<str>,
    /// Kind and name of its workload, `Deployment/web`.
    pub workload: Arc<str>,
    /// Its labels, `app=web,tier=front`.
    pub labels: Arc<str>,
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
