//! Messages for people, on standard error. Data never goes through here, and nothing here fails: a closed standard
//! error changes nothing about the work.

use std::io::{IsTerminal as _, Write as _, stderr};

use crate::error::Error;

/// Writes messages, coloured or not.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    colour: bool,
}

impl Report {
    /// Colours only where they are allowed and standard error is a terminal (or they are forced).
    pub fn new(choice: ColourChoice) -> Self {
        Self { colour: choice.on(stderr().is_terminal()) }
    }

    /// `error: what`, then `hint: command`.
    pub fn error(self, error: &Error) {
        self.labelled("error", "31", &error.message);
        if let Some(hint) = &error.hint {
            self.labelled("hint", "36", hint);
        }
    }

    /// Something to know that stops nothing.
    pub fn notice(self, text: &str) {
        self.labelled("note", "33", text);
    }

    fn labelled(self, label: &str, colour: &str, text: &str) {
        let line =
            if self.colour { format!("\x1b[1;{colour}m{label}:\x1b[0m {text}") } else { format!("{label}: {text}") };
        let _ = writeln!(stderr(), "{line}");
    }
}

/// Lines as they are.
pub fn plain(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}

/// `--color`, with what the environment says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColourChoice {
    /// Where a terminal shows it, unless NO_COLOR or TERM=dumb says otherwise.
    Auto {
        /// NO_COLOR is set (and not empty), or TERM is `dumb`.
        unwanted: bool,
    },
    /// Also into a file.
    Always,
    /// Nowhere.
    Never,
}

impl ColourChoice {
    /// Whether to colour a stream that is, or is not, a terminal.
    pub fn on(self, terminal: bool) -> bool {
        match self {
            Self::Auto { unwanted } => terminal && !unwanted,
            Self::Always => true,
            Self::Never => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_follows_the_terminal_unless_told() {
        assert!(ColourChoice::Auto { unwanted: false }.on(true));
        assert!(!ColourChoice::Auto { unwanted: false }.on(false));
        assert!(!ColourChoice::Auto { unwanted: true }.on(true));
        assert!(ColourChoice::Always.on(false) && !ColourChoice::Never.on(true));
    }
}
