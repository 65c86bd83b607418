//! Blocks of draft-ietf-opsawg-pcapng as bytes, in the machine's byte order. Knows no file.

use flow::Packet;

// Block types, section 4 and 11.1 of the draft.
const SHB: u32 = 0x0A0D_0D0A;
const IDB: u32 = 1;
const ISB: u32 = 5;
const EPB: u32 = 6;

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

    fn u32(self, value: u32) -> Self {
        self.put(&value.to_ne_bytes())
    }

    /// An option, padded to 32 bits (section 3.5); longer than 65,535 bytes it is cut.
    fn option(self, code: u16, value: &[u8]) -> Self {
        let value = &value[..value.len().min(usize::from(u16::MAX))];
        let this = self.put(&code.to_ne_bytes()).put(&(value.len() as u16).to_ne_bytes()).put(value);
        this.pad()
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

/// Section header, section 4.1, of unknown section length.
pub(crate) fn shb(out: &mut Vec<u8>, hardware: &str, system: &str, application: &str) {
    Block::begin(out, SHB)
        .u32(0x1A2B_3C4D)
        .put(&1_u16.to_ne_bytes())
        .put(&0_u16.to_ne_bytes())
        .put(&u64::MAX.to_ne_bytes())
        .text(2, hardware)
        .text(3, system)
        .text(4, application)
        .end();
}

/// Interface description, section 4.2: nanoseconds, and the filter as text.
pub(crate) fn idb(out: &mut Vec<u8>, link_type: u16, snaplen: u32, name: &str, description: &str, filter: &str) {
    let block = Block::begin(out, IDB)
        .put(&link_type.to_ne_bytes())
        .put(&[0; 2])
        .u32(snaplen)
        .text(2, name)
        .text(3, description)
        .option(9, &[9]);
    // if_filter: its first byte says what it is, 0 a text.
    let block = if filter.is_empty() { block } else { block.option(11, format!("\0{filter}").as_bytes()) };
    block.text(12, &crate::about::operating_system()).end();
}

/// What the comment of a dropped packet begins with; the kernel's reason follows.
pub(crate) const DROPPED: &str = "dropped: ";

/// Enhanced packet, section 4.3: flags with the direction; how many packets were lost before it, if any; and why the kernel dropped
/// it, if it did, as a comment.
pub(crate) fn epb(out: &mut Vec<u8>, interface: u32, packet: &Packet, data: &[u8], (lost, cause): (u64, Option<&str>)) {
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
    let block = if lost == 0 { block } else { block.count(4, lost) };
    match cause {
        Some(cause) => block.text(1, &[DROPPED, cause].concat()).end(),
        None => block.end(),
    }
}

/// Interface statistics, section 4.6: from `start` to `end` (ns), `accepted` passed the filter, `lost` of them were lost
/// before they reached us, `written` are in the file.
///
/// As dumpcap does it, losses stand in isb_ifdrop, which is what Wireshark shows, and what came in beside them in
/// isb_ifrecv; isb_filteraccept, isb_osdrop and isb_usrdeliv say the same in the draft's words.
pub(crate) fn isb(out: &mut Vec<u8>, interface: u32, (start, end): (u64, u64), accepted: u64, lost: u64, written: u64) {
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
