//! Packets from pcapng files, ours and others' (draft-ietf-opsawg-pcapng).
//!
//! A reader of our own and not the pcap-file crate, because repair has to know where the last whole block ends, and
//! because that crate (2.0) takes every time for nanoseconds, refuses a block whose options lack their end, and gives
//! up at a comment that is not UTF-8.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufReader, Read, Seek as _},
    sync::Arc,
};

use flow::{Batch, Body, Drop, InterfaceCounts, LinkType, Packet, PacketBatch, config::Mode};

use super::{At, Ending, FileKind, OpenError, Opened, Packets, quantity};
use crate::decode::decode;

mod block;
mod ends;
mod frame;
mod news;
mod section;

use block::{Blocks, Next};
use ends::{Ends, Headers, Said};
pub(super) use frame::{Frame, Link};
use section::{RawPacket, Section, Taken};

/// Captured bytes after which a batch is full.
const BATCH_BYTES: usize = 1 << 20;

/// Packets after which a batch is full.
const BATCH_PACKETS: usize = 8192;

/// Buffer between file and blocks.
const BUFFER: usize = 1 << 18;

pub(super) fn open(mut file: File, at: At) -> Result<Opened, OpenError> {
    let notices = repair(&mut file, &at).map_err(|error| at.io(error))?;
    file.rewind().map_err(|error| at.io(error))?;
    let mut reader = Reader::new(BufReader::with_capacity(BUFFER, file), at);
    // A file whose first block is broken is said so before a table opens.
    let first = reader.next().transpose()?;
    Ok(Opened {
        kind: FileKind::Pcapng,
        mode: Mode::Packets,
        notices: notices.into_iter().collect(),
        batches: Box::new(first.map(Ok).into_iter().chain(reader)),
    })
}

/// Cuts off the half-written block at the end of a file of ours; says so.
fn repair(file: &mut File, at: &At) -> std::io::Result<Option<String>> {
    let mut blocks = Blocks::new(BufReader::with_capacity(BUFFER, &*file));
    let Next::Block(first) = blocks.next()? else { return Ok(None) };
    if !section::is_ours(&first) {
        return Ok(None);
    }
    let torn = loop {
        match blocks.next()? {
            Next::Block(_) => {}
            Next::End | Next::Strange(_) => return Ok(None),
            Next::Torn(bytes) => break bytes,
        }
    };
    let end = blocks.offset();
    drop(blocks);
    let Some(writable) = at.writable() else { return Ok(None) };
    writable.set_len(end)?;
    Ok(Some(format!("the capture was killed: {} of a half-written packet were cut off", quantity(torn, "byte"))))
}

/// Batches of packets, each of one node.
pub(super) struct Reader<R> {
    blocks: Blocks<R>,
    section: Section,
    at: At,
    ends: Ends,
    /// Batches and packets of each node.
    nodes: HashMap<Arc<str>, (u64, u64)>,
    /// The node of the batch at hand.
    node: Arc<str>,
    /// The first packet of the next batch, which is another node's.
    held: Option<Held>,
    /// The file has no more blocks; what is to be said of that.
    ended: Option<String>,
    /// Packets that could not be used, by reason.
    left_out: LeftOut,
    ending: Ending,
}

#[derive(Debug, Default)]
struct LeftOut {
    malformed: u64,
    link: u64,
}

/// A packet with its bytes.
#[derive(Debug)]
struct Held {
    node: Arc<str>,
    packet: Packet,
    link: LinkType,
    data: Vec<u8>,
    said: Option<Arc<Said>>,
}

impl<R: Read> Reader<R> {
    pub(super) fn new(input: R, at: At) -> Self {
        Self {
            blocks: Blocks::new(input),
            section: Section::default(),
            at,
            ends: Ends::default(),
            nodes: HashMap::new(),
            node: "".into(),
            held: None,
            ended: None,
            left_out: LeftOut::default(),
            ending: Ending::default(),
        }
    }

    fn last_words(&self, torn: u64) -> String {
        let mut words = Vec::new();
        if torn > 0 {
            words.push(format!("the last packet is cut short and left out ({})", quantity(torn, "byte")));
        }
        let LeftOut { malformed, link } = self.left_out;
        if malformed > 0 {
            words.push(format!("{} could not be read and left out", quantity(malformed, "block")));
        }
        if link > 0 {
            words.push(format!("{} of other links than Ethernet and IP left out", quantity(link, "packet")));
        }
        words.join("; ")
    }
}

/// Appends a packet.
fn push(
    ends: &mut Ends,
    section: &Section,
    held: (Packet, LinkType, Option<&Arc<Said>>),
    data: &[u8],
    batch: &mut PacketBatch,
) {
    let (packet, link, said) = held;
    let offset = batch.data.len() as u32;
    batch.data.extend_from_slice(data);
    let place = batch.packets.len() as u32;
    let cause = said.and_then(|said| said.cause.clone());
    batch.drops.extend(cause.map(|cause| Drop { packet: place, cause }));
    let ends = ends.place(said, || Headers::of(&decode(data, link)), section, batch);
    batch.packets.push(Packet { offset, ends, ..packet });
}

/// A packet of a block, but for its place in a batch; `None` for links that cannot be read.
fn packet<'a>(raw: &RawPacket<'a>) -> Option<(Packet, LinkType, &'a [u8])> {
    let frame = Frame::of(raw.link, raw.data, raw.len)?;
    let link = if raw.link == Link::Ethernet { LinkType::Ethernet } else { LinkType::RawIp };
    let packet = Packet {
        time_ns: raw.time_ns,
        interface: raw.interface,
        len: frame.len,
        caplen: frame.data.len() as u32,
        direction: frame.direction.unwrap_or(raw.direction),
        id: raw.id,
        ..Packet::default()
    };
    Some((packet, link, frame.data))
}

impl<R: Read> Reader<R> {
    /// Reads a block; false if the batch ends before what it says.
    fn step(&mut self, batch: &mut PacketBatch) -> Result<bool, OpenError> {
        let Self { blocks, section, ends, left_out, .. } = self;
        let torn = match blocks.next().map_err(|error| self.at.io(error))? {
            Next::Block(block) => {
                let raw = match section.take(&block) {
                    Taken::Nothing => return Ok(true),
                    Taken::Malformed => {
                        left_out.malformed += 1;
                        return Ok(true);
                    }
                    Taken::Packet(raw) => raw,
                };
                let Some((packet, link, data)) = packet(&raw) else {
                    left_out.link += 1;
                    return Ok(true);
                };
                let said = if raw.comments.is_empty() { None } else { ends.said(&raw.comments) };
                if batch.packets.is_empty() {
                    self.node = raw.node;
                } else if *self.node != *raw.node {
                    self.held = Some(Held { node: raw.node, packet, link, data: data.to_vec(), said });
                    return Ok(false);
                }
                push(ends, section, (packet, link, said.as_ref()), data, batch);
                return Ok(true);
            }
            Next::End => 0,
            Next::Torn(bytes) => bytes,
            Next::Strange(offset) => {
                let what = format!("no block where one should begin, at byte {offset}");
                return Err(if self.section.is_empty() { self.at.foreign(what) } else { self.at.damaged(what) });
            }
        };
        self.ended = Some(self.last_words(torn));
        Ok(false)
    }

    /// Whether there is room for more in the batch at hand.
    fn has_room(&self, batch: &PacketBatch) -> bool {
        batch.data.len() < BATCH_BYTES
            && batch.packets.len() < BATCH_PACKETS
            && batch.ends.len() < ends::MOST_IN_BATCH
            && !self.section.news.is_much()
    }
}

impl<R: Read> Packets for Reader<R> {
    fn ending(&mut self) -> &mut Ending {
        &mut self.ending
    }

    fn fill(&mut self, batch: &mut PacketBatch) -> Result<Option<String>, OpenError> {
        self.ends.next_batch();
        if let Some(Held { node, packet, link, data, said }) = self.held.take() {
            self.node = node;
            push(&mut self.ends, &self.section, (packet, link, said.as_ref()), &data, batch);
        }
        while self.ended.is_none() && self.has_room(batch) {
            if !self.step(batch)? {
                break;
            }
        }
        if batch.packets.is_empty() {
            self.node = self.section.news.other("").map_or_else(|| self.section.node(), Arc::clone);
        }
        if self.ended.is_some() && self.held.is_none() && self.section.news.other(&self.node).is_none() {
            self.ending.done = true;
            return Ok(self.ended.take());
        }
        Ok(None)
    }

    fn batch(&mut self, packets: PacketBatch, notice: Option<String>) -> Batch {
        let node = Arc::clone(&self.node);
        let lost = self.section.lost(&node);
        let (interfaces, interface_counts) = self.section.news.take(&node);
        let (batches, total) = self.nodes.entry(Arc::clone(&node)).or_default();
        *total += packets.packets.len() as u64;
        let mut batch = Batch {
            sequence: *batches,
            time_ns: packets.packets.last().map_or(0, |packet| packet.time_ns),
            interfaces,
            interface_counts,
            secrets: std::mem::take(&mut self.section.news.secrets),
            clock: self.section.clock(&node),
            ..Batch::bare(node, 0, Body::Packets(packets))
        };
        *batches += 1;
        (batch.counters.lost_packets, batch.counters.accepted) = (lost, total.saturating_add(lost));
        batch.notices.extend(notice.filter(|words| !words.is_empty()).map(Arc::from));
        batch
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Batch, OpenError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance()
    }
}

/// Per-interface counts for a batch.
fn counts(interface: u32, delivered: u64, lost: u64) -> InterfaceCounts {
    InterfaceCounts { interface, delivered, lost }
}
