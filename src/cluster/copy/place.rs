//! Where files go at home: whether they can, under which name, and what is there already.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use sha2::Sha256;

use super::{CopyError, Listed, part::Part};
use crate::pod::files;

/// A file and where it goes.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) listed: Listed,
    pub(super) path: PathBuf,
    /// The same is there already.
    pub(super) is_here: bool,
}

/// Other names that are tried where the usual one is taken.
const NAMES: u32 = 1000;

/// Whether `need` bytes can be written below `dir`, which need not exist yet. Makes nothing.
pub(crate) fn check(dir: &Path, need: u64) -> Result<(), CopyError> {
    let failed = |path: &Path, source| CopyError::Directory { path: path.into(), source };
    let existing = dir.ancestors().map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path });
    let Some(existing) = existing.into_iter().find(|path| path.symlink_metadata().is_ok()) else {
        return Err(failed(dir, io::ErrorKind::NotFound.into()));
    };
    if !existing.is_dir() {
        return Err(failed(existing, io::ErrorKind::NotADirectory.into()));
    }
    // A file without a name that nobody sees, where the system has such: the rights say less than the deed.
    tempfile::tempfile_in(existing).map_err(|error| failed(existing, error))?;
    let free = fs4::available_space(existing).map_err(|error| failed(existing, error))?;
    if free < need { Err(CopyError::Full { path: existing.into(), free, need }) } else { Ok(()) }
}

/// Bytes that are not here yet.
pub(super) fn missing(places: &[Place]) -> u64 {
    places.iter().filter(|place| !place.is_here).map(|place| place.listed.size - Part::length(place)).sum()
}

/// A path for every file: the usual ones, or where another file has one of them, all with the same number, so that
/// what belongs together stays together.
pub(super) fn choose(dir: &Path, files: &[Listed]) -> Result<Vec<Place>, CopyError> {
    for number in 1..NAMES {
        if let Some(places) = with_number(dir, files, number)? {
            return Ok(places);
        }
    }
    let source = io::Error::new(io::ErrorKind::AlreadyExists, "other files have all names that were tried");
    Err(CopyError::Directory { path: dir.into(), source })
}

fn with_number(dir: &Path, files: &[Listed], number: u32) -> Result<Option<Vec<Place>>, CopyError> {
    let mut places = Vec::new();
    for listed in files {
        let path = dir.join(numbered(&listed.path, number));
        let is_here = path.symlink_metadata().is_ok();
        if is_here && !is_same(&path, listed).map_err(|source| CopyError::Directory { path: path.clone(), source })? {
            return Ok(None);
        }
        places.push(Place { listed: listed.clone(), path, is_here });
    }
    Ok(Some(places))
}

/// `flow/stamp.summary.json`, then `flow/stamp-2.summary.json`.
fn numbered(path: &str, number: u32) -> PathBuf {
    if number < 2 {
        return path.into();
    }
    let (dir, name) = path.rsplit_once('/').map_or(("", path), |(dir, name)| (dir, name));
    let (stem, rest) = name.split_once('.').map_or((name, String::new()), |(stem, rest)| (stem, format!(".{rest}")));
    Path::new(dir).join(format!("{stem}-{number}{rest}"))
}

fn is_same(path: &Path, listed: &Listed) -> io::Result<bool> {
    let data = fs::metadata(path)?;
    Ok(data.is_file() && data.len() == listed.size && Some(hash(path)?) == listed.sha256)
}

fn hash(path: &Path) -> io::Result<String> {
    let mut hash = Sha256::default();
    io::copy(&mut File::open(path)?, &mut hash)?;
    Ok(files::hex(hash))
}

/// A new or existing file that nobody else may read.
pub(super) fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(path: &str, text: &str) -> Listed {
        let mut hash = Sha256::default();
        sha2::Digest::update(&mut hash, text);
        Listed { path: path.into(), size: text.len() as u64, sha256: Some(files::hex(hash)) }
    }

    #[test]
    fn what_is_here_already_is_known_and_another_file_is_never_touched() {
        let dir = tempfile::tempdir().unwrap();
        let files = [listed("flow/a.json", "[]"), listed("flow/a.summary.json", "{}")];
        let paths = |dir: &Path| -> Vec<(String, bool)> {
            let places = choose(dir, &files).unwrap().into_iter();
            places.map(|place| (place.path.strip_prefix(dir).unwrap().display().to_string(), place.is_here)).collect()
        };
        fs::create_dir(dir.path().join("flow")).unwrap();
        fs::write(dir.path().join("flow/a.json"), "[]").unwrap();
        assert_eq!(paths(dir.path()), [("flow/a.json".into(), true), ("flow/a.summary.json".into(), false)]);
        fs::write(dir.path().join("flow/a.summary.json"), "another").unwrap();
        assert_eq!(paths(dir.path()), [("flow/a-2.json".into(), false), ("flow/a-2.summary.json".into(), false)]);
    }

    #[test]
    fn a_directory_is_checked_without_making_anything() {
        let dir = tempfile::tempdir().unwrap();
        check(&dir.path().join("a/b"), 1).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(matches!(check(dir.path(), u64::MAX), Err(CopyError::Full { .. })));
        fs::write(dir.path().join("file"), "").unwrap();
        assert!(matches!(check(&dir.path().join("file/below"), 1), Err(CopyError::Directory { .. })));
    }
}
