//! Headings and rows. Only what is on the screen is turned into text.

use std::{borrow::Cow, collections::HashMap};

use flow::{Field, Kind};
use ratatui::{buffer::Buffer, layout::Rect};

use super::{
    text::{cut, cut_middle, line, put, width},
    theme::Theme,
};
use crate::view::{
    Line, Picture, View,
    column::Column,
    layout::{GAP, fit, widths},
    mark,
};

/// Cells before the first column: the mark of the row.
const MARGIN: u16 = 2;
/// Most cells that a column grows to by itself.
const MOST: u16 = 48;

/// Widths that columns have asked for so far. They do not shrink while the choice of columns is the same, so that the
/// table does not move under the eye.
#[derive(Debug, Default)]
pub(super) struct Wants {
    columns: Vec<Column>,
    width: u16,
    cells: HashMap<Column, u16>,
}

impl Wants {
    fn see(&mut self, columns: &[Column], width: u16) {
        if self.columns != columns || self.width != width {
            self.columns = columns.to_vec();
            self.width = width;
            self.cells.clear();
        }
    }

    fn note(&mut self, column: Column, cells: u16) {
        let most = if column == Column::Info { u16::MAX } else { MOST };
        let want = self.cells.entry(column).or_default();
        *want = (*want).max(cells.min(most));
    }
}

/// Draws headings and rows into `area`.
pub(super) fn draw(
    buffer: &mut Buffer,
    area: Rect,
    view: &View,
    picture: &Picture,
    (theme, wants): (Theme, &mut Wants),
) {
    let room = area.width.saturating_sub(MARGIN);
    let columns = fit(&view.columns().chosen(), room);
    wants.see(&columns, room);
    let cells: Vec<Cells<'_>> =
        picture.lines.iter().map(|line| columns.iter().map(|column| cell(line, *column)).collect()).collect();
    for row in &cells {
        for (column, cell) in columns.iter().zip(row).filter(|(column, _)| column.is_flexible()) {
            wants.note(*column, cell.as_ref().map_or(0, |text| width(text)));
        }
    }
    let wanted: Vec<_> = columns.iter().map(|column| wants.cells.get(column).copied().unwrap_or_default()).collect();
    let widths = widths(&columns, &wanted, room);
    let layout: Vec<_> = columns.into_iter().zip(widths).collect();
    headings(buffer, line(area, 0), view, &layout, theme);
    let is_table = view.mode() == crate::view::Mode::Table;
    for (at, (shown, cells)) in picture.lines.iter().zip(&cells).enumerate() {
        let area = line(area, at as u16 + 1);
        row(buffer, area, (shown, cells), &layout, (theme, view.is_live()));
        if shown.is_selected && (is_table || view.kind() == flow::config::Mode::Packets) {
            buffer.set_style(area, if is_table { Theme::selected() } else { Theme::strong() });
        }
    }
}

fn cell(line: &Line, column: Column) -> Option<Cow<'_, str>> {
    line.row.cell(column).or_else(|| line.row.stand_in(column))
}

fn headings(buffer: &mut Buffer, area: Rect, view: &View, layout: &[(Column, u16)], theme: Theme) {
    buffer.set_style(area, theme.bar());
    let sort = view.sort();
    let mut x = area.x + MARGIN.min(area.width);
    for (column, cells) in layout {
        let arrow = if sort.descending { '▼' } else { '▲' };
        let label = column.label();
        // The arrow takes the gap before a number, so that the label stays whole.
        let text = match (sort.column == *column, column.is_number()) {
            (true, true) => format!("{arrow}{label}"),
            (true, false) => format!("{label}{arrow}"),
            (false, _) => label.to_owned(),
        };
        let start = if column.is_number() { (x + cells).saturating_sub(width(&text)).max(area.x) } else { x };
        let room = (x + cells + GAP).min(area.right()).saturating_sub(start);
        put(buffer, Rect { x: start, width: room, ..area }, &cut(&text, room), theme.bar());
        x = x.saturating_add(cells + GAP).min(area.right());
    }
}

type Cells<'a> = Vec<Option<Cow<'a, str>>>;

fn row(
    buffer: &mut Buffer,
    area: Rect,
    (shown, cells): (&Line, &Cells<'_>),
    layout: &[(Column, u16)],
    (theme, is_live): (Theme, bool),
) {
    let mark = mark::row(&shown.row, is_live);
    put(buffer, area, mark.symbol().encode_utf8(&mut [0; 4]), theme.mark(mark));
    let mut x = area.x + MARGIN.min(area.width);
    for ((column, room), cell) in layout.iter().zip(cells) {
        let room = (*room).min(area.right().saturating_sub(x));
        let text = cell.as_deref().unwrap_or(if room > 0 { "-" } else { "" });
        let text = if is_address(*column) { cut_middle(text, room) } else { cut(text, room) };
        let start = if column.is_number() { x + room.saturating_sub(width(&text)) } else { x };
        let own = mark::cell(&shown.row, *column);
        let style = match (cell, mark) {
            (None, _) | (_, mark::Mark::Quiet) => theme.dim(),
            _ => theme.mark(own),
        };
        put(buffer, Rect { x: start, width: (x + room).saturating_sub(start), ..area }, &text, style);
        x = x.saturating_add(room + GAP).min(area.right());
    }
}

fn is_address(column: Column) -> bool {
    matches!(column, Column::Field(field) if field.kind() == Kind::Ip && field != Field::AgentIP)
}
