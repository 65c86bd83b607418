//! Packets from pcap files (draft-ietf-opsawg-pcap): both byte orders, micro- and nanoseconds.
//!
//! A reader of our own, as for pcapng: the pcap-file crate refuses packets that were longer than the snap length.

use std::{
    fs::File,
    io::{BufReader, Read},
    sync::Arc,
};

use flow::{Batch, Body, Interface, LinkType, Packet, PacketBatch, config::Mode};

use super::{
    At, Ending, FileKind, Numbering, OpenError, Opened, Packets,
    pcapng::{Frame, Link},
    quantity,
};

/// Longest packet taken (MAXIMUM_SNAPLEN of libpcap is below).
const MAX_PACKET: u32 = 16 << 20;

const BATCH_BYTES: usize = 1 << 20;
const BATCH_PACKETS: usize = 8192;

/// Byte order and unit of time, told by the magic number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format {
    big_endian: bool,
    nanoseconds: bool,
}

impl Format {
    pub(super) fn of(magic: [u8; 4]) -> Option<Self> {
        let (big_endian, number) = match u32::from_be_bytes(magic) {
            number @ (0xA1B2_C3D4 | 0xA1B2_3C4D) => (true, number),
            number => (false, number.swap_bytes()),
        };
        match number {
            0xA1B2_C3D4 => Some(Self { big_endian, nanoseconds: false }),
            0xA1B2_3C4D => Some(Self { big_endian, nanoseconds: true }),
            _ => None,
        }
    }

    fn u32(self, bytes: &[u8], at: usize) -> u32 {
        let word = bytes.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
        if self.big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
    }
}

pub(super) fn open(file: File, at: At) -> Result<Opened, OpenError> {
    let reader = Reader::new(BufReader::with_capacity(1 << 18, file), at)?;
    Ok(Opened { kind: FileKind::Pcap, mode: Mode::Packets, notices: Vec::new(), batches: Box::new(reader) })
}

/// Batches of packets.
pub(super) struct Reader<R> {
    input: R,
    at: At,
    format: Format,
    link: Link,
    numbering: Numbering,
    offset: u64,
    other_link: u64,
    ending: Ending,
}

/// What a record of the file is.
enum Record {
    Packet { time_ns: u64, len: u32 },
    End(u64),
}

impl<R: Read> Reader<R> {
    /// Reads the header.
    pub(super) fn new(mut input: R, at: At) -> Result<Self, OpenError> {
        let mut header = Vec::new();
        input.by_ref().take(24).read_to_end(&mut header).map_err(|error| at.io(error))?;
        let format = header.first_chunk().copied().and_then(Format::of);
        let Some(format) = format.filter(|_| header.len() == 24) else {
            return Err(at.damaged("its header is cut short"));
        };
        // The upper half of the last word has other meanings.
        let link = Link::of(format.u32(&header, 20) & 0xFFFF);
        Ok(Self {
            input,
            at,
            format,
            link,
            numbering: Numbering::default(),
            offset: 24,
            other_link: 0,
            ending: Ending::default(),
        })
    }

    /// The next record's data into `data`.
    fn record(&mut self, data: &mut Vec<u8>) -> Result<Record, OpenError> {
        let mut header = Vec::with_capacity(16);
        let got = self.read(16, &mut header)?;
        if got < 16 {
            return Ok(Record::End(got));
        }
        let word = |at| self.format.u32(&header, at);
        let (seconds, fraction, caplen, len) = (word(0), word(4), word(8), word(12));
        let unit = if self.format.nanoseconds { 1 } else { 1000 };
        let time_ns = u64::from(seconds) * 1_000_000_000 + u64::from(fraction) * unit;
        if caplen > MAX_PACKET {
            return Err(self.at.damaged(format!("no packet where one should begin, at byte {}", self.offset)));
        }
        let got = self.read(caplen, data)?;
        if got < u64::from(caplen) {
            return Ok(Record::End(16 + got));
        }
        self.offset += 16 + u64::from(caplen);
        Ok(Record::Packet { time_ns, len: len.max(caplen) })
    }

    fn read(&mut self, length: u32, into: &mut Vec<u8>) -> Result<u64, OpenError> {
        let read = self.input.by_ref().take(u64::from(length)).read_to_end(into);
        read.map(|got| got as u64).map_err(|error| self.at.io(error))
    }

    fn last_words(&self, torn: u64) -> String {
        let mut words = Vec::new();
        if torn > 0 {
            words.push(format!("the last packet is cut short and left out ({})", quantity(torn, "byte")));
        }
        if self.other_link > 0 {
            words.push(format!("{} of other links than Ethernet and IP left out", quantity(self.other_link, "packet")));
        }
        words.join("; ")
    }
}

impl<R: Read> Packets for Reader<R> {
    fn ending(&mut self) -> &mut Ending {
        &mut self.ending
    }

    fn fill(&mut self, batch: &mut PacketBatch) -> Result<Option<String>, OpenError> {
        let mut data = Vec::new();
        while batch.data.len() < BATCH_BYTES && batch.packets.len() < BATCH_PACKETS {
            data.clear();
            match self.record(&mut data)? {
                Record::End(torn) => {
                    self.ending.done = true;
                    return Ok(Some(self.last_words(torn)));
                }
                Record::Packet { time_ns, len } => match Frame::of(self.link, &data, len) {
                    None => self.other_link += 1,
                    Some(frame) => {
                        let (offset, caplen) = (batch.data.len() as u32, frame.data.len() as u32);
                        batch.data.extend_from_slice(frame.data);
                        let direction = frame.direction.unwrap_or(0);
                        batch.packets.push(Packet {
                            time_ns,
                            interface: 0,
                            len: frame.len,
                            caplen,
                            offset,
                            direction,
                            ..Packet::default()
                        });
                    }
                },
            }
        }
        Ok(None)
    }

    fn batch(&mut self, packets: PacketBatch, notice: Option<String>) -> Batch {
        let time_ns = packets.packets.last().map_or(0, |packet| packet.time_ns);
        let first = self.numbering.0 == 0;
        let mut batch = self.numbering.batch(&"".into(), time_ns, Body::Packets(packets));
        if first {
            let link_type = if self.link == Link::Ethernet { LinkType::Ethernet } else { LinkType::RawIp };
            batch.interfaces.push(Interface {
                id: 0,
                netns: "".into(),
                index: 0,
                name: "".into(),
                link_type,
                ..Interface::default()
            });
        }
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
