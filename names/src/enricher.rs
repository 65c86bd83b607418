//! Filling the Kubernetes fields of records.

use std::{
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use flow::{Batch, Body, Enrich, FlowRecord, Interface, Place};

use crate::world::{
    World,
    find::{Found, When},
};

mod direction;
mod ends;
mod networks;
mod processes;
mod rooms;

use ends::End;
use rooms::Rooms;

/// How long a name of a record may be awaited, ms since its last packet. Kubelets of today tell a pod's address within 0.1 s of the
/// pod's first moment (measured: 10 to 50 ms), those that look at their containers once a second within two.
pub const HOLD_MS: u64 = 3_000;

/// Names the ends of flows. Cheap to make; holds the look-up tables for reading while it works on a batch.
#[derive(Clone, Debug)]
pub struct Enricher {
    world: Arc<RwLock<World>>,
    rooms: Rooms,
}

impl Enricher {
    pub(crate) fn new(world: Arc<RwLock<World>>) -> Self {
        Self { world, rooms: Rooms::default() }
    }

    fn world(&self) -> RwLockReadGuard<'_, World> {
        self.world.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Enrich for Enricher {
    fn enrich(&mut self, batch: &mut Batch) {
        let Self { world, rooms } = self;
        let world = world.read().unwrap_or_else(PoisonError::into_inner);
        let made_ms = batch.time_ns / 1_000_000;
        match &mut batch.body {
            Body::Flows(flows) => {
                let address = flows.records.first().and_then(|record| record.agent_ip);
                let mut naming =
                    Naming { observer: world.observer(&batch.node, address), world: &world, rooms, made_ms };
                flows.records.iter_mut().for_each(|record| naming.name(&batch.node, record));
            }
            Body::Packets(packets) => {
                let mut naming = Naming { observer: world.observer(&batch.node, None), world: &world, rooms, made_ms };
                packets.ends.iter_mut().for_each(|ends| naming.name(&batch.node, Arc::make_mut(ends)));
            }
            Body::None => {}
        }
    }

    fn pending(&self, record: &FlowRecord, now_ms: u64) -> bool {
        let Some(when) = when(record).filter(|when| now_ms.saturating_sub(when.end) < HOLD_MS) else { return false };
        let world = self.world();
        let open = |address: Option<IpAddr>, mac| {
            let unknown = |address| !world.find(address, mac, when).is_some_and(|found| found.certain);
            address.is_some_and(|address| world.may_be_pod(address) && unknown(address))
        };
        open(record.src_addr, record.src_mac) || open(record.dst_addr, record.dst_mac)
    }

    fn place(&self, node: &str, interface: &Interface, address: IpAddr, time_ms: u64) -> Option<Place> {
        let place = self.world().place(node, address, When { start: time_ms, end: time_ms })?;
        // In the pod's own namespace the interface says its name itself.
        Some(if interface.leads_out { place } else { Place { interface: Arc::clone(&interface.name), ..place } })
    }
}

/// What naming needs to know of a batch.
struct Naming<'a> {
    world: &'a World,
    rooms: &'a mut Rooms,
    observer: Option<u32>,
    /// When the batch was made, ms since the epoch.
    made_ms: u64,
}

impl Naming<'_> {
    fn name(&mut self, node: &Arc<str>, record: &mut FlowRecord) {
        let Self { world, observer, made_ms, .. } = *self;
        let when = when(record).unwrap_or(When { start: made_ms, end: made_ms });
        let ends = ends_of(world, record, when);
        let ends = self.rooms.correct(world, node, record, ends, when);
        name(world, record, observer, ends);
        translated(world, record, when);
        if world.with_policies && record.pkt_drop_packets.is_some() {
            record.pkt_drop_likely_cause = world.likely_cause(record, when).map(Arc::from);
        }
    }
}

/// The time of a record, if it says.
fn when(record: &FlowRecord) -> Option<When> {
    let start = record.time_flow_start_ms.or(record.time_flow_end_ms)?;
    Some(When { start, end: record.time_flow_end_ms.unwrap_or(start).max(start) })
}

/// Who is at the ends, by their addresses.
fn ends_of<'w>(world: &'w World, record: &FlowRecord, when: When) -> [Option<Found<'w>>; 2] {
    let found = |address: Option<IpAddr>, mac| address.and_then(|address| world.find(address, mac, when));
    [found(record.src_addr, record.src_mac), found(record.dst_addr, record.dst_mac)]
}

fn name(world: &World, record: &mut FlowRecord, observer: Option<u32>, [source, destination]: [Option<Found<'_>>; 2]) {
    let [from, to] = [&record.src_container, &record.dst_container].map(|text| processes::read(world, text.as_deref()));
    let (source, destination) = (from.end(source), to.end(destination));
    let hosts = [source, destination].map(|found| found.and_then(|found| found.host_number()));
    if let Some(direction) = direction::seen_from(observer, hosts[0], hosts[1]) {
        record.flow_direction = Some(direction);
    }
    record.udns = networks::of_interfaces(world, record, source, destination);
    let label = |address: Option<IpAddr>, found: Option<Found<'_>>| label(world, address?, found);
    let labels = [label(record.src_addr, source), label(record.dst_addr, destination)];
    let [source_label, destination_label] = labels;
    if !from.keeps(record.src_k8s_type.as_deref(), source) {
        End::source(record).fill(source, source_label);
    }
    if !to.keeps(record.dst_k8s_type.as_deref(), destination) {
        End::destination(record).fill(destination, destination_label);
    }
    from.write(&mut record.src_container);
    to.write(&mut record.dst_container);
}

/// Names the addresses after translation.
fn translated(world: &World, record: &mut FlowRecord, when: When) {
    let found = |address: Option<IpAddr>| address.and_then(|address| world.find(address, None, when));
    let [source, destination] = [found(record.xlat_src_addr), found(record.xlat_dst_addr)];
    let name = |found: Option<Found<'_>>| found.map(|found| Arc::clone(found.name()));
    let namespace = |found: Option<Found<'_>>| found.and_then(|found| found.namespace().cloned());
    (record.xlat_src_k8s_name, record.xlat_src_k8s_namespace) = (name(source), namespace(source));
    (record.xlat_dst_k8s_name, record.xlat_dst_k8s_namespace) = (name(destination), namespace(destination));
}

fn label(world: &World, address: IpAddr, found: Option<Found<'_>>) -> Option<Arc<str>> {
    if world.labels.is_empty() {
        return None;
    }
    let address = address.to_canonical();
    world.labels.of(address, world.is_pod_subnet(address), found.map(|found| found.kind())).cloned()
}

#[cfg(test)]
mod tests;
