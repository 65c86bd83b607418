//! The newest packets, bounded by number and bytes. While filters are in force only packets that pass are kept, so that
//! the rare one is not pushed out by the many.

use std::{collections::VecDeque, sync::Arc};

use flow::{Filter, Interface, PacketBatch};
use hashbrown::HashMap;

use super::{
    row::{PacketRow, Row},
    rows::Rows,
};
use crate::subset;

/// The packets.
#[derive(Debug)]
pub(super) struct Packets {
    /// One row a packet.
    pub(super) rows: Rows,
    /// Slots, oldest first.
    order: VecDeque<u32>,
    /// Bytes kept.
    bytes: usize,
    cap: usize,
    cap_bytes: usize,
    next_id: u64,
    interfaces: HashMap<(Arc<str>, u32), Arc<Interface>>,
    /// Names of all that delivered packets.
    nodes: Vec<Arc<str>>,
    /// Packets that went to keep within the bounds.
    pub(super) evicted: u64,
}

impl Packets {
    /// Keeps `cap` packets and `cap_bytes` of their bytes at most.
    pub(super) fn new(cap: usize, cap_bytes: usize) -> Self {
        Self {
            rows: Rows::default(),
            order: VecDeque::new(),
            bytes: 0,
            cap: cap.max(1),
            cap_bytes,
            next_id: 0,
            interfaces: HashMap::new(),
            nodes: Vec::new(),
            evicted: 0,
        }
    }

    /// Packets ever seen.
    pub(super) fn total(&self) -> u64 {
        self.next_id
    }

    /// Later packets of `node` refer to these.
    pub(super) fn learn(&mut self, node: &Arc<str>, interfaces: &[Interface]) {
        for interface in interfaces {
            self.interfaces.insert((node.clone(), interface.id), Arc::new(interface.clone()));
        }
    }

    /// Takes in a packet of `batch`; slots that changed are appended to `changed`.
    pub(super) fn add(
        &mut self,
        node: &Arc<str>,
        (batch, at): (&PacketBatch, usize),
        filters: &[Filter],
        changed: &mut Vec<u32>,
    ) {
        let Some(packet) = batch.packets.get(at) else { return };
        let bytes: Box<[u8]> = batch.bytes(packet).into();
        let kept = bytes.len();
        if !self.nodes.contains(node) {
            self.nodes.push(node.clone());
        }
        let row = Row::Packet(PacketRow {
            id: self.next_id,
            time_ns: packet.time_ns,
            interface: self.interfaces.get(&(node.clone(), packet.interface)).cloned(),
            node: (self.nodes.len() > 1).then(|| node.clone()),
            direction: packet.direction,
            len: packet.len,
            cause: subset::cause(&batch.drops, at).cloned(),
            ends: batch.ends(packet).cloned(),
            packet_id: packet.id,
            bytes,
        });
        self.next_id += 1;
        if !row.passes(filters) {
            return;
        }
        self.bytes += kept;
        let slot = self.rows.insert(row);
        self.order.push_back(slot);
        changed.push(slot);
        self.evict(changed);
    }

    fn evict(&mut self, changed: &mut Vec<u32>) {
        while self.order.len() > self.cap || (self.bytes > self.cap_bytes && self.order.len() > 1) {
            let Some(slot) = self.order.pop_front() else { break };
            if let Some(Row::Packet(packet)) = self.rows.remove(slot).as_deref() {
                self.bytes -= packet.bytes.len();
            }
            self.evicted += 1;
            changed.push(slot);
        }
    }
}
