//! What the caller tells the table before it opens.

use std::{fmt, sync::Arc, time::Duration};

use flow::{
    Counters, Feature,
    config::{Limits, Mode},
};

use crate::{
    NodeStatus, RecordingStatus, RingStatus, Wish,
    view::{Exported, Kept},
};

/// Where the batches come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A capture that is running; rates are those of now. The table ends with it.
    Live {
        /// Time that one record covers (`--cache-active-timeout`).
        interval: Duration,
    },
    /// A saved file; rates are averages over a flow's life. The table stays until the user quits.
    File,
}

/// What the stores say of themselves, asked for before each frame: keep it cheap.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Sum of the sizes of the output files, bytes.
    pub file_bytes: u64,
    /// Packets taken in so far: what counts against `--max-packets`.
    pub packets: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Counters of the collector's own (store failed, view skipped, past the limit...); added to the agents'.
    pub counters: Counters,
    /// Time since the capture began; `None`: since the table was opened.
    pub elapsed: Option<Duration>,
    /// The nodes of a capture on a cluster; empty for one machine.
    pub nodes: Vec<NodeStatus>,
    /// Recordings, those that are over first.
    pub recordings: Vec<RecordingStatus>,
    /// The flight recorder, if there is one.
    pub ring: Option<RingStatus>,
}

/// Asks the stores for their [`Progress`].
pub type Ask = Box<dyn Fn() -> Progress + Send>;

/// Is given what the user chose whenever it changes.
pub type Keep = Box<dyn Fn(&Kept) + Send>;

/// Does what a user asks for; what he is told, or why it cannot be.
pub type Ordered = Box<dyn Fn(&Wish) -> Result<String, String> + Send>;

/// Writes packets into a file, and opens it if that is asked for; what the user is told, or why it cannot be.
pub type Export = Box<dyn Fn(&Exported, bool) -> Result<String, String> + Send>;

/// Everything the table has to know besides the batches.
pub struct TableSetup {
    /// Flows or packets.
    pub mode: Mode,
    /// Live or saved.
    pub source: Source,
    /// What is captured, in the user's words: the rules, or the name of the file.
    pub what: String,
    /// Name of the machine, empty if it is not known.
    pub node: Arc<str>,
    /// Where the capture will end by itself; shown as progress.
    pub limits: Limits,
    /// The stores, if there are any.
    pub progress: Option<Ask>,
    /// Who records; nobody over a saved file.
    pub recorder: Option<Ordered>,
    /// Who writes packets of the table into files.
    pub export: Option<Export>,
    /// Filters in force from the start, as they would be typed; `kept` wins over them.
    pub filters: Vec<String>,
    /// What the user chose in a former table over the same capture.
    pub kept: Option<Kept>,
    /// Where that is to be kept.
    pub keep: Option<Keep>,
    /// Whether leaving the table ends the capture: the keys say so.
    pub stops: bool,
    /// The table ends ([`flow::Reason::Lapsed`]) when the terminal was silent for this long: whoever lends it from afar
    /// sends a sign of life, a focus report, since no container runtime says that the line to him broke.
    pub pulse: Option<Duration>,
    /// Features of the capture: displays of what they find out come first. Empty where they are not known, as of a file.
    pub features: Vec<Feature>,
    /// Whether colours may be used; bold, reverse and symbols are used either way.
    pub colour: bool,
    /// Rows kept at most; beyond it the flows that have been idle longest go, counted.
    pub max_flows: usize,
    /// Packets kept at most.
    pub max_packets: usize,
    /// Bytes of packets kept at most.
    pub max_packet_bytes: usize,
}

impl TableSetup {
    /// A table over `source` with the usual bounds, no files, no filters and colour.
    pub fn new(mode: Mode, source: Source) -> Self {
        Self {
            mode,
            source,
            what: String::new(),
            node: Arc::from(""),
            limits: Limits { time: None, bytes: None, packets: None },
            progress: None,
            recorder: None,
            export: None,
            filters: Vec::new(),
            pulse: None,
            kept: None,
            keep: None,
            stops: true,
            features: Vec::new(),
            colour: true,
            max_flows: 100_000,
            max_packets: 20_000,
            max_packet_bytes: 32 << 20,
        }
    }
}

impl fmt::Debug for TableSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableSetup").field("mode", &self.mode).field("source", &self.source).finish_non_exhaustive()
    }
}
