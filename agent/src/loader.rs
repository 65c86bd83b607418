//! Loading the programs with their settings, sizes and rules. Only here (and in what it returns) does aya show.

pub(crate) mod filter;
pub(crate) mod rules;
pub(crate) mod samples;
pub(crate) mod sets;
pub(crate) mod settings;

use std::{
    collections::HashMap,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    thread,
};

use agent_common::types::{Counter, IfaceKey};
use aya::{
    Ebpf, EbpfLoader, include_bytes_aligned,
    maps::{Array, Map, MapData, PerCpuArray, PerCpuHashMap, RingBuf},
    programs::{Program, SchedClassifier},
};
use flow::{CaptureConfig, Counters, LinkType, config::Mode};

use self::{
    filter::Filter,
    rules::{Table, table},
    settings::{NetnsSource, PACKET_RINGS, Settings},
};
use crate::error::AgentError;

static OBJECT: &[u8] = include_bytes_aligned!("../ebpf/oc-netobserv.o");

/// Key of the map of losses, as aya wants it.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(crate) struct LossKey(pub(crate) IfaceKey);
// SAFETY: two integers without padding.
unsafe impl aya::Pod for LossKey {}

/// What the kernel holds for one capture.
pub(crate) struct Loaded {
    pub(crate) programs: Programs,
    pub(crate) counters: KernelCounters,
    pub(crate) flows: FlowMaps,
    pub(crate) packets: PacketMaps,
    pub(crate) filter: Filter,
    pub(crate) samples: samples::Samples,
}

/// The programs, by what frames begin with and by direction.
#[derive(Debug)]
pub(crate) struct Programs([OwnedFd; 4]);

/// Maps of flows mode, two generations each.
pub(crate) struct FlowMaps {
    pub(crate) v4: [OwnedFd; 2],
    pub(crate) v6: [OwnedFd; 2],
    pub(crate) generation: Array<MapData, u32>,
    pub(crate) fallback: RingBuf<MapData>,
}

/// Maps of packets mode.
pub(crate) struct PacketMaps {
    pub(crate) rings: Vec<RingBuf<MapData>>,
    pub(crate) lost: PerCpuHashMap<MapData, LossKey, u64>,
}

/// Counters of the programs, kept for each CPU.
pub(crate) struct KernelCounters(PerCpuArray<MapData, u64>);

/// Loads everything; rules are in force before this returns.
pub(crate) fn load(config: &CaptureConfig, source: NetnsSource, cpus: u32) -> Result<Loaded, AgentError> {
    let table = table(config)?;
    sets::of(&config.sets)?;
    let result = load_with(config, source, cpus, &table);
    match (result, source.without_cast()) {
        (Err(_), Some(probing)) => load_with(config, probing, cpus, &table),
        (result, _) => result,
    }
}

fn load_with(config: &CaptureConfig, source: NetnsSource, cpus: u32, table: &Table) -> Result<Loaded, AgentError> {
    let settings = Settings::new(config, source, cpus);
    let taken = samples::Taken::new(config, cpus);
    let mut loader = EbpfLoader::new();
    // The object has no relocations against the kernel's types: reading them all would only cost time and memory.
    loader.btf(None);
    for (name, value) in &settings.globals {
        loader.override_global(name, value, true);
    }
    for (name, entries) in &settings.sizes {
        loader.map_max_entries(name, *entries);
    }
    taken.set(&mut loader);
    let mut object = OBJECT.to_vec();
    if let Some(id) = source.cast() {
        agent_common::kfunc::patch(&mut object, id);
    }
    let mut ebpf = loader.load(&object).map_err(describe)?;
    // Programs first: aya closes a map that is taken out and dropped, after which nothing could refer to it.
    let programs = Programs::load(&mut ebpf)?;
    let filter = Filter::begin(&mut ebpf, config, table)?;
    let rings = if config.mode == Mode::Packets { settings.rings } else { 0 };
    Ok(Loaded {
        programs,
        counters: KernelCounters(take(&mut ebpf, "COUNTERS")?),
        flows: FlowMaps {
            v4: [fd(&mut ebpf, "FLOWS4_0")?, fd(&mut ebpf, "FLOWS4_1")?],
            v6: [fd(&mut ebpf, "FLOWS6_0")?, fd(&mut ebpf, "FLOWS6_1")?],
            generation: take(&mut ebpf, "GENERATION")?,
            fallback: take(&mut ebpf, "FALLBACK")?,
        },
        packets: PacketMaps {
            rings: PACKET_RINGS[..rings].iter().map(|name| take(&mut ebpf, name)).collect::<Result<_, _>>()?,
            lost: take(&mut ebpf, "LOST_BY_IFACE")?,
        },
        filter,
        samples: taken.take(&mut ebpf)?,
    })
}

/// A map by name, as the kind that it is.
fn take<T: TryFrom<Map, Error: std::error::Error>>(ebpf: &mut Ebpf, name: &str) -> Result<T, AgentError> {
    let map = ebpf.take_map(name).ok_or_else(|| AgentError::Load(format!("the object has no map {name}")))?;
    T::try_from(map).map_err(describe)
}

fn fd(ebpf: &mut Ebpf, name: &str) -> Result<OwnedFd, AgentError> {
    match ebpf.take_map(name) {
        Some(Map::HashMap(data)) => {
            data.fd().as_fd().try_clone_to_owned().map_err(|error| AgentError::os("cannot keep a flow map", error))
        }
        _ => Err(AgentError::Load(format!("the object has no hash map {name}"))),
    }
}

/// The whole chain of causes: the verifier's words are at its end.
fn describe(error: impl std::error::Error) -> AgentError {
    AgentError::Load(chain(&error))
}

/// An error with all its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

impl Programs {
    const NAMES: [&str; 4] = ["ingress_l2", "egress_l2", "ingress_l3", "egress_l3"];

    /// All at once: the verifier takes its time over each, longer the more rules there are.
    fn load(ebpf: &mut Ebpf) -> Result<Self, AgentError> {
        let programs: Vec<_> = ebpf.programs_mut().collect();
        let mut loaded = thread::scope(|scope| {
            let threads = programs.into_iter().map(|(name, program)| (name, scope.spawn(|| Self::one(program))));
            let threads: Vec<_> = threads.collect();
            let ended = threads.into_iter().map(|(name, thread)| (name, thread.join()));
            ended.collect::<HashMap<&str, _>>()
        });
        let mut take = |name: &str| match loaded.remove(name) {
            Some(Ok(program)) => program,
            Some(Err(_)) => Err(AgentError::Load(format!("loading {name} panicked"))),
            None => Err(AgentError::Load(format!("the object has no {name}"))),
        };
        let [a, b, c, d] = Self::NAMES;
        Ok(Self([take(a)?, take(b)?, take(c)?, take(d)?]))
    }

    fn one(program: &mut Program) -> Result<OwnedFd, AgentError> {
        let program: &mut SchedClassifier = program.try_into().map_err(describe)?;
        program.load().map_err(describe)?;
        let fd = program.fd().map_err(describe)?.as_fd().try_clone_to_owned();
        fd.map_err(|error| AgentError::os("cannot keep a program", error))
    }

    /// The program for interfaces of a kind, for one direction.
    pub(crate) fn of(&self, link_type: LinkType, egress: bool) -> BorrowedFd<'_> {
        let first = if link_type == LinkType::Ethernet { 0 } else { 2 };
        self.0[first + usize::from(egress)].as_fd()
    }
}

impl KernelCounters {
    /// The sum over all CPUs; a counter that cannot be read counts as zero.
    pub(crate) fn one(&self, counter: Counter) -> u64 {
        self.0.get(&(counter as u32), 0).map_or(0, |values| values.iter().sum())
    }

    /// All that programs count.
    pub(crate) fn all(&self) -> Counters {
        Counters {
            seen: self.one(Counter::Seen),
            accepted: self.one(Counter::Accepted),
            rejected: self.one(Counter::Rejected),
            own: self.one(Counter::Own),
            sampled_out: self.one(Counter::SampledOut),
            malformed: self.one(Counter::Malformed),
            fallback: self.one(Counter::Fallback),
            lost_flow_packets: self.one(Counter::LostFlowPackets),
            lost_flow_bytes: self.one(Counter::LostFlowBytes),
            lost_packets: self.one(Counter::LostPackets),
            lost_packet_bytes: self.one(Counter::LostPacketBytes),
            ..Counters::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::config;

    #[test]
    fn kernel_the_programs_load_in_both_modes_with_every_way_to_tell_namespaces() {
        if crate::bpf::grace::can_create_maps().is_err() {
            eprintln!("SKIP kernel_the_programs_load_in_both_modes_with_every_way_to_tell_namespaces: needs root");
            return;
        }
        let kernel = NetnsSource::of_kernel();
        let sources = [Some(NetnsSource::Single), kernel, kernel.and_then(NetnsSource::without_cast)];
        for source in sources.into_iter().flatten() {
            for mode in [Mode::Flows, Mode::Packets] {
                let config = CaptureConfig { rules: vec![flow::Rule::default()], ..config(mode) };
                let loaded = load_with(&config, source, 2, &table(&config).unwrap());
                assert!(loaded.is_ok(), "{source:?} {mode:?}: {:?}", loaded.err());
            }
        }
    }
}
