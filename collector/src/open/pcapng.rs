//! Packets from pcapng files, ours and others' (draft-ietf-opsawg-pcapng).
//!
//! A reader of our own and not the pcap-file crate, because repair has to know where the last whole block ends, and
//! because that crate (2.0) takes every time for nanoseconds, refuses a block whose options lack their end, and gives
//! up at a comment that is not UTF-8.

use std::{
    fs::File,
    io::{BufReader, Read, Seek as _},
    sync::Arc,
};

use flow::{Batch, Body, Drop, InterfaceCounts, Packet, PacketBatch, config::Mode};

use super::{At, Ending, FileKind, Numbering, OpenError, Opened, Packets, quantity};

mod block;
mod frame;
mod section;

use block::{Block, Blocks, Next};
pub(super) use frame::{Frame, Link};
use section::Section;

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

/// Batches of packets.
pub(super) struct Reader<R> {
    blocks: Blocks<R>,
    section: Section,
    at: At,
    numbering: Numbering,
    /// Packets that could not be used, by reason.
    left_out: LeftOut,
    ending: Ending,
    total: u64,
}

#[derive(Debug, Default)]
struct LeftOut {
    malformed: u64,
    link: u64,
}

impl<R: Read> Reader<R> {
    pub(super) fn new(input: R, at: At) -> Self {
        Self {
            blocks: Blocks::new(input),
            section: Section::default(),
            at,
            numbering: Numbering::default(),
            left_out: LeftOut::default(),
            ending: Ending::default(),
            total: 0,
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

/// What a block says; packets go into `batch`.
fn take(section: &mut Section, left_out: &mut LeftOut, block: &Block<'_>, batch: &mut PacketBatch) {
    match section.take(block) {
        section::Taken::Nothing => {}
        section::Taken::Malformed => left_out.malformed += 1,
        section::Taken::Packet(packet) => match Frame::of(packet.link, packet.data, packet.len) {
            None => left_out.link += 1,
            Some(frame) => push(batch, &packet, &frame),
        },
    }
}

fn push(batch: &mut PacketBatch, packet: &section::RawPacket<'_>, frame: &Frame<'_>) {
    let offset = batch.data.len() as u32;
    batch.data.extend_from_slice(frame.data);
    let place = batch.packets.len() as u32;
    batch.drops.extend(packet.cause.clone().map(|cause| Drop { packet: place, cause }));
    batch.packets.push(Packet {
        time_ns: packet.time_ns,
        interface: packet.interface,
        len: frame.len,
        caplen: frame.data.len() as u32,
        offset,
        direction: frame.direction.unwrap_or(packet.direction),
        ..Packet::default()
    });
}

impl<R: Read> Packets for Reader<R> {
    fn ending(&mut self) -> &mut Ending {
        &mut self.ending
    }

    fn fill(&mut self, batch: &mut PacketBatch) -> Result<Option<String>, OpenError> {
        while batch.data.len() < BATCH_BYTES && batch.packets.len() < BATCH_PACKETS {
            let torn = match self.blocks.next().map_err(|error| self.at.io(error))? {
                Next::Block(block) => {
                    take(&mut self.section, &mut self.left_out, &block, batch);
                    continue;
                }
                Next::End => 0,
                Next::Torn(bytes) => bytes,
                Next::Strange(offset) => {
                    let what = format!("no block where one should begin, at byte {offset}");
                    return Err(if self.section.is_empty() { self.at.foreign(what) } else { self.at.damaged(what) });
                }
            };
            self.ending.done = true;
            return Ok(Some(self.last_words(torn)));
        }
        Ok(None)
    }

    fn batch(&mut self, packets: PacketBatch, notice: Option<String>) -> Batch {
        self.total += packets.packets.len() as u64;
        let time_ns = packets.packets.last().map_or(0, |packet| packet.time_ns);
        let node = self.section.node();
        let mut batch = self.numbering.batch(&node, time_ns, Body::Packets(packets));
        batch.interfaces = self.section.take_new();
        batch.interface_counts = self.section.take_counts();
        batch.counters.lost_packets = self.section.lost();
        batch.counters.accepted = self.total + self.section.lost();
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
