//! What a capture does, resolved and checked: made once by the command line, read by agents and collector.

use std::{net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{Own, filter::Trigger, rules::Rules, schema::Feature};

/// Flows or packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Count flows.
    Flows,
    /// Take packets.
    Packets,
}

/// Which network namespaces to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetNs {
    /// All that can be found, also those that appear later.
    All,
    /// The one the agent runs in.
    Current,
    /// The one this file refers to, for example `/run/netns/blue` or `/proc/42/ns/net`.
    Path(PathBuf),
}

/// How programs are attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TcAttach {
    /// TCX where the kernel has it (6.6), else a clsact filter.
    Any,
    /// TCX only.
    Tcx,
    /// clsact only.
    Tc,
}

/// An interface name, exact or as a regular expression.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamePattern {
    /// The whole name.
    Exact(String),
    /// Found anywhere in the name; checked to compile.
    Regex(String),
}

/// Ends of a capture. Zero or `None` means without that limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// `--max-time`
    pub time: Option<Duration>,
    /// `--max-bytes`: sum of the output files, bytes.
    pub bytes: Option<u64>,
    /// `--max-packets`: packets written; in flows the sum of `Packets`.
    pub packets: Option<u64>,
}

/// What stands in the comments of packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comments {
    /// Both ends, service, process, and why the kernel dropped it.
    #[default]
    Full,
    /// Only why the kernel dropped it.
    Drops,
    /// Nothing.
    None,
}

/// How packets are written into pcapng files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct PacketFiles {
    /// `--comments`
    pub comments: Comments,
    /// All nodes in one file, in the order of time; else (`--no-merge`) a file for each.
    pub merge: bool,
    /// `--dedup`: one copy of each packet, by [`crate::Packet::id`].
    pub dedup: bool,
    /// `--file-size`: a new file begins at so many bytes.
    pub size: Option<u64>,
    /// `--file-time`: a new file begins after so long.
    pub time: Option<Duration>,
    /// `--files`: only so many of the newest files stay.
    pub count: Option<u32>,
    /// `--strip-secrets`: what opens TLS connections is not written.
    pub strip_secrets: bool,
    /// `--tls-keylog`: secrets come from a file, and packets wait a moment for them.
    pub keylog: bool,
}

impl Default for PacketFiles {
    fn default() -> Self {
        Self {
            comments: Comments::Full,
            merge: true,
            dedup: false,
            size: None,
            time: None,
            count: None,
            strip_secrets: false,
            keylog: false,
        }
    }
}

/// Whose secrets `--enable-tls-keys` takes: of processes in the namespaces that are captured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyOwners {
    /// `--tls-keys-process`: names, as the kernel cuts them, and numbers; all processes where there are none.
    pub processes: Vec<Arc<str>>,
    /// On a cluster: only in pods that have an address in one of these [`CaptureConfig::sets`].
    pub sets: Option<Vec<u8>>,
}

/// Everything that agents and collector need to know of what was asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own, as it was typed")]
pub struct CaptureConfig {
    /// Flows or packets.
    pub mode: Mode,
    /// Filter rules, in force before anything is attached.
    pub rules: Rules,
    /// Sets of addresses that rules refer to by index, at most 32.
    pub sets: Vec<Vec<IpAddr>>,
    /// How many sets may come while the capture runs; 0 without sets leaves even looking at them out.
    pub spare_sets: u8,
    /// The part of the filter that the kernel cannot judge, in the filter language; for the collector.
    pub after: Option<String>,
    /// Features asked for.
    pub features: Vec<Feature>,
    /// `--drops`: only packets that the kernel drops; nothing else is counted or copied.
    pub drops_only: bool,
    /// Ports on which DNS is spoken, over UDP and TCP.
    pub dns_ports: Vec<u16>,
    /// Namespaces to look at.
    pub netns: NetNs,
    /// The namespace that is looked at is a node's: what becomes of its packets in the namespaces of pods belongs to it.
    pub pods: bool,
    /// Interfaces to take; all when empty.
    pub interfaces: Vec<NamePattern>,
    /// Interfaces to leave out; wins over `interfaces`.
    pub exclude_interfaces: Vec<NamePattern>,
    /// TCX or clsact.
    pub tc_attach: TcAttach,
    /// One of this many packets is looked at; 1 is all.
    pub sampling: u32,
    /// Most entries of a flow map (per generation and family).
    pub cache_max_flows: u32,
    /// Interval of records.
    pub cache_active_timeout: Duration,
    /// Bytes kept of each packet; 0 is the whole frame.
    pub snaplen: u32,
    /// Memory of all packet rings together, bytes.
    pub buffer_size: u32,
    /// How packets are written.
    pub files: PacketFiles,
    /// `--ring`: agents keep the packets of so long, and deliver them when they are asked to.
    pub ring: Option<Duration>,
    /// `--trigger`: what asks them to, in the filter language.
    pub trigger: Option<String>,
    /// `--enable-tls-keys`: secrets of TLS connections are taken from the processes at their ends.
    pub tls_keys: bool,
    /// Of which processes.
    pub key_owners: KeyOwners,
    /// Also keep each observation of a flow that was seen in several namespaces.
    pub observations: bool,
    /// The capture's own traffic, left out and counted.
    pub own: Vec<Own>,
    /// How many rules may come while the capture runs. Where there is any rule now or later, the programs look at a table of 64;
    /// 0 without rules leaves even that look out (1 or 2 ns a packet in flows, more in packets, which are parsed then).
    pub spare_rules: u16,
    /// Address that records bear as `AgentIP`.
    pub agent_ip: Option<IpAddr>,
    /// Name that batches bear.
    pub node: Arc<str>,
    /// When the capture ends by itself.
    pub limits: Limits,
}

/// What can change while a capture runs: which packets are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// As [`CaptureConfig::rules`].
    pub rules: Rules,
    /// As [`CaptureConfig::sets`].
    pub sets: Vec<Vec<IpAddr>>,
    /// As [`CaptureConfig::own`].
    pub own: Vec<Own>,
}

impl CaptureConfig {
    /// Which packets are taken at the beginning.
    pub fn selection(&self) -> Selection {
        Selection { rules: self.rules.clone(), sets: self.sets.clone(), own: self.own.clone() }
    }

    /// The same capture with another selection.
    #[must_use]
    pub fn with(self, Selection { rules, sets, own }: Selection) -> Self {
        Self { rules, sets, own, ..self }
    }

    /// Features of the capture, and those that are looked at beside it because the trigger names them.
    pub fn all_features(&self) -> Vec<Feature> {
        let named = self.trigger.as_deref().and_then(|text| Trigger::parse(text).ok()).unwrap_or_default().features;
        let beside = named.into_iter().filter(|feature| !self.features.contains(feature));
        self.features.iter().copied().chain(beside).collect()
    }

    /// Most memory that an agent with these settings takes, bytes: its process and what the kernel charges to it for maps and
    /// rings, without what waits in the channel. What it usually takes is a fifth of that in flows, all of it in packets.
    pub fn agent_memory(&self) -> u64 {
        /// Process, programs and small maps, and what loading takes for a moment.
        const FIXED: u64 = 32 << 20;
        /// A bucket of a hash map, of which there are as many as entries, in both generations of both families.
        const BUCKETS: u64 = 4 * 16;
        /// Entries of both families that nobody reads because the collector takes nothing.
        const ENTRIES: u64 = 2 * 192;
        /// The agent's own table holds four times as many flows before it forgets, and takes over two maps more at once. Each is
        /// seen at up to three interfaces (400 bytes).
        const KNOWN: u64 = 6 * 400;
        /// Batches that are put together, and scratch memory of 128 CPUs.
        const PACKETS: u64 = 48 << 20;
        /// Sets of addresses: buckets, the old and the new entries for a moment, and what the agent knows of them.
        const SETS: u64 = 32 << 20;
        /// What is put together for the ring before its bound is looked at.
        const RING: u64 = 8 << 20;
        /// What features said of the ends of packets: 16,384 records.
        const ENDS: u64 = 36 << 20;
        /// What features take at most, maps, rings and tables.
        const FEATURES: [(Feature, u64); 6] = [
            // Both generations, their ring, what waits for the end of the interval; copies of dropped packets take less.
            (Feature::PktDrop, 28 << 20),
            // Both sides of 229,376 translated connections, and the table from which they move when it grows.
            (Feature::PktTranslation, 48 << 20),
            // 65,536 sockets of TCP in the kernel (200 bytes), in the agent (600), and those that have closed lately.
            (Feature::Rtt, 64 << 20),
            // The ring, and under a flood queries that wait and messages that are told.
            (Feature::Dns, 94 << 20),
            // The ring, and hellos that are put together or known.
            (Feature::Tls, 34 << 20),
            // Sockets in the kernel and in the agent, processes and their containers.
            (Feature::Process, 48 << 20),
        ];
        let flows = u64::from(self.cache_max_flows);
        let of_flows = self.mode == Mode::Flows;
        let begins = |feature: Feature| self.features.contains(&feature) && (of_flows || feature.is_of_packets());
        let names_ends = !of_flows && [Feature::Process, Feature::PktTranslation].into_iter().any(begins);
        let features = FEATURES.iter().filter(|(feature, _)| begins(*feature)).map(|(_, bytes)| bytes).sum::<u64>();
        // The packets that are kept, and flows beside them where the trigger needs what only flows tell.
        let ring = self.ring.map_or(0, |_| u64::from(self.buffer_size).max(1 << 20) + RING);
        let judged = self.trigger.as_deref().and_then(|text| Trigger::parse(text).ok()?.flows(self));
        let judged = judged.map_or(0, |config| config.agent_memory());
        let has_sets = !self.sets.is_empty() || self.spare_sets > 0;
        FIXED
            + if has_sets { SETS } else { 0 }
            + features
            + if names_ends { ENDS } else { 0 }
            + ring
            + judged
            + match self.mode {
                Mode::Flows => flows.next_power_of_two() * BUCKETS + flows * ENTRIES + flows.max(16_384) * KNOWN,
                Mode::Packets => u64::from(self.buffer_size).max(1 << 20) + PACKETS,
            }
    }
}
