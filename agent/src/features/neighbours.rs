//! Which namespaces are joined by a veth pair: what is done to a pod's packets is done in its node's namespace.

use std::collections::BTreeSet;

use crate::topology::Shared;

/// A node's namespace has hundreds of neighbours, which do nothing for it that a row of its own has to name: who has more than
/// this many asks none.
const MOST: usize = 8;

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
        let pairs = peers.filter(|(here, there)| here != there).flat_map(|(a, b)| [(a, b), (b, a)]);
        let pairs: BTreeSet<(u32, u32)> = pairs.collect();
        let few = |(here, _): &(u32, u32)| pairs.range((*here, 0)..=(*here, u32::MAX)).take(MOST + 1).count() <= MOST;
        self.pairs = pairs.iter().copied().filter(few).collect();
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

    #[test]
    fn a_pod_asks_its_node_but_a_node_none_of_its_many_pods() {
        let mut topology = Topology::default();
        topology.version = 1;
        for pod in 2..=2 + MOST as u32 {
            for point in [(1, pod), (pod, 9)] {
                topology.add(point, &"".into(), "eth0", LinkType::Ethernet, Instant::now());
            }
            topology.points.get_mut(&(pod, 9)).unwrap().peer = Some((1, pod));
        }
        let shared = Shared::default();
        shared.publish(&topology);
        let mut neighbours = Neighbours::new(shared);
        neighbours.refresh();
        assert_eq!(neighbours.find(5, |key| (key == 1).then_some(key)), Some(1));
        assert_eq!(neighbours.find(1, |key| (key == 5).then_some(key)), None);
    }
}
