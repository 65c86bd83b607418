//! Saved captures into other files: packets into packets or flows, flows into flows, all or some of them, in the order of time,
//! with or without who it was.
//!
//! ```text
//! inputs -> merged by time -> within the time asked for -> filter -> copies left out -> anonymised -> flows of packets -> a store
//! ```
//! Owns the order of these steps and the output's coming into being: it gets its name when it is whole, and nothing is
//! overwritten that was not meant. One batch of each input is in memory. Inputs are never changed, but for a database that a
//! killed capture left with a write-ahead log. Must not know the command line.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use flow::{Batch, Body, Filter, Stop, config::Mode};

use crate::{
    Sieve,
    anonymize::{AnonymizeKey, Anonymizer},
    feed::data_count,
    open::{FileKind, OpenError},
};

mod aggregate;
mod input;
mod merge;
mod once;
mod output;

use aggregate::Aggregator;
use input::Source;
use merge::Merged;
use once::Once;
use output::Out;

/// Where a capture is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file.
    File(PathBuf),
    /// Standard input: anything but SQLite, which needs a file.
    Stdin,
}

/// Where the result goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A file, which must not exist unless it may be replaced.
    File {
        /// Its name.
        path: PathBuf,
        /// One that exists may be replaced.
        replace: bool,
    },
    /// Standard output: pcapng, or one JSON object a line.
    Stdout,
}

/// What the result is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Flow records as a JSON array.
    Json,
    /// Flow records in SQLite.
    Sqlite,
    /// Packets.
    Pcapng,
}

impl Target {
    /// Packets or flows.
    pub fn mode(self) -> Mode {
        if self == Self::Pcapng { Mode::Packets } else { Mode::Flows }
    }
}

/// What is to be done.
#[derive(Debug)]
pub struct Conversion {
    /// What is read; of several the items are merged in the order of time.
    pub inputs: Vec<Input>,
    /// Where the result goes.
    pub output: Output,
    /// As what.
    pub target: Target,
    /// Which records or packets.
    pub filter: Filter,
    /// Only from this time on, ns since the epoch.
    pub from_ns: Option<u64>,
    /// Only before this time, ns since the epoch.
    pub to_ns: Option<u64>,
    /// One copy of each packet, by its id.
    pub dedup: bool,
    /// What opens TLS connections is left out.
    pub strip_secrets: bool,
    /// Interval of the flow records that packets become.
    pub interval: Duration,
    /// Who it was is replaced; and whether payloads stay nevertheless.
    pub anonymize: Option<(AnonymizeKey, bool)>,
    /// The command as typed, for the file.
    pub command: Vec<String>,
    /// Our version, for the file.
    pub version: String,
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read of all inputs.
    pub read: u64,
    /// Bytes that there are, as far as that is known.
    pub total: u64,
    /// Records or packets so far.
    pub items: u64,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Converted {
    /// Records or packets read.
    pub read: u64,
    /// Records or packets written.
    pub written: u64,
    /// Bytes written; 0 for standard output.
    pub bytes: u64,
    /// Packets left out because a copy stands in the file.
    pub copies: u64,
    /// What was found on the way, sentences for the user.
    pub notices: Vec<String>,
    /// Something of an input could not be read and is not in the result.
    pub incomplete: bool,
    /// The end was asked for: there is no result.
    pub interrupted: bool,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// An input cannot be read at all.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// An input is of flows, the result was to be of packets.
    #[error("{0} holds flow records, which packets cannot be made of; give it the extension .json or .db")]
    NoPackets(String),
    /// The output is an input.
    #[error("{0} is read and cannot be written at the same time; give the result another name")]
    Same(PathBuf),
    /// The output is there.
    #[error("{0} exists and is not overwritten")]
    Exists(PathBuf),
    /// A database cannot be a stream.
    #[error("a database cannot be written to standard output; json and pcapng can")]
    NoStream,
    /// The output is a directory, a pipe, a device.
    #[error("{0} is no regular file; `-` writes to standard output")]
    NoFile(PathBuf),
    /// The output cannot be written.
    #[error("cannot write {path}: {reason}")]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl ConvertError {
    /// Whether the request was wrong and nothing was touched.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::NoPackets(_) | Self::Same(_) | Self::Exists(_) | Self::NoStream | Self::NoFile(_))
    }
}

/// Does it; `progress` is told after each batch.
///
/// # Errors
/// [`ConvertError`]: there is no output then, or the one that was there before.
pub fn convert(
    conversion: &Conversion,
    stop: &Stop,
    progress: &mut dyn FnMut(Progress),
) -> Result<Converted, ConvertError> {
    let read = Arc::new(AtomicU64::new(0));
    output::check(conversion)?;
    let sources = input::open(&conversion.inputs, &read)?;
    refuse(conversion, &sources)?;
    let total = sources.iter().map(|source| source.size).sum();
    let mut notices: Vec<String> = sources.iter().flat_map(|source| source.notices.clone()).collect();
    let mut out = Out::create(conversion, stop)?;
    let mut steps = Steps::new(conversion);
    let (mut done, mut incomplete) = (Converted::default(), false);
    for batch in Merged::new(sources) {
        if stop.requested() {
            break;
        }
        match batch {
            Ok(batch) => {
                done.read += data_count(&batch.body);
                // What a reader says while it reads is about what it leaves out.
                incomplete |= !batch.notices.is_empty();
                notices.extend(batch.notices.iter().map(ToString::to_string));
                steps.take(batch, &mut |batch| out.write(&batch));
            }
            Err(error) => {
                incomplete = true;
                notices.push(format!("{error}; what stands before that is converted"));
            }
        }
        progress(Progress { read: read.load(std::sync::atomic::Ordering::Relaxed), total, items: done.read });
    }
    if !stop.requested() {
        steps.finish(&mut |batch| out.write(&batch));
    }
    let (written, bytes, interrupted) = out.finish()?;
    Ok(Converted { written, bytes, copies: steps.copies(), notices, incomplete, interrupted, ..done })
}

/// Packets cannot be made of flows.
fn refuse(conversion: &Conversion, sources: &[Source]) -> Result<(), ConvertError> {
    let of_flows = |source: &&Source| matches!(source.kind, FileKind::Json | FileKind::Sqlite);
    match sources.iter().find(of_flows).filter(|_| conversion.target == Target::Pcapng) {
        Some(source) => Err(ConvertError::NoPackets(source.name.clone())),
        None => Ok(()),
    }
}

/// What happens to a batch between reading and writing.
struct Steps {
    range: (u64, u64),
    sieve: Sieve,
    once: Option<Once>,
    strip_secrets: bool,
    anonymizer: Option<Anonymizer>,
    flows: Option<Aggregator>,
}

/// Where batches go.
type Sink<'a> = &'a mut dyn FnMut(Batch);

impl Steps {
    fn new(conversion: &Conversion) -> Self {
        let anonymizer = conversion.anonymize.as_ref().map(|(key, keep_payload)| Anonymizer::new(key, *keep_payload));
        Self {
            range: (conversion.from_ns.unwrap_or(0), conversion.to_ns.unwrap_or(u64::MAX)),
            sieve: Sieve::new(conversion.filter.clone(), None),
            once: conversion.dedup.then(Once::default),
            strip_secrets: conversion.strip_secrets,
            anonymizer,
            flows: (conversion.target.mode() == Mode::Flows).then(|| Aggregator::new(conversion.interval)),
        }
    }

    fn take(&mut self, mut batch: Batch, to: Sink<'_>) {
        merge::within(&mut batch, self.range);
        self.sieve.apply(&mut batch);
        if let Some(once) = &mut self.once {
            once.apply(&mut batch);
        }
        if self.strip_secrets {
            batch.secrets.clear();
        }
        if let Some(anonymizer) = &mut self.anonymizer {
            anonymizer.apply(&mut batch);
        }
        match &mut self.flows {
            Some(flows) if !matches!(batch.body, Body::Flows(_)) => flows.take(&batch, to),
            _ => to(batch),
        }
    }

    fn finish(&mut self, to: Sink<'_>) {
        if let Some(flows) = &mut self.flows {
            flows.flush(to);
        }
    }

    fn copies(&self) -> u64 {
        self.once.as_ref().map_or(0, Once::copies)
    }
}

/// Takes `bytes` through reading, merging, filtering, anonymising, aggregating and writing, into `out`; returns how many packets
/// or records that were. For fuzzing: it must return, whatever the bytes, and take memory by what there is.
#[doc(hidden)]
pub fn fuzz(bytes: &[u8], out: &std::fs::File) -> u64 {
    let filter = || Filter::parse("not src.pod = \"x\" or dropped").unwrap_or_default();
    let conversion = |target, anonymize, filter| Conversion {
        inputs: Vec::new(),
        output: Output::Stdout,
        target,
        filter,
        from_ns: None,
        to_ns: None,
        dedup: true,
        strip_secrets: false,
        interval: Duration::from_secs(1),
        anonymize,
        command: Vec::new(),
        version: "0".to_owned(),
    };
    let hidden = || Some((AnonymizeKey::of(b"fuzz"), bytes.len().is_multiple_of(2)));
    let all = [
        conversion(Target::Pcapng, None, filter()),
        conversion(Target::Pcapng, hidden(), Filter::default()),
        conversion(Target::Json, hidden(), Filter::default()),
    ];
    all.iter().map(|conversion| one(bytes, conversion, out)).sum()
}

fn one(bytes: &[u8], conversion: &Conversion, out: &std::fs::File) -> u64 {
    let source = || input::memory(bytes).ok();
    let (Some(first), Some(second), Ok(file)) = (source(), source(), out.try_clone()) else { return 0 };
    if refuse(conversion, std::slice::from_ref(&first)).is_err() {
        return 0;
    }
    let (mut steps, mut written) = (Steps::new(conversion), 0);
    let mut out = Out::into(conversion, file);
    let mut write = |batch: Batch| {
        written += data_count(&batch.body);
        if let Some(out) = &mut out {
            out.write(&batch);
        }
    };
    for batch in Merged::new(vec![first, second]).map_while(Result::ok) {
        steps.take(batch, &mut write);
    }
    steps.finish(&mut write);
    drop(out.map(Out::finish));
    written
}

#[cfg(test)]
mod tests;
