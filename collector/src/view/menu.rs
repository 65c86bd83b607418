//! A list to choose from: the column to sort by, or the columns to show.

use super::column::Column;

/// What is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The column to sort by.
    Sort,
    /// The columns to show.
    Columns,
}

/// An open menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Menu {
    /// What is chosen.
    pub kind: Kind,
    /// What there is to choose.
    pub entries: Vec<Column>,
    /// Where the cursor is.
    pub at: usize,
}

impl Menu {
    /// Opens a menu with the cursor at `current`.
    pub fn new(kind: Kind, entries: Vec<Column>, current: Option<Column>) -> Self {
        let at = entries.iter().position(|entry| Some(*entry) == current).unwrap_or_default();
        Self { kind, entries, at }
    }

    /// The entry under the cursor.
    pub fn entry(&self) -> Option<Column> {
        self.entries.get(self.at).copied()
    }

    /// Moves the cursor, up to the ends.
    pub fn step(&mut self, by: isize) {
        self.at = self.at.saturating_add_signed(by).min(self.entries.len().saturating_sub(1));
    }
}
