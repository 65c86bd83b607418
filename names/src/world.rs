//! Everything that is known of the cluster: objects, their owners, and who had which address when.
//!
//! Pure: told by the watches, asked by look-ups; times come in. Small by design, because clusters are big: objects refer to each other
//! by number, what many share (namespaces, nodes, workloads) is kept once, what has ended is forgotten after a while.

use std::{collections::VecDeque, net::IpAddr, sync::Arc};

use hashbrown::HashMap;
use slab::Slab;

use crate::{
    history::{Holders, Role},
    id::{ContainerId, Key, Uid},
    prefixes::Prefixes,
    strings::Strings,
    subnets::labels::Labels,
};

mod cause;
mod claims;
mod details;
pub(crate) mod find;
pub(crate) mod list;
mod nodes;
pub(crate) mod owners;
mod place;
mod pods;
mod policies;
pub(crate) mod relist;
pub(crate) mod resolve;
mod services;
mod size;
mod sweep;

/// What has addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A pod.
    Pod,
    /// A node.
    Node,
    /// A service.
    Service,
}

/// No number: without owner, without node.
const NONE: u32 = u32::MAX;

/// How long what has ended is remembered, ms: longer than any agent keeps records to itself.
const KEEP_MS: u64 = 600_000;

/// An address of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Claim {
    key: Key,
    role: Role,
    network: u32,
}

/// A pod, node or service.
#[derive(Debug)]
struct Thing {
    uid: Uid,
    name: Arc<str>,
    namespace: Option<Arc<str>>,
    /// Of a pod: number in `owners`; else, and for pods without, itself.
    owner: u32,
    /// Number in `hosts`.
    host: u32,
    kind: Kind,
    /// Whether it is gone from the cluster and only remembered.
    gone: bool,
    /// Whether it is a pod that runs, or will, on its node's network.
    on_node: bool,
    /// Listing in which it was last seen.
    listing: u32,
    /// What it has now.
    claims: Box<[Claim]>,
    /// Of a pod: interfaces on secondary networks, and the numbers of those.
    interfaces: Box<[(Arc<str>, u32)]>,
    /// Entries in `ended` that refer to it.
    remembered: u32,
    /// Where they are kept.
    details: Option<Box<details::Details>>,
}

/// A node, as pods and records refer to it; there before the node itself is told of.
#[derive(Debug)]
struct Host {
    name: Arc<str>,
    address: Option<IpAddr>,
    zone: Option<Arc<str>>,
}

/// A workload.
#[derive(Debug)]
struct Owner {
    uid: Uid,
    kind: Arc<str>,
    name: Arc<str>,
    /// Number of its own owner.
    parent: u32,
    /// Pods and workloads that refer to it.
    children: u32,
    /// Listing in which it was last seen; `None` unless its watch told of it.
    listing: Option<(owners::Watched, u32)>,
}

/// An address that somebody has no more.
#[derive(Clone, Copy, Debug)]
struct Ended {
    until: u64,
    key: Key,
    thing: u32,
}

/// The cluster as far as names go.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is asked for by itself")]
pub(crate) struct World {
    things: Slab<Thing>,
    things_by_uid: HashMap<Uid, u32>,
    hosts: Vec<Host>,
    hosts_by_name: HashMap<Arc<str>, u32>,
    owners: Slab<Owner>,
    owners_by_uid: HashMap<Uid, u32>,
    holders: HashMap<Key, Holders>,
    ended: VecDeque<Ended>,
    /// Names of networks; number 0 is the primary one.
    networks: Vec<Arc<str>>,
    strings: Strings,
    /// Pod subnets of nodes, and how many nodes have each.
    pod_subnets: Prefixes<u32>,
    /// Whether pods live outside of those too.
    pods_elsewhere: bool,
    /// Subnets of each node, to take them back.
    subnets_of: HashMap<u32, Box<[ipnet::IpNet]>>,
    /// Interfaces on secondary networks that are known by MAC address.
    macs: usize,
    listings: [u32; relist::WATCHES],
    counts: [usize; 3],
    kinds: [Arc<str>; 3],
    /// Labels of subnets.
    pub(crate) labels: Labels,
    /// Whether records bear the networks of their interfaces.
    pub(crate) with_udns: bool,
    /// Whether details of objects are kept.
    pub(crate) with_details: bool,
    /// Pods by the containers that run in them, or ran.
    containers: HashMap<ContainerId, u32>,
    policies: policies::Policies,
    /// Whether drops are explained.
    pub(crate) with_policies: bool,
    /// Changes whenever [`World::resolve`] may answer differently.
    version: u64,
}

impl World {
    /// A world of which nothing is known.
    pub(crate) fn new() -> Self {
        Self {
            things: Slab::new(),
            things_by_uid: HashMap::new(),
            hosts: Vec::new(),
            hosts_by_name: HashMap::new(),
            owners: Slab::new(),
            owners_by_uid: HashMap::new(),
            holders: HashMap::new(),
            ended: VecDeque::new(),
            networks: vec![Arc::from("primary")],
            strings: Strings::default(),
            pod_subnets: Prefixes::default(),
            pods_elsewhere: false,
            subnets_of: HashMap::new(),
            macs: 0,
            listings: [0; relist::WATCHES],
            counts: [0; 3],
            kinds: [Arc::from("Pod"), Arc::from("Node"), Arc::from("Service")],
            labels: Labels::default(),
            with_udns: false,
            with_details: false,
            containers: HashMap::new(),
            policies: policies::Policies::default(),
            with_policies: false,
            version: 0,
        }
    }

    /// A number that changes whenever an object's addresses, labels or owner may have.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Objects of `kind` that are there now.
    pub(crate) fn count(&self, kind: Kind) -> usize {
        self.counts[kind as usize]
    }

    /// Workloads known.
    pub(crate) fn owner_count(&self) -> usize {
        self.owners.len()
    }

    /// The number of the node of that name, from now on if it is new.
    fn host(&mut self, name: &str) -> u32 {
        if let Some(number) = self.hosts_by_name.get(name) {
            return *number;
        }
        let number = self.hosts.len() as u32;
        let name: Arc<str> = Arc::from(name);
        self.hosts.push(Host { name: Arc::clone(&name), address: None, zone: None });
        self.hosts_by_name.insert(name, number);
        number
    }

    /// The number of the network of that name.
    fn network(&mut self, name: &str) -> u32 {
        let known = self.networks.iter().position(|network| **network == *name);
        known.unwrap_or_else(|| {
            self.networks.push(Arc::from(name));
            self.networks.len() - 1
        }) as u32
    }
}

#[cfg(test)]
pub(crate) mod tests;
