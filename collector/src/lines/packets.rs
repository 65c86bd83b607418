//! Packets as lines: what their headers say, with where and when they were seen.

use std::{collections::HashMap, io::Write as _, sync::Arc};

use flow::{Batch, FlowRecord, Interface, LinkType, Packet, show};

use crate::{
    Format,
    decode::decode,
    interface,
    store::encode::{object, string, uint},
};

/// A packet, its bytes and, if the kernel dropped it, why.
type One<'a> = (&'a Packet, &'a [u8], Option<&'a Arc<str>>);

/// The interfaces that have been announced, by agent and number.
#[derive(Debug, Default)]
pub(super) struct Interfaces {
    known: HashMap<(Arc<str>, u32), Interface>,
    /// Several nodes are captured.
    several: bool,
}

impl Interfaces {
    /// None yet.
    pub(super) fn new(several: bool) -> Self {
        Self { known: HashMap::new(), several }
    }

    /// Remembers what a batch announces.
    pub(super) fn learn(&mut self, batch: &Batch) {
        for interface in &batch.interfaces {
            self.known.insert((Arc::clone(&batch.node), interface.id), interface.clone());
        }
    }

    /// Appends the line of a packet.
    pub(super) fn line(&self, out: &mut Vec<u8>, format: Format, node: &Arc<str>, one: One<'_>) {
        let (packet, ..) = one;
        let interface = self.known.get(&(Arc::clone(node), packet.interface));
        let node = self.several.then_some(&**node);
        match format {
            Format::Json => json(out, interface, node, one),
            Format::Wide => wide(out, interface, node, one),
        }
        out.push(b'\n');
    }
}

fn link(interface: Option<&Interface>) -> LinkType {
    interface.map_or(LinkType::Ethernet, |interface| interface.link_type)
}

/// NetObserv's names: `Time` in seconds (with all nine digits), `Bytes` of the frame on the wire. Beside them
/// `CapturedBytes`, the reason if it was dropped, `Node` where several are captured, the `Direction` (0 ingress, 1 egress) and `Info`, the headers in words.
fn json(out: &mut Vec<u8>, interface: Option<&Interface>, node: Option<&str>, (packet, bytes, cause): One<'_>) {
    let decoded = decode(bytes, link(interface));
    out.extend_from_slice(b"{\"Time\":");
    seconds(out, packet.time_ns);
    if let Some(node) = node {
        out.extend_from_slice(b",\"Node\":");
        string(out, node);
    }
    if let Some(interface) = interface {
        out.extend_from_slice(b",\"Interface\":");
        string(out, &interface.name);
        if !interface.netns.is_empty() {
            out.extend_from_slice(b",\"NetNs\":");
            string(out, &interface.netns);
        }
    }
    let numbers = [
        ("Direction", u64::from(packet.direction)),
        ("Bytes", packet.len.into()),
        ("CapturedBytes", packet.caplen.into()),
    ];
    for (key, number) in numbers {
        out.extend_from_slice(format!(",\"{key}\":").as_bytes());
        uint(out, number);
    }
    // The record's object goes on where ours is: a comma in place of its brace, unless it is empty.
    let start = out.len();
    let record = FlowRecord { pkt_drop_latest_drop_cause: cause.cloned(), ..decoded.record() };
    object(out, &record, |_| {});
    out.pop();
    if out.len() > start + 1 {
        out[start] = b',';
    } else {
        out.truncate(start);
    }
    out.extend_from_slice(b",\"Info\":");
    string(out, &decoded.line());
    out.push(b'}');
}

/// As tcpdump has it: time, interface, direction, headers in words, length.
fn wide(out: &mut Vec<u8>, interface: Option<&Interface>, node: Option<&str>, (packet, bytes, cause): One<'_>) {
    let decoded = decode(bytes, link(interface));
    let time = show::time_of_day(packet.time_ns / 1_000_000);
    let name = interface.map_or_else(|| "?".to_owned(), |interface| interface::name(interface, node));
    let direction = if packet.direction == 0 { "In " } else { "Out" };
    // A Vec takes everything.
    let _ = write!(
        out,
        "{time}{:06} {} {direction} {}, length {}",
        packet.time_ns % 1_000_000,
        show::escape(&name),
        decoded.line(),
        packet.len
    );
    if let Some(cause) = cause {
        let _ = write!(out, ", dropped {}", show::escape(cause));
    }
}

fn seconds(out: &mut Vec<u8>, ns: u64) {
    let _ = write!(out, "{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000);
}
