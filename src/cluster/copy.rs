//! The files of a capture come home from the collector pod.
//!
//! Owns the way of a file: asked for by name, resumed where a connection broke, checked against its SHA-256, and only
//! then given its name. Nothing that is there already is overwritten. Must not know what is in the files, nor when
//! the pod may be removed: whoever removes it has seen [`Copied::is_all`].

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::from_slice;

use super::exec::{ExecError, Target};
use crate::pod::files::{Listed, Listing};

mod bars;
mod error;
mod name;
mod part;
mod place;
mod transfer;

pub(crate) use error::{CopyError, FileError};
pub(crate) use place::check;

use bars::Bars;
use part::Part;
use place::Place;
use transfer::Transfer;

/// How long the pod may take to hash its files.
const LISTING: Duration = Duration::from_mins(2);

/// Where the files are.
#[derive(Clone)]
pub(crate) struct Source {
    /// The container that has them.
    pub(crate) target: Target,
    /// Program and words before `files` and `read`, as `/work/oc-netobserv pod`.
    pub(crate) command: Vec<String>,
    /// Words after them, as `--dir /work/output`.
    pub(crate) options: Vec<String>,
}

/// What came home.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Copied {
    /// Checked and in their place.
    pub(crate) files: Vec<CopiedFile>,
    /// Still being written there, so left there.
    pub(crate) open: Vec<String>,
    /// Bytes that travelled; fewer than the files have where they were deflated or partly here.
    pub(crate) travelled: u64,
}

impl Copied {
    /// Whether nothing is left there.
    pub(crate) fn is_all(&self) -> bool {
        self.open.is_empty()
    }
}

/// A file that came home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CopiedFile {
    /// Where it is now.
    pub(crate) path: PathBuf,
    /// Bytes.
    pub(crate) size: u64,
    /// It was here before, the same.
    pub(crate) was_here: bool,
}

/// The files there are.
pub(crate) async fn list(source: &Source) -> Result<Listing, CopyError> {
    let output = source.target.run(&source.words("files", &[]), LISTING).await.map_err(CopyError::List)?;
    if output.code != 0 {
        return Err(CopyError::Listed { code: output.code, message: output.stderr });
    }
    let listing: Listing = from_slice(&output.stdout).map_err(|error| CopyError::Unreadable(error.to_string()))?;
    listing.files.iter().try_for_each(|file| name::check(&file.path))?;
    Ok(listing)
}

/// Copies all closed files to `dir`. A file that fails does not keep the others there. Dropped before its end, it
/// leaves `.part` files, from which the next copy goes on.
pub(crate) async fn copy(source: &Source, dir: &Path) -> Result<Copied, CopyError> {
    let (closed, open): (Vec<Listed>, Vec<Listed>) =
        list(source).await?.files.into_iter().partition(|file| file.sha256.is_some());
    let places = place::choose(dir, &closed)?;
    check(dir, place::missing(&places))?;
    let bars = Bars::new(&places);
    let mut copied = Copied { open: open.into_iter().map(|file| file.path).collect(), ..Copied::default() };
    let mut failed = Vec::new();
    for place in places {
        match (Transfer { source, place: &place, bar: bars.file(&place) }).run(&mut copied.travelled).await {
            Ok(file) => copied.files.push(file),
            Err(error) => failed.push((place.clone(), error)),
        }
    }
    forget_gone(source, &mut failed).await;
    bars.done(&copied);
    if failed.is_empty() {
        return Ok(copied);
    }
    let failed = failed.into_iter().map(|(place, error)| (place.listed.path, error)).collect();
    Err(CopyError::Incomplete { copied, failed })
}

/// Takes out what could not be read because it is not there any more: `--files` deletes the oldest while others are copied. What is here of
/// it is a beginning only, and goes.
async fn forget_gone(source: &Source, failed: &mut Vec<(Place, FileError)>) {
    if !failed.iter().any(|(_, error)| matches!(error, FileError::Remote { .. })) {
        return;
    }
    let Ok(there) = list(source).await else { return };
    failed.retain(|(place, error)| {
        let is_there = there.files.iter().any(|file| file.path == place.listed.path);
        let is_gone = matches!(error, FileError::Remote { .. }) && !is_there;
        if is_gone {
            Part::discard(place);
        }
        !is_gone
    });
}

impl Source {
    fn words(&self, verb: &str, arguments: &[&str]) -> Vec<String> {
        let words = [verb].into_iter().chain(arguments.iter().copied()).map(str::to_owned);
        self.command.iter().cloned().chain(words).chain(self.options.iter().cloned()).collect()
    }
}

#[cfg(test)]
mod tests;
