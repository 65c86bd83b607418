//! Where everything stands: lines are given to parts in a fixed order of importance, a function of the size alone.

use ratatui::{Frame, layout::Rect};

use super::{
    bars,
    header::Header,
    over,
    table::{self, Wants},
    text::{line, put},
    theme::Theme,
};
use crate::view::{Mode, Open, View};

/// Lines that the table gets before anything else: headings and a row or two.
const TABLE_FIRST: u16 = 3;

/// Which lines above and below the table are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each part is there or not, whatever the others")]
struct Parts {
    title: bool,
    totals: bool,
    losses: bool,
    notice: bool,
    filter: bool,
    presets: bool,
    footer: bool,
}

impl Parts {
    fn fit(height: u16, has_losses: bool, has_notice: bool) -> Self {
        let mut left = height.saturating_sub(TABLE_FIRST);
        let mut take = |wanted: bool| {
            let fits = wanted && left > 0;
            left -= u16::from(fits);
            fits
        };
        Self {
            losses: take(has_losses),
            footer: take(true),
            filter: take(true),
            title: take(true),
            totals: take(true),
            presets: take(true),
            notice: take(has_notice),
        }
    }
}

/// Takes lines from the top of what is left.
struct Lines(Rect);

impl Lines {
    fn take(&mut self, wanted: bool) -> Option<Rect> {
        let first = wanted.then(|| line(self.0, 0))?;
        self.0 = Rect { y: self.0.y + 1, height: self.0.height - 1, ..self.0 };
        Some(first)
    }
}

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, view: &mut View, header: &Header<'_>, wants: &mut Wants) {
    let area = frame.area();
    if area.is_empty() {
        return;
    }
    let theme = header.theme;
    let (losses, notice) = (header.losses(view), header.notice(view));
    let parts = Parts::fit(area.height, losses.is_some(), notice.is_some());
    let mut lines = Lines(area);
    let footer = parts.footer.then(|| line(area, area.height - 1));
    lines.0.height -= u16::from(parts.footer);
    let buffer = frame.buffer_mut();
    if let Some(area) = lines.take(parts.title) {
        header.title(buffer, area, view);
    }
    if let Some(area) = lines.take(parts.totals) {
        header.totals(buffer, area, view);
    }
    if let (Some(area), Some((words, is_loss))) = (lines.take(parts.losses), losses) {
        let style = if is_loss { theme.alarm() } else { theme.dim() };
        put(buffer, area, &format!(" {}{words} ", if is_loss { "✗ " } else { "" }), style);
    }
    if let (Some(area), Some(words)) = (lines.take(parts.notice), notice) {
        put(buffer, area, &format!(" {words}"), Theme::strong());
    }
    let typed = lines.take(parts.filter).and_then(|area| bars::filter(buffer, area, view, theme));
    let below_filter = lines.0;
    let presets = lines.take(parts.presets);
    let below = over::bytes_height(view, lines.0.height);
    let table = Rect { height: lines.0.height - below, ..lines.0 };
    let picture = view.picture(table.height.saturating_sub(1).into(), header.now_ns);
    if let Some(area) = presets {
        let is_typing = view.mode() == Mode::Filter;
        let is_wrong = is_typing && typed.is_some_and(|typed| bars::mistake(buffer, area, view, (typed, theme)));
        if !is_wrong {
            bars::presets(buffer, area, view, &picture, theme);
        }
    }
    table::draw(buffer, table, view, &picture, (theme, wants));
    if picture.lines.is_empty() {
        put(buffer, line(table, 2), empty(view), theme.dim());
    }
    if below > 0 {
        over::bytes(buffer, Rect { y: table.bottom(), height: below, ..table }, view, theme);
    }
    over::draw(buffer, lines.0, view, header);
    if let Some(area) = footer {
        bars::footer(buffer, area, view, (theme, header.setup.stops));
    }
    if let (Some(Open::Completion(list)), Some(typed)) = (view.open(), typed) {
        let at = typed.cell(view.filters().line(), list.start);
        over::completion(buffer, below_filter, (list, at), theme);
    }
    if let Some(typed) = typed.filter(|typed| area.contains(typed.cursor)) {
        frame.set_cursor_position(typed.cursor);
    }
}

fn empty(view: &View) -> &'static str {
    let (_, kept, _) = view.counts();
    match (kept, view.is_live()) {
        (0, true) => "  Nothing seen yet. What passes the rules of the capture appears here.",
        (0, false) => "  The file holds nothing.",
        _ => "  No row passes the filters. Backspace on the empty filter line removes the last one.",
    }
}
