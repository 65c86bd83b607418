//! One-line bars: filters, displays and order, the keys of the moment.

use flow::config;
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
};

use super::{
    text::{cut, put, put_pieces, put_right, skip, width},
    theme::Theme,
};
use crate::view::{Mode, Picture, View};

/// Where the text of the filter line stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Typed {
    /// Where the cursor stands.
    pub(super) cursor: Position,
    /// Cell of the first character that is shown.
    begin: u16,
    /// Byte of the line at which what is shown begins.
    start: usize,
}

impl Typed {
    /// The cell of byte `at` of the line.
    pub(super) fn cell(self, line: &str, at: usize) -> u16 {
        self.begin + line.get(self.start..at).map_or(0, width)
    }
}

/// The filter line; where its text stands if it has the keyboard.
pub(super) fn filter(buffer: &mut Buffer, area: Rect, view: &View, theme: Theme) -> Option<Typed> {
    let has_keyboard = matches!(view.mode(), Mode::Filter | Mode::Complete);
    let label = if has_keyboard { Theme::focus() } else { Theme::strong() };
    let mut left = skip(area, put(buffer, area, " Filter ", label));
    left = skip(left, put(buffer, left, " ", Theme::plain()));
    for kept in view.filters().kept() {
        let kept = format!("[{}]", flow::show::escape(kept));
        left = skip(left, put(buffer, left, &cut(&kept, left.width.saturating_sub(12)), theme.accent()));
        left = skip(left, put(buffer, left, " ", Theme::plain()));
    }
    let typed = view.filters().line();
    let has_filters = !view.filters().kept().is_empty() || !typed.is_empty();
    // The end of a long line is where the typing goes on.
    let room = left.width.saturating_sub(2);
    let mut start = 0;
    while width(&typed[start..]) > room {
        start += typed[start..].chars().next().map_or(1, char::len_utf8);
    }
    let used = put(buffer, left, &typed[start..], Theme::strong());
    let cursor = Position { x: left.x + used, y: left.y };
    let rest = skip(left, used + 1);
    if view.is_filtering() {
        put_right(buffer, rest, " looking… ", theme.dim());
    } else if !has_filters {
        let hint = "type to narrow: tcp   10.0.0.1:443   port = 443   bytes > 1MB   -udp";
        put(buffer, rest, hint, theme.dim());
    }
    (has_keyboard && !left.is_empty()).then_some(Typed { cursor, begin: left.x, start })
}

/// What is wrong with what is typed, below it: a caret at the place and the reason beside it. False if nothing is.
pub(super) fn mistake(buffer: &mut Buffer, area: Rect, view: &View, (typed, theme): (Typed, Theme)) -> bool {
    let Some(mistake) = view.filters().mistake() else { return false };
    let at = typed.cell(view.filters().line(), mistake.span.start).clamp(area.x, area.right().saturating_sub(1));
    let hint = mistake.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
    let message = format!("{}{hint}", flow::show::escape(&mistake.message));
    let caret = Rect { x: at, width: area.right() - at, ..area };
    let needed = width(&message) + 2;
    let room_before = at - area.x;
    if needed <= caret.width || room_before <= caret.width {
        put(buffer, caret, &format!("^ {message}"), theme.dim());
    } else {
        let text = cut(&message, room_before.saturating_sub(2)).into_owned();
        let start = at.saturating_sub(width(&text) + 1);
        put(buffer, Rect { x: start, width: area.right() - start, ..area }, &format!("{text} ^"), theme.dim());
    }
    true
}

/// Display, enrichment, order, and which rows are on the screen.
pub(super) fn presets(buffer: &mut Buffer, area: Rect, view: &View, picture: &Picture, theme: Theme) {
    let sort = view.sort();
    let arrow = if sort.descending { "▼" } else { "▲" };
    let mut pieces = Vec::new();
    if view.kind() == config::Mode::Flows {
        let columns = view.columns();
        if columns.is_own() {
            pieces.extend([(" Columns ".to_owned(), Theme::plain()), ("your own".to_owned(), theme.accent())]);
        } else {
            pieces.extend([(" ◂ ".to_owned(), Theme::plain()), (columns.display().label().to_owned(), theme.accent())]);
            pieces.extend([
                (" ▸  by ".to_owned(), Theme::plain()),
                (columns.enrichment().label().to_owned(), theme.accent()),
            ]);
        }
        if view.is_tied() {
            pieces.push(("  conversations".to_owned(), theme.accent()));
        }
        pieces.push((" ".to_owned(), Theme::plain()));
    }
    pieces.extend([(" sorted by ".to_owned(), Theme::plain())]);
    pieces.push((format!("{} {arrow}", sort.column.label()), theme.accent()));
    let end = picture.start + picture.lines.len();
    let first = if picture.lines.is_empty() { 0 } else { picture.start + 1 };
    let place = format!("{first}-{end} of {} ", picture.total);
    let taken = put_right(buffer, area, &place, theme.dim());
    put_pieces(buffer, Rect { width: area.width - taken, ..area }, &pieces);
}

/// The last line: what has the keyboard and what keys do now.
pub(super) fn footer(buffer: &mut Buffer, area: Rect, view: &View, (theme, stops): (Theme, bool)) {
    let (name, keys): (_, &[(&str, &str)]) = match view.mode() {
        Mode::Filter if view.kind() == config::Mode::Packets => (" FILTER ", PACKET_FILTER_KEYS),
        Mode::Filter => (" FILTER ", FILTER_KEYS),
        Mode::Table if view.kind() == config::Mode::Packets => (" TABLE ", PACKET_KEYS),
        Mode::Table => (" TABLE ", TABLE_KEYS),
        Mode::Help => (" HELP ", HELP_KEYS),
        Mode::Details => (" DETAILS ", DETAILS_KEYS),
        Mode::Menu => (" MENU ", MENU_KEYS),
        Mode::Complete => (" FILTER ", COMPLETE_KEYS),
    };
    let mut left = skip(area, put(buffer, area, name, Theme::focus()));
    for (key, meaning) in keys {
        let meaning = if *meaning == END && !stops { "leave" } else { meaning };
        if width(key) + width(meaning) + 3 > left.width {
            break;
        }
        left = skip(left, put(buffer, left, &format!("  {key}"), theme.accent()));
        left = skip(left, put(buffer, left, &format!(" {meaning}"), Theme::plain()));
    }
}

/// What leaving the table means where it ends the capture.
const END: &str = "end";

const FILTER_KEYS: &[(&str, &str)] = &[
    ("Esc", "commands"),
    ("Enter", "keep"),
    ("Tab", "complete"),
    ("^C", END),
    ("F1", "help"),
    ("←→", "display"),
    ("PgUp/PgDn", "names"),
    ("↑↓", "row"),
    ("^Space", "pause"),
    ("^F^B", "page"),
    ("Backspace", "on an empty line: last filter off"),
];

const PACKET_FILTER_KEYS: &[(&str, &str)] = &[
    ("Esc", "commands"),
    ("Enter", "keep"),
    ("Tab", "complete"),
    ("^C", END),
    ("F1", "help"),
    ("↑↓", "packet"),
    ("PgUp/PgDn", "page"),
    ("^Space", "pause"),
    ("End", "newest"),
    ("Backspace", "on an empty line: last filter off"),
];

const TABLE_KEYS: &[(&str, &str)] = &[
    ("q", END),
    ("?", "help"),
    ("/", "filter"),
    ("s", "sort"),
    ("p", "pause"),
    ("c", "conversations"),
    ("Enter", "details"),
    ("←→", "display"),
    ("C", "columns"),
    ("PgUp/PgDn", "names"),
    ("S", "reverse"),
    ("^F^B", "page"),
    ("Home/End", "ends"),
    ("Esc", "let go of the row"),
];

const PACKET_KEYS: &[(&str, &str)] = &[
    ("q", END),
    ("?", "help"),
    ("/", "filter"),
    ("p", "pause"),
    ("Enter", "details"),
    ("↑↓", "packet"),
    ("End", "newest"),
    ("s", "sort"),
    ("C", "columns"),
    ("S", "reverse"),
    ("PgUp/PgDn", "page"),
];

const HELP_KEYS: &[(&str, &str)] = &[("Esc", "close"), ("↑↓", "scroll"), ("^C", END)];

const DETAILS_KEYS: &[(&str, &str)] =
    &[("Esc", "close"), ("↑↓", "scroll"), ("PgUp/PgDn", "page"), ("p", "pause"), ("^C", END)];

const COMPLETE_KEYS: &[(&str, &str)] =
    &[("Enter", "take"), ("Tab", "next"), ("↑↓", "choose"), ("Esc", "close"), ("^C", END)];

const MENU_KEYS: &[(&str, &str)] = &[
    ("Enter", "take"),
    ("Esc", "close"),
    ("Space", "tick or untick"),
    ("d", "back to the display's columns"),
    ("↑↓", "choose"),
];
