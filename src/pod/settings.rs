//! What the collector's pod is told: `capture.json` of the ConfigMap `capture`. Written by the plan, read in the pod.

use std::{fs, path::Path, time::Duration};

use flow::{CaptureConfig, filter::SetSource};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Everything about a capture that the collector needs and cannot see for itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The capture's id.
    pub(crate) id: String,
    /// Its namespace: what the guardian deletes at the end.
    pub(crate) namespace: String,
    /// What agents and stores are told.
    pub(crate) config: CaptureConfig,
    /// Where the addresses of the sets come from that the rules in `config` refer to.
    pub(crate) sets: Vec<SetSource>,
    /// Namespace of objects in `sets` that do not say theirs.
    pub(crate) default_namespace: String,
    /// What is captured, in words.
    pub(crate) what: String,
    /// The command as typed, for the files.
    pub(crate) command: Vec<String>,
    /// Our version, `X.Y.Z`.
    pub(crate) version: String,
    /// Who started it, as the API server knows them.
    pub(crate) user: String,
    /// Nodes that are expected to capture.
    pub(crate) nodes: Vec<String>,
    /// Nobody watches: the lease does not count until the time limit is over.
    pub(crate) background: bool,
    /// Silence of the client after which the agents go.
    pub(crate) lease: Duration,
    /// How long files stay after that.
    pub(crate) keep: Duration,
    /// Keep the capture's own traffic.
    pub(crate) include_self: bool,
    /// Kubelet ports of the nodes, where they are not 10250.
    pub(crate) kubelet_ports: std::collections::BTreeMap<String, u16>,
    /// `--subnet-label`, as typed and checked.
    pub(crate) subnets: Vec<String>,
    /// Learn the cluster's subnets.
    pub(crate) get_subnets: bool,
}

impl Settings {
    /// Reads them in the pod.
    pub(crate) fn load(path: &Path) -> Result<Self, Error> {
        let failed = |why: String| Error::failed(format!("{}: {why}", path.display()));
        let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        serde_json::from_str(&text).map_err(|error| failed(error.to_string()))
    }
}
