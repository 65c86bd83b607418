//! Records and packets as lines: `-o json`, one JSON object a line, and `-o wide`, aligned text.
//!
//! Text that came from the network is escaped in `wide`; JSON escapes by itself.

use std::{
    io::{self, Write},
    sync::Arc,
};

use flow::{Batch, Body, FlowRecord, Reason, Stop};

use crate::{Format, capture, open::OpenError, queue::Receiver, store::encode::object, subset};

mod packets;
mod wide;

use packets::{Interfaces, One};
use wide::Columns;

/// Turns batches into lines.
#[derive(Debug)]
pub struct Lines {
    format: Format,
    columns: Columns,
    interfaces: Interfaces,
}

impl Lines {
    /// No line yet; `wide` begins with a line of headings.
    pub fn new(format: Format) -> Self {
        Self { format, columns: Columns::default(), interfaces: Interfaces::default() }
    }

    /// The same for batches of several nodes: what is found on one of them is named with it.
    pub fn of_nodes(format: Format) -> Self {
        Self { interfaces: Interfaces::new(true), ..Self::new(format) }
    }

    /// Appends the lines of `batch`.
    pub fn append(&mut self, batch: &Batch, out: &mut Vec<u8>) {
        self.interfaces.learn(batch);
        match (&batch.body, self.format) {
            (Body::None, _) => {}
            (Body::Flows(flows), Format::Json) => flows.records.iter().for_each(|record| json_line(out, record)),
            (Body::Flows(flows), Format::Wide) => {
                flows.records.iter().for_each(|record| self.columns.line(out, record));
            }
            (Body::Packets(packets), format) => {
                for (at, packet) in packets.packets.iter().enumerate() {
                    let cause = subset::cause(&packets.drops, at);
                    let (bytes, ends) = (packets.bytes(packet), packets.ends(packet));
                    self.interfaces.line(out, format, &batch.node, One { packet, bytes, cause, ends });
                }
            }
        }
    }
}

fn json_line(out: &mut Vec<u8>, record: &FlowRecord) {
    object(out, record, |_| {});
    out.push(b'\n');
}

/// Why lines could not be printed.
#[derive(Debug, thiserror::Error)]
pub enum PrintError {
    /// The file that they come from.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Where they go; a broken pipe is no error but the end.
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
}

/// Prints all of `batches`, until `stop` is requested or the reader of `out` has gone, which ends it well.
///
/// # Errors
/// The file cannot be read further, or `out` cannot be written.
pub fn print(
    batches: impl IntoIterator<Item = Result<Batch, OpenError>>,
    format: Format,
    out: &mut dyn Write,
    stop: &Stop,
) -> Result<(), PrintError> {
    let (mut lines, mut text) = (Lines::new(format), Vec::new());
    for batch in batches {
        if stop.requested() {
            break;
        }
        text.clear();
        lines.append(&batch?, &mut text);
        match out.write_all(&text).and_then(|()| out.flush()) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                stop.request(Reason::BrokenPipe);
                break;
            }
            Err(error) => return Err(PrintError::Output(error)),
        }
    }
    Ok(())
}

/// The thread of a live capture: each batch is on standard output when the next is taken.
pub(crate) fn run(input: &Receiver<Arc<Batch>>, lines: Lines, stop: &Stop) {
    if let Err(error) = write_all(input, lines) {
        stop.request(match error.kind() {
            io::ErrorKind::BrokenPipe => Reason::BrokenPipe,
            _ => Reason::Failed(format!("cannot write to standard output: {error}")),
        });
    }
}

fn write_all(input: &Receiver<Arc<Batch>>, mut lines: Lines) -> io::Result<()> {
    let mut out = capture::stdout()?;
    let mut text = Vec::new();
    while let Some(batch) = input.recv() {
        text.clear();
        lines.append(&batch, &mut text);
        out.write_all(&text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
