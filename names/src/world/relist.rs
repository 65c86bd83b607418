//! Lists: when a watch begins anew, what it does not tell of any more is gone.

use super::{Kind, World, owners::Watched};

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watch {
    Pods,
    Nodes,
    Services,
    ReplicaSets,
    Jobs,
    Policies,
    Namespaces,
}

/// Number of watches.
pub(crate) const WATCHES: usize = 7;

impl Watch {
    /// All of them.
    pub(crate) const ALL: [Self; WATCHES] =
        [Self::Pods, Self::Nodes, Self::Services, Self::ReplicaSets, Self::Jobs, Self::Policies, Self::Namespaces];
}

impl World {
    /// A new list begins.
    pub(crate) fn begin_list(&mut self, watch: Watch) {
        self.listings[watch as usize] += 1;
    }

    /// The list is complete: what was not in it is gone.
    pub(crate) fn end_list(&mut self, watch: Watch, now: u64) {
        match watch {
            Watch::Pods => self.remove_unlisted(Kind::Pod, now),
            Watch::Nodes => self.remove_unlisted(Kind::Node, now),
            Watch::Services => self.remove_unlisted(Kind::Service, now),
            Watch::ReplicaSets => self.remove_unlisted_workloads(Watched::ReplicaSet),
            Watch::Jobs => self.remove_unlisted_workloads(Watched::Job),
            Watch::Policies | Watch::Namespaces => self.remove_unlisted_policies(watch),
        }
        if matches!(watch, Watch::Pods | Watch::Nodes) {
            self.see_where_pods_live();
        }
    }

    /// The current listing of `watch`.
    pub(super) fn listing(&self, watch: Watch) -> u32 {
        self.listings[watch as usize]
    }

    /// The current listing of the watch that tells of `kind`.
    pub(super) fn listing_of(&self, kind: Kind) -> u32 {
        self.listing(match kind {
            Kind::Pod => Watch::Pods,
            Kind::Node => Watch::Nodes,
            Kind::Service => Watch::Services,
        })
    }

    fn remove_unlisted(&mut self, kind: Kind, now: u64) {
        let current = self.listing_of(kind);
        let things = self.things.iter();
        let unlisted = things.filter(|(_, thing)| thing.kind == kind && !thing.gone && thing.listing != current);
        let gone: Vec<u32> = unlisted.map(|(number, _)| number as u32).collect();
        for thing in gone {
            self.remove(thing, now);
        }
    }
}
