//! Blocks of draft-ietf-opsawg-pcapng as bytes, in the machine's byte order. Knows no file.

use std::{net::IpAddr, sync::Arc};

use flow::Packet;

// Block types, section 4 and 11.1 of the draft.
const SHB: u32 = 0x0A0D_0D0A;
const IDB: u32 = 1;
const NRB: u32 = 4;
const ISB: u32 = 5;
const EPB: u32 = 6;
const DSB: u32 = 10;

/// secrets_type of a TLS key log, section 4.7: "TLSK".
const TLS_KEY_LOG: u32 = 0x544C_534B;

/// opt_comment, section 3.5.
const COMMENT: u16 = 1;

/// A block under construction: begun with its type, ended by its length. Nothing but appending to `out`.
struct Block<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
}

impl<'a> Block<'a> {
    fn begin(out: &'a mut Vec<u8>, block_type: u32) -> Self {
        let start = out.len();
        out.extend_from_slice(&block_type.to_ne_bytes());
        out.extend_from_slice(&[0; 4]);
        Self { out, start }
    }

    fn put(self, bytes: &[u8]) -> Self {
        self.out.extend_from_slice(bytes);
        self
    }

    fn u16(self, value: u16) -> Self {
        self.put(&value.to_ne_bytes())
    }

    fn u32(self, value: u32) -> Self {
        self.put(&value.to_ne_bytes())
    }

    /// An option, padded to 32 bits (section 3.5); longer than 65,535 bytes it is cut.
    fn option(self, code: u16, value: &[u8]) -> Self {
        let value = &value[..value.len().min(usize::from(u16::MAX))];
        self.u16(code).u16(value.len() as u16).put(value).pad()
    }

    fn text(self, code: u16, text: &str) -> Self {
        if text.is_empty() { self } else { self.option(code, text.as_bytes()) }
    }

    fn count(self, code: u16, value: u64) -> Self {
        self.option(code, &value.to_ne_bytes())
    }

    fn pad(self) -> Self {
        let length = (self.out.len() - self.start).next_multiple_of(4);
        self.out.resize(self.start + length, 0);
        self
    }

    /// The end of its options, and both lengths.
    fn end(self) {
        let length = (self.out.len() - self.start + 8) as u32;
        let start = self.start;
        let out = self.put(&[0; 4]).u32(length).out;
        out[start + 4..start + 8].copy_from_slice(&length.to_ne_bytes());
    }
}

/// What a section header says; empty texts are left out.
#[derive(Clone, Debug, Default)]
pub(super) struct Section<'a> {
    pub(super) hardware: &'a str,
    pub(super) system: &'a str,
    pub(super) application: &'a str,
    pub(super) comment: &'a str,
}

/// Section header, section 4.1, of unknown section length.
pub(super) fn shb(out: &mut Vec<u8>, section: &Section<'_>) {
    Block::begin(out, SHB)
        .u32(0x1A2B_3C4D)
        .u16(1)
        .u16(0)
        .put(&u64::MAX.to_ne_bytes())
        .text(COMMENT, section.comment)
        .text(2, section.hardware)
        .text(3, section.system)
        .text(4, section.application)
        .end();
}

/// What an interface block says; empty texts and a speed of 0 are left out.
#[derive(Clone, Debug, Default)]
pub(super) struct Described<'a> {
    /// LINKTYPE_ number.
    pub(super) link_type: u16,
    /// Longest packet kept, bytes.
    pub(super) snaplen: u32,
    pub(super) name: &'a str,
    pub(super) description: &'a str,
    /// bit/s
    pub(super) speed: u64,
    /// What was taken, as text.
    pub(super) filter: &'a str,
    pub(super) system: &'a str,
}

/// Interface description, section 4.2: nanoseconds, and the filter as text.
pub(super) fn idb(out: &mut Vec<u8>, interface: &Described<'_>) {
    let Described { link_type, snaplen, name, description, speed, filter, system } = *interface;
    let block = Block::begin(out, IDB).u16(link_type).u16(0).u32(snaplen).text(2, name).text(3, description);
    let block = if speed == 0 { block } else { block.count(8, speed) };
    let block = block.option(9, &[9]);
    // if_filter: its first byte says what it is, 0 a text.
    let block = if filter.is_empty() { block } else { block.option(11, format!("\0{filter}").as_bytes()) };
    block.text(12, system).end();
}

/// What is said of a packet besides its bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Remarks<'a> {
    /// Packets lost between it and the one before.
    pub(super) lost: u64,
    /// One line, or empty.
    pub(super) comment: &'a str,
}

/// Bytes of an enhanced packet block besides data, comment and their padding, at most.
pub(super) const EPB_MOST: usize = 28 + 4 + 8 + 12 + 12 + 4 + 4 + 8;

/// Enhanced packet, section 4.3: flags with the direction; id and remarks, as far as there are any.
///
/// No epb_verdict: our own programs let every packet go on, what others decided is not told with a drop, and editcap and mergecap (4.0.17)
/// write that option back under the number of epb_queue, after which nothing reads the file.
pub(super) fn epb(out: &mut Vec<u8>, interface: u32, packet: &Packet, data: &[u8], remarks: Remarks<'_>) {
    let header = [
        interface,
        (packet.time_ns >> 32) as u32,
        packet.time_ns as u32,
        data.len() as u32,
        packet.len.max(data.len() as u32),
    ];
    let block = header.into_iter().fold(Block::begin(out, EPB), Block::u32);
    // epb_flags bits 0-1: 1 inbound, 2 outbound.
    let flags: u32 = if packet.direction == 0 { 1 } else { 2 };
    let block = block.put(data).pad().option(2, &flags.to_ne_bytes());
    let block = if remarks.lost == 0 { block } else { block.count(4, remarks.lost) };
    let block = if packet.id == 0 { block } else { block.count(5, packet.id) };
    block.text(COMMENT, remarks.comment).end();
}

/// Name resolution, section 4.5: a name for each address. Names have no zero byte in them.
pub(super) fn nrb(out: &mut Vec<u8>, names: &[(IpAddr, Arc<str>)]) {
    let block = names.iter().fold(Block::begin(out, NRB), |block, (address, name)| {
        let (kind, octets) = match address {
            IpAddr::V4(v4) => (1, v4.octets().to_vec()),
            IpAddr::V6(v6) => (2, v6.octets().to_vec()),
        };
        block.option(kind, &[&octets, name.as_bytes(), &[0]].concat())
    });
    // nrb_record_end, then the end of the options.
    block.u32(0).end();
}

/// Decryption secrets, section 4.7: lines of a TLS key log.
pub(super) fn dsb(out: &mut Vec<u8>, lines: &[&str]) {
    let length: usize = lines.iter().map(|line| line.len() + 1).sum();
    let block = Block::begin(out, DSB).u32(TLS_KEY_LOG).u32(length as u32);
    let block = lines.iter().fold(block, |block, line| block.put(line.as_bytes()).put(b"\n"));
    block.pad().end();
}

/// Counts at an interface.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Statistics {
    /// From and to, ns since the epoch.
    pub(super) span: (u64, u64),
    /// Passed the filter.
    pub(super) accepted: u64,
    /// Of these, lost before they reached us.
    pub(super) lost: u64,
    /// Of these, in the file.
    pub(super) written: u64,
}

/// Interface statistics, section 4.6.
///
/// As dumpcap does it, losses stand in isb_ifdrop, which is what Wireshark shows, and what came in beside them in
/// isb_ifrecv; isb_filteraccept, isb_osdrop and isb_usrdeliv say the same in the draft's words.
pub(super) fn isb(out: &mut Vec<u8>, interface: u32, statistics: Statistics) {
    let Statistics { span: (start, end), accepted, lost, written } = statistics;
    let time = |ns: u64| [((ns >> 32) as u32).to_ne_bytes(), (ns as u32).to_ne_bytes()].concat();
    Block::begin(out, ISB)
        .u32(interface)
        .put(&time(end))
        .option(2, &time(start))
        .option(3, &time(end))
        .count(4, accepted)
        .count(5, lost)
        .count(6, accepted)
        .count(7, lost)
        .count(8, written)
        .end();
}

#[cfg(test)]
mod tests;
