//! What agent and collector tell each other besides batches. Pure data; how it travels is the channel's business.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::{
    Own, Recording,
    config::{CaptureConfig, Selection},
};

/// What an agent says of itself when it connects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Name of its node.
    pub node: String,
    /// Drawn at random when the agent's process began: a restarted agent is another life, whose batches count from 0 again.
    pub life: u64,
    /// Our version, `X.Y.Z`.
    pub version: String,
    /// `x86_64`, `aarch64`.
    pub arch: String,
    /// Release of its kernel.
    pub kernel: String,
}

/// From the collector to an agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToAgent {
    /// What to capture; the first message, and the same again after a reconnect.
    Begin(Box<CaptureConfig>),
    /// Replaces rules, sets and own traffic while the capture runs.
    Filter(Selection),
    /// Report, now and whenever it changes, what the capture's own traffic looks like on this host.
    Watch {
        /// Local port of the kubelet: the client's sessions come through it.
        port: u16,
        /// The collector's address: what becomes of its connections when this host translates them.
        address: IpAddr,
    },
    /// Deliver what the flight recorder holds, and what comes for as long again.
    Save {
        /// What the batches bear.
        recording: Recording,
        /// How long ago it was that it had to be saved, by the collector's clock, ns.
        ago_ns: u64,
    },
    /// That is enough: what was being saved ends now.
    Release {
        /// [`Recording::number`].
        number: u32,
    },
    /// Captures of packets beside the capture, all that are to run: others end.
    Record(Vec<Beside>),
    /// Detach, deliver what there is, end.
    Stop {
        /// Why, in words.
        reason: String,
    },
}

/// A capture of packets beside a capture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Beside {
    /// What its batches bear.
    pub recording: Recording,
    /// What is captured.
    pub config: Box<CaptureConfig>,
}

/// From an agent to the collector, besides batches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromAgent {
    /// How far it has come.
    State(AgentState),
    /// Established TCP connections to the port that [`ToAgent::Watch`] named: all of them.
    Connections(Vec<Connection>),
    /// Connections of the address that [`ToAgent::Watch`] named, as they look after translation: all of them.
    Translated(Vec<Own>),
    /// What it was told to do while it runs and could not, in one sentence for the user.
    Unable(String),
}

/// How far an agent has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AgentState {
    /// Connected, loading its programs.
    Starting,
    /// Capturing.
    Attached {
        /// Interfaces watched.
        interfaces: u32,
        /// Network namespaces watched.
        namespaces: u32,
        /// What this kernel or these rights limit, in sentences.
        limits: Vec<String>,
    },
    /// It cannot capture here; it ends by itself.
    Failed {
        /// Why, in one sentence.
        what: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// It has delivered its last batch.
    Ended,
}

/// An established TCP connection of the agent's host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Our end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
    /// Bytes that the other end has acknowledged since it was opened.
    pub acked: u64,
}
