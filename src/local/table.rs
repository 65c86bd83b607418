//! The live table over a capture: wires the collector's feed and status to it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use collector::{Feed, Received, Recorder, Status, tui};
use flow::{Batch, Counters, Stop};

use super::recorder;
use crate::{Context, error::Error, log::Aside, plan::Plan};

/// Where the table gets its contents from.
pub(super) struct Sources<'a> {
    pub(super) feed: &'a Feed,
    pub(super) status: &'a Status,
    pub(super) recorder: Recorder,
    /// Called several times a second: looks after those who cannot call for help.
    pub(super) watch: &'a (dyn Fn() + Sync),
}

/// Shows the table until the user ends it or the capture ends.
pub(super) fn run(plan: &Plan, context: &Context, sources: &Sources<'_>, stop: &Stop) -> Result<(), Error> {
    let _aside = Aside::begin(plan.output_dir.as_deref())
        .map_err(|error| Error::failed(format!("cannot write the log file: {error}")))?;
    // The feed skips what the table has no time for; this channel only passes on, so it holds next to nothing.
    let (sender, receiver) = mpsc::sync_channel(1);
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| forward(sources, &sender, &ended));
        let _end = End(&ended);
        tui::run(receiver, setup(plan, context, sources), stop.clone())
    })
    .map_err(Error::failed)
}

/// Says that the table has ended, also when it ends by a panic: the thread that feeds it is waited for.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Until the capture has ended, or the table.
fn forward(sources: &Sources<'_>, sender: &mpsc::SyncSender<Arc<Batch>>, ended: &AtomicBool) {
    while !ended.load(Ordering::Relaxed) {
        (sources.watch)();
        match sources.feed.recv_timeout(Duration::from_millis(100)) {
            Received::Item(batch) => {
                if sender.send(batch).is_err() {
                    return;
                }
            }
            Received::Timeout => {}
            Received::Closed => return,
        }
    }
}

fn setup(plan: &Plan, context: &Context, sources: &Sources<'_>) -> tui::TableSetup {
    let source = tui::Source::Live { interval: plan.config.cache_active_timeout };
    let (status, recorder) = (sources.status.clone(), sources.recorder.clone());
    let write = |exporter| Box::new(move |rows: &_, opened| recorder::write(&exporter, rows, opened)) as tui::Export;
    tui::TableSetup {
        what: plan.what.clone(),
        node: Arc::clone(&plan.config.node),
        limits: plan.config.limits,
        features: plan.config.features.clone(),
        progress: Some(Box::new(move || progress(&status))),
        recorder: Some(Box::new(move |wish| recorder.wish(wish))),
        export: recorder::exporter(plan).map(write),
        colour: context.colour.on(true),
        ..tui::TableSetup::new(plan.config.mode, source)
    }
}

fn progress(status: &Status) -> tui::Progress {
    let snapshot = status.snapshot();
    let Counters { lost_sequence, lost_store, past_limit, filtered, view_skipped, .. } = snapshot.counters;
    tui::Progress {
        file_bytes: snapshot.file_bytes(),
        packets: snapshot.packets,
        bytes: snapshot.bytes,
        // The table adds these to what the agents' batches say.
        elapsed: None,
        nodes: Vec::new(),
        recordings: snapshot.recordings,
        ring: snapshot.ring,
        counters: Counters { lost_sequence, lost_store, past_limit, filtered, view_skipped, ..Counters::default() },
    }
}
