//! Whose network namespace a record comes from: nobody tells, it is learnt from records that say it by address.

use std::{net::IpAddr, sync::Arc};

use flow::FlowRecord;
use hashbrown::HashMap;

use crate::{
    id::Uid,
    world::{
        Kind, World,
        find::{Found, When},
    },
};

/// Namespaces that are remembered; when there are more, learning begins anew.
const MOST: usize = 65_536;

/// Which end of a record is inside the namespace where it was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inside {
    Source,
    Destination,
}

/// The pods of namespaces, by node and name of the namespace.
#[derive(Clone, Debug, Default)]
pub(super) struct Rooms(HashMap<(Arc<str>, Arc<str>), Uid>);

/// The end that is inside: what leaves by the first interface that saw it comes from here, what only enters goes here. `None` in the node's own
/// namespace, where packets pass, and where nothing is said.
pub(super) fn inside(record: &FlowRecord) -> Option<Inside> {
    let directions = record.if_directions.as_ref()?;
    record.net_ns.as_ref().filter(|name| !name.is_empty())?;
    match **directions {
        [1, ..] => Some(Inside::Source),
        [0] => Some(Inside::Destination),
        _ => None,
    }
}

impl Rooms {
    /// Better answers for the ends of a record, where the pod in whose namespace it was counted is known; learns it where it is not.
    pub(super) fn correct<'w>(
        &mut self,
        world: &'w World,
        node: &Arc<str>,
        record: &FlowRecord,
        ends: [Option<Found<'w>>; 2],
        when: When,
    ) -> [Option<Found<'w>>; 2] {
        let [mut source, mut destination] = ends;
        let addresses = record.src_addr.zip(record.dst_addr);
        if let (Some(inside), Some((src, dst))) = (inside(record), addresses) {
            let (local, address) = match inside {
                Inside::Source => (&mut source, src),
                Inside::Destination => (&mut destination, dst),
            };
            self.learn(node, record, *local);
            *local = self.at_home(world, node, record, address).or(*local);
        }
        if let Some((src, dst)) = addresses {
            destination = neighbour(world, source, destination, dst, when).or(destination);
            source = neighbour(world, destination, source, src, when).or(source);
        }
        [source, destination]
    }

    /// A pod's own address is nobody else's, so that it tells whose namespace this is.
    fn learn(&mut self, node: &Arc<str>, record: &FlowRecord, local: Option<Found<'_>>) {
        let own = |found: &Found<'_>| {
            let here = found.host_name().is_some_and(|host| host == node);
            found.kind() == Kind::Pod && found.certain && found.network_number() == 0 && here
        };
        if let (Some(pod), Some(name)) = (local.filter(own), &record.net_ns) {
            if self.0.len() >= MOST {
                self.0.clear();
            }
            self.0.insert((Arc::clone(node), Arc::clone(name)), pod.uid());
        }
    }

    /// The pod of the namespace, at the interface where the record was counted.
    fn at_home<'w>(
        &self,
        world: &'w World,
        node: &Arc<str>,
        record: &FlowRecord,
        address: IpAddr,
    ) -> Option<Found<'w>> {
        if self.0.is_empty() {
            return None;
        }
        let pod = *self.0.get(&(Arc::clone(node), Arc::clone(record.net_ns.as_ref()?)))?;
        world.at_interface(pod, record.interfaces.as_ref()?.first()?, address)
    }
}

/// Where one end is known to be on a secondary network, the other is first looked for there.
fn neighbour<'w>(
    world: &'w World,
    known: Option<Found<'w>>,
    other: Option<Found<'w>>,
    address: IpAddr,
    when: When,
) -> Option<Found<'w>> {
    let network = known.filter(|known| known.by_interface && known.network_number() != 0)?.network_number();
    let open = other.is_none_or(|other| !other.by_interface);
    open.then(|| world.find_on(address, network, when)).flatten()
}
