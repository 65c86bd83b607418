//! One row of the table: a flow with what came of it so far, or a packet. Text is made only when it is asked for.

use std::{borrow::Cow, net::IpAddr, sync::Arc};

use flow::{Field, FlowRecord, Group, Interface, LinkType, TextFilter, Value, show};

use super::{column::Column, rate::Rate};
use crate::{
    decode::{Decoded, decode},
    interface,
};

/// A row.
#[derive(Clone, Debug)]
pub enum Row {
    /// A flow.
    Flow(Box<FlowRow>),
    /// A packet.
    Packet(PacketRow),
}

/// A flow: its newest record, with sums in place of the counts.
#[derive(Clone, Debug)]
pub struct FlowRow {
    /// Never used twice.
    pub id: u64,
    /// The newest of every field; counts and flags accumulated, start time that of the first record.
    pub record: FlowRecord,
    /// How fast it is now.
    pub rate: Rate,
    /// When its first record came, ns since the epoch.
    pub first_ns: u64,
    /// When its last record came, ns since the epoch.
    pub last_ns: u64,
}

/// A packet.
#[derive(Clone, Debug)]
pub struct PacketRow {
    /// Never used twice.
    pub id: u64,
    /// When it was seen, ns since the epoch.
    pub time_ns: u64,
    /// Where it was seen.
    pub interface: Option<Arc<Interface>>,
    /// On which node, where there are several.
    pub node: Option<Arc<str>>,
    /// 0 ingress, 1 egress.
    pub direction: u8,
    /// Length of the whole frame, bytes.
    pub len: u32,
    /// The kernel's reason, if this is a packet that it dropped.
    pub cause: Option<Arc<str>>,
    /// What was kept of it.
    pub bytes: Box<[u8]>,
}

impl PacketRow {
    /// Its headers.
    pub fn decoded(&self) -> Decoded<'_> {
        decode(&self.bytes, self.interface.as_ref().map_or(LinkType::Ethernet, |interface| interface.link_type))
    }

    fn interface_name(&self) -> String {
        let name = |interface| show::escape(&interface::name(interface, self.node.as_deref())).into_owned();
        self.interface.as_deref().map_or_else(|| "?".to_owned(), name)
    }
}

impl Row {
    /// Never used twice.
    pub fn id(&self) -> u64 {
        match self {
            Self::Flow(flow) => flow.id,
            Self::Packet(packet) => packet.id,
        }
    }

    /// Text of a cell, safe for a terminal; `None` where there is no value.
    pub fn cell(&self, column: Column) -> Option<Cow<'_, str>> {
        match (self, column) {
            (Self::Flow(flow), Column::Field(field)) => show::cell(&flow.record, field),
            (Self::Flow(flow), Column::ByteRate) => Some(rate(flow.rate.bytes, show::bytes)),
            (Self::Flow(flow), Column::PacketRate) => Some(rate(flow.rate.packets, show::count)),
            (Self::Packet(packet), column) => packet_cell(packet, column),
            (Self::Flow(_), _) => None,
        }
    }

    /// What stands in for a cell without value: the address of an end that has no name.
    pub fn stand_in(&self, column: Column) -> Option<Cow<'_, str>> {
        let Self::Flow(flow) = self else { return None };
        match column {
            Column::Field(Field::SrcK8S_Name) => show::cell(&flow.record, Field::SrcAddr),
            Column::Field(Field::DstK8S_Name) => show::cell(&flow.record, Field::DstAddr),
            _ => None,
        }
    }

    /// What to sort by: smaller comes first; texts by their first 16 bytes. `None` where there is no value.
    pub fn key(&self, column: Column) -> Option<u128> {
        match (self, column) {
            (Self::Flow(flow), Column::Field(field)) => flow.record.get(field).map(|value| value_key(&value)),
            (Self::Flow(flow), Column::ByteRate) => Some(rate_key(flow.rate.bytes)),
            (Self::Flow(flow), Column::PacketRate) => Some(rate_key(flow.rate.packets)),
            (Self::Packet(packet), Column::Time) => Some(packet.time_ns.into()),
            (Self::Packet(packet), Column::Length) => Some(packet.len.into()),
            (Self::Packet(packet), Column::Direction) => Some(packet.direction.into()),
            (Self::Packet(_), column) => self.cell(column).map(|text| text_key(&text)),
            (Self::Flow(_), _) => None,
        }
    }

    /// Whether every filter takes this row.
    ///
    /// Looked at are all texts but times and counts, in which nearly any digit would be found.
    pub fn passes(&self, filters: &[TextFilter]) -> bool {
        if filters.iter().all(TextFilter::is_empty) {
            return true;
        }
        let extracted;
        let (record, more) = match self {
            Self::Flow(flow) => (&flow.record, ends(&flow.record).to_vec()),
            Self::Packet(packet) => {
                let decoded = packet.decoded();
                extracted = decoded.record();
                let texts = [decoded.line(), packet.interface_name(), direction(packet.direction).to_owned()];
                (&extracted, ends(&extracted).into_iter().chain(texts).collect())
            }
        };
        let searched = |field: &Field| !matches!(field.group(), Group::Time | Group::Volume);
        let fields = Field::ALL.iter().copied().filter(searched);
        let cells: Vec<_> = fields.filter_map(|field| Some((Some(field), show::cell(record, field)?))).collect();
        let cells = || cells.iter().map(|(field, text)| (*field, text.as_ref()));
        let more = || more.iter().map(|text| (None, text.as_str()));
        filters.iter().all(|filter| filter.matches_cells(cells().chain(more())))
    }
}

/// `address:port` of both ends, as people type them.
fn ends(record: &FlowRecord) -> [String; 2] {
    let end = |address: Option<IpAddr>, port: Option<u16>| match (address, port) {
        (Some(address), Some(port)) => std::net::SocketAddr::new(address, port).to_string(),
        _ => String::new(),
    };
    [end(record.src_addr, record.src_port), end(record.dst_addr, record.dst_port)]
}

fn rate(value: f64, show: fn(u64) -> String) -> Cow<'static, str> {
    // Below half a byte or packet a second it is quiet.
    if value < 0.05 {
        return Cow::Borrowed("-");
    }
    Cow::Owned(if value < 9.95 { format!("{value:.1}") } else { show(value.round() as u64) })
}

fn packet_cell(packet: &PacketRow, column: Column) -> Option<Cow<'_, str>> {
    Some(match column {
        Column::Time => {
            let micros = packet.time_ns / 1000 % 1000;
            Cow::Owned(format!("{}{micros:03}", show::time_of_day(packet.time_ns / 1_000_000)))
        }
        Column::Interface => Cow::Owned(packet.interface_name()),
        Column::Direction => Cow::Borrowed(direction(packet.direction)),
        Column::Protocol => Cow::Owned(packet.decoded().protocol()),
        Column::Info => Cow::Owned(packet.decoded().line()),
        Column::Length => Cow::Owned(packet.len.to_string()),
        Column::Field(_) | Column::ByteRate | Column::PacketRate => return None,
    })
}

fn direction(number: u8) -> &'static str {
    if number == 0 { "in" } else { "out" }
}

// A rate to the thousandth, which is more than is shown.
fn rate_key(value: f64) -> u128 {
    (value * 1000.0) as u128
}

fn value_key(value: &Value<'_>) -> u128 {
    match value {
        Value::UInt(number) => (*number).into(),
        Value::Ip(IpAddr::V4(address)) => u32::from(*address).into(),
        Value::Ip(IpAddr::V6(address)) => u128::from(*address),
        Value::Mac(mac) => mac.0.iter().fold(0, |key, octet| key << 8 | u128::from(*octet)),
        Value::Text(text) => text_key(text),
        Value::TextList(list) => list.first().map_or(0, |text| text_key(text)),
        Value::UIntList(list) => list.first().map_or(0, |number| (*number).into()),
        Value::Events(list) => list.first().map_or(0, |event| text_key(&event.name)),
    }
}

fn text_key(text: &str) -> u128 {
    let mut prefix = [0; 16];
    let len = text.len().min(16);
    prefix[..len].copy_from_slice(&text.as_bytes()[..len]);
    u128::from_be_bytes(prefix)
}
