//! What opens over the table: details of a row, help, menus; and the bytes of a packet below it.

use flow::{config, show};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    widgets::{Block, Clear, Widget as _},
};

use super::{
    header::Header,
    help, page,
    text::{cut, line, put, put_right, skip, width},
    theme::Theme,
};
use crate::view::{
    Mode, Open, View,
    complete::Completion,
    details,
    menu::{Kind, Menu},
    row::Row,
};

/// Draws what is open, if anything is.
pub(super) fn draw(buffer: &mut Buffer, area: Rect, view: &mut View, header: &Header<'_>) {
    let theme = header.theme;
    let lines = match view.open().cloned() {
        None | Some(Open::Completion(_)) => return,
        Some(Open::Menu(menu)) => return draw_menu(buffer, area, view, &menu, theme),
        Some(Open::Help) => help::lines(view, header),
        Some(Open::Details { row, .. }) => details::lines(&row),
    };
    Clear.render(area, buffer);
    let title = if view.mode() == Mode::Help { "Help" } else { "Details" };
    let inner = frame(buffer, area, title, theme);
    let lines = page::set(&lines, inner.width);
    view.bound_scroll(lines.len(), inner.height.into());
    for (at, text) in lines.iter().skip(view.scroll()).take(inner.height.into()).enumerate() {
        page::draw(buffer, line(inner, at as u16), text, theme);
    }
    let last = (view.scroll() + usize::from(inner.height)).min(lines.len());
    if lines.len() > inner.height.into() {
        let more = format!(" {last} of {} lines ", lines.len());
        put_right(buffer, line(area, area.height.saturating_sub(1)), &more, Theme::strong());
    }
}

fn frame(buffer: &mut Buffer, area: Rect, title: &str, theme: Theme) -> Rect {
    let block = Block::bordered().title(format!(" {title} ")).border_style(theme.dim()).title_style(theme.accent());
    let inner = block.inner(area);
    block.render(area, buffer);
    inner
}

fn draw_menu(buffer: &mut Buffer, area: Rect, view: &View, menu: &Menu, theme: Theme) {
    let title = match menu.kind {
        Kind::Sort => "Sort by",
        Kind::Columns => "Columns",
    };
    let chosen = view.columns().chosen();
    let wide = Rect { width: area.width.min(76), height: area.height.min(menu.entries.len() as u16 + 2), ..area };
    let area = Rect { x: area.x + (area.width - wide.width) / 2, ..wide };
    Clear.render(area, buffer);
    let inner = frame(buffer, area, title, theme);
    let page = usize::from(inner.height);
    let first = menu.at.saturating_sub(page.saturating_sub(1));
    for (at, column) in menu.entries.iter().enumerate().skip(first).take(page) {
        let area = line(inner, (at - first) as u16);
        let tick = match menu.kind {
            Kind::Columns if chosen.contains(column) => "[x] ",
            Kind::Columns => "[ ] ",
            Kind::Sort if view.sort().column == *column => " ▸  ",
            Kind::Sort => "    ",
        };
        let used = put(buffer, area, &format!("{tick}{:<16}", column.label()), Theme::plain());
        put(buffer, skip(area, used + 1), column.doc(), theme.dim());
        if at == menu.at {
            buffer.set_style(area, Theme::selected());
        }
    }
}

/// Most candidates on the screen at once.
const CANDIDATES: u16 = 10;

/// The candidates of the filter line in `area` below it, at cell `at`.
pub(super) fn completion(buffer: &mut Buffer, area: Rect, (list, at): (&Completion, u16), theme: Theme) {
    let texts = list.candidates.iter().map(|candidate| width(&candidate.text)).max().unwrap_or_default();
    let docs = list.candidates.iter().map(|candidate| width(&candidate.what)).max().unwrap_or_default();
    let wide = (texts + docs + 4).min(area.width);
    let height = (list.candidates.len() as u16).min(CANDIDATES).min(area.height);
    let x = at.saturating_sub(1).min(area.right().saturating_sub(wide)).max(area.x);
    let area = Rect { x, width: wide, height, ..area };
    Clear.render(area, buffer);
    let first = list.at.saturating_sub(usize::from(height.saturating_sub(1)));
    for (at, candidate) in list.candidates.iter().enumerate().skip(first).take(height.into()) {
        let area = line(area, (at - first) as u16);
        buffer.set_style(area, theme.popup());
        put(buffer, skip(area, 1), &show::escape(&candidate.text), theme.popup());
        put(buffer, skip(area, texts.min(area.width / 2) + 3), &show::escape(&candidate.what), theme.popup());
        if at == list.at {
            buffer.set_style(area, Theme::selected());
        }
    }
}

/// The pane below a list of packets: the selected one in a line and its bytes.
pub(super) fn bytes(buffer: &mut Buffer, area: Rect, view: &mut View, theme: Theme) {
    let heading = line(area, 0);
    buffer.set_style(heading, theme.bar());
    let Some((_, row)) = view.selected() else { return };
    let Row::Packet(packet) = &*row else { return };
    let kept = format!(" {} of {} bytes ", packet.bytes.len(), packet.len);
    let taken = put_right(buffer, heading, &kept, theme.bar());
    let room = heading.width - taken;
    put(buffer, Rect { width: room, ..heading }, &cut(&format!(" {}", packet.line()), room), theme.bar());
    for (at, hex) in details::hex(&packet.bytes).take(usize::from(area.height.saturating_sub(1))).enumerate() {
        put(buffer, skip(line(area, at as u16 + 1), 1), &hex, Theme::plain());
    }
}

/// Lines of the pane of bytes on a screen with `height` for table and pane; 0 where there is no room.
pub(super) fn bytes_height(view: &View, height: u16) -> u16 {
    if view.kind() == config::Mode::Flows || height < 12 { 0 } else { (height / 3).min(17) }
}
