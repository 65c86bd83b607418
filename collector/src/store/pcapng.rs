//! The pcapng file (draft-ietf-opsawg-pcapng): one section; an interface block when an interface's first packet comes; names of
//! addresses and secrets before the packets that need them; enhanced packet blocks with what is known of each packet; interface
//! statistics every ten seconds and at the end.
//!
//! Every write ends at the end of a block. Works on a pipe.

use std::{
    collections::HashMap,
    fs::File,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use flow::{Packet, Reason};

use super::{Piece, Store, StoreError};
use crate::{
    about::{About, now_ns},
    status::Snapshot,
    subset,
};

mod block;
mod comments;
mod header;
mod names;
mod output;
mod port;

use block::{EPB_MOST, Remarks, epb};
use comments::Comments;
use names::Names;
use output::Output;
use port::{MAX_CAPLEN, Node};

/// How often interfaces tell what they counted.
const STATISTICS: Duration = Duration::from_secs(10);

/// Longest wait for the first packet, time in which nobody captures yet left out: then the section begins, with the nodes known.
const PATIENCE: Duration = Duration::from_secs(1);

/// Most secrets in one block.
const SECRETS: usize = 4096;

/// Longest line of a key log, bytes; those of today have up to 250.
const SECRET: usize = 1024;

/// When a file is full.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limit {
    /// Bytes.
    pub(super) bytes: Option<u64>,
    /// Time from its first packet on, ns.
    pub(super) span_ns: Option<u64>,
}

/// A capture file that grows, or a stream. One after the other it may be several files.
#[derive(Debug)]
pub(crate) struct PcapngFile {
    output: Output,
    about: Arc<About>,
    nodes: HashMap<Arc<str>, Node>,
    /// Names of nodes that deliver or will, as far as they are known.
    heard: Vec<String>,
    names: Names,
    comments: Comments,
    /// Secrets that wait for the first interface.
    untold: Vec<Arc<str>>,
    /// What precedes the first block, once it is needed.
    has_section: bool,
    /// Interface blocks in the file at hand.
    interfaces: u32,
    /// Packets in the file at hand, and time of the first, ns since the epoch.
    written: u64,
    first_ns: Option<u64>,
    /// When statistics were last written.
    told: Instant,
    buffer: Vec<u8>,
}

impl PcapngFile {
    /// Into the empty `file`.
    pub(super) fn file(file: File, about: &Arc<About>) -> io::Result<Self> {
        Ok(Self::new(Output::file(file)?, about))
    }

    /// Into a pipe, socket or terminal.
    pub(super) fn stream(file: File, about: &Arc<About>) -> Self {
        Self::new(Output::stream(file), about)
    }

    fn new(output: Output, about: &Arc<About>) -> Self {
        Self {
            output,
            about: Arc::clone(about),
            nodes: HashMap::new(),
            heard: Vec::new(),
            names: Names::default(),
            comments: Comments::new(about.config.files.comments),
            untold: Vec::new(),
            has_section: false,
            interfaces: 0,
            written: 0,
            first_ns: None,
            told: Instant::now(),
            buffer: Vec::new(),
        }
    }

    /// Ends the file at hand and goes on in the empty `file`, in which nothing is told yet. Returns the extent of the one that ended.
    pub(super) fn next(&mut self, file: File) -> io::Result<(u64, u64)> {
        self.finish()?;
        let extent = self.extent();
        self.output = Output::file(file)?;
        self.has_section = false;
        (self.interfaces, self.written, self.first_ns) = (0, 0, None);
        self.names.forget();
        self.comments.next_file();
        Ok(extent)
    }

    /// Bytes of the file at hand, and packets in it.
    pub(super) fn extent(&self) -> (u64, u64) {
        (self.output.end(), self.written)
    }

    /// The section header, before anything else.
    fn begin(&mut self) {
        if !self.has_section {
            self.has_section = true;
            header::section(&self.about, &self.heard, &mut self.buffer);
        }
    }

    /// Takes everything of a piece but its packets.
    pub(super) fn announce(&mut self, piece: &Piece<'_>) -> io::Result<()> {
        let now_ns = now_ns();
        if !piece.node.is_empty() {
            if !self.heard.iter().any(|node| **node == **piece.node) {
                self.heard.push(piece.node.to_string());
            }
            let node = self.nodes.entry(Arc::clone(piece.node)).or_default();
            node.clock = piece.clock.or(node.clock);
        }
        let node = self.nodes.entry(Arc::clone(piece.node)).or_default();
        piece.interfaces.iter().for_each(|interface| node.announce(interface, now_ns, &mut self.buffer));
        piece.interface_counts.iter().for_each(|counts| node.count(counts));
        self.secrets(piece.secrets)
    }

    /// Secrets come before the packets that they open, unless none are wanted; and after the first interface, because editcap (4.0) refuses
    /// files that have no interface in front.
    pub(super) fn secrets(&mut self, lines: &[Arc<str>]) -> io::Result<()> {
        if !self.about.config.files.strip_secrets {
            self.untold.extend(lines.iter().cloned());
        }
        if self.interfaces > 0 {
            tell_secrets(&std::mem::take(&mut self.untold), &mut self.buffer);
        }
        self.flush()
    }

    /// Writes packets of a piece from the `from`th on, until the file is full; returns how many it took.
    pub(super) fn packets(&mut self, piece: &Piece<'_>, from: usize, limit: Limit) -> io::Result<usize> {
        let packets = piece.packets.get(from..).unwrap_or_default();
        if packets.is_empty() {
            return Ok(0);
        }
        self.begin();
        let mut node = self.nodes.remove(piece.node).unwrap_or_default();
        let mut taken = 0;
        for packet in packets {
            if self.is_full(packet, limit, self.written + taken as u64) {
                break;
            }
            self.packet(&mut node, piece, from + taken, packet);
            taken += 1;
        }
        self.nodes.insert(Arc::clone(piece.node), node);
        self.flush()?;
        self.written += taken as u64;
        Ok(taken)
    }

    /// Whether a packet belongs to the next file. Each has one packet at least.
    fn is_full(&self, packet: &Packet, limit: Limit, written: u64) -> bool {
        let bytes = || self.output.end() + (self.buffer.len() + packet.caplen as usize + EPB_MOST) as u64;
        let span = || packet.time_ns.saturating_sub(self.first_ns.unwrap_or(packet.time_ns));
        written > 0
            && (limit.bytes.is_some_and(|most| bytes() > most) || limit.span_ns.is_some_and(|most| span() >= most))
    }

    fn packet(&mut self, node: &mut Node, piece: &Piece<'_>, at: usize, packet: &Packet) {
        self.first_ns.get_or_insert(packet.time_ns);
        let cause = subset::cause(piece.drops, piece.first_packet + at).map(|cause| &**cause);
        let ends = piece.ends.get(packet.ends as usize);
        let comment = self.comments.of(ends, cause, packet.time_ns, &mut self.names);
        let clock = node.clock;
        let port = node.port(packet.interface);
        let block = port.block.unwrap_or_else(|| {
            let number = self.interfaces;
            self.interfaces += 1;
            port.begin(number, (piece.node, clock), &self.about, &mut self.buffer);
            number
        });
        let lost = port.packet();
        self.names.tell(&mut self.buffer);
        if !self.untold.is_empty() {
            let untold = std::mem::take(&mut self.untold);
            tell_secrets(&untold, &mut self.buffer);
        }
        let remarks = Remarks { lost, comment: &comment };
        epb(&mut self.buffer, block, packet, bytes(piece, packet), remarks);
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush(&mut self.buffer)
    }

    /// Takes what is known of the capture, and writes what is due.
    pub(super) fn look(&mut self, state: &Snapshot) -> io::Result<()> {
        if !self.has_section {
            for node in &state.nodes {
                if !self.heard.contains(&node.node) {
                    self.heard.push(node.node.clone());
                }
            }
            if state.elapsed >= PATIENCE {
                self.begin();
            }
        }
        if self.told.elapsed() >= STATISTICS {
            self.told = Instant::now();
            let now_ns = now_ns();
            self.nodes.values_mut().flat_map(Node::ports).for_each(|port| port.statistics(now_ns, &mut self.buffer));
        }
        self.flush()
    }

    /// The end of the file at hand: what is not told yet.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.begin();
        let now_ns = now_ns();
        let Self { nodes, interfaces, about, buffer, .. } = self;
        for (name, node) in nodes.iter_mut() {
            let clock = node.clock;
            for port in node.ports().filter(|port| port.has_hidden_loss()) {
                port.begin(*interfaces, (name, clock), about, buffer);
                *interfaces += 1;
            }
        }
        let mut ports: Vec<_> = nodes.values_mut().flat_map(Node::ports).filter(|port| port.block.is_some()).collect();
        ports.sort_unstable_by_key(|port| port.block);
        for port in ports {
            port.finish(now_ns, buffer);
        }
        tell_secrets(&std::mem::take(&mut self.untold), &mut self.buffer);
        self.flush()
    }
}

/// Writes secrets. A line is a line: what has another within it, or is as long as no secret is, is none.
fn tell_secrets(lines: &[Arc<str>], out: &mut Vec<u8>) {
    let is_line = |line: &&str| line.len() <= SECRET && !line.contains(char::is_control);
    let lines: Vec<&str> = lines.iter().map(|line| &**line).filter(is_line).collect();
    lines.chunks(SECRETS).for_each(|lines| block::dsb(out, lines));
}

fn bytes<'a>(piece: &Piece<'a>, packet: &Packet) -> &'a [u8] {
    let start = packet.offset as usize;
    let bytes = piece.data.get(start..start + packet.caplen as usize).unwrap_or_default();
    &bytes[..bytes.len().min(MAX_CAPLEN)]
}

impl Store for PcapngFile {
    fn write(&mut self, piece: &Piece<'_>) -> Result<(), StoreError> {
        self.announce(piece)?;
        self.packets(piece, 0, Limit::default())?;
        Ok(())
    }

    fn tick(&mut self, state: &Snapshot) -> Result<(), StoreError> {
        Ok(self.look(state)?)
    }

    fn size(&self) -> (u64, u64) {
        self.extent()
    }

    fn close(&mut self, _: &Snapshot, _: Option<&Reason>) -> Result<Duration, StoreError> {
        self.finish()?;
        Ok(Duration::ZERO)
    }
}

#[cfg(test)]
mod tests;
