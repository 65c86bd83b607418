//! One row of the table: a flow with what came of it so far, or a packet. Text is made only when it is asked for.

use std::{borrow::Cow, cell::OnceCell, net::IpAddr, sync::Arc, time::Duration};

use flow::{
    Field, Filter, FlowRecord, Interface, LinkType, Value,
    filter::{Subject, texts},
    show,
};

use super::{column::Column, rate::Rate};
use crate::{
    conversation::Client,
    decode::{Decoded, decode},
    interface,
    packet::Seen,
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
    /// How fast it is now; of a conversation what the client sends.
    pub rate: Rate,
    /// Of a conversation what the server sends.
    pub back: Rate,
    /// Who is the client, if this is a conversation.
    pub(crate) client: Option<Client>,
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
    /// Who sent it and was sent to, if that is known.
    pub ends: Option<Arc<FlowRecord>>,
    /// Its number wherever it is seen; 0 for none.
    pub packet_id: u64,
    /// What was kept of it.
    pub bytes: Box<[u8]>,
}

impl FlowRow {
    /// Bytes per second now, both ways.
    pub fn byte_rate(&self) -> f64 {
        self.rate.bytes + self.back.bytes
    }

    /// Packets per second now, both ways.
    pub fn packet_rate(&self) -> f64 {
        self.rate.packets + self.back.packets
    }

    /// Time from the first packet to the last.
    pub fn duration(&self) -> Option<Duration> {
        let (start, end) = self.record.time_flow_start_ms.zip(self.record.time_flow_end_ms)?;
        Some(Duration::from_millis(end.saturating_sub(start)))
    }
}

impl PacketRow {
    /// Its headers and where it was seen, as a record.
    pub fn record(&self) -> FlowRecord {
        let Self { time_ns, direction, len, .. } = *self;
        let (interface, cause, ends) = (self.interface.as_deref(), self.cause.as_ref(), self.ends.as_ref());
        Seen { time_ns, direction, len, interface, cause, ends }.record(&self.decoded())
    }

    /// In one line what it is, and before it why it was dropped, if it was.
    pub fn line(&self) -> String {
        let line = self.decoded().line();
        match &self.cause {
            Some(cause) => format!("dropped {} │ {line}", show::escape(short(cause))),
            None => line,
        }
    }

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
            (Self::Flow(flow), Column::Field(Field::PktDropLatestDropCause)) => {
                flow.record.pkt_drop_latest_drop_cause.as_deref().map(|cause| show::escape(short(cause)))
            }
            (Self::Flow(flow), Column::Field(field)) => show::cell(&flow.record, field),
            (Self::Flow(flow), Column::ByteRate) => Some(rate(flow.byte_rate(), show::bytes)),
            (Self::Flow(flow), Column::PacketRate) => Some(rate(flow.packet_rate(), show::count)),
            (Self::Flow(flow), Column::Duration) => flow.duration().map(|duration| show::duration(duration).into()),
            (Self::Packet(packet), column) => packet_cell(packet, column),
            (Self::Flow(_), _) => None,
        }
    }

    /// What stands in for a cell without value: the address of an end that has no name.
    pub fn stand_in(&self, column: Column) -> Option<Cow<'_, str>> {
        let flow = match self {
            Self::Flow(flow) => flow,
            Self::Packet(packet) => return packet_stand_in(packet, column),
        };
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
            (Self::Flow(flow), Column::ByteRate) => Some(rate_key(flow.byte_rate())),
            (Self::Flow(flow), Column::PacketRate) => Some(rate_key(flow.packet_rate())),
            (Self::Flow(flow), Column::Duration) => flow.duration().map(|duration| duration.as_millis()),
            (Self::Packet(packet), Column::Time) => Some(packet.time_ns.into()),
            (Self::Packet(packet), Column::Length) => Some(packet.len.into()),
            (Self::Packet(packet), Column::Direction) => Some(packet.direction.into()),
            (Self::Packet(_), column) => self.cell(column).map(|text| text_key(&text)),
            (Self::Flow(_), _) => None,
        }
    }

    /// Whether every filter takes this row, as far as it has come.
    pub fn passes(&self, filters: &[Filter]) -> bool {
        if filters.is_empty() {
            return true;
        }
        let subject = match self {
            Self::Flow(flow) => Judged { record: Cow::Borrowed(&flow.record), packet: None, texts: OnceCell::new() },
            Self::Packet(packet) => {
                Judged { record: Cow::Owned(packet.record()), packet: Some(packet), texts: OnceCell::new() }
            }
        };
        filters.iter().all(|filter| filter.matches(&subject))
    }
}

/// A row while filters look at it.
struct Judged<'a> {
    record: Cow<'a, FlowRecord>,
    packet: Option<&'a PacketRow>,
    /// What is shown of it, made once for all words.
    texts: OnceCell<Vec<String>>,
}

impl Judged<'_> {
    fn texts(&self) -> &[String] {
        self.texts.get_or_init(|| {
            let mut shown: Vec<String> = texts(&self.record).map(Cow::into_owned).collect();
            if let Some(packet) = self.packet {
                shown.extend([packet.line(), packet.interface_name(), direction(packet.direction).to_owned()]);
            }
            shown
        })
    }
}

impl Subject for Judged<'_> {
    fn field(&self, field: Field) -> Option<Value<'_>> {
        self.record.get(field)
    }

    fn any_text(&self, look: &mut dyn FnMut(&str) -> bool) -> bool {
        self.texts().iter().any(|text| look(text))
    }
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
        Column::Info => Cow::Owned(packet.line()),
        Column::Length => Cow::Owned(packet.len.to_string()),
        Column::Field(field) => return show::cell(packet.ends.as_deref()?, field),
        Column::ByteRate | Column::PacketRate | Column::Duration => return None,
    })
}

/// The address of an end that has no name.
fn packet_stand_in(packet: &PacketRow, column: Column) -> Option<Cow<'_, str>> {
    let ip = packet.decoded().ip?;
    match column {
        Column::Field(Field::SrcK8S_Name) => Some(ip.src.to_string().into()),
        Column::Field(Field::DstK8S_Name) => Some(ip.dst.to_string().into()),
        _ => None,
    }
}

/// A reason of the kernel without what all of them begin with.
fn short(cause: &str) -> &str {
    cause.strip_prefix("SKB_DROP_REASON_").filter(|rest| !rest.is_empty()).unwrap_or(cause)
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
