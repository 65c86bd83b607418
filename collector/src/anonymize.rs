//! Addresses and names replaced, the same one always by the same one: by a key, so that files of several runs agree if they
//! share it, and nobody without it can try who is meant.
//!
//! What is not known to be harmless goes: a record is taken apart field by field ([`record`]), a packet header by header
//! ([`frame`]); what stands in neither is zeroed or left out. Knows no file.

use std::{collections::HashMap, sync::Arc};

use flow::{Batch, Body, FlowBatch, FlowRecord, Interface, LinkType, Observation, PacketBatch};
use sha2::{Digest as _, Sha256};

mod frame;
mod names;
mod pan;
mod record;

use names::{Kind, Names};
use pan::Pan;

/// The secret that decides what becomes of what.
#[derive(Clone)]
pub struct AnonymizeKey([u8; 32]);

impl std::fmt::Debug for AnonymizeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AnonymizeKey")
    }
}

impl AnonymizeKey {
    /// Of any bytes, a passphrase or the content of a file.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::new_with_prefix(b"oc-netobserv anonymize\0").chain_update(bytes).finalize().into())
    }
}

/// Replaces what is in batches; remembers which interface has which link.
pub(crate) struct Anonymizer {
    pan: Pan,
    names: Names,
    keep_payload: bool,
    links: HashMap<(Arc<str>, u32), LinkType>,
}

impl std::fmt::Debug for Anonymizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Anonymizer").field("keep_payload", &self.keep_payload).finish_non_exhaustive()
    }
}

impl Anonymizer {
    /// With `keep_payload` what follows the headers of TCP and UDP stays, but for protocols that consist of names.
    pub(crate) fn new(AnonymizeKey(key): &AnonymizeKey, keep_payload: bool) -> Self {
        let part = |what: &[u8]| -> [u8; 32] { Sha256::new_with_prefix(what).chain_update(key).finalize().into() };
        Self {
            pan: Pan::new(&part(b"addresses")),
            names: Names::new(part(b"names")),
            keep_payload,
            links: HashMap::new(),
        }
    }

    /// Replaces everything in `batch`; secrets go, and so do words about what happened.
    pub(crate) fn apply(&mut self, batch: &mut Batch) {
        for interface in &mut batch.interfaces {
            self.links.insert((Arc::clone(&batch.node), interface.id), interface.link_type);
            self.interface(interface);
        }
        batch.secrets.clear();
        batch.notices.clear();
        (batch.recording, batch.ring) = (None, None);
        match &mut batch.body {
            Body::None => {}
            Body::Flows(flows) => self.flows(flows),
            Body::Packets(packets) => self.packets(&batch.node, packets),
        }
        batch.node = self.names.text(Kind::Node, &batch.node);
    }

    fn interface(&mut self, interface: &mut Interface) {
        interface.netns = self.names.netns(&interface.netns);
        interface.name = self.names.interface(&interface.name);
        if let Some(place) = &interface.place {
            interface.place = Some(Arc::new(self.names.place(place)));
        }
    }

    fn flows(&mut self, flows: &mut FlowBatch) {
        flows.records.iter_mut().for_each(|record| self.record(record));
        for Observation { node, netns, interface, .. } in &mut flows.observations {
            *node = node.as_ref().map(|node| self.names.text(Kind::Node, node));
            *netns = self.names.netns(netns);
            *interface = self.names.interface(interface);
        }
    }

    fn packets(&mut self, node: &Arc<str>, body: &mut PacketBatch) {
        for ends in &mut body.ends {
            let mut record = FlowRecord::clone(ends);
            self.record(&mut record);
            *ends = Arc::new(record);
        }
        for drop in &mut body.drops {
            drop.cause = self.names.word(&drop.cause);
        }
        let mut known: Option<(u32, LinkType)> = None;
        for packet in &mut body.packets {
            let link = match known {
                Some((id, link)) if id == packet.interface => link,
                _ => self.links.get(&(Arc::clone(node), packet.interface)).copied().unwrap_or_default(),
            };
            known = Some((packet.interface, link));
            packet.id = self.names.id(packet.id);
            let start = packet.offset as usize;
            if let Some(bytes) = body.data.get_mut(start..start + packet.caplen as usize) {
                frame::rewrite(self, link, bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests;
