//! Our program, loaded for one case, and how that case is measured.

use agent_common::{
    rules::RuleTable,
    types::{ACTION_ACCEPT, COND_DPORT, COND_PROTO, Counter, MAX_RULES, Rule},
};
use anyhow::{Context as _, Result, ensure};
use aya::{
    Ebpf, EbpfLoader, Pod,
    maps::{Array, MapData, PerCpuArray, RingBuf},
    programs::SchedClassifier,
};

use super::{
    median,
    shape::Shape,
    sys::{NEXT, Program},
};

/// Bytes of the rings: as many as a run of [`BATCH`] whole frames needs.
const RING: u32 = 32 << 20;
/// Packets between two times that the rings are emptied.
const BATCH: u32 = 10_000;
/// New flows whose times make one median.
const NEW_FLOWS: u32 = 20_000;

/// A way through the programs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    /// So many rules, none of which matches.
    Miss(u32),
    Known,
    New,
    MapFull,
    Capture(u32),
    RingFull,
}

impl Case {
    /// In the order of the table's columns.
    pub(super) const ALL: [Self; 9] = [
        Self::Miss(1),
        Self::Miss(MAX_RULES as u32),
        Self::Known,
        Self::New,
        Self::MapFull,
        Self::Capture(96),
        Self::Capture(256),
        Self::Capture(1514),
        Self::RingFull,
    ];

    /// Head of the column.
    pub(super) fn label(self) -> String {
        match self {
            Self::Miss(1) => "filter miss".into(),
            Self::Miss(rules) => format!("miss of {rules}"),
            Self::Known => "known flow".into(),
            Self::New => "new flow".into(),
            Self::MapFull => "map full".into(),
            Self::Capture(snaplen) => format!("capture {snaplen}"),
            Self::RingFull => "ring full".into(),
        }
    }

    fn captures(self) -> bool {
        matches!(self, Self::Capture(_) | Self::RingFull)
    }

    /// Values of the constants `MODE`, `SNAPLEN`, `RULES_ROOM`.
    fn settings(self) -> [(&'static str, u32); 3] {
        let snaplen = if let Self::Capture(snaplen) = self { snaplen } else { 256 };
        let room = if matches!(self, Self::Miss(_)) { MAX_RULES as u32 } else { 0 };
        [("MODE", u32::from(self.captures())), ("SNAPLEN", snaplen), ("RULES_ROOM", room)]
    }

    /// Entries of each flow map: one only where it is to be full.
    fn flows(self) -> u32 {
        if self == Self::MapFull { 1 } else { 1 << 20 }
    }
}

/// A table of rules that aya may copy.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct Table(pub(super) RuleTable);
// SAFETY: integers without padding, checked where the type is defined.
unsafe impl Pod for Table {}

/// The program of one case.
pub(super) struct Subject {
    case: Case,
    ebpf: Ebpf,
    program: Program,
    ring: RingBuf<MapData>,
    /// Number of the newest flow: no two measurements share one.
    flow: u32,
}

impl Subject {
    /// Loads it.
    pub(super) fn load(object: &[u8], case: Case) -> Result<Self> {
        let mut loader = EbpfLoader::new();
        let settings = case.settings();
        for (name, value) in &settings {
            loader.override_global(name, value, true);
        }
        for name in ["FLOWS4_0", "FLOWS4_1", "FLOWS6_0", "FLOWS6_1"] {
            loader.map_max_entries(name, case.flows());
        }
        let ring = if case == Case::RingFull { 4096 } else { RING };
        loader.map_max_entries("PACKETS_0", ring).map_max_entries("FALLBACK", ring);
        let mut ebpf = loader.load(object).context("cannot load the object")?;
        if let Case::Miss(count) = case {
            Array::try_from(ebpf.map_mut("RULES").context("RULES")?)?.set(0, Table(rules(count)?), 0)?;
        }
        let program: &mut SchedClassifier = ebpf.program_mut("ingress_l2").context("ingress_l2")?.try_into()?;
        program.load()?;
        let program = Program::of(program)?;
        let ring = if case.captures() { "PACKETS_0" } else { "FALLBACK" };
        let ring = RingBuf::try_from(ebpf.take_map(ring).context("a ring is missing")?)?;
        Ok(Self { case, ebpf, program, ring, flow: 10 })
    }

    /// Median ns that one packet of this shape takes.
    pub(super) fn measure(&mut self, shape: &Shape, runs: usize, repeat: u32) -> Result<u64> {
        let frame = shape.frame(0);
        let (_, result) = self.program.test(&frame, 1)?;
        ensure!(result == NEXT, "the program returned {result:#x}");
        match self.case {
            Case::New => self.new_flows(shape),
            Case::MapFull => {
                // The flow that takes the only entry of the map.
                self.program.test_run(&shape.frame(1), 1)?;
                let frame = shape.frame(2);
                self.in_batches(&frame, runs, repeat)
            }
            Case::Capture(_) => self.in_batches(&frame, runs, repeat),
            Case::RingFull => {
                self.program.test_run(&frame, 1000)?;
                median(runs, || self.program.test_run(&frame, repeat))
            }
            Case::Miss(_) | Case::Known => median(runs, || self.program.test_run(&frame, repeat)),
        }
    }

    /// Runs short enough for the ring, which is emptied between them.
    fn in_batches(&mut self, frame: &[u8], runs: usize, repeat: u32) -> Result<u64> {
        let batches = runs.max(1) * (repeat / BATCH).clamp(1, 20) as usize;
        let Self { program, ring, .. } = self;
        median(batches, || {
            while ring.next().is_some() {}
            program.test_run(frame, BATCH)
        })
    }

    /// Each packet begins a flow, so each is a run of its own.
    fn new_flows(&mut self, shape: &Shape) -> Result<u64> {
        let Self { program, flow, .. } = self;
        median(NEW_FLOWS as usize, || {
            *flow += 1;
            program.test_run(&shape.frame(*flow), 1)
        })
    }

    /// What must be known to believe the column.
    pub(super) fn remark(&self) -> Result<Option<String>> {
        let counters: PerCpuArray<_, u64> = PerCpuArray::try_from(self.ebpf.map("COUNTERS").context("COUNTERS")?)?;
        let count = |counter: Counter| -> Result<u64> { Ok(counters.get(&(counter as u32), 0)?.iter().sum()) };
        let (seen, what, counter) = match self.case {
            Case::Miss(_) => (count(Counter::Seen)?, "rejected", count(Counter::Rejected)?),
            Case::New | Case::Known => (count(Counter::Seen)?, "new flows", count(Counter::New0)?),
            Case::MapFull => (count(Counter::Seen)?, "through the fallback ring", count(Counter::Fallback)?),
            Case::Capture(_) | Case::RingFull => (count(Counter::Seen)?, "lost", count(Counter::LostPackets)?),
        };
        Ok(Some(format!("{}: {seen} packets, {counter} {what}", self.case.label())))
    }
}

/// Rules that the measured packets do not match.
fn rules(count: u32) -> Result<RuleTable> {
    let rule = Rule {
        conditions: COND_PROTO | COND_DPORT,
        action: ACTION_ACCEPT,
        proto: 132,
        dport: [[9, 9], [1, 0]],
        ..Rule::ANY
    };
    RuleTable::new(&vec![rule; count as usize]).context("the table holds no more rules")
}
