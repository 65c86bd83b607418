//! Packets that the kernel drops, with its reason, in flows.
//!
//! Owns which record a drop belongs to. A packet is counted where it passes an interface before it is dropped, so that drops are
//! taken out of the kernel first: what was counted is then in this interval or in an earlier one.

pub(crate) mod counted;
pub(crate) mod judge;
mod pending;
pub(crate) mod places;
pub(crate) mod reasons;
mod state;

use std::sync::Arc;

use agent_common::drops::{DropKey, DropValue};
use flow::{Counters, FlowRecord};

use self::{
    counted::{Counted, ENTRIES, RING},
    judge::Judge,
    pending::{Dropped, Pending},
    places::Places,
    reasons::Reasons,
};
use super::{About, Begun, Feature, Start};
use crate::{account::tuple::Tuple, btf::Btf, decode, time::Anchor, trace::Wanted};

/// State of the feature.
struct Drops {
    counted: Counted,
    pending: Pending,
    reasons: Reasons,
    judge: Judge,
    places: Places,
    anchor: Anchor,
    failed: Option<Arc<str>>,
}

/// Begins to watch drops.
pub(super) fn begin(start: &mut Start<'_>) -> Begun {
    let (reasons, globals) = kernel(start).map_err(|reason| format!("dropped packets cannot be seen: {reason}"))?;
    let counted = watch(start, &globals).map_err(|reason| format!("dropped packets cannot be seen: {reason}"))?;
    Ok(Box::new(Drops {
        counted,
        pending: Pending::default(),
        reasons,
        judge: start.judge.clone(),
        places: Places::new(start),
        anchor: start.anchor,
        failed: None,
    }))
}

/// Constants of programs, by name.
type Globals = Vec<(&'static str, u32)>;

/// What this kernel tells of drops, and what programs have to know of it.
pub(crate) fn kernel(start: &mut Start<'_>) -> Result<(Reasons, Globals), String> {
    let btf = Btf::of_kernel().ok_or("this kernel does not describe its types (CONFIG_DEBUG_INFO_BTF)")?;
    let arguments = btf.arguments("kfree_skb").ok_or("this kernel has no tracepoint kfree_skb")?;
    if arguments < 3 {
        start.limits.push("this kernel gives no reasons for dropped packets (Linux 5.17 does)".to_owned());
    }
    let reasons = Reasons::of(&btf);
    let number = |name| reasons.number(name).unwrap_or(u32::MAX);
    let globals = vec![
        ("DROP_ARGUMENTS", arguments),
        ("DROP_NOT_YET", number("SKB_NOT_DROPPED_YET")),
        ("DROP_CONSUMED", number("SKB_CONSUMED")),
        ("DROP_ANYWHERE", u32::from(start.tracer.looks_everywhere())),
    ];
    Ok((reasons, globals))
}

fn watch(start: &mut Start<'_>, globals: &[(&'static str, u32)]) -> Result<Counted, String> {
    let wanted = Wanted {
        programs: &[("drop_count", "kfree_skb")],
        sizes: &[("DROPS_0", ENTRIES), ("DROPS_1", ENTRIES), ("DROP_RING", RING)],
        globals,
    };
    Counted::new(&mut start.tracer.begin(&wanted)?)
}

impl From<&DropKey> for Tuple {
    fn from(key: &DropKey) -> Self {
        Self { src: key.src, dst: key.dst, selector: key.selector, proto: key.proto, family: key.family }
    }
}

impl Drops {
    /// Takes what the ring holds, and what the map holds if `turn`.
    fn take(&mut self, turn: bool) {
        let Self { counted, pending, judge, failed, .. } = self;
        let mut add = |key: &DropKey, value: &DropValue| {
            let tuple = Tuple::from(key);
            if judge.takes(&tuple, key.tcp_flags) {
                pending.add(tuple, key, value);
            }
        };
        counted.ring(&mut add);
        if turn && let Err(error) = counted.turn(&mut add) {
            failed.get_or_insert_with(|| format!("cannot read the map of drops: {error}").into());
        }
    }

    /// A record of drops that nobody counted as packets.
    fn record(&mut self, tuple: &Tuple, dropped: &[Dropped]) -> FlowRecord {
        let (first, last) = pending::times(dropped);
        let mut record = decode::flow_of(tuple);
        record.time_flow_start_ms = Some(self.anchor.wall(first) / 1_000_000);
        record.time_flow_end_ms = Some(self.anchor.wall(last) / 1_000_000);
        (record.net_ns, record.interfaces) = self.places.names(dropped[0].netns, dropped[0].ifindex);
        pending::note(dropped, &mut self.reasons, &mut record);
        record
    }
}

impl Feature for Drops {
    fn collect(&mut self) {
        let turn = self.counted.is_filling();
        self.take(turn);
    }

    fn conclude(&mut self) {
        self.take(true);
        self.places.refresh();
    }

    fn annotate(&mut self, about: &About<'_>, record: &mut FlowRecord) {
        let places = &self.places;
        // What happened where nothing is counted belongs to whoever sees the flow.
        let is_there = |netns| about.passed(netns) || !places.is_watched(netns);
        let dropped = self.pending.take(about.tuple, is_there);
        pending::note(&dropped, &mut self.reasons, record);
    }

    fn rest(&mut self, emit: &mut dyn FnMut(FlowRecord)) {
        let rest: Vec<_> = self.pending.rest().collect();
        for (tuple, dropped) in rest {
            if self.places.is_wanted(dropped[0].netns, dropped[0].ifindex) {
                emit(self.record(&tuple, &dropped));
            }
        }
    }

    fn count(&self, counters: &mut Counters) {
        self.counted.tally.count(counters);
        counters.lost_drops += self.pending.lost;
        counters.lost_drops += self.counted.unreadable;
    }
}
