//! How the commands of a capture talk to the collector that runs it: over a unix socket in the collector's pod.
//!
//! `pod view` draws the table from it, `pod stream` hands batches on, `pod status` and `pod stop` ask once. Blocking, a
//! thread for each client. Owns the protocol and both ends; what arrives is not trusted. Must not know the cluster.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use flow::{
    Batch, Feature, Rules,
    config::{Limits, Mode},
    wire::WireError,
};
use serde::{Deserialize, Serialize};

use crate::{FileSummary, Snapshot, Wish};

#[cfg(unix)]
mod client;
mod frame;
mod message;
#[cfg(unix)]
mod server;
#[cfg(unix)]
mod table;
#[cfg(all(test, unix))]
mod tests;

#[cfg(unix)]
pub use client::{Client, Stream, relay};
pub use message::read;
#[cfg(unix)]
pub use server::Server;
#[cfg(unix)]
pub use table::{Ended, TableOptions, Writes, table};

/// What a session is about; does not change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// Id of the capture.
    pub capture: String,
    /// Our version, `X.Y.Z`.
    pub version: String,
    /// Flows or packets.
    pub mode: Mode,
    /// What is captured, in the user's words.
    pub what: String,
    /// Where the capture ends by itself.
    pub limits: Limits,
    /// Time that one record covers.
    pub interval: Duration,
    /// Features asked for.
    pub features: Vec<Feature>,
}

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Recent batches, then those that come, the newest first to be had, and the state a few times a second.
    View,
    /// Every batch from a number on; `None` from now on.
    Follow {
        /// As [`Message::Batch`] bore it.
        from: Option<u64>,
    },
    /// The state, once.
    Status,
    /// The files, once.
    Files,
    /// End the capture.
    Stop {
        /// Why, in words.
        reason: String,
    },
    /// Record something.
    Wish(Wish),
    /// Capture by other rules from now on.
    SetFilter {
        /// All of them.
        rules: Rules,
    },
}

/// What a client gets.
#[derive(Clone, Debug)]
pub enum Message {
    /// The first message on every connection.
    About(Box<About>),
    /// Data.
    Batch {
        /// Of a batch that is followed.
        number: Option<u64>,
        /// It.
        batch: Arc<Batch>,
    },
    /// Batches that are gone; see [`crate::Followed::Gap`].
    Gap(Option<u64>),
    /// How the capture stands.
    State(Box<State>),
    /// Output files with their sizes and, once closed, SHA-256.
    Files(Vec<FileSummary>),
    /// What was asked for is done.
    Done,
    /// The same, and what there is to say of it.
    Told(String),
    /// What was asked for cannot be done, and why.
    Refused(String),
    /// The capture has ended; no batch will come any more.
    End,
}

/// How the capture stands.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// Totals, counters, nodes, files, the reason of the end, and what it came to once files are closed.
    pub snapshot: Snapshot,
    /// Resident memory of the collector, bytes.
    pub memory: u64,
}

/// What is done with requests that change the capture.
pub trait Handler: Send + Sync + 'static {
    /// Somebody has connected and is about to be served.
    fn arrived(&self) {}

    /// Ends it.
    fn stop(&self, reason: &str);

    /// Does what a user asks for; what he is told.
    ///
    /// # Errors
    /// Why that cannot be, in one sentence.
    fn wish(&self, wish: &Wish) -> Result<String, String>;

    /// Gives the agents other rules.
    ///
    /// # Errors
    /// Why that cannot be, in one sentence.
    fn set_filter(&self, rules: Rules) -> Result<(), String>;
}

/// Why a session failed.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Nobody listens there.
    #[error("no capture runs here: {path}: {source}")]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The connection failed.
    #[error("the connection to the collector is lost: {0}")]
    Lost(#[from] io::Error),
    /// The other end said what it cannot say.
    #[error("the collector said something unintelligible: {0}")]
    Protocol(String),
    /// The collector says no.
    #[error("{0}")]
    Refused(String),
    /// The table could not be shown.
    #[error(transparent)]
    Table(#[from] crate::tui::TuiError),
}

impl From<WireError> for SessionError {
    fn from(error: WireError) -> Self {
        Self::Protocol(error.to_string())
    }
}

impl From<serde_json::Error> for SessionError {
    fn from(error: serde_json::Error) -> Self {
        Self::Protocol(error.to_string())
    }
}
