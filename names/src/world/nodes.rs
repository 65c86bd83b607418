//! Nodes in the world.

use ipnet::IpNet;

use super::{Claim, Kind, World, claims::Since};
use crate::{decode::node::Node, history::Role, id::Key};

impl World {
    /// A node is there.
    pub(crate) fn apply_node(&mut self, node: &Node, now: u64) {
        let thing = self.thing(node.uid, Kind::Node, &node.name, "");
        let host = self.host(&node.name);
        let zone = node.zone.as_deref().map(|zone| self.strings.get(zone));
        self.things[thing as usize].host = host;
        let known = &mut self.hosts[host as usize];
        known.zone = zone;
        known.address = node.addresses.first().copied().or(known.address);
        let claim = |role| move |address: &std::net::IpAddr| Claim { key: Key::ip(*address), role, network: 0 };
        let own = node.addresses.iter().map(claim(Role::Node));
        let claims = own.chain(node.gateways.iter().map(claim(Role::Gateway))).collect();
        self.hold(thing, claims, always(), now);
        self.set_subnets(thing, &node.pod_subnets);
    }

    /// A node is gone.
    pub(crate) fn remove_node(&mut self, node: &Node, now: u64) {
        if let Some(thing) = self.things_by_uid.get(&node.uid).copied() {
            self.remove(thing, now);
        }
    }

    /// Whether any node is known.
    pub(super) fn knows_nodes(&self) -> bool {
        self.count(Kind::Node) > 0
    }

    /// Makes `subnets` the pod subnets of node `thing`.
    pub(super) fn set_subnets(&mut self, thing: u32, subnets: &[IpNet]) {
        let old = self.subnets_of.remove(&thing).unwrap_or_default();
        for subnet in subnets {
            *self.pod_subnets.entry(*subnet, || 0) += 1;
        }
        for subnet in &old {
            let count = self.pod_subnets.entry(*subnet, || 1);
            *count -= 1;
            if *count == 0 {
                self.pod_subnets.remove(*subnet);
            }
        }
        if !subnets.is_empty() {
            self.subnets_of.insert(thing, subnets.into());
        }
    }

    /// Adds a subnet of pods that is not a node's.
    pub(crate) fn add_pod_network(&mut self, subnet: IpNet) {
        *self.pod_subnets.entry(subnet, || 0) += 1;
    }
}

/// Nodes and services that are told of have been there since before the capture, or come with no traffic before they are told of.
pub(super) fn always() -> Since {
    Since { from: 0, settled: 0 }
}
