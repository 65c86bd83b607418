//! The table as one thing: state and looks, drawn into any frame. Knows no terminal.

use std::sync::Arc;

use flow::Batch;
use ratatui::Frame;

use super::{
    header::Header,
    screen,
    setup::{Progress, Source, TableSetup},
    table::Wants,
    theme::Theme,
};
use crate::{
    Cause, Wish,
    view::{Effect, Kept, Key, Pace, Settings, View, row::Row},
};

const SECOND: u64 = 1_000_000_000;
/// Units of work between two looks at the clock.
const WORK: usize = 256;

/// State and looks.
pub(super) struct Board {
    pub(super) view: View,
    setup: TableSetup,
    wants: Wants,
    progress: Progress,
    opened_ns: u64,
    /// Second of the last frame: the clock in the header ticks although nothing comes.
    second: u64,
    /// The user's choices as they were last kept.
    kept: Kept,
}

impl Board {
    pub(super) fn new(setup: TableSetup, now_ns: u64) -> Self {
        let pace = match setup.source {
            Source::Live { interval } => Pace::Interval(u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX).max(1)),
            Source::File => Pace::Past,
        };
        let mut view = View::new(Settings {
            mode: setup.mode,
            pace,
            max_flows: setup.max_flows,
            max_packets: setup.max_packets,
            max_packet_bytes: setup.max_packet_bytes,
            filters: setup.filters.clone(),
            features: setup.features.clone(),
        });
        if let Some(kept) = &setup.kept {
            view.restore(kept);
        }
        let (wants, kept) = (Wants::default(), view.kept());
        Self { view, setup, wants, progress: Progress::default(), opened_ns: now_ns, second: 0, kept }
    }

    pub(super) fn receive(&mut self, batch: Arc<Batch>, now_ns: u64) {
        self.view.receive(batch, now_ns);
    }

    pub(super) fn key(&mut self, key: Key, now_ns: u64) -> Effect {
        let effect = self.view.key(key);
        if let Some(said) = self.ordered(effect) {
            let words = said.unwrap_or_else(|why| why);
            self.view.notice(words.into(), now_ns);
        }
        if let Some(keep) = &self.setup.keep {
            let kept = self.view.kept();
            if kept != self.kept {
                keep(&kept);
                self.kept = kept;
            }
        }
        effect
    }

    /// Sees to recordings and files; what is said of it.
    fn ordered(&mut self, effect: Effect) -> Option<Result<String, String>> {
        let wish = match effect {
            Effect::None | Effect::Quit | Effect::Suspend | Effect::Redraw => return None,
            Effect::Export { open } => {
                let Some(export) = &self.setup.export else { return Some(Err("no files are written here".into())) };
                return Some(self.view.export().and_then(|packets| export(&packets, open)));
            }
            Effect::Save => Wish::Save(Cause::Key),
            Effect::Record => match self.view.selected().map(|(_, row)| row) {
                Some(row) => match &*row {
                    Row::Flow(flow) => Wish::Packets(Box::new(flow.record.clone())),
                    Row::Packet(_) => {
                        return Some(Err(
                            "packets are captured already; e writes those of a conversation into a file".into()
                        ));
                    }
                },
                None => return Some(Err("there is no flow to record".into())),
            },
        };
        let Some(recorder) = &self.setup.recorder else {
            return Some(Err("this is a file: nothing is captured any more".into()));
        };
        Some(recorder(&wish))
    }

    /// Works on what waits until it is done or `is_late` says so.
    pub(super) fn work(&mut self, now_ns: u64, is_late: impl Fn() -> bool) {
        while self.view.has_work() {
            self.view.work(WORK, now_ns);
            if is_late() {
                break;
            }
        }
        self.view.tick(now_ns);
    }

    /// Whether a frame would differ from the last one.
    pub(super) fn is_due(&mut self, now_ns: u64) -> bool {
        let ticked = std::mem::replace(&mut self.second, now_ns / SECOND) != now_ns / SECOND;
        self.view.take_changed() || (ticked && self.view.is_live())
    }

    /// Time since the capture began, s.
    fn elapsed(&self, now_ns: u64) -> u64 {
        self.progress.elapsed.map_or(now_ns.saturating_sub(self.opened_ns) / SECOND, |elapsed| elapsed.as_secs())
    }

    pub(super) fn draw(&mut self, frame: &mut Frame<'_>, now_ns: u64) {
        if let Some(ask) = &self.setup.progress {
            self.progress = ask();
        }
        let header = Header {
            setup: &self.setup,
            progress: &self.progress,
            theme: Theme::new(self.setup.colour),
            elapsed: self.elapsed(now_ns),
            now_ns,
        };
        screen::draw(frame, &mut self.view, &header, &mut self.wants);
    }
}
