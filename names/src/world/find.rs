//! Look-ups: who is behind an address at a time.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use flow::Mac;

use super::{Host, Kind, Thing, World};
use crate::{
    history::{Held, Role, Tenure},
    id::{Key, Uid},
};

/// An object that had an address, with all that records say of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'w> {
    world: &'w World,
    thing: &'w Thing,
    network: u32,
    /// Whether it had the address at that time; else a better answer may come.
    pub(crate) certain: bool,
    /// Whether more than the IP address tells the network.
    pub(crate) by_interface: bool,
}

/// The time of a record: its first and its last packet, ms since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct When {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl World {
    /// Who had `address` at that time, its interface having had `mac`: on a secondary network, as a pod, node, service. Nobody where the same
    /// address is there on several secondary networks and nothing says which is meant.
    pub(crate) fn find(&self, address: IpAddr, mac: Option<Mac>, when: When) -> Option<Found<'_>> {
        let key = Key::ip(address);
        if let Some(held) = mac.filter(|_| self.macs > 0).and_then(|mac| self.find_by_mac(key, mac, when)) {
            return self.found(held).map(|found| Found { by_interface: true, ..found });
        }
        let holders = self.holders.get(&key)?;
        let held = holders.at(when.start, when.end)?;
        let ambiguous = held.tenure.role == Role::Secondary && holders.is_ambiguous(when.start, when.end);
        self.found(held).filter(|_| !ambiguous)
    }

    /// Who had `address` at that time on that network.
    pub(crate) fn find_on(&self, address: IpAddr, network: u32, when: When) -> Option<Found<'_>> {
        self.found(self.holders.get(&Key::ip(address))?.at_on(network, when.start, when.end)?)
    }

    /// A pod that something else than an address tells.
    pub(crate) fn told(&self, pod: u32) -> Option<Found<'_>> {
        let thing = self.things.get(pod as usize)?;
        Some(Found { world: self, thing, network: 0, certain: true, by_interface: false })
    }

    /// A pod seen at one of its interfaces: on the network of that, else on the one where it has `address`.
    pub(crate) fn at_interface(&self, uid: Uid, interface: &str, address: IpAddr) -> Option<Found<'_>> {
        let found = self.told(self.pod_by_uid(uid)?)?;
        let known = found.thing.interfaces.iter().find(|(name, _)| **name == *interface).map(|(_, network)| *network);
        let claims =
            || found.thing.claims.iter().find(|claim| claim.key == Key::ip(address)).map(|claim| claim.network);
        Some(Found { network: known.or_else(claims)?, by_interface: true, ..found })
    }

    /// The holder of an interface on a secondary network. A frame bears its address also when it only forwards, so that the IP address must be
    /// its too; unless the network does not manage addresses, or the address is of the link itself.
    fn find_by_mac(&self, key: Key, mac: Mac, when: When) -> Option<Held> {
        let held = self.holders.get(&Key::Mac(mac))?.at(when.start, when.end)?;
        let same = |tenure: &Tenure| (tenure.thing, tenure.network) == (held.tenure.thing, held.tenure.network);
        let has = self.holders.get(&key).is_some_and(|holders| holders.as_slice().iter().any(same));
        (has || is_link_local(key) || !self.is_managed(&held.tenure)).then_some(held)
    }

    /// Whether the interface has addresses that are known.
    fn is_managed(&self, tenure: &Tenure) -> bool {
        let claims = self.things.get(tenure.thing as usize).map(|thing| &thing.claims);
        let of_interface = |claim: &super::Claim| {
            claim.network == tenure.network && matches!(claim.key, Key::Ip(_)) && claim.role == Role::Secondary
        };
        claims.is_some_and(|claims| claims.iter().any(of_interface))
    }

    fn found(&self, held: Held) -> Option<Found<'_>> {
        let thing = self.things.get(held.tenure.thing as usize)?;
        Some(Found { world: self, thing, network: held.tenure.network, certain: held.certain, by_interface: false })
    }

    /// Whether pods live at `address`: in a pod subnet of a node, or, where pods live outside of those, in any private subnet.
    pub(crate) fn may_be_pod(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.is_pod_subnet(address) || (self.pods_live_elsewhere() && is_private(address))
    }

    /// Whether `address` lies in a pod subnet of a node.
    pub(crate) fn is_pod_subnet(&self, address: IpAddr) -> bool {
        self.pod_subnets.longest(address.to_canonical()).is_some()
    }

    fn pods_live_elsewhere(&self) -> bool {
        self.pods_elsewhere || self.pod_subnets.is_empty()
    }

    /// Looks at all pods for addresses outside of the nodes' pod subnets.
    pub(super) fn see_where_pods_live(&mut self) {
        let pods = self.things.iter().filter(|(_, thing)| thing.kind == Kind::Pod);
        let mut keys = pods.flat_map(|(_, thing)| &thing.claims).filter(|claim| claim.role == Role::Pod);
        let elsewhere = keys.any(|claim| matches!(claim.key, Key::Ip(address) if !self.is_pod_subnet(address)));
        self.pods_elsewhere = self.knows_nodes() && elsewhere;
    }

    /// The number of the node called `name`, or with that address.
    pub(crate) fn observer(&self, name: &str, address: Option<IpAddr>) -> Option<u32> {
        self.hosts_by_name.get(name).copied().or_else(|| {
            let place = self.hosts.iter().position(|host| address.is_some() && host.address == address);
            place.map(|place| place as u32)
        })
    }
}

fn is_link_local(key: Key) -> bool {
    match key {
        Key::Ip(IpAddr::V4(address)) => address.is_link_local(),
        Key::Ip(IpAddr::V6(address)) => address.is_unicast_link_local(),
        Key::Mac(_) => false,
    }
}

/// RFC 1918, RFC 6598 (carrier-grade NAT, which some clouds give to pods), RFC 4193.
fn is_private(address: IpAddr) -> bool {
    let shared = |address: Ipv4Addr| address.octets()[0] == 100 && address.octets()[1] & 0xc0 == 64;
    match address {
        IpAddr::V4(address) => address.is_private() || shared(address),
        IpAddr::V6(address) => address.is_unique_local(),
    }
}

impl<'w> Found<'w> {
    /// What it is.
    pub(crate) fn kind(&self) -> Kind {
        self.thing.kind
    }

    /// What it is, in words.
    pub(crate) fn kind_name(&self) -> &'w Arc<str> {
        &self.world.kinds[self.thing.kind as usize]
    }

    /// The object itself.
    pub(super) fn thing(&self) -> &'w Thing {
        self.thing
    }

    /// What the cluster tells it by.
    pub(crate) fn uid(&self) -> Uid {
        self.thing.uid
    }

    /// Its labels as `key=value,...`, if they are kept.
    pub(crate) fn labels(&self) -> String {
        let labels = self.thing.details.iter().flat_map(|details| &details.labels);
        labels.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
    }

    /// The number of the network; 0 is the primary one.
    pub(crate) fn network_number(&self) -> u32 {
        self.network
    }

    /// Its name.
    pub(crate) fn name(&self) -> &'w Arc<str> {
        &self.thing.name
    }

    /// Its namespace; nodes have none.
    pub(crate) fn namespace(&self) -> Option<&'w Arc<str>> {
        self.thing.namespace.as_ref()
    }

    /// Kind and name of the workload that owns it; what nobody owns owns itself.
    pub(crate) fn owner(&self) -> (&'w Arc<str>, &'w Arc<str>) {
        match self.world.top(self.thing.owner) {
            Some(owner) => (&owner.kind, &owner.name),
            None => (self.kind_name(), self.name()),
        }
    }

    /// The number of its node.
    pub(crate) fn host_number(&self) -> Option<u32> {
        (self.thing.host != super::NONE).then_some(self.thing.host)
    }

    fn host(&self) -> Option<&'w Host> {
        self.world.hosts.get(self.thing.host as usize)
    }

    /// Name of its node.
    pub(crate) fn host_name(&self) -> Option<&'w Arc<str>> {
        self.host().map(|host| &host.name)
    }

    /// Address of its node.
    pub(crate) fn host_address(&self) -> Option<IpAddr> {
        self.host()?.address
    }

    /// Topology zone of its node.
    pub(crate) fn zone(&self) -> Option<&'w Arc<str>> {
        self.host()?.zone.as_ref()
    }

    /// `primary`, or the secondary network of the address.
    pub(crate) fn network(&self) -> Option<&'w Arc<str>> {
        self.world.networks.get(self.network as usize)
    }
}
