//! Which pod is behind an interface of its node, by an address that was sent from there.

use std::{net::IpAddr, sync::Arc};

use flow::Place;

use super::{
    Kind, World,
    find::{Found, When},
};
use crate::{history::Role, id::Key};

/// What an interface is called in a pod where nothing else is said.
const USUAL: &str = "eth0";

impl World {
    /// The pod of the node called `node` that has `address` for certain, and alone; never one on its node's network. The interface is
    /// the one that the pod's annotations tell of the address.
    pub(crate) fn place(&self, node: &str, address: IpAddr, when: When) -> Option<Place> {
        let found = self.find(address, None, when)?;
        let is_here = found.host_name().is_some_and(|host| **host == *node);
        let is_certain = found.certain && found.kind() == Kind::Pod && !found.thing().on_node && is_here;
        if !is_certain || self.is_shared(address, when) {
            return None;
        }
        let (kind, name) = found.owner();
        Some(Place {
            namespace: found.namespace().cloned().unwrap_or_default(),
            pod: Arc::clone(found.name()),
            uid: found.uid().to_string().into(),
            interface: interface(&found),
            workload: format!("{kind}/{name}").into(),
            labels: found.labels().into(),
        })
    }

    /// Whether several objects have the address at that time.
    fn is_shared(&self, address: IpAddr, when: When) -> bool {
        let Some(holders) = self.holders.get(&Key::ip(address)) else { return false };
        let mut there = holders.as_slice().iter().filter(|tenure| {
            // A service or a gateway with a pod's address leads to that pod.
            let is_own = matches!(tenure.role, Role::Pod | Role::Secondary | Role::Node);
            is_own && tenure.from <= when.end && when.start < tenure.until
        });
        let first = there.next().map(|tenure| tenure.thing);
        there.any(|tenure| Some(tenure.thing) != first)
    }
}

/// The name of an interface within its pod.
fn interface(found: &Found<'_>) -> Arc<str> {
    let named = found.thing().interfaces.iter().find(|(_, network)| *network == found.network_number());
    match named {
        Some((name, network)) if *network != 0 => Arc::clone(name),
        _ => Arc::from(USUAL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decode::{networks::Attachment, pod::Pod},
        world::tests::{T0, ip, node, pod},
    };

    const WHEN: When = When { start: T0 + 1000, end: T0 + 1000 };

    fn world(pods: &[Pod]) -> World {
        let mut world = World::new();
        world.with_details = true;
        world.apply_node(&node(1, "n1", "172.31.250.11", "10.244.1.0/24"), T0);
        for pod in pods {
            world.apply_pod(pod, T0, true);
        }
        world
    }

    #[test]
    fn a_pod_of_the_node_is_told_with_all_that_is_known() {
        let labels = [("app", "web"), ("tier", "front")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        let world = world(&[Pod { labels: labels.into(), ..pod(3, "web-1", "10.244.1.6") }]);
        let place = world.place("n1", ip("10.244.1.6"), WHEN).unwrap();
        assert_eq!((&*place.namespace, &*place.pod, &*place.interface), ("shop", "web-1", "eth0"));
        assert_eq!((&*place.workload, &*place.labels), ("Pod/web-1", "app=web,tier=front"));
        assert_eq!(&*place.uid, "00000000-0000-0000-0000-000000000003");
        assert_eq!(world.place("n2", ip("10.244.1.6"), WHEN), None, "not a pod of that node");
        let before = When { start: T0 - 200_000, end: T0 - 200_000 };
        assert_eq!(world.place("n1", ip("10.244.1.6"), before), None, "nor at that time");
    }

    #[test]
    fn an_address_of_several_of_the_node_or_of_nobody_tells_nothing() {
        let shared = pod(4, "web-2", "10.244.1.6");
        let on_node = Pod { host_network: true, addresses: Vec::new(), ..pod(5, "agent", "172.31.250.11") };
        let world = world(&[pod(3, "web-1", "10.244.1.6"), shared, on_node]);
        let told = |address| world.place("n1", ip(address), WHEN);
        assert_eq!([told("10.244.1.6"), told("172.31.250.11"), told("10.244.1.99")], [None, None, None]);
    }

    #[test]
    fn an_address_on_another_network_tells_its_interface() {
        let attachment = Attachment {
            network: "shop/blue".into(),
            addresses: vec![ip("192.168.7.5")],
            mac: None,
            interface: Some("net1".into()),
        };
        let world = world(&[Pod { attachments: vec![attachment], ..pod(3, "web-1", "10.244.1.6") }]);
        let interface = |address| world.place("n1", ip(address), WHEN).map(|place| place.interface);
        assert_eq!([interface("10.244.1.6"), interface("192.168.7.5")], [Some("eth0".into()), Some("net1".into())]);
    }
}
