//! `version`.

use std::{
    env::consts::{ARCH, OS},
    fs,
    io::{Write as _, stdout},
};

use crate::error::{Error, Outcome, exit};

/// `X.Y.Z`
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The line that scripts look for, then facts about this build and this machine.
pub(crate) fn print() -> Outcome {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel = if kernel.is_empty() { "no Linux" } else { kernel.trim() };
    let text = format!("Netobserv CLI version {VERSION}\nbuilt for {OS}/{ARCH}, running on kernel {kernel}\n");
    write_stdout(text.as_bytes())
}

/// Writes to standard output; a reader that has gone is a clean end.
pub(crate) fn write_stdout(bytes: &[u8]) -> Outcome {
    match stdout().write_all(bytes).and_then(|()| stdout().flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::failed(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(exit::DONE),
    }
}
