//! Objects by name, for completion and for selecting traffic by object.

use std::{net::IpAddr, sync::Arc};

use super::{Kind, Thing, World};
use crate::id::Key;

/// An object and its addresses now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What it is.
    pub kind: Kind,
    /// Its namespace; empty for nodes.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Kind of the workload that owns it; its own where nobody does.
    pub owner_kind: Arc<str>,
    /// Name of the workload that owns it; its own where nobody does.
    pub owner_name: Arc<str>,
    /// Name of its node, if it has one.
    pub node: Option<Arc<str>>,
    /// Its addresses now: of a pod those on the primary network, then on others; of a node also those by which its pods see it.
    /// None for pods on their node's network.
    pub addresses: Vec<IpAddr>,
}

impl World {
    /// All objects of `kind` that are there now.
    pub(crate) fn list(&self, kind: Kind) -> impl Iterator<Item = Listed> {
        let there = self.things.iter().map(|(_, thing)| thing).filter(move |thing| thing.kind == kind && !thing.gone);
        there.map(|thing| self.listed(thing))
    }

    /// The addresses that the object of that name has now; `None` where there is none such.
    pub(crate) fn addresses(&self, kind: Kind, namespace: &str, name: &str) -> Option<Vec<IpAddr>> {
        let matches = |thing: &&Thing| {
            thing.kind == kind
                && !thing.gone
                && *thing.name == *name
                && thing.namespace.as_deref().unwrap_or("") == namespace
        };
        let thing = self.things.iter().map(|(_, thing)| thing).find(matches)?;
        Some(addresses(thing))
    }

    fn listed(&self, thing: &Thing) -> Listed {
        let kind = &self.kinds[thing.kind as usize];
        let owner = self.top(thing.owner);
        Listed {
            kind: thing.kind,
            namespace: thing.namespace.clone().unwrap_or_default(),
            name: Arc::clone(&thing.name),
            owner_kind: Arc::clone(owner.map_or(kind, |owner| &owner.kind)),
            owner_name: Arc::clone(owner.map_or(&thing.name, |owner| &owner.name)),
            node: self.hosts.get(thing.host as usize).map(|host| Arc::clone(&host.name)),
            addresses: addresses(thing),
        }
    }
}

pub(super) fn addresses(thing: &Thing) -> Vec<IpAddr> {
    let ip = |key| match key {
        Key::Ip(address) => Some(address),
        Key::Mac(_) => None,
    };
    thing.claims.iter().filter_map(|claim| ip(claim.key)).collect()
}
