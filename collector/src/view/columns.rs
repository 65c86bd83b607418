//! Which columns the table has now: a display and an enrichment, or the user's own choice.

use flow::{Feature, config::Mode};

use super::{
    column::{Column, NAMED_PACKET_COLUMNS, PACKET_COLUMNS, PACKET_END_COLUMNS},
    display::{self, Display, Enrichment, Shape},
};

/// The choice of columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    mode: Mode,
    display: Display,
    enrichment: Enrichment,
    own: Option<Vec<Column>>,
    /// The user has chosen the enrichment, or a former table had it.
    settled: bool,
    /// Displays in the order of their cycle.
    cycle: Vec<Display>,
    shape: Shape,
    /// Records may tell how connections fare.
    health: bool,
}

/// Choices of a former table, as far as they are known here.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) display: Option<Display>,
    pub(super) enrichment: Option<Enrichment>,
    pub(super) own: Option<Vec<Column>>,
}

impl Columns {
    /// The usual choice for a capture with these features; none where they are not known.
    pub fn new(mode: Mode, features: &[Feature]) -> Self {
        Self {
            mode,
            display: Display::first(features),
            // Without a cluster ends have no other names than their addresses.
            enrichment: Enrichment::IpPort,
            own: None,
            settled: false,
            cycle: Display::cycle(features),
            shape: Shape::Flows,
            health: features.is_empty() || features.contains(&Feature::Rtt),
        }
    }

    /// Rows stand for conversations from now on, or for flows again.
    pub fn tie(&mut self, tied: bool) {
        self.shape = if tied { Shape::Conversations { health: self.health } } else { Shape::Flows };
    }

    /// Takes the choices of a former table.
    pub(super) fn restore(&mut self, choice: Choice) {
        self.display = choice.display.unwrap_or(self.display);
        self.settled |= choice.enrichment.is_some();
        self.enrichment = choice.enrichment.unwrap_or(self.enrichment);
        self.own = choice.own.filter(|own| !own.is_empty());
    }

    /// Records bear names of the cluster: they are shown, unless the user has chosen otherwise.
    pub(super) fn name_ends(&mut self) {
        self.settled = true;
        self.enrichment = Enrichment::Resource;
    }

    /// Whether [`Columns::name_ends`] is still to be decided.
    pub(super) fn may_name_ends(&self) -> bool {
        !self.settled && self.mode == Mode::Flows
    }

    /// The display; its columns are not those shown if [`Columns::is_own`].
    pub fn display(&self) -> Display {
        self.display
    }

    /// The enrichment.
    pub fn enrichment(&self) -> Enrichment {
        self.enrichment
    }

    /// Whether the user chose columns one by one.
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Takes another display; the columns are those of display and enrichment again.
    pub fn turn_display(&mut self, steps: isize) {
        self.display = display::turn(&self.cycle, self.display, steps);
        self.own = None;
    }

    /// Takes another enrichment; the columns are those of display and enrichment again.
    pub fn turn_enrichment(&mut self, steps: isize) {
        self.settled = true;
        self.enrichment = display::turn(Enrichment::ALL, self.enrichment, steps);
        self.own = None;
    }

    /// Back to the columns of display and enrichment.
    pub fn preset(&mut self) {
        self.own = None;
    }

    /// Those shown, in order, if there is room.
    pub fn chosen(&self) -> Vec<Column> {
        match (&self.own, self.mode) {
            (Some(own), _) => own.clone(),
            (None, Mode::Packets) if self.enrichment == Enrichment::Resource => NAMED_PACKET_COLUMNS.to_vec(),
            (None, Mode::Packets) => PACKET_COLUMNS.to_vec(),
            (None, Mode::Flows) => display::columns(self.display, self.enrichment, self.shape),
        }
    }

    /// All there are, those shown first.
    pub fn available(&self) -> Vec<Column> {
        let mut columns = self.chosen();
        let all: Vec<_> = match self.mode {
            Mode::Packets => [NAMED_PACKET_COLUMNS, PACKET_END_COLUMNS].concat(),
            Mode::Flows => Column::of_flows().collect(),
        };
        let shown = columns.len();
        columns.extend(all.into_iter().filter(|column| !columns[..shown].contains(column)).collect::<Vec<_>>());
        columns
    }

    /// Shows `column`, or no longer; one column always stays.
    pub fn toggle(&mut self, column: Column) {
        let mut own = self.chosen();
        match own.iter().position(|shown| *shown == column) {
            Some(_) if own.len() == 1 => {}
            Some(at) => {
                own.remove(at);
            }
            None => own.push(column),
        }
        self.own = Some(own);
    }
}
