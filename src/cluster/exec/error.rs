//! What can go wrong with a command in a container, in sentences.

use std::{io, time::Duration};

use kube::core::Status;
use thiserror::Error;

/// Why a command in a container has no exit code.
#[derive(Debug, Error)]
pub(crate) enum ExecError {
    /// The API server does not let us.
    #[error("not allowed to run commands in pods of namespace {namespace}: {message}")]
    Forbidden {
        /// Where.
        namespace: String,
        /// What the server says.
        message: String,
    },
    /// Who we are is not known, or no longer.
    #[error("the API server does not accept the credentials: {message}")]
    Unauthorized {
        /// What the server says.
        message: String,
    },
    /// There is no such pod.
    #[error("pod {pod} is not there: {message}")]
    NotFound {
        /// `namespace/name`.
        pod: String,
        /// What the server says.
        message: String,
    },
    /// The pod is there, its container does not run.
    #[error("the container is not running: {message}")]
    NotRunning {
        /// What the server says.
        message: String,
    },
    /// The API server cannot be reached.
    #[error("cannot reach the API server: {why}")]
    Unreachable {
        /// What is wrong.
        why: String,
    },
    /// The API server cannot reach the node.
    #[error("the API server cannot reach the kubelet of the pod's node: {message}")]
    Kubelet {
        /// What the server says.
        message: String,
    },
    /// The server refuses for another reason.
    #[error("the server refused to run the command ({code}): {message}")]
    Refused {
        /// HTTP status.
        code: u16,
        /// What the server says.
        message: String,
    },
    /// The command could not be started.
    #[error("the command could not be run: {message}")]
    Start {
        /// What the runtime says.
        message: String,
    },
    /// The connection broke; whether the command goes on is not known.
    #[error("connection lost: {why}")]
    Lost {
        /// What was seen of it.
        why: String,
    },
    /// It took too long.
    #[error("{command}: not done within {limit:?}")]
    TimedOut {
        /// What ran.
        command: String,
        /// How long it was given.
        limit: Duration,
    },
    /// Something at this end: a file, the terminal.
    #[error("{0}")]
    Local(#[source] io::Error),
}

impl ExecError {
    /// Whether the same may work in a moment: the network, a server that starts again, a container that does.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Kubelet { .. }
            | Self::Lost { .. }
            | Self::TimedOut { .. }
            | Self::NotRunning { .. } => true,
            Self::Refused { code, .. } => *code == 429 || *code >= 500,
            Self::Forbidden { .. }
            | Self::Unauthorized { .. }
            | Self::NotFound { .. }
            | Self::Start { .. }
            | Self::Local(_) => false,
        }
    }

    /// What the answer to the request tells.
    pub(super) fn from_connect(error: kube::Error, namespace: &str, pod: &str) -> Self {
        match error {
            kube::Error::Api(status) => Self::from_answer(&status, namespace, pod),
            other => Self::Unreachable { why: innermost(&other) },
        }
    }

    fn from_answer(status: &Status, namespace: &str, pod: &str) -> Self {
        let message = status.message.clone();
        let pod = format!("{namespace}/{pod}");
        match status.code {
            401 => Self::Unauthorized { message },
            403 => Self::Forbidden { namespace: namespace.into(), message },
            404 => Self::NotFound { pod, message },
            _ if is_not_running(&message) => Self::NotRunning { message },
            _ if is_dialing(&message) => Self::Kubelet { message },
            503 => Self::Unreachable { why: message },
            code => Self::Refused { code, message },
        }
    }

    /// What the last message of a command tells that has no exit code.
    pub(super) fn from_status(status: &Status) -> Self {
        let message = status.message.clone();
        if is_not_running(&message) {
            Self::NotRunning { message }
        } else if is_dialing(&message) {
            Self::Kubelet { message }
        } else {
            Self::Start { message: reason(&message).into() }
        }
    }
}

/// The runtime's own words, without what kubelet, containerd and runc put before them.
fn reason(message: &str) -> &str {
    ["unable to start container process: ", "error executing command in container: "]
        .iter()
        .find_map(|layer| message.split_once(layer))
        .map_or(message, |(_, reason)| reason)
}

/// What kubelet and API server say of a pod that does not run (yet, or any more).
fn is_not_running(message: &str) -> bool {
    let told = [
        "container not found",
        "does not have a host assigned",
        "completed pod",
        "is not running",
        "not in running state",
        "no running task found",
    ];
    told.iter().any(|part| message.contains(part)) || is_between(message)
}

/// What containerd and runc say of a container that ends at this moment has many wordings. None of them blames the command,
/// which one that cannot be run does.
fn is_between(message: &str) -> bool {
    let runtime = ["failed to create exec", "failed to start exec", "OCI runtime exec failed"];
    let blame = ["exec: \"", "no such file", "permission denied", "executable file", "exec format"];
    runtime.iter().any(|part| message.contains(part)) && !blame.iter().any(|part| message.contains(part))
}

/// What the API server says when it cannot reach the node.
fn is_dialing(message: &str) -> bool {
    ["error dialing backend", "dial tcp", "No agent available"].iter().any(|part| message.contains(part))
}

/// The cause at the bottom: the layers above only say that something failed.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
