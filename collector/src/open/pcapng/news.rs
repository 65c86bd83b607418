//! What blocks said besides packets, until a batch tells it: of a node in a batch of that node.

use std::sync::Arc;

use flow::{Interface, InterfaceCounts};

/// What no batch has told.
#[derive(Debug, Default)]
pub(super) struct News {
    interfaces: Vec<(Arc<str>, Interface)>,
    counts: Vec<(Arc<str>, InterfaceCounts)>,
    /// Lines of a TLS key log; a batch of any node may tell them.
    pub(super) secrets: Vec<Arc<str>>,
}

impl News {
    pub(super) fn interface(&mut self, node: &Arc<str>, interface: Interface) {
        self.interfaces.push((Arc::clone(node), interface));
    }

    /// The latest counts of an interface are those that count.
    pub(super) fn counts(&mut self, node: &Arc<str>, counts: InterfaceCounts) {
        match self.counts.last_mut() {
            Some((_, last)) if last.interface == counts.interface => *last = counts,
            _ => self.counts.push((Arc::clone(node), counts)),
        }
    }

    /// What is to be told of `node`.
    pub(super) fn take(&mut self, node: &str) -> (Vec<Interface>, Vec<InterfaceCounts>) {
        let interfaces =
            self.interfaces.extract_if(.., |(of, _)| **of == *node).map(|(_, interface)| interface).collect();
        let counts = self.counts.extract_if(.., |(of, _)| **of == *node).map(|(_, counts)| counts).collect();
        (interfaces, counts)
    }

    /// A node of which something is to be told, other than `node`.
    pub(super) fn other(&self, node: &str) -> Option<&Arc<str>> {
        let interfaces = self.interfaces.iter().map(|(of, _)| of);
        interfaces.chain(self.counts.iter().map(|(of, _)| of)).find(|of| ***of != *node)
    }

    /// Whether so much waits that a batch should go.
    pub(super) fn is_much(&self) -> bool {
        /// Entries; of each kind a few hundred bytes.
        const MUCH: usize = 8192;
        self.interfaces.len() + self.counts.len() + self.secrets.len() >= MUCH
    }
}
