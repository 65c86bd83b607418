//! What a capture left in its output directory, read without the program's own code.

use std::{
    fs::{self, File},
    io::BufReader,
    net::IpAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use pcap_file::{
    DataLink,
    pcapng::{
        Block, PcapNgReader,
        blocks::{
            enhanced_packet::EnhancedPacketOption, interface_description::InterfaceDescriptionOption,
            interface_statistics::InterfaceStatisticsOption,
        },
    },
};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    tcpdump::Taken,
    truth::{Link, Table, Totals, Truth, Tuple, is_housekeeping},
};

/// Paths of the files of one capture.
#[derive(Clone, Debug, Default)]
pub struct Files {
    json: Option<PathBuf>,
    db: Option<PathBuf>,
    pcapng: Option<PathBuf>,
    summary: Option<PathBuf>,
    /// What they lie in, when it is to go with them.
    _directory: Option<Arc<TempDir>>,
}

impl Files {
    /// Whatever lies in `directory`, which stays as long as this value.
    pub fn keep(directory: &Arc<TempDir>) -> Result<Self> {
        Ok(Self { _directory: Some(Arc::clone(directory)), ..Self::find(directory.path())? })
    }

    /// Whatever lies in or below `directory`.
    pub fn find(directory: &Path) -> Result<Self> {
        let mut files = Self::default();
        files.collect(directory)?;
        Ok(files)
    }

    fn collect(&mut self, directory: &Path) -> Result<()> {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            match name.rsplit_once('.') {
                _ if path.is_dir() => self.collect(&path)?,
                Some((stem, "json")) if stem.ends_with(".summary") => self.summary = Some(path),
                Some((_, "json")) => self.json = Some(path),
                Some((_, "db")) => self.db = Some(path),
                Some((_, "pcapng")) => self.pcapng = Some(path),
                _ => {}
            }
        }
        Ok(())
    }

    /// The JSON file.
    pub fn json(&self) -> Result<&Path> {
        self.json.as_deref().context("there is no .json file")
    }

    /// The SQLite file.
    pub fn db(&self) -> Result<&Path> {
        self.db.as_deref().context("there is no .db file")
    }

    /// The pcapng file.
    pub fn pcapng(&self) -> Result<&Path> {
        self.pcapng.as_deref().context("there is no .pcapng file")
    }

    /// The summary.
    pub fn summary(&self) -> Result<Value> {
        let path = self.summary.as_deref().context("there is no summary")?;
        Ok(serde_json::from_reader(BufReader::new(File::open(path)?))?)
    }

    /// The records of the JSON file.
    pub fn records(&self) -> Result<Vec<Value>> {
        let path = self.json()?;
        match serde_json::from_reader(BufReader::new(File::open(path)?))? {
            Value::Array(records) => Ok(records),
            _ => bail!("{} is no array", path.display()),
        }
    }

    /// Totals per flow of all records, without ICMPv6 housekeeping and frames that are not IP.
    pub fn table(&self) -> Result<Table> {
        table(&self.records()?)
    }

    /// Counter `name` of the summary.
    pub fn counter(&self, name: &str) -> Result<u64> {
        let summary = self.summary()?;
        find(&summary, name).with_context(|| format!("the summary has no {name}: {summary}"))
    }

    /// Answer of sqlite3 to a query.
    pub fn query(&self, sql: &str) -> Result<String> {
        let output = Command::new("sqlite3").arg("-batch").arg(self.db()?).arg(sql).output()?;
        ensure!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// The pcapng file, whole.
    pub fn packets(&self) -> Result<Pcapng> {
        Pcapng::read(self.pcapng()?)
    }
}

impl Pcapng {
    /// All of a file.
    pub fn read(path: &Path) -> Result<Self> {
        let mut pcapng = Self::default();
        each_packet(path, &mut pcapng.interfaces, &mut pcapng.statistics, |_, packet, flags| {
            pcapng.packets.push((packet, flags));
        })?;
        Ok(pcapng)
    }
}

/// Number under key `name`, at any depth; loss counters are numbers wherever the summary keeps them.
fn find(value: &Value, name: &str) -> Option<u64> {
    match value {
        Value::Object(map) => {
            map.get(name).and_then(Value::as_u64).or_else(|| map.values().find_map(|value| find(value, name)))
        }
        Value::Array(values) => values.iter().find_map(|value| find(value, name)),
        _ => None,
    }
}

/// Totals per flow of records.
pub fn table(records: &[Value]) -> Result<Table> {
    let mut table = Table::new();
    for record in records {
        let Some(tuple) = tuple(record) else { continue };
        let number = |key: &str| record[key].as_u64().with_context(|| format!("{key} in {record}"));
        let flags = record["Flags"].as_u64().unwrap_or(0) as u16;
        let totals = Totals { packets: number("Packets")?, bytes: number("Bytes")?, flags };
        table.entry(tuple).or_default().add(totals);
    }
    table.retain(|tuple, _| !is_housekeeping(tuple));
    Ok(table)
}

/// The flow that a record belongs to; `None` for frames that are not IP.
pub fn tuple(record: &Value) -> Option<Tuple> {
    let address = |key: &str| record[key].as_str()?.parse::<IpAddr>().ok();
    let number = |key: &str| record[key].as_u64().map(|value| value as u16);
    let proto = record["Proto"].as_u64()? as u8;
    let keys = if matches!(proto, 1 | 58) { ["IcmpType", "IcmpCode"] } else { ["SrcPort", "DstPort"] };
    let selector = number(keys[0]).zip(number(keys[1]));
    Some(Tuple { source: address("SrcAddr")?, target: address("DstAddr")?, proto, selector })
}

/// What a pcapng file says.
#[derive(Clone, Debug, Default)]
pub struct Pcapng {
    /// Interfaces by their number in the file.
    pub interfaces: Vec<PcapngInterface>,
    /// Packets in the order of the file, with epb_flags.
    pub packets: Vec<(Taken, Option<u32>)>,
    /// Interface statistics: number, received, dropped.
    pub statistics: Vec<(u32, Option<u64>, Option<u64>)>,
}

impl Pcapng {
    /// Totals per flow.
    pub fn table(&self) -> Table {
        let mut truth = Truth::default();
        for (packet, _) in &self.packets {
            truth.add(Link::Ethernet, &packet.data, packet.len as usize);
        }
        truth.table()
    }
}

/// An interface block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PcapngInterface {
    /// `if_name`.
    pub name: String,
    /// What frames begin with.
    pub link: Link,
    /// Number of digits after the second, `if_tsresol`.
    pub resolution: Option<u8>,
}

/// Reads a pcapng file block by block; large files do not have to fit into memory.
pub fn each_packet(
    path: &Path,
    interfaces: &mut Vec<PcapngInterface>,
    statistics: &mut Vec<(u32, Option<u64>, Option<u64>)>,
    mut f: impl FnMut(u32, Taken, Option<u32>),
) -> Result<()> {
    let mut reader = PcapNgReader::new(BufReader::with_capacity(1 << 20, File::open(path)?))?;
    while let Some(block) = reader.next_block() {
        match block? {
            Block::InterfaceDescription(block) => interfaces.push(interface(&block.options, block.linktype)),
            Block::InterfaceStatistics(block) => {
                let counts = statistics_of(&block.options);
                statistics.push((block.interface_id, counts.0, counts.1));
            }
            Block::EnhancedPacket(block) => {
                let flags = block.options.iter().find_map(|option| match option {
                    EnhancedPacketOption::Flags(flags) => Some(*flags),
                    _ => None,
                });
                let taken = Taken { time: block.timestamp, len: block.original_len, data: block.data.into_owned() };
                f(block.interface_id, taken, flags);
            }
            _ => {}
        }
    }
    Ok(())
}

fn interface(options: &[InterfaceDescriptionOption<'_>], link: DataLink) -> PcapngInterface {
    let link = if link == DataLink::ETHERNET { Link::Ethernet } else { Link::Raw };
    let mut interface = PcapngInterface { name: String::new(), link, resolution: None };
    for option in options {
        match option {
            InterfaceDescriptionOption::IfName(name) => interface.name = name.to_string(),
            InterfaceDescriptionOption::IfTsResol(digits) => interface.resolution = Some(*digits),
            _ => {}
        }
    }
    interface
}

fn statistics_of(options: &[InterfaceStatisticsOption<'_>]) -> (Option<u64>, Option<u64>) {
    let mut counts = (None, None);
    for option in options {
        match option {
            InterfaceStatisticsOption::IsbIfRecv(received) => counts.0 = Some(*received),
            InterfaceStatisticsOption::IsbIfDrop(dropped) => counts.1 = Some(*dropped),
            _ => {}
        }
    }
    counts
}

/// When a record began and ended.
pub fn times(record: &Value) -> Option<(Duration, Duration)> {
    let time = |key: &str| record[key].as_u64().map(Duration::from_millis);
    time("TimeFlowStartMs").zip(time("TimeFlowEndMs"))
}
