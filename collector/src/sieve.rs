//! The filter language applied to batches: what the kernel could not judge, or what is in a file. One place for both.

use std::{collections::HashMap, fmt, net::IpAddr, sync::Arc};

use flow::{
    Batch, Body, Field, Filter, FlowBatch, FlowRecord, Interface, LinkType, PacketBatch, Value,
    filter::{Object, Subject, texts},
};

use crate::{
    decode::decode,
    packet::Seen,
    places::Places,
    subset::{retain_packets, retain_records},
};

/// Says whether an address belongs to an object of the cluster; `None` where that is not known, and names decide that stand in the
/// record.
pub type Objects = Arc<dyn Fn(&Object, IpAddr) -> Option<bool> + Send + Sync>;

/// Takes from batches what a filter turns away; remembers what earlier batches said of interfaces.
pub struct Sieve {
    filter: Filter,
    objects: Option<Objects>,
    interfaces: HashMap<(Arc<str>, u32), Interface>,
    /// Number of each record among those that stayed; `None` for one that went.
    places: Places<Option<u64>>,
    kept: u64,
}

impl fmt::Debug for Sieve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sieve").field("filter", &self.filter).finish_non_exhaustive()
    }
}

impl Sieve {
    /// By `filter`; `objects` knows who has which address, where anybody does.
    pub fn new(filter: Filter, objects: Option<Objects>) -> Self {
        Self { filter, objects, interfaces: HashMap::new(), places: Places::default(), kept: 0 }
    }

    /// Leaves the records or packets that the filter takes, observations and drops with them; what is announced stays. Returns how
    /// many were turned away.
    pub fn apply(&mut self, batch: &mut Batch) -> u64 {
        if self.filter.is_empty() {
            return 0;
        }
        for interface in &batch.interfaces {
            self.interfaces.insert((Arc::clone(&batch.node), interface.id), interface.clone());
        }
        let gone = match &mut batch.body {
            Body::None => 0,
            Body::Flows(flows) => self.flows(flows),
            Body::Packets(packets) => self.packets(&batch.node, packets),
        };
        let is_empty = match &batch.body {
            Body::None => false,
            Body::Flows(flows) => flows.records.is_empty() && flows.observations.is_empty(),
            Body::Packets(packets) => packets.packets.is_empty(),
        };
        if is_empty && gone > 0 {
            batch.body = Body::None;
        }
        gone
    }

    /// Whether the filter takes a record of a flow.
    pub(crate) fn takes(&self, record: &FlowRecord) -> bool {
        self.filter.matches(&Judged { record, line: None, objects: self.objects.as_ref() })
    }

    fn flows(&mut self, flows: &mut FlowBatch) -> u64 {
        let Self { filter, objects, places, kept, .. } = self;
        let (first, first_kept) = (places.next(), *kept);
        let mut keep = Vec::with_capacity(flows.records.len());
        for record in &flows.records {
            let takes = filter.matches(&Judged { record, line: None, objects: objects.as_ref() });
            places.push(takes.then_some(*kept));
            *kept += u64::from(takes);
            keep.push(takes);
        }
        let earlier = |index| {
            let kept = places.get(first, index).flatten()?;
            i32::try_from(i128::from(kept) - i128::from(first_kept)).ok()
        };
        retain_records(flows, &keep, earlier);
        (keep.len() - flows.records.len()) as u64
    }

    fn packets(&self, node: &Arc<str>, packets: &mut PacketBatch) -> u64 {
        // Packets of one interface often come one after the other.
        let mut known: Option<(u32, Option<&Interface>)> = None;
        let ends = std::mem::take(&mut packets.ends);
        let gone = retain_packets(packets, |packet, bytes, cause| {
            let interface = match known {
                Some((id, interface)) if id == packet.interface => interface,
                _ => self.interfaces.get(&(Arc::clone(node), packet.interface)),
            };
            known = Some((packet.interface, interface));
            let decoded = decode(bytes, interface.map_or(LinkType::Ethernet, |interface| interface.link_type));
            let record = Seen::new(packet, interface, cause, ends.get(packet.ends as usize)).record(&decoded);
            let line = || decoded.line();
            self.filter.matches(&Judged { record: &record, line: Some(&line), objects: self.objects.as_ref() })
        });
        packets.ends = ends;
        gone
    }
}

/// A record, or a packet with its one line.
struct Judged<'a> {
    record: &'a FlowRecord,
    line: Option<&'a dyn Fn() -> String>,
    objects: Option<&'a Objects>,
}

impl Subject for Judged<'_> {
    fn field(&self, field: Field) -> Option<Value<'_>> {
        self.record.get(field)
    }

    fn any_text(&self, look: &mut dyn FnMut(&str) -> bool) -> bool {
        texts(self.record).any(|text| look(&text)) || self.line.is_some_and(|line| look(&line()))
    }

    fn belongs(&self, object: &Object, address: IpAddr) -> Option<bool> {
        self.objects.and_then(|objects| objects(object, address))
    }
}

#[cfg(test)]
mod tests;
