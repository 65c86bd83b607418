//! Packets that the kernel drops, with its reason.

use aya::maps::{MapData, PerCpuArray};
use flow::{Counters, FlowRecord};

use super::{About, Begun, Feature, Start};
use crate::{time::Anchor, topology::Shared, trace::Wanted};

/// State of the feature.
struct Drops {
    _place: (Shared, Anchor, u32),
    count: PerCpuArray<MapData, u64>,
}

/// Begins to watch drops.
pub(super) fn begin(start: &mut Start<'_>) -> Begun {
    let wanted = Wanted { programs: &[("drop_skb", "kfree_skb")], ..Wanted::default() };
    let traced = start.tracer.begin(&wanted);
    let mut traced = traced.map_err(|reason| format!("dropped packets cannot be seen: {reason}"))?;
    Ok(Box::new(Drops {
        _place: (start.topology.clone(), start.anchor, start.cpus),
        count: traced.take("DROP_COUNTERS")?,
    }))
}

impl Feature for Drops {
    fn collect(&mut self) {}

    fn annotate(&mut self, _about: &About<'_>, _record: &mut FlowRecord) {}

    fn rest(&mut self, _emit: &mut dyn FnMut(FlowRecord)) {}

    fn count(&self, _counters: &mut Counters) {
        let _ = self.count.get(&0, 0);
    }
}
