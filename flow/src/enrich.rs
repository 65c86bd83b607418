//! Naming the ends of flows: what the collector asks of whoever knows names.

use crate::Batch;

/// Knows who has which address.
pub trait Enrich: Send {
    /// Fills the Kubernetes fields of every record of `batch`, with the names of the time at which it was made, and
    /// FlowDirection as seen from the node.
    fn enrich(&mut self, batch: &mut Batch);
}
