//! What a command can fail with, as the user sees it: a sentence, perhaps a command that helps, and the exit code.

use std::fmt;

/// Exit codes; they are part of the interface.
pub mod exit {
    /// Done: `q`, Ctrl-C, a limit, a reader that has gone.
    pub const DONE: u8 = 0;
    /// Something failed.
    pub const FAILED: u8 = 1;
    /// The command line is wrong; nothing was touched.
    pub const USAGE: u8 = 2;
    /// Done or failed, but something of the capture is left on the cluster, or may be; the message names it.
    pub const LEFT: u8 = 3;
    /// Done, but something of an input could not be read and is not in the result; the message says what.
    pub const INCOMPLETE: u8 = 4;
    /// Interrupted before there was data.
    pub const INTERRUPTED: u8 = 130;
}

/// What kind of failure it is; decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What was typed is wrong.
    Usage,
    /// It was right, but did not work.
    Failed,
}

/// A failure, ready to be reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Decides the exit code.
    pub kind: Kind,
    /// One sentence, without `error:`.
    pub message: String,
    /// What to type or look at instead, without `hint:`.
    pub hint: Option<String>,
}

impl Error {
    /// The command line is wrong.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self { kind: Kind::Usage, message: message.to_string(), hint: None }
    }

    /// It did not work.
    pub fn failed(message: impl fmt::Display) -> Self {
        Self { kind: Kind::Failed, message: message.to_string(), hint: None }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// One of [`exit`].
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::Usage => exit::USAGE,
            Kind::Failed => exit::FAILED,
        }
    }
}

/// What commands return: an exit code or a failure.
pub type Outcome = Result<u8, Error>;
