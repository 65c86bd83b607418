//! Naming the ends of flows: what the collector asks of whoever knows names.

use crate::{Batch, FlowRecord};

/// Knows who has which address.
pub trait Enrich: Send {
    /// Fills the Kubernetes fields of every record of `batch`, with the names of the time at which it was made, and
    /// FlowDirection as seen from the node. Doing it again later gives the best answer of that later moment.
    fn enrich(&mut self, batch: &mut Batch);

    /// Whether a name of `record`, already enriched, may still come or change: its address lies where pods live, and nobody is
    /// known to have had it at that time. A pod's first packets are seen before the cluster tells its address. Never true for
    /// records older than a few seconds, so that whoever holds such a record back and asks again lets go of it in time.
    /// `now_ms` is the time, ms since the epoch.
    fn pending(&self, record: &FlowRecord, now_ms: u64) -> bool {
        let _ = (record, now_ms);
        false
    }
}
