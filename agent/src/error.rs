//! What can go wrong, in sentences for users, each with what to do about it.

use std::{io, path::PathBuf};

/// Why a capture cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Something that the operating system refused.
    #[error("{what}: {source}")]
    Os {
        /// What was tried.
        what: String,
        /// Its answer.
        source: io::Error,
    },
    /// Capabilities are missing.
    #[error("capturing needs rights that this process lacks: {missing}")]
    Rights {
        /// Capabilities by name, each with what it is needed for.
        missing: String,
    },
    /// The kernel is too old.
    #[error("Linux {have} is too old: 5.10 or newer is needed")]
    KernelTooOld {
        /// Its release.
        have: String,
    },
    /// The kernel was built without bpf(2), or it is shut off.
    #[error("this kernel has no usable bpf() system call: {reason}")]
    NoBpf {
        /// What it answered.
        reason: String,
    },
    /// An interface asked for by its exact name does not exist.
    #[error("no interface is called `{name}`; there is: {present}")]
    NoInterface {
        /// The name asked for.
        name: String,
        /// What there is.
        present: String,
    },
    /// A path that should be a network namespace.
    #[error("`{}` is no network namespace: {reason}", path.display())]
    NoNetns {
        /// The path.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A regular expression that does not compile.
    #[error("`/{pattern}/` is no regular expression: {reason}")]
    Pattern {
        /// What was given.
        pattern: String,
        /// Where it fails.
        reason: String,
    },
    /// `--trigger` is no expression.
    #[error("the trigger of the flight recorder cannot be read: {0}")]
    Trigger(String),
    /// The kernel has no TCX, and nothing else may be used.
    #[error("this kernel has no TCX (it came with Linux 6.6)")]
    NoTcx,
    /// More rules than the kernel's table holds.
    #[error("{given} filter rules are too many: {most} fit")]
    TooManyRules {
        /// How many there are, own traffic included.
        given: usize,
        /// How many fit.
        most: usize,
    },
    /// Rules for a capture that was begun without any and without room for some.
    #[error("this capture was begun without rules and without spare ones: {given} cannot be added while it runs")]
    NoRoomForRules {
        /// How many there are, own traffic included.
        given: usize,
    },
    /// More sets of addresses than rules can refer to.
    #[error("{given} sets of addresses are too many: {most} fit")]
    TooManySets {
        /// How many there are.
        given: usize,
        /// How many fit.
        most: usize,
    },
    /// More addresses than the kernel's maps hold.
    #[error(
        "{given} addresses in the sets of a filter are too many: {most} fit; a network (--cidr) or fewer objects take less"
    )]
    TooManyAddresses {
        /// How many there are.
        given: usize,
        /// How many fit.
        most: usize,
    },
    /// Sets for a capture that was begun without any and without room for some.
    #[error("this capture was begun without sets of addresses: none can be added while it runs")]
    NoRoomForSets,
    /// The kernel did not take the programs.
    #[error("the kernel refused the eBPF programs: {0}")]
    Load(String),
    /// A thread of the agent ended by a panic.
    #[error("the agent failed inside: {0}")]
    Panicked(String),
}

impl AgentError {
    pub(crate) fn os(what: impl Into<String>, source: io::Error) -> Self {
        Self::Os { what: what.into(), source }
    }

    /// What the user can do, if anything is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Rights { .. } => Some("run it with sudo, or give the process the capabilities named above"),
            Self::NoTcx => Some("--tc-attach any"),
            Self::NoInterface { .. } => {
                Some("ip -brief link shows them; /regex/ matches also interfaces that come later")
            }
            Self::NoNetns { .. } => Some("ip netns list names those under /run/netns"),
            Self::Os { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => Some("run it with sudo"),
            _ => None,
        }
    }
}
