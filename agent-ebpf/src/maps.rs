//! Every map. Sizes here are placeholders of use to tests; user space sets its own before loading.

use agent_common::{
    fragment::{FragmentKey, FragmentValue},
    rules::RuleTable,
    types::{COUNTERS as COUNTER_COUNT, FallbackRecord, FlowKey4, FlowKey6, FlowValue, IfaceKey, PacketHead, SetMasks},
};
use aya_ebpf::{
    bindings::BPF_F_NO_PREALLOC,
    btf_maps::{Array, HashMap, LruHashMap, PerCpuArray, PerCpuHashMap, RingBuf},
    macros::btf_map,
};

use crate::work::Work;

const NO_PREALLOC: usize = BPF_F_NO_PREALLOC as usize;
const FLOWS: usize = 65_536;
const SETS: usize = 65_536;
const RING: usize = 1 << 20;
/// Bytes of a frame that fit into [`Scratch`]: the longest IP packet, its Ethernet header and tags.
pub(crate) const SCRATCH_FRAME: usize = 65_536 + 64;

pub(crate) type Flows4 = HashMap<FlowKey4, FlowValue, FLOWS, NO_PREALLOC>;
pub(crate) type Flows6 = HashMap<FlowKey6, FlowValue, FLOWS, NO_PREALLOC>;
pub(crate) type Ring<T> = RingBuf<T, RING>;

/// Where a record is put together before it goes to a ring; one for each CPU.
#[repr(C)]
pub(crate) struct Scratch {
    pub(crate) head: PacketHead,
    pub(crate) frame: [u8; SCRATCH_FRAME],
}

/// See [`Work`].
#[btf_map]
pub(crate) static WORK: PerCpuArray<Work, 1> = PerCpuArray::new();

#[btf_map]
pub(crate) static FLOWS4_0: Flows4 = Flows4::new();
#[btf_map]
pub(crate) static FLOWS4_1: Flows4 = Flows4::new();
#[btf_map]
pub(crate) static FLOWS6_0: Flows6 = Flows6::new();
#[btf_map]
pub(crate) static FLOWS6_1: Flows6 = Flows6::new();

/// Entry 0: bit 0 is the generation of flow maps that programs write to.
#[btf_map]
pub(crate) static GENERATION: Array<u32, 1> = Array::new();

/// Two tables; entry 0 of `RULES_ACTIVE` says which one is in force, so that the other can be written at leisure.
#[btf_map]
pub(crate) static RULES: Array<RuleTable, 2> = Array::new();
#[btf_map]
pub(crate) static RULES_ACTIVE: Array<u32, 1> = Array::new();

/// Addresses that are in a set which rules refer to.
#[btf_map]
pub(crate) static SETS4: HashMap<[u8; 4], SetMasks, SETS, NO_PREALLOC> = HashMap::new();
#[btf_map]
pub(crate) static SETS6: HashMap<[u8; 16], SetMasks, SETS, NO_PREALLOC> = HashMap::new();

/// Indexed by `agent_common::types::Counter`.
#[btf_map]
pub(crate) static COUNTERS: PerCpuArray<u64, { COUNTER_COUNT as usize }> = PerCpuArray::new();

/// Packets that found their packet ring full.
#[btf_map]
pub(crate) static LOST_BY_IFACE: PerCpuHashMap<IfaceKey, u64, 4096, NO_PREALLOC> = PerCpuHashMap::new();

#[btf_map]
pub(crate) static FRAGMENTS: LruHashMap<FragmentKey, FragmentValue, 8192> = LruHashMap::new();

#[btf_map]
pub(crate) static FALLBACK: Ring<FallbackRecord> = RingBuf::new();

/// One entry for each possible CPU.
#[btf_map]
pub(crate) static SCRATCH: Array<Scratch, 1> = Array::new();

#[btf_map]
pub(crate) static PACKETS_0: Ring<PacketHead> = RingBuf::new();
#[btf_map]
pub(crate) static PACKETS_1: Ring<PacketHead> = RingBuf::new();
#[btf_map]
pub(crate) static PACKETS_2: Ring<PacketHead> = RingBuf::new();
#[btf_map]
pub(crate) static PACKETS_3: Ring<PacketHead> = RingBuf::new();
#[btf_map]
pub(crate) static PACKETS_4: Ring<PacketHead> = RingBuf::new();
#[btf_map]
pub(crate) static PACKETS_5: Ring<PacketHead> = RingBuf::new();
#[btf_map]
pub(crate) static PACKETS_6: Ring<PacketHead> = RingBuf::new();
#[btf_map]
pub(crate) static PACKETS_7: Ring<PacketHead> = RingBuf::new();
