//! Wireshark on this machine: what it is given of ours, and how it is started over a capture.
//!
//! Knows Wireshark's folders and options; nothing of captures but the stream that they write.

use std::{
    fmt::Write as _,
    io::{Write as _, stdout},
};

use crate::{
    cli::{WiresharkAction, WiresharkArgs},
    error::{Error, Outcome, exit},
};

mod contents;
mod find;
mod folders;
mod install;
pub(crate) mod live;
mod record;
#[cfg(test)]
mod tests;

use folders::Folders;
use install::{Done, Installation};

/// `wireshark install|uninstall|status`.
pub(crate) fn run(args: WiresharkArgs) -> Outcome {
    let folders = Folders::find()?;
    let mut installation = Installation::read(folders)?;
    let done = match args.action {
        WiresharkAction::Install => installation.install(args.force)?,
        WiresharkAction::Uninstall => installation.uninstall(args.force)?,
        WiresharkAction::Status => installation.status(),
    };
    // It is the answer; a reader that has gone is no failure.
    let _ = stdout().write_all(text(&done, &installation.folders).as_bytes());
    let foreign = done.iter().find(|done| done.is_refused && args.action == WiresharkAction::Install);
    match foreign {
        Some(done) => {
            let text = format!("{} is not ours, or somebody has changed it: it stays as it is", done.path.display());
            Err(Error::failed(text).hint("oc-netobserv wireshark install --force replaces it"))
        }
        None => Ok(exit::DONE),
    }
}

/// A line for each file, then how it is used.
fn text(done: &[Done], folders: &Folders) -> String {
    let mut text = format!("{}\n", folders.words());
    for Done { what, path, .. } in done {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{what:<12} {}", path.display());
    }
    if done.iter().any(|done| done.what == "installed") {
        text.push_str(
            "in Wireshark: Edit > Configuration Profiles > netobserv; from a shell: wireshark -C netobserv\n",
        );
    }
    text
}
