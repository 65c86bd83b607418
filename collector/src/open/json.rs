//! Flow records as JSON: an array, with or without its end, or objects one after the other.

use std::{
    fs::File,
    io::{Read, Seek as _, SeekFrom},
    sync::Arc,
};

use flow::{Batch, Body, FlowBatch, FlowRecord, config::Mode};

use super::{At, FileKind, Numbering, OpenError, Opened, quantity};
use crate::{at::WriteAt as _, store::encode::END};

mod scan;

use scan::{Found, Scanner};

/// Most records of a batch.
const RECORDS: usize = 4096;

pub(super) fn open(mut file: File, at: &At) -> Result<Opened, OpenError> {
    let notices = repair(&mut file, at).map_err(|error| at.io(error))?;
    file.rewind().map_err(|error| at.io(error))?;
    let mut reader = Reader::new(file, at.clone());
    // The first batch tells whether these are flow records at all.
    let first = reader.next().transpose()?;
    if reader.read == 0 && reader.unreadable > 0 {
        return Err(at.foreign("its JSON objects are no flow records"));
    }
    Ok(Opened {
        kind: FileKind::Json,
        mode: Mode::Flows,
        notices: notices.into_iter().collect(),
        batches: Box::new(first.map(Ok).into_iter().chain(reader)),
    })
}

/// Ends an array of ours whose last write was cut short by a kill; says so.
fn repair(file: &mut File, at: &At) -> std::io::Result<Option<String>> {
    if is_complete(file)? || !begins_as_ours(file)? {
        return Ok(None);
    }
    let mut scanner = Scanner::new(&*file);
    while let Found::Object(_) = scanner.next()? {}
    let (end, size) = (scanner.last_end(), file.metadata()?.len());
    // Only if nothing but a torn record follows; anything else is damage of another kind.
    if !scanner.is_torn() {
        return Ok(None);
    }
    let Some(writable) = at.writable() else { return Ok(None) };
    let end = if end == 0 { 1 } else { end };
    writable.set_len(end)?;
    writable.write_all_at(END, end)?;
    let cut = quantity(size.saturating_sub(end), "byte");
    Ok(Some(format!("the capture was killed: {cut} of a half-written record were cut off and the file was completed")))
}

fn is_complete(file: &mut File) -> std::io::Result<bool> {
    let size = file.metadata()?.len();
    let tail = size.min(64);
    file.seek(SeekFrom::Start(size - tail))?;
    let mut text = Vec::new();
    file.take(tail).read_to_end(&mut text)?;
    file.rewind()?;
    Ok(text.trim_ascii_end().ends_with(b"]"))
}

/// Whether the file begins as those that we write.
fn begins_as_ours(file: &mut File) -> std::io::Result<bool> {
    let mut head = Vec::new();
    file.take(4).read_to_end(&mut head)?;
    file.rewind()?;
    Ok(head.starts_with(b"[\n{\"") || head == b"[\n" || head == b"[")
}

/// Batches of records.
pub(super) struct Reader<R> {
    scanner: Scanner<R>,
    at: At,
    numbering: Numbering,
    node: Arc<str>,
    read: u64,
    unreadable: u64,
    done: bool,
}

impl<R: Read> Reader<R> {
    pub(super) fn new(input: R, at: At) -> Self {
        Self {
            scanner: Scanner::new(input),
            at,
            numbering: Numbering::default(),
            node: "".into(),
            read: 0,
            unreadable: 0,
            done: false,
        }
    }

    /// Up to [`RECORDS`] records, and how the reading ended if it did.
    fn records(&mut self) -> Result<(Vec<FlowRecord>, Option<String>), OpenError> {
        let mut records = Vec::new();
        while records.len() < RECORDS {
            match self.scanner.next().map_err(|error| self.at.io(error))? {
                Found::Object(text) => match serde_json::from_slice::<FlowRecord>(text) {
                    Ok(record) if record != FlowRecord::default() => records.push(record),
                    _ => self.unreadable += 1,
                },
                Found::End => return Ok((records, Some(self.last_words(0)))),
                Found::Torn(bytes) => return Ok((records, Some(self.last_words(bytes)))),
                Found::Strange(offset) if self.read == 0 && records.is_empty() => {
                    return Err(self.at.foreign(format!("it is not JSON at byte {offset}")));
                }
                Found::Strange(offset) => {
                    self.scanner.give_up();
                    if records.is_empty() {
                        return Err(self.at.damaged(format!("it is not JSON at byte {offset}")));
                    }
                    // What was read first; the error comes with the next call.
                    return Ok((records, None));
                }
            }
        }
        Ok((records, None))
    }

    fn last_words(&self, torn: u64) -> String {
        let mut words = Vec::new();
        if torn > 0 {
            words.push(format!("the last record is cut short and left out ({})", quantity(torn, "byte")));
        }
        if self.unreadable > 0 {
            words.push(format!("{} could not be read and left out", quantity(self.unreadable, "record")));
        }
        words.join("; ")
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Batch, OpenError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let (records, end) = match self.records() {
            Ok(found) => found,
            Err(error) => {
                self.done = true;
                return Some(Err(error));
            }
        };
        self.done = end.is_some();
        self.read += records.len() as u64;
        let notice = end.filter(|words| !words.is_empty());
        if records.is_empty() && notice.is_none() {
            return None;
        }
        let time_ns = last_time(&records);
        let body = Body::Flows(FlowBatch { records, observations: Vec::new() });
        let mut batch = self.numbering.batch(&self.node, time_ns, body);
        batch.notices.extend(notice.map(Arc::from));
        Some(Ok(batch))
    }
}

/// When the last of `records` ended, ns.
pub(super) fn last_time(records: &[FlowRecord]) -> u64 {
    records.iter().filter_map(|record| record.time_flow_end_ms).max().unwrap_or(0).saturating_mul(1_000_000)
}
