//! Bringing what is attached and what is known of interfaces in line with what is there.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use flow::{LinkType, config::NetNs};

use super::Watcher;
use crate::{
    attach::{Way, attach, has_gone},
    interfaces::{link_type, peers},
    loader::Programs,
    netlink::link::Link,
    observer::{Attached, namespace::Namespace},
};

/// How long attaching may take before other things are looked after: with TCX the kernel waits for RCU twice for each interface,
/// 10 to 30 ms together, and a node may have hundreds.
const ONE_GO: Duration = Duration::from_secs(2);

impl Watcher {
    /// Brings everything in line with the interfaces that are there now.
    pub(super) fn settle(&mut self) {
        let mut pairs = self.pairs();
        if self.has_lone_ends(&pairs) {
            // An end is not told when its peer moves to another namespace: ask again.
            self.list_all();
            pairs = self.pairs();
        }
        self.publish(&pairs);
        self.detach_unwanted();
        self.pending = !self.attach_wanted();
        self.count();
        self.tell_beginning();
    }

    /// What is attached while the capture begins is told once, as a number.
    fn tell_beginning(&mut self) {
        if self.beginning && !self.pending && !self.is_first {
            self.tell(&format!("attached to all {} interfaces that were there", self.attached.get().interfaces));
        }
        self.beginning &= self.pending;
        self.is_first = false;
    }

    /// What the lists say for the first time is told, as if a message had said it.
    fn list_all(&mut self) {
        let mut happened = Vec::new();
        for namespace in self.namespaces.values_mut() {
            let place = namespace.place();
            happened.extend(namespace.list().into_iter().flatten().map(|what| (what, place.clone())));
        }
        for (what, place) in &happened {
            self.tell_of(what, place);
        }
    }

    fn pairs(&self) -> BTreeMap<peers::Point, peers::Point> {
        let by_key: BTreeMap<u32, &Namespace> =
            self.namespaces.values().map(|namespace| (namespace.key, namespace)).collect();
        let links = by_key.iter().map(|(key, namespace)| (*key, |index| namespace.links.get(&index))).collect();
        let ends: Vec<(u32, &Link)> = by_key
            .iter()
            .flat_map(|(key, namespace)| namespace.links.values().map(|link| (*key, link)))
            .filter(|(_, link)| link.kind == "veth")
            .collect();
        peers::find(&links, &ends, |of, who| by_key.get(&of)?.number_of(by_key.get(&who)?))
    }

    fn has_lone_ends(&self, pairs: &BTreeMap<peers::Point, peers::Point>) -> bool {
        self.namespaces.values().any(|namespace| {
            let mut ends = namespace.links.values().filter(|link| link.kind == "veth");
            ends.any(|link| !pairs.contains_key(&(namespace.key, link.index)))
        })
    }

    fn publish(&mut self, pairs: &BTreeMap<peers::Point, peers::Point>) {
        let now = Instant::now();
        // Where all namespaces are watched the near ends are those in our own.
        let all = self.netns == NetNs::All;
        for namespace in self.namespaces.values() {
            for link in namespace.links.values().filter(|link| self.selection.takes(&link.name)) {
                let Some(link_type) = link_type(link.hardware) else { continue };
                let point = (namespace.key, link.index);
                if let Some(new) = self.topology.add(point, &namespace.name, &link.name, link_type, now) {
                    new.speed = namespace.speed(&link.name);
                }
                // A peer may move to another namespace later.
                if let Some(watched) = self.topology.points.get_mut(&point) {
                    watched.interface.leads_out = link.leads_out() && (!all || namespace.name.is_empty());
                }
            }
        }
        for (point, watched) in &mut self.topology.points {
            // Of a pair that has gone the last packets may still be on their way.
            if let Some(peer) = pairs.get(point) {
                watched.peer = Some(*peer);
            }
        }
        self.topology.forget(now);
        self.topology.version += 1;
        self.shared.publish(&self.topology);
    }

    fn detach_unwanted(&mut self) {
        for namespace in self.namespaces.values_mut() {
            let attached = namespace.attached.keys().copied();
            let wanted = |index: &u32| namespace.links.get(index).is_some_and(|link| self.selection.takes(&link.name));
            let unwanted: Vec<u32> = attached.filter(|index| !wanted(index)).collect();
            for index in unwanted {
                let _ = namespace.detach(index);
            }
        }
    }

    /// Attaches for as long as one go may take; false when there is more to do.
    fn attach_wanted(&mut self) -> bool {
        let until = Instant::now() + ONE_GO;
        let (mut told, mut done) = (Vec::new(), true);
        for namespace in self.namespaces.values_mut() {
            let place = namespace.place();
            let links: Vec<Link> =
                namespace.links.values().filter(|link| self.selection.takes(&link.name)).cloned().collect();
            for link in links {
                if namespace.attached.contains_key(&link.index) || namespace.refused.contains(&link.index) {
                    continue;
                }
                done = Instant::now() < until;
                if !done {
                    break;
                }
                match attach_one(namespace, &link, self.way, &self.programs) {
                    Ok(true) if !self.beginning => told.push(format!("attached to {}{place}", link.name)),
                    Ok(_) => {}
                    Err(reason) => told.push(format!("cannot watch {}{place}: {reason}", link.name)),
                }
            }
        }
        for text in told {
            self.tell(&text);
        }
        done
    }

    fn count(&self) {
        let counts = self.namespaces.values().map(|namespace| namespace.attached.len());
        let namespaces = counts.clone().filter(|count| *count > 0).count();
        self.attached.set(Attached { interfaces: counts.sum(), namespaces });
    }
}

/// Attaches to one interface: false when it has gone meanwhile, an error with its reason when it cannot be watched.
fn attach_one(namespace: &mut Namespace, link: &Link, way: Way, programs: &Programs) -> Result<bool, String> {
    let result = match link_type(link.hardware) {
        Some(kind) => attach_to(namespace, link.index, kind, way, programs).map_err(|error| error.to_string()),
        None => Err(format!("frames of hardware type {} are not supported", link.hardware)),
    };
    if result.is_err() {
        namespace.refused.insert(link.index);
    }
    result
}

fn attach_to(
    namespace: &mut Namespace,
    index: u32,
    kind: LinkType,
    way: Way,
    programs: &Programs,
) -> std::io::Result<bool> {
    match attach(way, namespace.requests.get_mut(), programs, index, kind) {
        Ok(attachment) => {
            namespace.attached.insert(index, attachment);
            Ok(true)
        }
        Err(error) if has_gone(&error) => Ok(false),
        Err(error) => Err(error),
    }
}
