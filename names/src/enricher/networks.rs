//! The networks of the interfaces that a flow crossed.

use std::sync::Arc;

use flow::FlowRecord;

use crate::world::{World, find::Found};

/// A network for each interface of the record: that of the end which is known to be on a secondary one, the source's first. Annotations of pods say
/// nothing of the interfaces on their nodes, so all interfaces that one flow crossed count as that network's. `None` on the primary network.
pub(super) fn of_interfaces(
    world: &World,
    record: &FlowRecord,
    source: Option<Found<'_>>,
    destination: Option<Found<'_>>,
) -> Option<Arc<[Arc<str>]>> {
    if !world.with_udns {
        return record.udns.clone();
    }
    let secondary = |end: &&Found<'_>| end.network_number() != 0;
    let network = [source, destination].iter().flatten().find(secondary)?.network()?;
    Some(record.interfaces.as_ref()?.iter().map(|_| Arc::clone(network)).collect())
}
