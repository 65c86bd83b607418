//! Which rows are on the screen.

use std::sync::Arc;

use super::{Open, View, config, row::Row, rows};

/// With more rows than this the order is made anew at a lower pace.
const MANY: usize = 20_000;
/// That pace, ns.
const SLOW_NS: u64 = 250_000_000;

/// What the screen stays with while rows come, go and change places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    /// The first place, whatever row is there.
    Top,
    /// The last place.
    Bottom,
    /// A row.
    Row { slot: u32, id: u64 },
}

/// A row on the screen.
#[derive(Clone, Debug)]
pub struct Line {
    /// The row.
    pub row: Arc<Row>,
    /// Whether it is the selected one.
    pub is_selected: bool,
}

/// The part of the table that is on the screen.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Rows, first to last.
    pub lines: Vec<Line>,
    /// Place of the first of them in the order, from 0.
    pub start: usize,
    /// Rows in the order.
    pub total: usize,
}

impl View {
    /// The rows for a screen with room for `height`.
    pub fn picture(&mut self, height: usize, now_ns: u64) -> Picture {
        self.page = height.max(1);
        self.refresh(now_ns);
        let selected = self.settle();
        let rows = rows(&self.data, self.tied.as_ref(), self.held.as_ref());
        let slots = self.ranking.window(rows, self.offset, height);
        let line = |(at, slot): (usize, u32)| {
            Some(Line { row: rows.get(slot)?.clone(), is_selected: self.offset + at == selected })
        };
        let lines = slots.into_iter().enumerate().filter_map(line).collect();
        let (start, total) = (self.offset, self.ranking.len());
        self.renew_details();
        Picture { lines, start, total }
    }

    fn refresh(&mut self, now_ns: u64) {
        // A clock set back must not stop the table.
        if now_ns < self.refresh_at_ns && self.refresh_at_ns - now_ns <= SLOW_NS {
            return;
        }
        self.ranking.refresh();
        self.refresh_at_ns = if self.ranking.len() > MANY { now_ns + SLOW_NS } else { 0 };
    }

    /// The order is made anew with the next picture, whatever the pace.
    pub(super) fn refresh_now(&mut self) {
        self.refresh_at_ns = 0;
        self.changed = true;
    }

    /// Scrolls to what the screen is anchored to; the place of the selected row.
    fn settle(&mut self) -> usize {
        let total = self.ranking.len();
        let place = self.selected_place();
        self.offset = self.offset.min(place).max((place + 1).saturating_sub(self.page));
        self.offset = self.offset.min(total.saturating_sub(self.page));
        place
    }

    /// Place of the selected row in the order.
    fn selected_place(&mut self) -> usize {
        let last = self.ranking.len().saturating_sub(1);
        match self.anchor {
            Anchor::Top => 0,
            Anchor::Bottom => last,
            Anchor::Row { slot, id } => {
                let is_there = self.rows().get(slot).is_some_and(|row| row.id() == id);
                let place = is_there.then(|| self.ranking.place(self.rows(), slot)).flatten();
                place.unwrap_or_else(|| self.let_go(last))
            }
        }
    }

    /// The selected row has gone.
    fn let_go(&mut self, last: usize) -> usize {
        self.release();
        if self.anchor == Anchor::Bottom { last } else { self.offset.min(last) }
    }

    /// Follows no row any more.
    pub(super) fn release(&mut self) {
        self.anchor = match self.settings.mode {
            config::Mode::Packets => Anchor::Bottom,
            config::Mode::Flows => Anchor::Top,
        };
    }

    /// Selects the row `by` places further.
    pub(super) fn step(&mut self, by: isize) {
        let last = self.ranking.len().saturating_sub(1);
        let place = self.selected_place().saturating_add_signed(by).min(last);
        self.select(place);
    }

    fn select(&mut self, place: usize) {
        if let Some((slot, row)) = self.at(place) {
            self.anchor = Anchor::Row { slot, id: row.id() };
        }
    }

    pub(super) fn anchor_to(&mut self, anchor: Anchor) {
        self.anchor = anchor;
    }

    fn at(&mut self, place: usize) -> Option<(u32, Arc<Row>)> {
        let rows = rows(&self.data, self.tied.as_ref(), self.held.as_ref());
        let slot = *self.ranking.window(rows, place, 1).first()?;
        Some((slot, rows.get(slot)?.clone()))
    }

    /// The selected row, if there is one.
    pub fn selected(&mut self) -> Option<(u32, Arc<Row>)> {
        let place = self.selected_place();
        self.at(place)
    }

    /// What is open shows the newest of its row.
    fn renew_details(&mut self) {
        let Some(Open::Details { row, slot }) = &self.open else { return };
        let newest = self.rows().get(*slot).filter(|newest| newest.id() == row.id()).cloned();
        if let (Some(newest), Some(Open::Details { row, .. })) = (newest, &mut self.open) {
            *row = newest;
        }
    }
}
