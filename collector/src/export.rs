//! Packets of the table into a pcapng file of their own: the same writer as of a capture.
//!
//! Owns how rows become batches again. Must not know which rows are wanted.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use flow::{
    Batch, Body, CaptureConfig, Drop, FlowRecord, Interface, Packet, PacketBatch, Recording, Stop,
    config::{KeyOwners, Limits, Mode, NetNs, PacketFiles, TcAttach},
    show::stamp,
};

use crate::{
    Status,
    about::{About, now_ns},
    store::Stores,
    view::{
        Exported,
        row::{PacketRow, Row},
    },
};

/// Where files go, and what they say of the capture.
#[derive(Clone, Debug)]
pub struct Exporter {
    about: About,
    directory: PathBuf,
}

impl Exporter {
    /// For a table over a capture with these settings; files go to `pcap` below `directory`. `several` nodes are captured.
    pub fn of_capture(config: &CaptureConfig, version: &str, directory: &Path, several: bool) -> Self {
        let mut config = config.clone();
        // What is written is whole, whatever the files of the capture are.
        config.limits = Limits { time: None, bytes: None, packets: None };
        config.files = PacketFiles { size: None, time: None, count: None, merge: true, ..config.files };
        (config.mode, config.ring) = (Mode::Flows, None);
        let (config, version, why) = (Arc::new(config), version.to_owned(), None);
        let about = About { config, command: Vec::new(), version, started_ns: now_ns(), several, why };
        Self { about, directory: directory.to_owned() }
    }

    /// For a table over a file, of which nothing else is known.
    pub fn of_file(version: &str, directory: &Path) -> Self {
        Self::of_capture(&unknown(), version, directory, false)
    }

    /// Writes them; the file, and how many packets are in it.
    ///
    /// # Errors
    /// The file cannot be written, in one sentence.
    pub fn write(&self, packets: &Exported) -> Result<(PathBuf, u64), String> {
        let mut stores = Stores::new(Arc::new(self.about.clone()), Status::new(Stop::default()), Stop::default());
        // A recording like any other: a name that is free, closed when it is over.
        stores.add_recordings(Some(&self.directory));
        let name = format!("{}-{}", stamp(now_ns() / 1_000_000_000), packets.what).into();
        let why = format!("{} packets chosen in the table", packets.rows.len()).into();
        let recording = Arc::new(Recording { number: 1, name, why, over: false });
        let mut made = Made { recording, interfaces: HashMap::new() };
        for rows in packets.rows.chunk_by(|one, other| node(one) == node(other)) {
            stores.take(&made.batch(rows));
        }
        let closing = stores.close();
        let file = closing.files.into_iter().next();
        let file = file.ok_or_else(|| format!("cannot write to {}", self.directory.join("pcap").display()))?;
        match file.error {
            Some(error) => Err(format!("cannot write {}: {error}", file.path.display())),
            None => Ok((file.path, file.written)),
        }
    }
}

fn node(row: &Row) -> Option<&Arc<str>> {
    if let Row::Packet(packet) = row { packet.node.as_ref() } else { None }
}

struct Made {
    recording: Arc<Recording>,
    /// Those that were announced, by node and number.
    interfaces: HashMap<(Arc<str>, u32), Arc<Interface>>,
}

impl Made {
    /// A batch of packets of one node.
    fn batch(&mut self, rows: &[Arc<Row>]) -> Batch {
        let node = rows.first().and_then(|row| node(row)).cloned().unwrap_or_default();
        let mut batch =
            Batch { node: Arc::clone(&node), recording: Some(Arc::clone(&self.recording)), ..Batch::default() };
        let (mut body, mut ends) = (PacketBatch::default(), HashMap::<*const FlowRecord, u32>::new());
        for row in rows {
            let Row::Packet(packet) = &**row else { continue };
            let interface = packet.interface.clone().unwrap_or_default();
            let key = (Arc::clone(&node), interface.id);
            if self.interfaces.get(&key) != Some(&interface) {
                batch.interfaces.push(Interface::clone(&interface));
                self.interfaces.insert(key, Arc::clone(&interface));
            }
            let of = packet.ends.as_ref().map_or(Packet::NO_ENDS, |record| {
                *ends.entry(Arc::as_ptr(record)).or_insert_with(|| {
                    body.ends.push(Arc::clone(record));
                    body.ends.len() as u32 - 1
                })
            });
            add(&mut body, packet, interface.id, of);
        }
        batch.body = Body::Packets(body);
        batch
    }
}

fn add(body: &mut PacketBatch, row: &PacketRow, interface: u32, ends: u32) {
    let PacketRow { time_ns, direction, len, packet_id: id, .. } = *row;
    if let Some(cause) = &row.cause {
        body.drops.push(Drop { packet: body.packets.len() as u32, cause: Arc::clone(cause) });
    }
    let (offset, caplen) = (body.data.len() as u32, row.bytes.len() as u32);
    body.data.extend_from_slice(&row.bytes);
    body.packets.push(Packet { time_ns, interface, len, caplen, offset, direction, id, ends });
}

/// A capture of everything, as far as stores ask.
fn unknown() -> CaptureConfig {
    CaptureConfig {
        mode: Mode::Packets,
        rules: Vec::new(),
        sets: Vec::new(),
        spare_sets: 0,
        after: None,
        features: Vec::new(),
        drops_only: false,
        dns_ports: Vec::new(),
        netns: NetNs::Current,
        pods: false,
        interfaces: Vec::new(),
        exclude_interfaces: Vec::new(),
        tc_attach: TcAttach::Any,
        sampling: 1,
        cache_max_flows: 0,
        cache_active_timeout: Duration::ZERO,
        snaplen: 0,
        buffer_size: 0,
        files: PacketFiles::default(),
        ring: None,
        trigger: None,
        tls_keys: false,
        key_owners: KeyOwners::default(),
        observations: false,
        own: Vec::new(),
        spare_rules: 0,
        agent_ip: None,
        node: "".into(),
        limits: Limits { time: None, bytes: None, packets: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: u64, node: &str, interface: u32, cause: Option<&str>) -> Arc<Row> {
        let interface = Interface { id: interface, name: format!("eth{interface}").into(), ..Interface::default() };
        Arc::new(Row::Packet(PacketRow {
            id,
            time_ns: 1_700_000_000_000_000_000 + id,
            interface: Some(Arc::new(interface)),
            node: Some(node.into()),
            direction: (id % 2) as u8,
            len: 60,
            cause: cause.map(Arc::from),
            ends: None,
            packet_id: id,
            bytes: vec![id as u8; 60].into(),
        }))
    }

    #[test]
    fn what_is_written_reads_back_and_overwrites_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let rows =
            vec![row(1, "a", 0, None), row(2, "a", 3, Some("NO_SOCKET")), row(3, "b", 0, None), row(4, "a", 0, None)];
        let exporter = Exporter::of_file("1.0.0", directory.path());
        let packets = Exported { rows, what: "shown" };
        let (first, count) = exporter.write(&packets).unwrap();
        let (second, _) = exporter.write(&packets).unwrap();
        assert!(count == 4 && first != second && first.extension().is_some_and(|extension| extension == "pcapng"));
        let batches: Vec<Batch> = crate::open::open(&first).unwrap().map(Result::unwrap).collect();
        let mut told = Vec::new();
        for batch in &batches {
            let Body::Packets(body) = &batch.body else { continue };
            told.extend(body.packets.iter().map(|packet| (body.bytes(packet)[0], packet.direction, packet.id)));
        }
        assert_eq!(told, [(1, 1, 1), (2, 0, 2), (3, 1, 3), (4, 0, 4)]);
    }
}
