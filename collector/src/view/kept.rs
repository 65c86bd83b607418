//! What the user chose, to be found again by the next table over the same capture: filters, focus, columns, order.

use std::{fs, path::Path};

use serde::{Deserialize, Serialize};

use super::{
    Filters, Sort, View,
    column::{Column, PACKET_COLUMNS},
    columns::Choice,
    display::{Display, Enrichment},
    rows,
};

/// Choices of the user. What a newer or older version of ours does not know is left as it is by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    /// Filters kept, oldest first.
    pub filters: Vec<String>,
    /// What is being typed.
    pub line: String,
    /// The filter line has the keyboard.
    pub in_filter: bool,
    /// Display by name.
    pub display: String,
    /// Enrichment by name.
    pub enrichment: String,
    /// Conversations in place of flows.
    pub conversations: bool,
    /// Columns by name, if they were chosen one by one.
    pub columns: Option<Vec<String>>,
    /// Column to sort by, by name.
    pub sort: String,
    /// Largest first.
    pub descending: bool,
}

impl Kept {
    /// What a file holds; `None` if there is none, or nothing of ours in it.
    pub fn load(path: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }
}

impl View {
    /// The user's choices now.
    pub fn kept(&self) -> Kept {
        let Sort { column, descending } = self.sort();
        let own = self.columns.is_own().then(|| self.columns.chosen());
        Kept {
            filters: self.filters.kept().to_vec(),
            line: self.filters.line().to_owned(),
            in_filter: self.in_filter,
            display: name(&self.columns.display()),
            enrichment: name(&self.columns.enrichment()),
            conversations: self.is_tied(),
            columns: own.map(|columns| columns.iter().map(name).collect()),
            sort: name(&column),
            descending,
        }
    }

    /// Takes the choices of a former table.
    pub fn restore(&mut self, kept: &Kept) {
        self.filters = Filters::restored(&kept.filters, &kept.line);
        self.ranking.set_filters(self.filters.parsed().to_vec());
        self.in_filter = kept.in_filter;
        self.columns.restore(Choice {
            display: Display::ALL.iter().copied().find(|display| name(display) == kept.display),
            enrichment: Enrichment::ALL.iter().copied().find(|enrichment| name(enrichment) == kept.enrichment),
            own: kept.columns.as_ref().map(|names| names.iter().filter_map(|name| column(name)).collect()),
        });
        if kept.conversations != self.is_tied() {
            self.toggle_conversations();
        }
        if let Some(column) = column(&kept.sort) {
            let rows = rows(&self.data, self.tied.as_ref(), None);
            self.ranking.set_sort(Sort { column, descending: kept.descending }, rows);
        }
    }
}

/// The variant's name, which users never see.
fn name(variant: &impl std::fmt::Debug) -> String {
    format!("{variant:?}")
}

fn column(text: &str) -> Option<Column> {
    Column::of_flows().chain(PACKET_COLUMNS.iter().copied()).find(|column| name(column) == text)
}
