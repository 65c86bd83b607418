//! The way to the live table: bounded, never blocking, the newest wins.
//!
//! Owns what happens to a batch that the table had no time for: its data goes, its announcements stay.

use std::{
    io,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use flow::{Batch, Body};

use crate::queue::{self, Received};

/// Batches for the table, in order.
#[derive(Debug)]
pub struct Feed(queue::Receiver<Arc<Batch>>);

impl Feed {
    /// Waits for the next batch, `timeout` at most.
    pub fn recv_timeout(&self, timeout: Duration) -> Received<Arc<Batch>> {
        self.0.recv_timeout(timeout)
    }

    /// The same as a channel of the standard library, for a reader that wants one.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn into_channel(self) -> io::Result<mpsc::Receiver<Arc<Batch>>> {
        // Hardly any room: what waits, waits in the queue that prefers the newest.
        let (sender, receiver) = mpsc::sync_channel(1);
        let forward = move || while self.0.recv().is_some_and(|batch| sender.send(batch).is_ok()) {};
        thread::Builder::new().name("feed".into()).spawn(forward)?;
        Ok(receiver)
    }
}

/// The other end of a [`Feed`].
#[derive(Debug)]
pub(crate) struct Feeder(queue::Sender<Arc<Batch>>);

/// A feed that holds `max_bytes`, roughly.
pub(crate) fn feed(max_bytes: usize) -> (Feeder, Feed) {
    let (sender, receiver) = queue::channel(1024, max_bytes);
    (Feeder(sender), Feed(receiver))
}

impl Feeder {
    /// Whether nobody reads any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.0.is_closed()
    }

    /// Gives a batch to the table; returns how many older records or packets the table will not see therefore.
    pub(crate) fn offer(&self, batch: Arc<Batch>) -> u64 {
        let mut skipped = 0;
        self.0.send_newest(batch, |oldest| {
            skipped += data_count(&oldest.body);
            announcements(&oldest)
        });
        skipped
    }
}

/// Records or packets.
pub(crate) fn data_count(body: &Body) -> u64 {
    match body {
        Body::Flows(batch) => batch.records.len() as u64,
        Body::Packets(batch) => batch.packets.len() as u64,
        Body::None => 0,
    }
}

/// The batch without its data, if anything in it has to be known later.
pub(crate) fn announcements(batch: &Batch) -> Option<Arc<Batch>> {
    let Batch { node, sequence, time_ns, counters, interfaces, notices, secrets, clock, recording, .. } = batch;
    let is_end = recording.as_ref().is_some_and(|recording| recording.over);
    if interfaces.is_empty() && notices.is_empty() && secrets.is_empty() && !is_end {
        return None;
    }
    Some(Arc::new(Batch {
        node: Arc::clone(node),
        sequence: *sequence,
        time_ns: *time_ns,
        counters: *counters,
        interfaces: interfaces.clone(),
        interface_counts: Vec::new(),
        notices: notices.clone(),
        secrets: secrets.clone(),
        clock: *clock,
        recording: recording.clone(),
        ring: None,
        body: Body::None,
    }))
}

#[cfg(test)]
mod tests {
    use flow::{FlowBatch, FlowRecord};

    use super::*;
    use crate::queue::Weight as _;

    fn batch(sequence: u64, records: usize, notice: Option<&str>) -> Arc<Batch> {
        Arc::new(Batch {
            node: "n".into(),
            sequence,
            notices: notice.into_iter().map(Arc::from).collect(),
            body: Body::Flows(FlowBatch { records: vec![FlowRecord::default(); records], observations: Vec::new() }),
            ..Batch::default()
        })
    }

    #[test]
    fn a_slow_table_loses_old_records_counted_but_no_notice() {
        let (feeder, feed) = feed(batch(0, 10, None).weight() * 2);
        let skipped: u64 = (0..5).map(|n| feeder.offer(batch(n, 10, (n == 0).then_some("attached")))).sum();
        drop(feeder);
        let got: Vec<_> = feed.into_channel().unwrap().iter().map(|b| (b.sequence, data_count(&b.body))).collect();
        assert_eq!(got.first(), Some(&(0, 0)), "the notice");
        assert_eq!(got.last(), Some(&(4, 10)), "the newest");
        assert_eq!(skipped + got.iter().map(|g| g.1).sum::<u64>(), 50);
    }
}
