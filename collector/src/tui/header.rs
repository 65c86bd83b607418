//! The lines above the table: what is captured, how much of it, what was lost.

use std::time::Duration;

use flow::{Counters, config, show};
use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::{
    setup::{Progress, TableSetup},
    text::{put, put_pieces, put_right, skip, width},
    theme::Theme,
};
use crate::{RecordingStatus, view::View};

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// A notice stays this long, ns.
const NOTICE_NS: u64 = 10_000_000_000;

/// What the header needs besides the view.
pub(super) struct Header<'a> {
    pub(super) setup: &'a TableSetup,
    pub(super) progress: &'a Progress,
    pub(super) theme: Theme,
    /// Time since the table was opened, s.
    pub(super) elapsed: u64,
    pub(super) now_ns: u64,
}

impl Header<'_> {
    /// First line: the command, what is captured, where, for how long.
    pub(super) fn title(&self, buffer: &mut Buffer, area: Rect, view: &mut View) {
        let bar = self.theme.bar();
        buffer.set_style(area, bar);
        let state = self.state(view);
        let style = if view.is_paused() { self.theme.alarm() } else { bar };
        let taken = put_right(buffer, area, &state, style);
        let kind = if view.kind() == config::Mode::Flows { "flows" } else { "packets" };
        let mut title = format!(" {kind}");
        if !self.setup.what.is_empty() {
            title = format!("{title}: {}", show::escape(&self.setup.what));
        }
        let nodes = &self.progress.nodes;
        if !nodes.is_empty() {
            let capturing = nodes.iter().filter(|node| node.is_capturing()).count();
            let noun = if nodes.len() == 1 { "node" } else { "nodes" };
            title = format!("{title} · {capturing}/{} {noun}", nodes.len());
        } else if !self.setup.node.is_empty() {
            title = format!("{title} · {}", show::escape(&self.setup.node));
        }
        put(buffer, Rect { width: area.width - taken, ..area }, &title, bar);
    }

    fn state(&self, view: &mut View) -> String {
        let word = match (view.is_paused(), view.is_live()) {
            (true, _) => "‖ PAUSED",
            (false, true) => "● LIVE",
            (false, false) => "FILE",
        };
        if !view.is_live() {
            let span = view.totals().span_ms.map_or(0, |(first, last)| (last - first) / 1000);
            return format!(" {word} {} ", clock(span));
        }
        let limit = self.setup.limits.time.map(|time| format!(" of {}", clock(time.as_secs()))).unwrap_or_default();
        format!(" {word} {}{limit} ", clock(self.elapsed))
    }

    /// Second line: sums, rates, sizes of the files.
    pub(super) fn totals(&self, buffer: &mut Buffer, area: Rect, view: &mut View) {
        let pieces = self.pieces(view);
        let used: u16 = pieces.iter().map(|(text, _)| width(text)).sum();
        put_pieces(buffer, area, &pieces);
        let room = skip(area, used.saturating_add(2));
        if view.is_live() && room.width >= 12 {
            self.graph(buffer, room, view);
        }
    }

    fn pieces(&self, view: &mut View) -> Vec<(String, Style)> {
        let (plain, accent) = (Theme::plain(), self.theme.accent());
        let (shown, kept, _) = view.counts();
        let noun = match view.kind() {
            config::Mode::Flows if view.is_tied() => "conversations",
            config::Mode::Flows => "flows",
            config::Mode::Packets => "packets kept",
        };
        let mut pieces = vec![(format!(" {}", show::count(kept as u64)), accent), (format!(" {noun}"), plain)];
        if shown != kept {
            pieces.push((format!(" ({} shown)", show::count(shown as u64)), plain));
        }
        let packets = self.progress.packets.max(view.totals().packets);
        let bytes = self.progress.bytes.max(view.totals().bytes);
        pieces.push((format!("  {} packets  {}B", show::count(packets), show::bytes(bytes)), plain));
        pieces.extend(self.rates(view));
        pieces.extend(self.limits(packets));
        pieces
    }

    fn rates(&self, view: &mut View) -> Vec<(String, Style)> {
        let totals = view.totals();
        if self.is_past() {
            let seconds = totals.span_ms.map_or(0, |(first, last)| (last - first) / 1000).max(1);
            let text = format!(
                "  {}/s  {}bit/s on average",
                show::count(totals.packets / seconds),
                show::bytes(totals.bytes * 8 / seconds)
            );
            return vec![(text, Theme::plain())];
        }
        let packets = totals.packet_meter.rate(self.now_ns);
        let bits = totals.byte_meter.rate(self.now_ns).saturating_mul(8);
        vec![
            (format!("  {}", show::count(packets)), self.theme.accent()),
            (" packets/s".to_owned(), Theme::plain()),
            (format!("  {}", show::bytes(bits)), self.theme.accent()),
            ("bit/s".to_owned(), Theme::plain()),
        ]
    }

    fn is_past(&self) -> bool {
        self.setup.source == super::Source::File
    }

    fn limits(&self, packets: u64) -> Vec<(String, Style)> {
        let mut pieces = Vec::new();
        if self.setup.progress.is_some() {
            let of = self.setup.limits.bytes.map(|limit| format!(" of {}B", show::bytes(limit))).unwrap_or_default();
            pieces.push((format!("  files {}B{of}", show::bytes(self.progress.file_bytes)), Theme::plain()));
        }
        if let Some(limit) = self.setup.limits.packets {
            let percent = packets.saturating_mul(100) / limit.max(1);
            pieces.push((format!("  {percent}% of {} packets", show::count(limit)), Theme::plain()));
        }
        pieces
    }

    fn graph(&self, buffer: &mut Buffer, area: Rect, view: &mut View) {
        let history: Vec<_> = view.totals().byte_meter.history(usize::from(area.width.min(60) - 1)).collect();
        let most = history.iter().copied().max().unwrap_or_default().max(1);
        let bar = |value: &u64| if *value == 0 { ' ' } else { BARS[(value * 7 / most) as usize] };
        let graph: String = history.iter().map(bar).collect();
        put_right(buffer, area, &(graph + " "), self.theme.accent());
    }

    /// What was lost, each counter that is not zero in words; then what the table itself does not show.
    pub(super) fn losses(&self, view: &mut View) -> Option<(String, bool)> {
        let mut counters = view.totals().counters();
        counters.add(&self.progress.counters);
        let lost: Vec<_> =
            counters.losses().map(|entry| format!("{} {}", show::count(entry.value), entry.label)).collect();
        let mut words = lost.clone();
        words.extend(unshown(&counters, view));
        (!words.is_empty()).then(|| (words.join(" · "), !lost.is_empty()))
    }

    /// What the flight recorder holds; recordings that run, and the last that is over.
    fn recordings(&self) -> Vec<String> {
        let Progress { recordings, ring, .. } = self.progress;
        let ring = ring.as_ref().map(|ring| {
            let (held, asked) = (show::duration(whole(ring.held)), show::duration(ring.asked));
            match (ring.saving, ring.held + Duration::from_secs(1) >= ring.asked) {
                (true, _) => "saving the ring (w: that is enough)".to_owned(),
                (false, true) => format!("ring holds {asked} (w saves it)"),
                (false, false) => format!("ring holds {held} of {asked} (w saves it)"),
            }
        });
        let name = |one: &RecordingStatus| {
            let name = one.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            show::escape(&name).into_owned()
        };
        let running = recordings.iter().filter(|one| !one.over);
        let running = running.map(|one| format!("● {} packets into {}", show::count(one.packets), name(one)));
        let last = recordings.iter().rfind(|one| one.over);
        let last = last.map(|one| format!("{} packets in {}", show::count(one.packets), name(one)));
        ring.into_iter().chain(running).chain(last).collect()
    }

    /// Nodes that capture nothing, and what was said lately.
    pub(super) fn notice(&self, view: &View) -> Option<String> {
        let lately = |when: u64| self.now_ns.saturating_sub(when) < NOTICE_NS;
        let said =
            view.notices().back().filter(|(when, _)| lately(*when)).map(|(_, text)| show::escape(text).into_owned());
        let silent = self.progress.nodes.iter().filter(|node| !node.is_capturing());
        let silent = silent.map(|node| show::escape(&format!("{}: {}", node.node, node.words())).into_owned());
        let words: Vec<_> = said.into_iter().chain(self.recordings()).chain(silent).collect();
        (!words.is_empty()).then(|| words.join(" · "))
    }
}

/// In whole seconds.
fn whole(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs())
}

/// What the table does not show, or not any more, and what was left out of the capture on purpose.
fn unshown(counters: &Counters, view: &View) -> Vec<String> {
    let label = |name: &str| counters.entries().find(|entry| entry.name == name && entry.value > 0);
    let told = ["view_skipped", "past_limit", "filtered", "out_of_order", "unmerged", "malformed", "own"]
        .into_iter()
        .filter_map(label);
    let mut words: Vec<_> = told.map(|entry| format!("{} {}", show::count(entry.value), entry.label)).collect();
    // Packets scroll out of their window all the time; a flow that is forgotten starts again from zero.
    if view.evicted() > 0 && view.kind() == config::Mode::Flows {
        words.push(format!("{} idle flows left the table", show::count(view.evicted())));
    }
    words
}

/// `4:05`, `1:04:05`.
fn clock(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}
