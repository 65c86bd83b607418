//! What is known of each node's agent, for the table, for `status` and for the end.

use flow::{Counters, control::AgentState};
use serde::{Deserialize, Serialize};

/// One node of the capture.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeStatus {
    /// Its name.
    pub node: String,
    /// How far its agent has come; `None` before it was ever connected.
    pub state: Option<AgentState>,
    /// What it waits for while there is no state, in words: `image is being pulled`.
    pub waiting: Option<String>,
    /// Whether its agent is connected now.
    pub connected: bool,
    /// Why it captures nothing, or not any more, in one sentence; `None` while all is well.
    pub failed: Option<String>,
    /// When its agent was last heard of, ms since the epoch; 0 never. The collector fills it in from batches too.
    pub heard_ms: u64,
    /// Counters of its agent, cumulative over all its lives. Filled in by the collector.
    pub counters: Counters,
}

impl NodeStatus {
    /// Whether packets are being captured on it.
    pub fn is_capturing(&self) -> bool {
        let attached = match &self.state {
            Some(state) => matches!(state, AgentState::Attached { .. }),
            // Who delivers captures, whether anybody has told its state or not.
            None => self.heard_ms > 0,
        };
        self.connected && self.failed.is_none() && attached
    }

    /// Its state in a few words: `capturing at 12 interfaces`, `lost`, `failed: ...`.
    pub fn words(&self) -> String {
        if let Some(why) = &self.failed {
            return format!("failed: {why}");
        }
        match (&self.state, self.connected) {
            (Some(AgentState::Failed { what, .. }), _) => format!("failed: {what}"),
            (Some(AgentState::Ended), _) => "ended".to_owned(),
            (Some(_), false) => "connection lost".to_owned(),
            (Some(AgentState::Attached { interfaces, namespaces: 0 | 1, .. }), true) => {
                format!("capturing at {interfaces} interfaces")
            }
            (Some(AgentState::Attached { interfaces, namespaces, .. }), true) => {
                format!("capturing at {interfaces} interfaces in {namespaces} network namespaces")
            }
            (Some(AgentState::Starting), true) => "starting".to_owned(),
            (None, true) if self.heard_ms > 0 => "capturing".to_owned(),
            (None, _) => self.waiting.clone().unwrap_or_else(|| "not heard of yet".to_owned()),
        }
    }
}
