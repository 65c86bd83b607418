//! Packets as lines: what their headers say, with where and when they were seen.

use std::{collections::HashMap, io::Write as _, sync::Arc};

use flow::{Batch, FlowRecord, Interface, LinkType, Packet, show};

use crate::{
    Format,
    decode::decode,
    interface,
    packet::told,
    store::encode::{object, string, uint},
};

/// A packet with what its batch has of it.
#[derive(Clone, Copy)]
pub(super) struct One<'a> {
    pub(super) packet: &'a Packet,
    pub(super) bytes: &'a [u8],
    /// Why the kernel dropped it, if it did.
    pub(super) cause: Option<&'a Arc<str>>,
    pub(super) ends: Option<&'a Arc<FlowRecord>>,
}

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
        let interface = self.known.get(&(Arc::clone(node), one.packet.interface));
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
/// `CapturedBytes`, the reason if it was dropped, `Node` where several are captured, the `Direction` (0 ingress, 1 egress), the
/// `PacketId`, equal for one packet wherever it is seen, `Place`, the pod at the interface, names and processes of both ends, the
/// `Service` that they speak through, and `Info`, the headers in words.
fn json(out: &mut Vec<u8>, interface: Option<&Interface>, node: Option<&str>, one: One<'_>) {
    let One { packet, bytes, cause, ends } = one;
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
    if let Some(place) = interface.and_then(|interface| interface.place.as_deref()) {
        out.extend_from_slice(b",\"Place\":");
        string(out, &format!("{}/{}:{}", place.namespace, place.pod, place.interface));
    }
    if packet.id != 0 {
        out.extend_from_slice(b",\"PacketId\":");
        uint(out, packet.id);
    }
    if let Some(service) = ends.and_then(|ends| ends.service()) {
        out.extend_from_slice(b",\"Service\":");
        string(out, &format!("{}/{}", service.namespace, service.name));
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
    let record = FlowRecord { pkt_drop_latest_drop_cause: cause.cloned(), ..told(&decoded, ends) };
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

/// As tcpdump has it: time, interface, direction, headers in words, length; then the names of both ends.
fn wide(out: &mut Vec<u8>, interface: Option<&Interface>, node: Option<&str>, one: One<'_>) {
    let One { packet, bytes, cause, ends } = one;
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
    if let Some(words) = ends.and_then(|ends| in_words(ends)) {
        let _ = write!(out, ", {}", show::escape(&words));
    }
}

/// Who speaks with whom, and through which Service.
fn in_words(ends: &FlowRecord) -> Option<String> {
    let name = |namespace: &Option<Arc<str>>, name: &Option<Arc<str>>| {
        let name = name.as_deref()?;
        Some(namespace.as_deref().map_or_else(|| name.to_owned(), |namespace| format!("{namespace}/{name}")))
    };
    let source = name(&ends.src_k8s_namespace, &ends.src_k8s_name);
    let destination = name(&ends.dst_k8s_namespace, &ends.dst_k8s_name);
    let known = source.is_some() || destination.is_some();
    let mut words = known.then(|| {
        let [source, destination] = [source, destination].map(|name| name.unwrap_or_else(|| "?".to_owned()));
        format!("{source} > {destination}")
    })?;
    if let Some(service) = ends.service() {
        words.extend([" through ", service.namespace, "/", service.name]);
    }
    Some(words)
}

fn seconds(out: &mut Vec<u8>, ns: u64) {
    let _ = write!(out, "{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000);
}
