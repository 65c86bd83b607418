//! What the observer knows of namespaces and interfaces, as the workers see it: a snapshot that is replaced as a whole.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use flow::{Interface, LinkType};

/// An interface as programs name it: `(key of the namespace, index)`.
pub(crate) type Point = (u32, u32);

/// An interface that is, or was, watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Watched {
    pub(crate) interface: Interface,
    /// The other end of a veth pair.
    pub(crate) peer: Option<Point>,
    /// When it was last there.
    pub(crate) there: Instant,
}

/// What has gone is forgotten after so long; every packet that it carried has been read by then.
const REMEMBER: Duration = Duration::from_mins(1);

/// Everything known at a moment. Interfaces that have gone stay, because what was counted on them may still be on its way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Topology {
    pub(crate) version: u64,
    pub(crate) points: HashMap<Point, Watched, foldhash::fast::RandomState>,
    next_id: u32,
}

impl Topology {
    /// Notes an interface under a number of its own; again only if its name or kind is another. What was not known before is
    /// given back, for what else there is to be said of it.
    pub(crate) fn add(
        &mut self,
        point: Point,
        netns: &Arc<str>,
        name: &str,
        link_type: LinkType,
        now: Instant,
    ) -> Option<&mut Interface> {
        let known = self.points.get(&point).map(|watched| &watched.interface);
        let same = known.is_some_and(|old| *old.name == *name && old.netns == *netns && old.link_type == link_type);
        if !same {
            let interface = Interface {
                id: self.next_id,
                netns: netns.clone(),
                index: point.1,
                name: name.into(),
                link_type,
                ..Interface::default()
            };
            self.next_id += 1;
            self.points.insert(point, Watched { interface, peer: None, there: now });
        }
        let watched = self.points.get_mut(&point)?;
        watched.there = now;
        (!same).then_some(&mut watched.interface)
    }

    /// Forgets what went long ago.
    pub(crate) fn forget(&mut self, now: Instant) {
        self.points.retain(|_, watched| now.saturating_duration_since(watched.there) < REMEMBER);
    }
}

/// Where the newest snapshot is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared(Arc<Mutex<Arc<Topology>>>);

impl Shared {
    pub(crate) fn publish(&self, topology: &Topology) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(topology.clone());
    }

    pub(crate) fn current(&self) -> Arc<Topology> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renamed_interface_gets_a_number_of_its_own_and_the_same_one_keeps_it() {
        let mut topology = Topology::default();
        let netns = Arc::from("blue");
        let now = Instant::now();
        topology.add((1, 2), &netns, "eth0", LinkType::Ethernet, now);
        topology.add((1, 2), &netns, "eth0", LinkType::Ethernet, now);
        assert_eq!(topology.points[&(1, 2)].interface.id, 0);
        assert!(topology.add((1, 2), &netns, "eth0", LinkType::Ethernet, now).is_none());
        topology.add((1, 2), &netns, "wan", LinkType::Ethernet, now);
        assert_eq!(topology.points[&(1, 2)].interface.id, 1);
        topology.forget(now + REMEMBER / 2);
        assert_eq!(topology.points.len(), 1);
        topology.forget(now + REMEMBER);
        assert_eq!(topology.points.len(), 0);
    }
}
