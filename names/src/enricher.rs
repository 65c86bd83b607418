//! Filling the Kubernetes fields of records.

use std::{
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use flow::{Batch, Body, Enrich, FlowRecord};

use crate::world::{
    World,
    find::{Found, When},
};

mod direction;
mod ends;

use ends::End;

/// How long a name of a record may be awaited, ms since its last packet. Kubelets of today tell a pod's address within 0.1 s of the
/// pod's first moment (measured: 10 to 50 ms), those that look at their containers once a second within two.
pub const HOLD_MS: u64 = 3_000;

/// Names the ends of flows. Cheap to make; holds the look-up tables for reading while it works on a batch.
#[derive(Clone, Debug)]
pub struct Enricher {
    world: Arc<RwLock<World>>,
}

impl Enricher {
    pub(crate) fn new(world: Arc<RwLock<World>>) -> Self {
        Self { world }
    }

    fn world(&self) -> RwLockReadGuard<'_, World> {
        self.world.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Enrich for Enricher {
    fn enrich(&mut self, batch: &mut Batch) {
        let Body::Flows(flows) = &mut batch.body else { return };
        let world = self.world();
        let made_ms = batch.time_ns / 1_000_000;
        let address = flows.records.first().and_then(|record| record.agent_ip);
        let observer = world.observer(&batch.node, address);
        for record in &mut flows.records {
            name(&world, record, observer, made_ms);
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
}

/// The time of a record, if it says.
fn when(record: &FlowRecord) -> Option<When> {
    let start = record.time_flow_start_ms.or(record.time_flow_end_ms)?;
    Some(When { start, end: record.time_flow_end_ms.unwrap_or(start).max(start) })
}

fn name(world: &World, record: &mut FlowRecord, observer: Option<u32>, made_ms: u64) {
    let when = when(record).unwrap_or(When { start: made_ms, end: made_ms });
    let source = record.src_addr.and_then(|address| world.find(address, record.src_mac, when));
    let destination = record.dst_addr.and_then(|address| world.find(address, record.dst_mac, when));
    let hosts = [source, destination].map(|found| found.and_then(|found| found.host_number()));
    if let Some(direction) = direction::seen_from(observer, hosts[0], hosts[1]) {
        record.flow_direction = Some(direction);
    }
    let label = |address: Option<IpAddr>, found: Option<Found<'_>>| label(world, address?, found);
    let labels = [label(record.src_addr, source), label(record.dst_addr, destination)];
    let [source_label, destination_label] = labels;
    End::source(record).fill(source, source_label);
    End::destination(record).fill(destination, destination_label);
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
