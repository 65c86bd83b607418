//! What happens to records and packets after an agent has made them: checked, written to files, limited, shown.
//!
//! # A capture
//! ```text
//!             Input (bounded)                    bounded, blocking
//! agent(s) ──────────────────▶ ingest ─────────────────────────────▶ store thread ──▶ .json .db .pcapng, or pcapng on stdout
//!  flow::Sink                    │ └────────────────────────────────▶ lines thread ──▶ text or JSON lines on stdout
//!                                └─ Hub: bounded, never waits ──────▶ Feed ─────────▶ live tables: the newest wins
//!                                        └───────────────────────────▶ Follow ───────▶ copies: all, by number, or told what is missing
//! ```
//! ```ignore
//! let Started { input, hub, status, collector } = collector::start(options, stop.clone())?;
//! agent.run(Box::new(input));                       // Input: Clone + flow::Sink; deliver() blocks while we are behind
//! while let Received::Item(batch) = hub.view().recv_timeout(..) {}  // Arc<flow::Batch>, for a table
//! status.snapshot();                                // Status: totals, counters, sizes, for the header
//! let summary = collector.finish();                 // after the agent delivered its last batch: drains, closes, sums up
//! ```
//! Nothing is lost between `deliver` and the files: both queues block. Only the table may skip, and that is counted.
//! Any part may end the capture with [`flow::Stop`]; the owner of agent and collector waits on it, stops the agent,
//! then calls [`Collector::finish`]. `finish` does not need a request to stop.
//!
//! # A saved file
//! [`open::open`] gives the same batches from a `.json`, `.db`, `.pcapng` or `.pcap` file, and repairs what a killed
//! capture left; [`lines::print`] writes them as lines.
//!
//! This crate must not know aya or the kernel, nor write to a cluster's API.

mod about;
mod annotation;
mod anonymize;
mod at;
mod capture;
mod conversation;
pub mod convert;
pub mod decode;
mod error;
mod export;
mod feed;
mod files;
mod hash;
mod hub;
mod ingest;
mod interface;
mod limits;
pub mod lines;
mod merge;
mod nodes;
pub mod open;
mod options;
mod packet;
mod places;
mod queue;
mod recorder;
pub mod resume;
pub mod session;
mod sieve;
mod status;
mod store;
mod subset;
mod summary;
pub mod tui;
pub mod view;

pub use anonymize::AnonymizeKey;
pub use capture::{Collector, Input, Started, start};
pub use error::CollectorError;
pub use export::Exporter;
pub use feed::Feed;
pub use hub::{Follow, Followed, Hub};
pub use nodes::NodeStatus;
pub use options::{Format, Options, Origin, Stdout};
pub use queue::Received;
pub use recorder::{Cause, Recorder, RecordingStatus, RingStatus, Wish};
pub use sieve::{Objects, Sieve};
pub use status::{FileStatus, Snapshot, Status};
pub use summary::{FileSummary, Summary};

#[cfg(unix)]
#[doc(hidden)]
pub mod bench;
#[cfg(test)]
mod testing;
