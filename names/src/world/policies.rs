//! Policies and namespaces in the world, and whether a policy allows what was dropped.

use std::{net::IpAddr, sync::Arc};

use super::{Kind, Thing, World, details::Details, relist::Watch};
use crate::decode::{
    namespace::Namespace,
    policy::{Peer, Policy, Port, Rule, Which},
};

/// The label that each namespace bears: its name.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// What is kept of policies.
#[derive(Debug, Default)]
pub(super) struct Policies {
    /// With the listing in which each was last seen.
    policies: Vec<(Policy, u32)>,
    namespaces: Vec<(Namespace, u32)>,
}

/// Which way, as policies have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Into the pod that is selected.
    Ingress,
    /// Out of it.
    Egress,
}

/// An end of a connection, as policies see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Party<'w> {
    pub(crate) address: IpAddr,
    pub(super) thing: Option<&'w Thing>,
}

/// What was to be begun.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt<'w> {
    pub(crate) source: Party<'w>,
    pub(crate) destination: Party<'w>,
    /// IP protocol.
    pub(crate) protocol: u8,
    /// Port of the destination.
    pub(crate) port: Option<u16>,
}

impl World {
    /// A policy is there.
    pub(crate) fn apply_policy(&mut self, policy: &Policy) {
        let listing = self.listing(Watch::Policies);
        self.remove_policy(policy);
        self.policies.policies.push((policy.clone(), listing));
    }

    /// A policy is gone.
    pub(crate) fn remove_policy(&mut self, policy: &Policy) {
        self.policies.policies.retain(|(known, _)| known.uid != policy.uid);
    }

    /// A namespace is there.
    pub(crate) fn apply_namespace(&mut self, namespace: &Namespace) {
        let listing = self.listing(Watch::Namespaces);
        self.remove_namespace(namespace);
        self.policies.namespaces.push((namespace.clone(), listing));
    }

    /// A namespace is gone.
    pub(crate) fn remove_namespace(&mut self, namespace: &Namespace) {
        self.policies.namespaces.retain(|(known, _)| known.name != namespace.name);
    }

    /// What a new list did not tell of is gone.
    pub(super) fn remove_unlisted_policies(&mut self, watch: Watch) {
        let current = self.listing(watch);
        match watch {
            Watch::Policies => self.policies.policies.retain(|(_, listing)| *listing == current),
            _ => self.policies.namespaces.retain(|(_, listing)| *listing == current),
        }
    }

    /// Names of the policies that are about this attempt, in the namespace of the pod that they select, if none of them allows it; empty
    /// where one does, where none is about it, and where that cannot be told.
    pub(crate) fn forbidding(&self, attempt: &Attempt<'_>, way: Way) -> Vec<String> {
        let (selected, peer) = match way {
            Way::Ingress => (attempt.destination, attempt.source),
            Way::Egress => (attempt.source, attempt.destination),
        };
        let Some(pod) = selected.thing.filter(|thing| thing.kind == Kind::Pod && !thing.on_node) else {
            return Vec::new();
        };
        // A pod may speak with itself, and its node with it.
        if peer.thing.is_some_and(|thing| thing.uid == pod.uid || thing.kind == Kind::Node && thing.host == pod.host) {
            return Vec::new();
        }
        let about = self.policies.policies.iter().filter_map(|(policy, _)| Some((policy, policy.rules(pod, way)?)));
        let about: Vec<(&Policy, &[Rule])> = about.collect();
        let allows = |rule: &Rule| self.may_allow(rule, pod, peer, attempt);
        if about.iter().any(|(_, rules)| rules.iter().any(allows)) {
            return Vec::new();
        }
        about.iter().map(|(policy, _)| format!("{}/{}", policy.namespace, policy.name)).collect()
    }

    /// Whether a rule allows it, or might.
    fn may_allow(&self, rule: &Rule, selected: &Thing, peer: Party<'_>, attempt: &Attempt<'_>) -> bool {
        let port = rule.ports.is_empty() || rule.ports.iter().any(|port| may_be_port(port, attempt));
        let among = || rule.peers.is_empty() || rule.peers.iter().any(|one| self.may_be_peer(one, selected, peer));
        port && among()
    }

    fn may_be_peer(&self, wanted: &Peer, selected: &Thing, peer: Party<'_>) -> bool {
        let pod = peer.thing.filter(|thing| thing.kind == Kind::Pod);
        match wanted {
            Peer::Unknown => true,
            // Whether blocks are about pods, too, is up to the network plugin.
            Peer::Block(block, except) => {
                let address = peer.address.to_canonical();
                block.contains(&address) && (pod.is_some() || !except.iter().any(|one| one.contains(&address)))
            }
            Peer::Pods { pods, namespaces } => pod.is_some_and(|pod| {
                let there = match namespaces {
                    Some(selector) => pod.namespace.as_ref().is_some_and(|name| self.may_be_namespace(selector, name)),
                    None => pod.namespace == selected.namespace,
                };
                there && pods.as_ref().is_none_or(|selector| selector.is_empty() || pod.is_selected(selector))
            }),
        }
    }

    fn may_be_namespace(&self, selector: &crate::selector::Selector, name: &Arc<str>) -> bool {
        let known = self.policies.namespaces.iter().map(|(known, _)| known).find(|known| known.name == **name);
        let label = |key: &str| match known {
            Some(known) => known.labels.get(key).map(String::as_str),
            None => (key == NAME_LABEL).then_some(&**name),
        };
        // Of a namespace whose labels are not known only its name can be told.
        let open = known.is_none() && selector.keys().any(|key| key != NAME_LABEL);
        open || selector.matches(label)
    }
}

impl Policy {
    /// Its rules for this way, if it is about `pod`.
    fn rules(&self, pod: &Thing, way: Way) -> Option<&[Rule]> {
        let rules = match way {
            Way::Ingress => self.ingress.as_deref(),
            Way::Egress => self.egress.as_deref(),
        }?;
        let here = pod.namespace.as_deref() == Some(&*self.namespace);
        (here && pod.is_selected(&self.pods)).then_some(rules)
    }
}

fn may_be_port(wanted: &Port, attempt: &Attempt<'_>) -> bool {
    if wanted.protocol != attempt.protocol {
        return false;
    }
    // Without a port (a fragment) nothing can be told.
    let Some(port) = attempt.port else { return true };
    match &wanted.which {
        Which::All => true,
        Which::Range(first, last) => (*first..=*last).contains(&port),
        Which::Named(name) => {
            let details = attempt.destination.thing.and_then(|thing| thing.details.as_deref());
            details.is_some_and(|details| details.has_named_port(name, port, wanted.protocol))
        }
    }
}

impl Details {
    fn has_named_port(&self, name: &str, number: u16, protocol: u8) -> bool {
        let mut ports = self.containers.iter().flat_map(|container| &container.ports);
        ports.any(|(called, port, of)| **called == *name && (*port, *of) == (number, protocol))
    }

    /// Whether a container says that it listens there; `None` where none says anything of ports.
    pub(super) fn declares(&self, number: u16, protocol: u8) -> Option<bool> {
        let mut ports = self.containers.iter().flat_map(|container| &container.ports).peekable();
        ports.peek()?;
        Some(ports.any(|(_, port, of)| (*port, *of) == (number, protocol)))
    }
}

#[cfg(test)]
pub(in crate::world) mod tests;
