//! The result: written beside its name, and given that name when it is whole.

use std::{
    fs,
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use flow::{
    Batch, CaptureConfig, Reason, Stop,
    config::{Limits, Mode, NetNs, PacketFiles, TcAttach},
};

use super::{Conversion, ConvertError, Input, Output, Target};
use crate::{
    Format, Status,
    about::{About, now_ns},
    capture, feed, files,
    lines::Lines,
    store::Stores,
};

/// Refuses what cannot be, before anything is opened.
pub(super) fn check(conversion: &Conversion) -> Result<(), ConvertError> {
    let Output::File { path, replace } = &conversion.output else {
        let is_database = conversion.target == Target::Sqlite;
        return if is_database { Err(ConvertError::NoStream) } else { Ok(()) };
    };
    let Ok(metadata) = path.metadata() else { return Ok(()) };
    if !metadata.is_file() {
        return Err(ConvertError::NoFile(path.clone()));
    }
    let is_read = |input: &Input| match input {
        Input::File(input) => is_same(input, path),
        Input::Stdin => false,
    };
    match () {
        () if conversion.inputs.iter().any(is_read) => Err(ConvertError::Same(path.clone())),
        () if !replace => Err(ConvertError::Exists(path.clone())),
        () => Ok(()),
    }
}

/// Whether two names are of one file.
fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let id = |path: &Path| path.metadata().ok().map(|data| (data.dev(), data.ino()));
        if id(one).is_some_and(|one| Some(one) == id(other)) {
            return true;
        }
    }
    real(one).is_some_and(|one| Some(one) == real(other))
}

/// The output that comes into being.
pub(super) enum Out {
    /// What a store writes.
    Stored {
        stores: Box<Stores>,
        /// Under which name it is written, and which it gets; `None` for standard output.
        file: Option<(PathBuf, PathBuf)>,
        replace: bool,
        stop: Stop,
        offered: u64,
    },
    /// Lines on standard output.
    Lines { lines: Box<Lines>, out: fs::File, text: Vec<u8>, written: u64, stop: Stop },
}

impl Out {
    pub(super) fn create(conversion: &Conversion, stop: &Stop) -> Result<Self, ConvertError> {
        let failed = |path: &Path, reason: String| ConvertError::Write { path: path.to_owned(), reason };
        let stop = stop.clone();
        let file = match &conversion.output {
            Output::File { path, .. } => Some((beside(path, conversion.target), path.clone())),
            Output::Stdout => None,
        };
        if file.is_none() && conversion.target == Target::Json {
            let out = capture::stdout().map_err(|error| failed(Path::new("standard output"), error.to_string()))?;
            let lines = Box::new(Lines::new(Format::Json));
            return Ok(Self::Lines { lines, out, text: Vec::new(), written: 0, stop });
        }
        let mut stores = Stores::new(Arc::new(about(conversion)), Status::new(stop.clone()), stop.clone());
        match &file {
            None => stores.add_stdout().map_err(|error| failed(Path::new("standard output"), error.to_string()))?,
            Some((part, path)) => {
                let created = files::create_new(part).map_err(|error| failed(path, error.to_string()))?;
                let added = stores.add_file(part.clone(), created);
                added.inspect_err(|_| remove(part)).map_err(|error| failed(path, error.to_string()))?;
            }
        }
        let replace = matches!(conversion.output, Output::File { replace: true, .. });
        Ok(Self::Stored { stores: Box::new(stores), file, replace, stop, offered: 0 })
    }

    /// Into a file that is there and empty, packets or records as `conversion` says. For fuzzing.
    pub(super) fn into(conversion: &Conversion, file: fs::File) -> Option<Self> {
        let stop = Stop::default();
        let mut stores = Stores::new(Arc::new(about(conversion)), Status::new(stop.clone()), stop.clone());
        let name = if conversion.target == Target::Pcapng { "fuzz.pcapng" } else { "fuzz.json" };
        stores.add_file(name.into(), file).ok()?;
        Some(Self::Stored { stores: Box::new(stores), file: None, replace: false, stop, offered: 0 })
    }

    /// A failure is told by [`Out::finish`], and asks for the end.
    pub(super) fn write(&mut self, batch: &Batch) {
        match self {
            Self::Stored { stores, offered, .. } => {
                *offered += feed::data_count(&batch.body);
                stores.take(batch);
            }
            Self::Lines { lines, out, text, written, stop } => {
                text.clear();
                lines.append(batch, text);
                match out.write_all(text) {
                    Ok(()) => *written += feed::data_count(&batch.body),
                    Err(error) if error.kind() == ErrorKind::BrokenPipe => stop.request(Reason::BrokenPipe),
                    Err(error) => stop.request(Reason::Failed(error.to_string())),
                }
            }
        }
    }

    /// Ends it well: what was written, its size, and whether the user asked for the end before; then there is no file.
    pub(super) fn finish(self) -> Result<(u64, u64, bool), ConvertError> {
        let stdout = || PathBuf::from("standard output");
        match self {
            Self::Lines { written, stop, .. } => match stop.reason() {
                Some(Reason::Failed(reason)) => Err(ConvertError::Write { path: stdout(), reason }),
                reason => Ok((written, 0, is_interrupted(reason.as_ref()))),
            },
            Self::Stored { stores, file: None, stop, offered, .. } => {
                stores.close();
                match stop.reason() {
                    Some(Reason::Failed(reason)) => Err(ConvertError::Write { path: stdout(), reason }),
                    reason => Ok((offered, 0, is_interrupted(reason.as_ref()))),
                }
            }
            Self::Stored { stores, file: Some((part, path)), replace, stop, .. } => {
                let closing = stores.close();
                let named = closing.files.first().cloned().unwrap_or_default();
                let failed = |reason: String| {
                    remove(&part);
                    ConvertError::Write { path: path.clone(), reason }
                };
                match (named.error, is_interrupted(stop.reason().as_ref())) {
                    (Some(error), _) => Err(failed(error)),
                    (None, true) => {
                        remove(&part);
                        Ok((0, 0, true))
                    }
                    (None, false) => {
                        rename(&part, &path, replace).map_err(|error| match error.kind() {
                            ErrorKind::AlreadyExists => {
                                remove(&part);
                                ConvertError::Exists(path.clone())
                            }
                            _ => failed(error.to_string()),
                        })?;
                        Ok((named.written, named.bytes, false))
                    }
                }
            }
        }
    }
}

/// Whether somebody asked for the end.
fn is_interrupted(reason: Option<&Reason>) -> bool {
    matches!(reason, Some(Reason::User | Reason::Signal(_)))
}

/// A hidden name in the same directory, with the extension by which stores are told apart.
fn beside(path: &Path, target: Target) -> PathBuf {
    let extension = match target {
        Target::Json => "json",
        Target::Sqlite => "db",
        Target::Pcapng => "pcapng",
    };
    let stem = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(format!(".{stem}.{}.{extension}", std::process::id()))
}

/// Gives the file its name; one that has appeared meanwhile is not overwritten unless that was allowed.
fn rename(part: &Path, path: &Path, replace: bool) -> std::io::Result<()> {
    if replace {
        return fs::rename(part, path);
    }
    match fs::hard_link(part, path) {
        Ok(()) => fs::remove_file(part),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(error),
        // A file system without links.
        Err(_) if path.exists() => Err(ErrorKind::AlreadyExists.into()),
        Err(_) => fs::rename(part, path),
    }
}

/// What was begun, with what SQLite puts beside it; whether it succeeds changes nothing.
fn remove(part: &Path) {
    for path in [part.to_owned(), part.with_extension("db-wal"), part.with_extension("db-shm")] {
        let _ = fs::remove_file(path);
    }
}

/// What the file says of itself. Where nobody is to be known, neither what was typed nor where.
fn about(conversion: &Conversion) -> About {
    let is_anonymous = conversion.anonymize.is_some();
    let after = Some(conversion.filter.to_string()).filter(|_| !conversion.filter.is_empty() && !is_anonymous);
    About {
        config: Arc::new(config(conversion, after)),
        command: if is_anonymous { Vec::new() } else { conversion.command.clone() },
        version: conversion.version.clone(),
        started_ns: now_ns(),
        several: false,
        why: None,
    }
}

/// A capture of everything, as far as stores ask.
fn config(conversion: &Conversion, after: Option<String>) -> CaptureConfig {
    CaptureConfig {
        mode: conversion.target.mode(),
        rules: Vec::new(),
        sets: Vec::new(),
        spare_sets: 0,
        after,
        features: Vec::new(),
        drops_only: false,
        dns_ports: Vec::new(),
        netns: NetNs::Current,
        pods: false,
        interfaces: Vec::new(),
        exclude_interfaces: Vec::new(),
        tc_attach: TcAttach::Any,
        sampling: 1,
        cache_max_flows: 0,
        cache_active_timeout: if conversion.target.mode() == Mode::Flows {
            conversion.interval
        } else {
            Duration::ZERO
        },
        snaplen: 0,
        buffer_size: 0,
        files: PacketFiles { strip_secrets: conversion.strip_secrets, ..PacketFiles::default() },
        ring: None,
        trigger: None,
        tls_keys: false,
        key_owners: flow::config::KeyOwners::default(),
        observations: true,
        own: Vec::new(),
        spare_rules: 0,
        agent_ip: None,
        node: "".into(),
        limits: Limits { time: None, bytes: None, packets: None },
    }
}
