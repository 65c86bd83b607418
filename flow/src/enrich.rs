//! Naming the ends of flows: what the collector asks of whoever knows names.

use std::net::IpAddr;

use crate::{Batch, FlowRecord, Interface, Place};

/// Knows who has which address.
pub trait Enrich: Send {
    /// Fills the Kubernetes fields of every record of `batch`, with the names of the time at which it was made, and
    /// FlowDirection as seen from the node; of a batch of packets those of [`crate::PacketBatch::ends`]. Doing it again later
    /// gives the best answer of that later moment.
    fn enrich(&mut self, batch: &mut Batch);

    /// Whether a name of `record`, already enriched, may still come or change: its address lies where pods live, and nobody is
    /// known to have had it at that time. A pod's first packets are seen before the cluster tells its address. Never true for
    /// records older than a few seconds, so that whoever holds such a record back and asks again lets go of it in time.
    /// `now_ms` is the time, ms since the epoch.
    fn pending(&self, record: &FlowRecord, now_ms: u64) -> bool {
        let _ = (record, now_ms);
        false
    }

    /// The pod at `interface` of `node`, where packets of `address` were sent at `time_ms`, ms since the epoch: that pod of this node
    /// whose own address this is and nobody else's. `None` where that is not certain, and for pods on their node's network.
    fn place(&self, node: &str, interface: &Interface, address: IpAddr, time_ms: u64) -> Option<Place> {
        let _ = (node, interface, address, time_ms);
        None
    }
}
