//! The pcapng file (draft-ietf-opsawg-pcapng): one section, an interface block per interface when it first appears,
//! enhanced packet blocks, interface statistics at the end.
//!
//! Every write ends at the end of a block. Works on a pipe.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Write as _},
    sync::Arc,
    time::Duration,
};

use flow::{Interface, LinkType, Packet, Reason};

use super::{Piece, Store, StoreError};
use crate::{
    about::{About, now_ns, operating_system, rules_text},
    at::WriteAt as _,
    interface,
    status::Snapshot,
    subset,
};

pub(crate) mod block;

use block::{epb, idb, isb, shb};

/// Longest packet that Wireshark takes (WTAP_MAX_PACKET_SIZE_STANDARD); longer ones are cut there.
const MAX_CAPLEN: usize = 262_144;

/// An interface of the section.
#[derive(Clone, Copy, Debug, Default)]
struct Port {
    /// Number of its interface block.
    block: u32,
    /// Packets that its agent lost, as far as it has told.
    lost: u64,
    /// Those of them not yet told in the file.
    untold: u64,
    /// Packets that its agent delivered.
    delivered: u64,
    /// Packets in the file.
    written: u64,
}

/// Interfaces of one agent by their number there.
type Ports = Vec<Option<Port>>;

/// A capture file that grows, or a stream.
#[derive(Debug)]
pub(crate) struct PcapngFile {
    file: File,
    /// Whether it can be written at an offset and shortened.
    seekable: bool,
    about: Arc<About>,
    nodes: HashMap<Arc<str>, Ports>,
    interfaces: u32,
    end: u64,
    written: u64,
    buffer: Vec<u8>,
}

impl PcapngFile {
    /// Into the empty `file`.
    pub(crate) fn file(file: File, about: &Arc<About>) -> io::Result<Self> {
        // Whoever opens the file to repair it sees that it is being written.
        file.lock()?;
        Self::new(file, true, about)
    }

    /// Into a pipe, socket or terminal.
    pub(crate) fn stream(file: File, about: &Arc<About>) -> io::Result<Self> {
        Self::new(file, false, about)
    }

    fn new(file: File, seekable: bool, about: &Arc<About>) -> io::Result<Self> {
        let mut this = Self {
            file,
            seekable,
            about: Arc::clone(about),
            nodes: HashMap::new(),
            interfaces: 0,
            end: 0,
            written: 0,
            buffer: Vec::new(),
        };
        shb(&mut this.buffer, std::env::consts::ARCH, &operating_system(), &about.application());
        this.flush()?;
        Ok(this)
    }

    /// Writes the buffer; on error the file ends where it ended before.
    fn flush(&mut self) -> io::Result<()> {
        let buffer = std::mem::take(&mut self.buffer);
        let result = if self.seekable {
            self.file.write_all_at(&buffer, self.end).inspect_err(|_| drop(self.file.set_len(self.end)))
        } else {
            self.file.write_all(&buffer)
        };
        if result.is_ok() {
            self.end += buffer.len() as u64;
        }
        self.buffer = buffer;
        self.buffer.clear();
        result
    }

    /// Interface blocks of those that have none yet.
    fn announce(&mut self, ports: &mut Ports, node: &str, interfaces: &[Interface]) {
        for interface in interfaces {
            let slot = slot(ports, interface.id);
            if slot.is_none() {
                let config = &self.about.config;
                let name = interface::name(interface, self.about.several.then_some(node));
                let description = format!("node={node};netns={};ifindex={}", interface.netns, interface.index);
                let link_type = match interface.link_type {
                    LinkType::Ethernet => 1,
                    LinkType::RawIp => 101,
                };
                let snaplen = match config.snaplen {
                    0 => MAX_CAPLEN as u32,
                    snaplen => snaplen.min(MAX_CAPLEN as u32),
                };
                idb(&mut self.buffer, link_type, snaplen, &name, &description, &rules_text(&config.rules));
                *slot = Some(Port { block: self.interfaces, ..Port::default() });
                self.interfaces += 1;
            }
        }
    }

    fn packets(&mut self, ports: &mut Ports, piece: &Piece<'_>) -> u64 {
        let mut written = 0;
        for (at, packet) in piece.packets.iter().enumerate() {
            // An agent announces an interface before its packets; one that did not gets a name that says so.
            if slot(ports, packet.interface).is_none() {
                self.announce(ports, piece.node, &[unknown(packet.interface)]);
            }
            if let Some(port) = slot(ports, packet.interface) {
                let cause = subset::cause(piece.drops, piece.first_packet + at).map(|cause| &**cause);
                let about = (std::mem::take(&mut port.untold), cause);
                epb(&mut self.buffer, port.block, packet, bytes(piece, packet), about);
                port.written += 1;
                written += 1;
            }
        }
        written
    }
}

/// Where the interface of that number is kept.
fn slot(ports: &mut Ports, id: u32) -> &mut Option<Port> {
    let n = id as usize;
    if ports.len() <= n {
        ports.resize(n + 1, None);
    }
    &mut ports[n]
}

fn unknown(id: u32) -> Interface {
    Interface {
        id,
        netns: "".into(),
        index: 0,
        name: format!("unannounced-{id}").into(),
        link_type: LinkType::Ethernet,
        ..Interface::default()
    }
}

fn bytes<'a>(piece: &Piece<'a>, packet: &Packet) -> &'a [u8] {
    let start = packet.offset as usize;
    let bytes = piece.data.get(start..start + packet.caplen as usize).unwrap_or_default();
    &bytes[..bytes.len().min(MAX_CAPLEN)]
}

impl Store for PcapngFile {
    fn write(&mut self, piece: &Piece<'_>) -> Result<(), StoreError> {
        let mut ports = self.nodes.remove(piece.node).unwrap_or_default();
        self.announce(&mut ports, piece.node, piece.interfaces);
        for counts in piece.interface_counts {
            if let Some(port) = slot(&mut ports, counts.interface) {
                port.untold += counts.lost.saturating_sub(port.lost);
                (port.lost, port.delivered) = (counts.lost, counts.delivered);
            }
        }
        let written = self.packets(&mut ports, piece);
        self.nodes.insert(Arc::clone(piece.node), ports);
        if !self.buffer.is_empty() {
            self.flush()?;
        }
        self.written += written;
        Ok(())
    }

    fn size(&self) -> (u64, u64) {
        (self.end, self.written)
    }

    fn close(&mut self, _: &Snapshot, _: Option<&Reason>) -> Result<Duration, StoreError> {
        let (start, end) = (self.about.started_ns, now_ns());
        let mut ports: Vec<Port> = self.nodes.values().flatten().flatten().copied().collect();
        ports.sort_unstable_by_key(|port| port.block);
        for port in ports {
            // Before a limit cut the data short the agent delivered more than is here.
            let accepted = port.delivered.max(port.written) + port.lost;
            isb(&mut self.buffer, port.block, (start, end), accepted, port.lost, port.written);
        }
        self.flush()?;
        Ok(Duration::ZERO)
    }
}
