//! The constants that programs are loaded with, and the sizes of their maps.

use std::sync::OnceLock;

use flow::{
    CaptureConfig,
    config::{Mode, NetNs},
};

use super::{rules, sets};
use crate::{btf::Btf, netns::enter};

/// Longest frame that is taken when there is no `--snaplen`: the longest IP packet with its Ethernet header and tags.
const WHOLE_FRAME: u32 = 65_536;
pub(crate) const PACKET_RINGS: [&str; 8] =
    ["PACKETS_0", "PACKETS_1", "PACKETS_2", "PACKETS_3", "PACKETS_4", "PACKETS_5", "PACKETS_6", "PACKETS_7"];
const FLOW_MAPS: [&str; 4] = ["FLOWS4_0", "FLOWS4_1", "FLOWS6_0", "FLOWS6_1"];
/// A ring smaller than this does not hold a few whole frames.
const SMALLEST_RING: u32 = 1 << 18;
/// Rings take all their memory when they are made, also those that nobody writes to. The kernel wants whole pages; 64 KiB is the
/// largest page there is.
const UNUSED_RING: u32 = 1 << 16;
/// Room for about 35,000 packets of flows that do not fit into the map, until the next look.
const FALLBACK_RING: u32 = 1 << 22;

/// Where programs take the namespace of a packet from. (Helper `bpf_get_netns_cookie` is no way: in TC it tells the
/// namespace of the socket that sent the packet, also where that was received.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NetnsSource {
    /// There is only one, with key 0.
    Single,
    /// Members of kernel structures.
    Members(Members),
}

/// How programs come to `skb->dev->nd_net.net->net_cookie` (or `ns.inum`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Members {
    /// Offsets of the three members.
    offsets: [u32; 3],
    /// Id of kfunc `bpf_cast_to_kern_ctx` (Linux 6.2), which lets them be read directly; else they are probed.
    pub(crate) cast: Option<u32>,
}

impl NetnsSource {
    /// What this kernel gives for several namespaces.
    pub(crate) fn of_kernel() -> Option<Self> {
        static FOUND: OnceLock<Option<NetnsSource>> = OnceLock::new();
        *FOUND.get_or_init(Self::look)
    }

    fn look() -> Option<Self> {
        let btf = Btf::of_kernel()?;
        // The low 32 bits of either are what `netns::enter::key` tells.
        let key = if enter::key_is_cookie() { "net_cookie" } else { "ns.inum" };
        let offsets = [btf.offset("sk_buff", "dev")?, btf.offset("net_device", "nd_net.net")?, btf.offset("net", key)?];
        Some(Self::Members(Members { offsets, cast: btf.function("bpf_cast_to_kern_ctx") }))
    }

    /// For what was asked; falls back to a single namespace where the kernel cannot tell them apart.
    pub(crate) fn choose(netns: &NetNs) -> Self {
        match netns {
            NetNs::All => Self::of_kernel().unwrap_or(Self::Single),
            NetNs::Current | NetNs::Path(_) => Self::Single,
        }
    }

    /// The same by probing, for a kernel that has the kfunc but refuses it here.
    pub(crate) fn without_cast(self) -> Option<Self> {
        match self {
            Self::Members(Members { offsets, cast: Some(_) }) => Some(Self::Members(Members { offsets, cast: None })),
            _ => None,
        }
    }

    /// Id of the kfunc, if it is used.
    pub(crate) const fn cast(self) -> Option<u32> {
        match self {
            Self::Members(Members { cast, .. }) => cast,
            Self::Single => None,
        }
    }

    /// Values of `NETNS_SOURCE` and of the offsets.
    const fn globals(self) -> (u32, [u32; 3]) {
        match self {
            Self::Single => (0, [0; 3]),
            Self::Members(Members { offsets, cast: None }) => (2, offsets),
            Self::Members(Members { offsets, cast: Some(_) }) => (3, offsets),
        }
    }
}

/// Globals and map sizes by name.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) globals: Vec<(&'static str, u32)>,
    pub(crate) sizes: Vec<(&'static str, u32)>,
    /// How many packet rings are in use.
    pub(crate) rings: usize,
}

impl Settings {
    pub(crate) fn new(config: &CaptureConfig, source: NetnsSource, cpus: u32) -> Self {
        let packets = config.mode == Mode::Packets;
        let (rings, ring_size) = rings(config.buffer_size, cpus);
        Self {
            globals: globals(config, source, rings, cpus),
            sizes: sizes(config, packets, (rings, ring_size), cpus),
            rings,
        }
    }
}

/// How many rings, and bytes of each: powers of two, as many as there are CPUs where the memory allows.
fn rings(bytes: u32, cpus: u32) -> (usize, u32) {
    let mut rings = cpus.max(1).next_power_of_two().min(PACKET_RINGS.len() as u32);
    while rings > 1 && bytes / rings < SMALLEST_RING {
        rings /= 2;
    }
    let size = (bytes / rings).max(SMALLEST_RING);
    (rings as usize, 1 << size.ilog2())
}

fn globals(config: &CaptureConfig, source: NetnsSource, rings: usize, cpus: u32) -> Vec<(&'static str, u32)> {
    let (kind, offsets) = source.globals();
    let snaplen = if config.snaplen == 0 { WHOLE_FRAME } else { config.snaplen.min(WHOLE_FRAME) };
    vec![
        ("MODE", u32::from(config.mode == Mode::Packets)),
        ("SNAPLEN", snaplen),
        ("SAMPLING", config.sampling.max(1)),
        ("RULES_ROOM", rules::room(config) as u32),
        ("SETS_ROOM", u32::from(sets::room(config))),
        ("RING_SHIFT", cpus.max(1).next_power_of_two().ilog2().saturating_sub(rings.ilog2())),
        ("RING_MASK", rings as u32 - 1),
        ("NETNS_SOURCE", kind),
        ("OFF_SKB_DEV", offsets[0]),
        ("OFF_DEV_ND_NET", offsets[1]),
        ("OFF_NET_COOKIE", offsets[2]),
    ]
}

fn sizes(config: &CaptureConfig, packets: bool, (rings, ring): (usize, u32), cpus: u32) -> Vec<(&'static str, u32)> {
    let flows = if packets { 1 } else { config.cache_max_flows.max(1) };
    let (rings, fallback) = if packets { (rings, UNUSED_RING) } else { (0, FALLBACK_RING) };
    let scratch = if packets { cpus.max(1) } else { 1 };
    let flow_maps = FLOW_MAPS.iter().map(|name| (*name, flows));
    let sets = sets::entries(config);
    let others = [("FALLBACK", fallback), ("SCRATCH", scratch), ("SETS4", sets), ("SETS6", sets)];
    let size = |number| if number < rings { ring } else { UNUSED_RING };
    let packet_rings = PACKET_RINGS.iter().enumerate().map(|(number, name)| (*name, size(number)));
    flow_maps.chain(packet_rings).chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_share_the_memory_and_never_exceed_it() {
        assert_eq!(rings(64 << 20, 2), (2, 32 << 20));
        assert_eq!(rings(100 << 20, 6), (8, 8 << 20));
        assert_eq!(rings(64 << 20, 128), (8, 8 << 20));
        assert_eq!(rings(1 << 20, 64), (4, 1 << 18));
        assert_eq!(rings(0, 1), (1, 1 << 18));
    }

    #[test]
    fn all_rings_together_take_what_was_asked_for() {
        let config = CaptureConfig { buffer_size: 64 << 20, ..crate::testing::config(Mode::Packets) };
        for cpus in [1, 2, 4, 8, 64] {
            let settings = Settings::new(&config, NetnsSource::Single, cpus);
            let of_packets = settings.sizes.iter().filter(|(name, _)| PACKET_RINGS.contains(name));
            let sum: u32 = of_packets.map(|(_, size)| size).sum();
            assert!((64 << 20..65 << 20).contains(&sum), "{cpus} CPUs: {sum}");
        }
    }

    #[test]
    fn every_cpu_has_a_ring() {
        let config = crate::testing::config(Mode::Packets);
        for cpus in [1, 2, 3, 8, 12, 128, 300] {
            let settings = Settings::new(&config, NetnsSource::Single, cpus);
            let global = |name| settings.globals.iter().find(|global| global.0 == name).unwrap().1;
            let used: std::collections::BTreeSet<u32> =
                (0..cpus).map(|cpu| (cpu >> global("RING_SHIFT")) & global("RING_MASK")).collect();
            assert!(used.iter().all(|ring| (*ring as usize) < settings.rings), "{cpus}");
            assert!(used.len() * 2 > settings.rings, "{cpus}");
        }
    }
}
