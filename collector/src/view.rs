//! What the live table shows, and how keys change it: state only, no terminal, no clock, no file.
//!
//! Batches go in through [`View::receive`] and [`View::work`], keys through [`View::key`], and [`View::picture`] says
//! which rows are on the screen. Times are given by the caller, ns since the epoch. Memory is bounded by
//! [`Settings`]; what had to go is counted.

mod apply;
pub mod column;
pub mod columns;
mod command;
pub mod complete;
pub mod details;
pub mod display;
mod export;
mod filters;
mod flows;
mod intake;
mod kept;
pub mod keys;
pub mod layout;
pub mod mark;
pub mod menu;
mod meter;
mod packets;
mod picture;
mod ranking;
mod rate;
pub mod row;
mod rows;
mod tied;
mod totals;

use std::{collections::VecDeque, sync::Arc};

use flow::{Batch, Feature, Field, FlowRecord, config};

pub use command::{Command, Effect};
pub use export::Exported;
pub use filters::Filters;
pub use flows::Pace;
pub use kept::Kept;
pub use keys::{Code, Key, Mode};
pub use picture::{Line, Picture};
pub use ranking::Sort;
pub use totals::Totals;

use column::Column;
use columns::Columns;
use complete::Completion;
use display::Display;
use flows::Flows;
use menu::Menu;
use packets::Packets;
use picture::Anchor;
use ranking::Ranking;
use row::Row;
use rows::Rows;
use tied::Tied;

/// What a view is made of.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Flows or packets.
    pub mode: config::Mode,
    /// Live or past.
    pub pace: Pace,
    /// Most flows kept.
    pub max_flows: usize,
    /// Most packets kept.
    pub max_packets: usize,
    /// Most bytes of packets kept.
    pub max_packet_bytes: usize,
    /// Filters in force from the start.
    pub filters: Vec<String>,
    /// Features of the capture; empty where they are not known, as of a file.
    pub features: Vec<Feature>,
}

/// Flows or packets.
#[derive(Debug)]
enum Data {
    Flows(Flows),
    Packets(Packets),
}

impl Data {
    fn rows(&self) -> &Rows {
        match self {
            Self::Flows(flows) => &flows.rows,
            Self::Packets(packets) => &packets.rows,
        }
    }
}

/// Something opened over the table.
#[derive(Clone, Debug)]
pub enum Open {
    /// The help page.
    Help,
    /// All fields of a row; kept as it was last when it has gone from the table.
    Details {
        /// The row as it was last seen.
        row: Arc<Row>,
        /// Where it lies.
        slot: u32,
    },
    /// A list to choose from.
    Menu(Menu),
    /// What may stand next in the filter line.
    Completion(Completion),
}

/// The state of the table.
#[derive(Debug)]
pub struct View {
    settings: Settings,
    data: Data,
    /// Flows as conversations, while they are asked for.
    tied: Option<Tied>,
    /// The picture that is held while paused.
    held: Option<Rows>,
    ranking: Ranking,
    filters: Filters,
    columns: Columns,
    totals: Totals,
    notices: VecDeque<(u64, Arc<str>)>,
    /// Batches taken in up to an index, oldest first.
    pending: VecDeque<(Arc<Batch>, usize)>,
    pending_items: usize,
    /// Records taken in, to be freed.
    spent: Vec<FlowRecord>,
    in_filter: bool,
    open: Option<Open>,
    scroll: usize,
    anchor: Anchor,
    /// First place on the screen.
    offset: usize,
    /// Rows the screen has room for, as of the last picture.
    page: usize,
    /// The order may be made anew from then on, ns.
    refresh_at_ns: u64,
    changed: bool,
}

impl View {
    /// An empty table; the filter line has the keyboard.
    pub fn new(settings: Settings) -> Self {
        let data = match settings.mode {
            config::Mode::Flows => Data::Flows(Flows::new(settings.pace, settings.max_flows)),
            config::Mode::Packets => Data::Packets(Packets::new(settings.max_packets, settings.max_packet_bytes)),
        };
        let filters = Filters::new(settings.filters.clone());
        let (sort, anchor) = first_sort(settings.mode, settings.pace, Display::first(&settings.features));
        let mut ranking = Ranking::new(sort);
        ranking.set_filters(filters.parsed().to_vec());
        let mut view = Self {
            columns: Columns::new(settings.mode, &settings.features),
            data,
            tied: None,
            held: None,
            ranking,
            filters,
            totals: Totals::default(),
            notices: VecDeque::new(),
            pending: VecDeque::new(),
            pending_items: 0,
            spent: Vec::new(),
            in_filter: true,
            open: None,
            scroll: 0,
            anchor,
            offset: 0,
            page: 1,
            refresh_at_ns: 0,
            changed: true,
            settings,
        };
        if view.settings.features.contains(&Feature::Conversations) {
            view.toggle_conversations();
        }
        view
    }

    /// Flows or packets.
    pub fn kind(&self) -> config::Mode {
        self.settings.mode
    }

    /// Whether rates are those of now.
    pub fn is_live(&self) -> bool {
        self.settings.pace != Pace::Past
    }

    /// What has the keyboard.
    pub fn mode(&self) -> Mode {
        match &self.open {
            Some(Open::Help) => Mode::Help,
            Some(Open::Details { .. }) => Mode::Details,
            Some(Open::Menu(_)) => Mode::Menu,
            Some(Open::Completion(_)) => Mode::Complete,
            None if self.in_filter => Mode::Filter,
            None => Mode::Table,
        }
    }

    /// What is open over the table.
    pub fn open(&self) -> Option<&Open> {
        self.open.as_ref()
    }

    /// Lines that are scrolled away above what is open.
    pub fn scroll(&self) -> usize {
        self.scroll
    }

    /// Filters and the line being typed.
    pub fn filters(&self) -> &Filters {
        &self.filters
    }

    /// The choice of columns.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// By what the rows are sorted.
    pub fn sort(&self) -> Sort {
        self.ranking.sort()
    }

    /// Whether the picture is held.
    pub fn is_paused(&self) -> bool {
        self.held.is_some()
    }

    /// Whether rows are still being judged by new filters.
    pub fn is_filtering(&self) -> bool {
        !self.ranking.is_judged()
    }

    /// Sums over everything that came.
    pub fn totals(&mut self) -> &mut Totals {
        &mut self.totals
    }

    /// What was said besides traffic and when, ns since the epoch; the latest last.
    pub fn notices(&self) -> &VecDeque<(u64, Arc<str>)> {
        &self.notices
    }

    /// Says something to the user.
    pub fn notice(&mut self, text: Arc<str>, now_ns: u64) {
        self.notices.push_back((now_ns, text));
        if self.notices.len() > 100 {
            self.notices.pop_front();
        }
        self.changed = true;
    }

    /// Rows of the picture that pass the filters, all its rows, and rows ever seen.
    pub fn counts(&self) -> (usize, usize, u64) {
        let seen = match &self.data {
            Data::Flows(flows) => self.tied.as_ref().map_or(flows, |tied| &tied.flows).total(),
            Data::Packets(packets) => packets.total(),
        };
        (self.ranking.shown(), self.rows().len(), seen)
    }

    /// Rows that had to go to keep within the bounds.
    pub fn evicted(&self) -> u64 {
        match &self.data {
            Data::Flows(flows) => self.tied.as_ref().map_or(flows, |tied| &tied.flows).evicted,
            Data::Packets(packets) => packets.evicted,
        }
    }

    /// Whether anything has changed since this was last asked.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Whether both directions of a connection are one row.
    pub fn is_tied(&self) -> bool {
        self.tied.is_some()
    }

    fn rows(&self) -> &Rows {
        rows(&self.data, self.tied.as_ref(), self.held.as_ref())
    }
}

/// The rows that are shown: of the picture that is held, of conversations, else of all there is.
fn rows<'a>(data: &'a Data, tied: Option<&'a Tied>, held: Option<&'a Rows>) -> &'a Rows {
    held.or_else(|| tied.map(|tied| &tied.flows.rows)).unwrap_or_else(|| data.rows())
}

/// What answers "what is on this network right now": the fastest flows first, the newest packets last.
fn first_sort(mode: config::Mode, pace: Pace, display: Display) -> (Sort, Anchor) {
    let column = match (mode, pace, display) {
        (config::Mode::Packets, ..) => return (Sort { column: Column::Time, descending: false }, Anchor::Bottom),
        // Whoever asks for one thing looks for the worst of it.
        (_, _, Display::PacketDrops) => Column::Field(Field::PktDropPackets),
        (_, _, Display::Dns) => Column::Field(Field::DnsLatencyMs),
        (_, _, Display::Rtt) => Column::Field(Field::TimeFlowRttNs),
        (_, Pace::Past, _) => Column::Field(Field::Bytes),
        (_, Pace::Interval(_), _) => Column::ByteRate,
    };
    (Sort { column, descending: true }, Anchor::Top)
}
