//! Installing, taking out, saying what is there. Never touches what others made or changed, unless told to.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use super::{
    contents::{Wanted, What},
    folders::Folders,
    record::{Record, sum, sum_of},
};
use crate::error::Error;

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Done {
    /// In one word or two.
    pub(super) what: &'static str,
    pub(super) path: PathBuf,
    /// It is not ours, and was left alone.
    pub(super) is_refused: bool,
}

/// How a place looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing is there.
    Missing,
    /// What we would write.
    Current,
    /// What an earlier version of us wrote.
    Old,
    /// Somebody else's, or changed by somebody.
    Foreign,
}

/// Our files among Wireshark's.
pub(super) struct Installation {
    pub(super) folders: Folders,
    record: Record,
    executable: PathBuf,
}

impl Installation {
    /// What is there now.
    pub(super) fn read(folders: Folders) -> Result<Self, Error> {
        let executable = env::current_exe().and_then(fs::canonicalize);
        let executable = executable.map_err(|error| Error::failed(format!("cannot find this executable: {error}")))?;
        let record = Record::read(&folders.config);
        Ok(Self { folders, record, executable })
    }

    pub(super) fn install(&mut self, force: bool) -> Result<Vec<Done>, Error> {
        let mut done = Vec::new();
        for wanted in self.folders.wanted() {
            let path = &wanted.path;
            let state = self.state(&wanted).map_err(|error| failed("look at", path, &error))?;
            let what = match state {
                State::Current => "is there",
                State::Foreign if !force => "left alone",
                _ => {
                    self.put(&wanted).map_err(|error| failed("write", path, &error))?;
                    "installed"
                }
            };
            // What was written by hand as we would have written it is ours from now on.
            let is_refused = what == "left alone";
            if !is_refused && let Ok(Some(sum)) = sum(path) {
                self.record.add(path, sum);
            }
            done.push(Done { what, path: wanted.path, is_refused });
        }
        self.record.write().map_err(|error| failed("write", &self.folders.config, &error))?;
        Ok(done)
    }

    pub(super) fn uninstall(&mut self, force: bool) -> Result<Vec<Done>, Error> {
        let wanted = self.folders.wanted();
        let mut paths: Vec<PathBuf> = wanted.iter().map(|wanted| wanted.path.clone()).collect();
        // Also where an earlier version, or another release of Wireshark, had them.
        paths.extend(self.record.paths().into_iter().filter(|path| !wanted.iter().any(|wanted| wanted.path == *path)));
        let mut done = Vec::new();
        for path in paths {
            let state = match wanted.iter().find(|wanted| wanted.path == path) {
                Some(wanted) => self.state(wanted),
                None => self.known(&path),
            };
            let state = state.map_err(|error| failed("look at", &path, &error))?;
            let what = match state {
                State::Missing => "not there",
                State::Foreign if !force => "left alone",
                _ => {
                    fs::remove_file(&path).map_err(|error| failed("remove", &path, &error))?;
                    "removed"
                }
            };
            let is_refused = what == "left alone";
            if !is_refused {
                self.record.remove(&path);
            }
            done.push(Done { what, path, is_refused });
        }
        self.drop_empty();
        self.record.write().map_err(|error| failed("write", &self.folders.config, &error))?;
        Ok(done)
    }

    pub(super) fn status(&self) -> Vec<Done> {
        let look = |wanted: Wanted| {
            let what = match self.state(&wanted) {
                Ok(State::Missing) => "not there",
                Ok(State::Current) => "is there",
                Ok(State::Old) => "is old",
                Ok(State::Foreign) => "not ours",
                Err(_) => "unreadable",
            };
            Done { what, path: wanted.path, is_refused: what == "not ours" }
        };
        self.folders.wanted().into_iter().map(look).collect()
    }

    fn state(&self, wanted: &Wanted) -> io::Result<State> {
        let state = self.known(&wanted.path)?;
        let is_current = match &wanted.what {
            What::Text(text) => sum(&wanted.path)?.is_some_and(|there| there == sum_of(text.as_bytes())),
            What::Executable => self.is_this(&wanted.path),
        };
        Ok(if is_current { State::Current } else { state })
    }

    /// By what we remember alone.
    fn known(&self, path: &Path) -> io::Result<State> {
        Ok(match sum(path)? {
            None => State::Missing,
            Some(sum) if self.record.has(path, &sum) => State::Old,
            Some(_) => State::Foreign,
        })
    }

    /// Whether `path` leads to this executable, or is a copy of it.
    fn is_this(&self, path: &Path) -> bool {
        if fs::canonicalize(path).is_ok_and(|path| path == self.executable) {
            return true;
        }
        let length = |path: &Path| path.metadata().map(|about| about.len()).ok();
        length(path) == length(&self.executable) && sum(path).ok() == sum(&self.executable).ok()
    }

    fn put(&self, wanted: &Wanted) -> io::Result<()> {
        let path = &wanted.path;
        fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        if path.symlink_metadata().is_ok() {
            fs::remove_file(path)?;
        }
        match &wanted.what {
            What::Text(text) => fs::write(path, text),
            What::Executable => link(&self.executable, path).or_else(|_| fs::copy(&self.executable, path).map(drop)),
        }
    }

    /// Directories that nobody needs any more: the profile's, and above it what is empty. Wireshark keeps what it remembers
    /// of a profile (`recent`) in it; without the profile that is of no use.
    fn drop_empty(&self) {
        let profile = self.folders.profile();
        let only_recent =
            fs::read_dir(&profile).is_ok_and(|entries| entries.flatten().all(|entry| entry.file_name() == "recent"));
        if only_recent {
            let _ = fs::remove_file(profile.join("recent"));
        }
        // What is not empty stays.
        for dir in [&profile, &self.folders.lua, &self.folders.extcap] {
            let _ = fs::remove_dir(dir);
        }
    }
}

#[cfg(unix)]
fn link(target: &Path, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

/// Links need rights on Windows that few have.
#[cfg(not(unix))]
fn link(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Error {
    Error::failed(format!("cannot {what} {}: {error}", path.display()))
}
