//! What was delivered and lost at each interface.

use std::collections::HashMap;

use agent_common::types::IfaceKey;
use aya::maps::{MapData, PerCpuHashMap};
use flow::InterfaceCounts;

use crate::{loader::LossKey, time::monotonic, topology::Topology};

/// How often the kernel's map is read once there are losses.
const EVERY_NS: u64 = 1_000_000_000;

pub(super) struct Tally {
    map: PerCpuHashMap<MapData, LossKey, u64>,
    /// By interface, with what was sent last.
    counts: HashMap<u32, [InterfaceCounts; 2], foldhash::fast::RandomState>,
    next_look: u64,
}

impl Tally {
    pub(super) fn new(map: PerCpuHashMap<MapData, LossKey, u64>) -> Self {
        Self { map, counts: HashMap::default(), next_look: 0 }
    }

    fn of(&mut self, interface: u32) -> &mut InterfaceCounts {
        let zero = InterfaceCounts { interface, delivered: 0, lost: 0 };
        let [now, _] = self.counts.entry(interface).or_insert([zero; 2]);
        now
    }

    /// Counts one packet.
    pub(super) fn delivered(&mut self, interface: u32) {
        self.of(interface).delivered += 1;
    }

    /// Makes the next look due.
    pub(super) fn hurry(&mut self) {
        self.next_look = 0;
    }

    /// Looks at the losses, if that is due.
    pub(super) fn read_losses(&mut self, topology: &Topology) {
        let now = monotonic();
        if now < self.next_look {
            return;
        }
        self.next_look = now + EVERY_NS;
        let lost: Vec<_> = self.map.iter().flatten().map(|(key, values)| (key, values.iter().sum())).collect();
        for (LossKey(IfaceKey { netns, ifindex }), lost) in lost {
            if let Some(watched) = topology.points.get(&(netns, ifindex)) {
                self.of(watched.interface.id).lost = lost;
            }
        }
    }

    /// What has changed since this was last asked.
    pub(super) fn changed(&mut self) -> Vec<InterfaceCounts> {
        let mut changed: Vec<_> = self.counts.values_mut().filter(|[now, sent]| now != sent).collect();
        changed.sort_by_key(|[now, _]| now.interface);
        let newest = changed.into_iter().map(|[now, sent]| {
            *sent = *now;
            *now
        });
        newest.collect()
    }
}
