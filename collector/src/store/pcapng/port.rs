//! Interfaces of agents and their blocks in the file at hand.
//!
//! An interface gets a block when its first packet comes, and a new one when it is announced again as something else.

use std::{collections::BTreeMap, sync::Arc};

use flow::{Clock, Interface, InterfaceCounts, LinkType};

use super::block::{self, Statistics};
use crate::{about::About, annotation};

/// Longest packet that Wireshark takes (WTAP_MAX_PACKET_SIZE_STANDARD); longer ones are cut there.
pub(super) const MAX_CAPLEN: usize = 262_144;

/// Numbers of interfaces below this are looked up without a search; memory is taken for as many.
const NEAR: usize = 4096;

/// What is known of one agent.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// By their number there, which counts up from 0.
    ports: Vec<Option<Port>>,
    /// Those whose number is far from it: agents count places that are no interface down from the largest.
    far: BTreeMap<u32, Option<Port>>,
    /// How its clock stood when that was last told.
    pub(super) clock: Option<Clock>,
}

/// An interface of an agent.
#[derive(Debug)]
pub(super) struct Port {
    interface: Interface,
    /// Number of its block in the file at hand.
    pub(super) block: Option<u32>,
    /// What its agent counted, all in all: delivered, lost.
    counted: (u64, u64),
    /// Since its block began: packets that its agent delivered, those that it lost, those that are in the file.
    delivered: u64,
    lost: u64,
    pub(super) written: u64,
    /// Losses that no packet has told of yet.
    untold: u64,
    /// Something was counted since its last statistics.
    is_news: bool,
    /// When its block began, ns since the epoch.
    began_ns: u64,
}

impl Node {
    /// The interface of that number; one that its agent has not announced has a name that says so.
    pub(super) fn port(&mut self, id: u32) -> &mut Port {
        let slot = self.slot(id);
        slot.get_or_insert_with(|| Port::new(unknown(id)))
    }

    fn slot(&mut self, id: u32) -> &mut Option<Port> {
        let n = id as usize;
        if n >= NEAR {
            return self.far.entry(id).or_default();
        }
        if self.ports.len() <= n {
            self.ports.resize_with(n + 1, || None);
        }
        &mut self.ports[n]
    }

    /// All interfaces that are known.
    pub(super) fn ports(&mut self) -> impl Iterator<Item = &mut Port> {
        self.ports.iter_mut().chain(self.far.values_mut()).flatten()
    }

    /// Takes an announcement. If the interface had another name or place, what follows gets a new block.
    pub(super) fn announce(&mut self, interface: &Interface, now_ns: u64, out: &mut Vec<u8>) {
        match self.slot(interface.id) {
            Some(port) if port.interface == *interface => {}
            Some(port) => {
                port.end(now_ns, out);
                port.interface = interface.clone();
            }
            slot => *slot = Some(Port::new(interface.clone())),
        }
    }

    /// Takes what an agent counted.
    pub(super) fn count(&mut self, counts: &InterfaceCounts) {
        if let Some(port) = self.slot(counts.interface) {
            // An agent that was started again counts from nothing.
            let grown = |new: u64, old: u64| new.checked_sub(old).unwrap_or(new);
            let lost = grown(counts.lost, port.counted.1);
            port.delivered = port.delivered.saturating_add(grown(counts.delivered, port.counted.0));
            port.lost = port.lost.saturating_add(lost);
            port.untold = port.untold.saturating_add(lost);
            port.counted = (counts.delivered, counts.lost);
            port.is_news = true;
        }
    }
}

impl Port {
    fn new(interface: Interface) -> Self {
        Self {
            interface,
            block: None,
            counted: (0, 0),
            delivered: 0,
            lost: 0,
            written: 0,
            untold: 0,
            is_news: false,
            began_ns: 0,
        }
    }

    /// Writes its block, the `number`th of the file.
    pub(super) fn begin(&mut self, number: u32, node: (&str, Option<Clock>), about: &About, out: &mut Vec<u8>) {
        let (name, description) = annotation::describe(&self.interface, node.0, about.several, node.1);
        let described = block::Described {
            link_type: match self.interface.link_type {
                LinkType::Ethernet => 1,
                LinkType::RawIp => 101,
            },
            snaplen: match about.config.snaplen {
                0 => MAX_CAPLEN as u32,
                snaplen => snaplen.min(MAX_CAPLEN as u32),
            },
            name: &name,
            description: &description,
            speed: self.interface.speed,
            filter: &about.filter(),
            system: &about.nodes_system(),
        };
        block::idb(out, &described);
        self.block = Some(number);
        self.began_ns = crate::about::now_ns();
    }

    /// A packet goes into the file: how many were lost before it.
    pub(super) fn packet(&mut self) -> u64 {
        self.written += 1;
        self.is_news = true;
        std::mem::take(&mut self.untold)
    }

    /// Whether something was lost here that no block tells of.
    pub(super) fn has_hidden_loss(&self) -> bool {
        self.block.is_none() && self.untold > 0
    }

    /// Writes what was counted, if that has changed.
    pub(super) fn statistics(&mut self, now_ns: u64, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.is_news)
            && let Some(block) = self.block
        {
            // Before a limit cut the data short the agent delivered more than is here.
            let accepted = self.delivered.max(self.written).saturating_add(self.lost);
            let (lost, written) = (self.lost, self.written);
            block::isb(out, block, Statistics { span: (self.began_ns, now_ns), accepted, lost, written });
        }
    }

    /// The end of its block: what no packet has told of yet belongs to the next.
    pub(super) fn end(&mut self, now_ns: u64, out: &mut Vec<u8>) {
        if self.block.is_some() {
            self.lost -= self.untold.min(self.lost);
            self.is_news = true;
            self.statistics(now_ns, out);
            (self.block, self.delivered, self.written, self.lost) = (None, 0, 0, self.untold);
        }
    }

    /// The end of the file: all that was lost is told. Without a block there is nothing to be told of.
    pub(super) fn finish(&mut self, now_ns: u64, out: &mut Vec<u8>) {
        self.untold = 0;
        self.is_news = true;
        self.end(now_ns, out);
    }
}

fn unknown(id: u32) -> Interface {
    let name: Arc<str> = format!("unannounced-{id}").into();
    Interface { id, name, ..Interface::default() }
}
