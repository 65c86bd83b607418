//! Which namespaces are joined by a veth pair: what is done to a pod's packets is done in its node's namespace.

use std::collections::BTreeSet;

use crate::topology::Shared;

/// Pairs of namespaces, by their keys.
pub(super) struct Neighbours {
    topology: Shared,
    version: Option<u64>,
    pairs: BTreeSet<(u32, u32)>,
}

impl Neighbours {
    pub(super) const fn new(topology: Shared) -> Self {
        Self { topology, version: None, pairs: BTreeSet::new() }
    }

    /// Takes over what has changed.
    pub(super) fn refresh(&mut self) {
        let topology = self.topology.current();
        if self.version == Some(topology.version) {
            return;
        }
        self.version = Some(topology.version);
        let peers = topology.points.iter().filter_map(|((here, _), watched)| Some((*here, watched.peer?.0)));
        self.pairs = peers.filter(|(here, there)| here != there).flat_map(|(a, b)| [(a, b), (b, a)]).collect();
    }

    /// What `find` finds in a namespace, else in one of its neighbours.
    pub(super) fn find<T>(&self, netns: u32, find: impl Fn(u32) -> Option<T>) -> Option<T> {
        let there = self.pairs.range((netns, 0)..=(netns, u32::MAX)).map(|(_, there)| *there);
        std::iter::once(netns).chain(there).find_map(find)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use flow::LinkType;

    use super::*;
    use crate::topology::Topology;

    #[test]
    fn a_namespace_is_asked_before_those_that_it_is_joined_to_and_others_never() {
        let mut topology = Topology::default();
        topology.version = 1;
        for point in [(1, 7), (2, 8), (3, 9)] {
            topology.add(point, &"".into(), "eth0", LinkType::Ethernet, Instant::now());
        }
        topology.points.get_mut(&(1, 7)).unwrap().peer = Some((2, 8));
        let shared = Shared::default();
        shared.publish(&topology);
        let mut neighbours = Neighbours::new(shared);
        neighbours.refresh();
        let among = |netns, known: &[u32]| neighbours.find(netns, |key| known.contains(&key).then_some(key));
        assert_eq!(among(1, &[1, 2, 3]), Some(1));
        assert_eq!(among(1, &[2, 3]), Some(2));
        assert_eq!(among(2, &[1, 3]), Some(1));
        assert_eq!(among(1, &[3]), None);
    }
}
