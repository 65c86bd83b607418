//! The order of the rows, made so that only what is on the screen is ever sorted.
//!
//! A number to sort by is kept for every slot; a change of a row touches that number only. The first rows are found in
//! one pass over the numbers, a window further down by selection, O(rows); only its few rows are sorted. After a change of the filters rows are judged anew some at a
//! time, so that no frame waits for all of them.

use std::cmp::Ordering;

use flow::{Field, Filter, Value};

use super::{column::Column, row::Row, rows::Rows};

/// Up to this place rows are found without ordering all of them.
const FIRST: usize = 512;

/// Column and direction to sort by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// By what.
    pub column: Column,
    /// Largest first.
    pub descending: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Empty,
    Hidden,
    Shown,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    key: u128,
    slot: u32,
}

/// Which rows are shown, and in what order.
#[derive(Debug)]
pub(super) struct Ranking {
    /// By what.
    sort: Sort,
    filters: Vec<Filter>,
    keys: Vec<u128>,
    verdicts: Vec<Verdict>,
    shown: usize,
    /// Slots from here on are still to be judged by new filters.
    unjudged: u32,
    /// Rows as of the last refresh.
    total: usize,
    /// The first rows, in order; as many as were asked for since the last refresh.
    top: Vec<Entry>,
    /// All rows, made when more than the first ones are asked for.
    order: Option<Vec<Entry>>,
    /// Part of `order` that is in order.
    sorted: std::ops::Range<usize>,
    stale: bool,
}

impl Ranking {
    /// An empty order.
    pub(super) fn new(sort: Sort) -> Self {
        Self {
            sort,
            filters: Vec::new(),
            keys: Vec::new(),
            verdicts: Vec::new(),
            shown: 0,
            unjudged: u32::MAX,
            total: 0,
            top: Vec::new(),
            order: None,
            sorted: 0..0,
            stale: false,
        }
    }

    /// By what it is sorted.
    pub(super) fn sort(&self) -> Sort {
        self.sort
    }

    /// Rows that pass the filters.
    pub(super) fn shown(&self) -> usize {
        self.shown
    }

    /// Sorts by something else.
    pub(super) fn set_sort(&mut self, sort: Sort, rows: &Rows) {
        self.sort = sort;
        for slot in 0..rows.capacity() {
            if let Some(row) = rows.get(slot) {
                self.keys[slot as usize] = self.key(row);
            }
        }
        self.stale = true;
    }

    /// Shows what passes other filters; [`Ranking::judge`] has to be called until it says that all is done.
    pub(super) fn set_filters(&mut self, filters: Vec<Filter>) {
        self.filters = filters;
        self.unjudged = 0;
    }

    /// Takes over the rows of another picture.
    pub(super) fn replace(&mut self, rows: &Rows) {
        self.keys.clear();
        self.verdicts.clear();
        self.shown = 0;
        self.grow(rows.capacity());
        for slot in 0..rows.capacity() {
            if let Some(row) = rows.get(slot) {
                self.keys[slot as usize] = self.key(row);
            }
        }
        self.unjudged = 0;
        // Without filters there is nothing to wait for.
        if self.filters.is_empty() {
            self.judge(rows, usize::MAX);
        }
        self.stale = true;
    }

    /// The row in `slot` has changed in a way that no filter looks at.
    pub(super) fn move_only(&mut self, rows: &Rows, slot: u32) {
        if let (Some(row), Some(_)) = (rows.get(slot), self.keys.get(slot as usize)) {
            self.keys[slot as usize] = self.key(row);
            self.stale = true;
        }
    }

    /// The row in `slot` is new, has changed or has gone.
    pub(super) fn touch(&mut self, rows: &Rows, slot: u32) {
        self.grow(slot + 1);
        if let Some(row) = rows.get(slot) {
            self.keys[slot as usize] = self.key(row);
        }
        self.judge_slot(rows, slot);
        self.stale = true;
    }

    /// Judges up to `count` rows by new filters; whether all are judged.
    pub(super) fn judge(&mut self, rows: &Rows, count: usize) -> bool {
        let all = self.verdicts.len() as u32;
        let end = all.min(self.unjudged.saturating_add(u32::try_from(count).unwrap_or(u32::MAX)));
        for slot in self.unjudged.min(all)..end {
            self.judge_slot(rows, slot);
            self.stale = true;
        }
        self.unjudged = if end == all { u32::MAX } else { end };
        end == all
    }

    /// Whether all rows were judged by the filters in force.
    pub(super) fn is_judged(&self) -> bool {
        self.unjudged == u32::MAX
    }

    fn judge_slot(&mut self, rows: &Rows, slot: u32) {
        let verdict = match rows.get(slot) {
            None => Verdict::Empty,
            Some(row) if row.passes(&self.filters) => Verdict::Shown,
            Some(_) => Verdict::Hidden,
        };
        let before = std::mem::replace(&mut self.verdicts[slot as usize], verdict);
        self.shown -= usize::from(before == Verdict::Shown);
        self.shown += usize::from(verdict == Verdict::Shown);
    }

    fn grow(&mut self, capacity: u32) {
        let capacity = (capacity as usize).max(self.keys.len());
        self.keys.resize(capacity, 0);
        self.verdicts.resize(capacity, Verdict::Empty);
    }

    // Rows without a value come last either way.
    fn key(&self, row: &Row) -> u128 {
        let key = row.key(self.sort.column);
        key.map_or(u128::MAX, |key| if self.sort.descending { !key } else { key })
    }

    /// Brings the order up to date with the rows; until then it stays as it was.
    pub(super) fn refresh(&mut self) {
        if std::mem::take(&mut self.stale) {
            self.total = self.shown;
            self.top.clear();
            self.order = None;
            self.sorted = 0..0;
        }
    }

    /// Rows in the order as of the last refresh.
    pub(super) fn len(&self) -> usize {
        self.total
    }

    fn entries(&self) -> impl Iterator<Item = Entry> + use<'_> {
        let slots = self.verdicts.iter().zip(&self.keys).zip(0..);
        slots.filter(|((verdict, _), _)| **verdict == Verdict::Shown).map(|((_, key), slot)| Entry { key: *key, slot })
    }

    /// Slots of the rows at places `start..start + count`, first to last.
    pub(super) fn window(&mut self, rows: &Rows, start: usize, count: usize) -> Vec<u32> {
        let end = start.saturating_add(count).min(self.total);
        let start = start.min(end);
        let window = if end <= FIRST { self.first(rows, end) } else { self.all(rows, start, end) };
        let window = window.get(start..end.min(window.len())).unwrap_or_default();
        window.iter().map(|entry| entry.slot).collect()
    }

    /// The first `count` rows, found in one pass over the keys.
    fn first(&mut self, rows: &Rows, count: usize) -> &[Entry] {
        if self.top.len() < count {
            let by = |a: &Entry, b: &Entry| compare(self.sort, rows, a, b);
            let mut top: Vec<Entry> = Vec::with_capacity(2 * count);
            let mut worst = None;
            for entry in self.entries() {
                if worst.is_some_and(|worst| by(&entry, &worst).is_gt()) {
                    continue;
                }
                top.push(entry);
                // Twice as many as wanted: the worse half goes.
                if top.len() == 2 * count {
                    worst = Some(*top.select_nth_unstable_by(count - 1, by).1);
                    top.truncate(count);
                }
            }
            top.sort_unstable_by(by);
            top.truncate(count);
            self.top = top;
        }
        &self.top
    }

    /// All rows, of which `start..end` are in order.
    fn all(&mut self, rows: &Rows, start: usize, end: usize) -> &[Entry] {
        if self.order.is_none() {
            self.order = Some(self.entries().collect());
            self.sorted = 0..0;
        }
        let sort = self.sort;
        let order = self.order.get_or_insert_default();
        // Rows may have come or gone since the refresh.
        let (start, end) = (start.min(order.len()), end.min(order.len()));
        if start < self.sorted.start || end > self.sorted.end {
            sort_window(order, start, end, |a, b| compare(sort, rows, a, b));
            self.sorted = start..end;
        }
        order
    }

    /// Place of the row in `slot`, if it is shown.
    pub(super) fn place(&self, rows: &Rows, slot: u32) -> Option<usize> {
        if *self.verdicts.get(slot as usize)? != Verdict::Shown {
            return None;
        }
        let own = Entry { key: self.keys[slot as usize], slot };
        Some(self.entries().filter(|entry| compare(self.sort, rows, entry, &own).is_lt()).count())
    }
}

fn sort_window(order: &mut [Entry], start: usize, end: usize, by: impl Fn(&Entry, &Entry) -> Ordering) {
    if start > 0 && start < order.len() {
        order.select_nth_unstable_by(start, &by);
    }
    let rest = &mut order[start..];
    if end - start < rest.len() {
        rest.select_nth_unstable_by(end - start, &by);
    }
    rest[..end - start].sort_unstable_by(by);
}

fn compare(sort: Sort, rows: &Rows, a: &Entry, b: &Entry) -> Ordering {
    a.key.cmp(&b.key).then_with(|| compare_rest(sort, rows, a, b)).then(a.slot.cmp(&b.slot))
}

/// Texts that are equal in the 16 bytes of the key, and not over by then.
fn compare_rest(sort: Sort, rows: &Rows, a: &Entry, b: &Entry) -> Ordering {
    let last = if sort.descending { !a.key } else { a.key } & 0xff;
    let (Column::Field(field), true) = (sort.column, last != 0 && a.key != u128::MAX) else { return Ordering::Equal };
    let order = text(rows, a.slot, field).cmp(&text(rows, b.slot, field));
    if sort.descending { order.reverse() } else { order }
}

fn text(rows: &Rows, slot: u32, field: Field) -> Option<&str> {
    match rows.get(slot).map(AsRef::as_ref) {
        Some(Row::Flow(flow)) => match flow.record.get(field) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        },
        _ => None,
    }
}
