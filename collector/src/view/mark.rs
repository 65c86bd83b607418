//! What deserves attention: judged once here, told by a symbol and by a colour there.

use flow::Field;

use super::{column::Column, row::Row};

const RST: u16 = 0x04;
/// Bytes per second from which a flow is called fast: 100 Mbit/s.
const FAST: f64 = 12.5e6;
/// A round trip or an answer that took longer than this is called slow.
const SLOW_NS: u64 = 100_000_000;

/// How much attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// None: silent for a while.
    Quiet,
    /// The usual.
    Plain,
    /// New or fast.
    Notable,
    /// Refused, reset, slow.
    Warning,
    /// Dropped, failed.
    Bad,
}

impl Mark {
    /// One cell that tells it without colour.
    pub fn symbol(self) -> char {
        match self {
            Self::Quiet => '·',
            Self::Plain => ' ',
            Self::Notable => '▲',
            Self::Warning => '!',
            Self::Bad => '✗',
        }
    }
}

/// How much attention a row deserves: as much as the worst of what it says.
pub fn row(row: &Row, is_live: bool) -> Mark {
    const TELLING: &[Column] = &[
        Column::Field(Field::PktDropPackets),
        Column::Field(Field::Flags),
        Column::Field(Field::IcmpType),
        Column::Field(Field::DnsFlagsResponseCode),
        Column::Field(Field::DnsLatencyMs),
        Column::Field(Field::IPSecStatus),
        Column::Field(Field::TcpResult),
        Column::Field(Field::TimeFlowRttNs),
        Column::ByteRate,
    ];
    let worst = TELLING.iter().map(|column| cell(row, *column)).max().unwrap_or(Mark::Plain);
    match row {
        Row::Flow(flow) if is_live && flow.packet_rate() == 0.0 && worst < Mark::Warning => Mark::Quiet,
        Row::Flow(_) => worst,
        Row::Packet(packet) => {
            if packet.cause.is_some() {
                return Mark::Bad;
            }
            let decoded = packet.decoded();
            let reset = decoded.flags().is_some_and(|flags| flags & RST != 0);
            let error = decoded.icmp().zip(decoded.ip).is_some_and(|((kind, _), ip)| is_icmp_error(ip.proto, kind));
            if reset || error { Mark::Warning } else { Mark::Plain }
        }
    }
}

/// How much attention a cell deserves.
pub fn cell(row: &Row, column: Column) -> Mark {
    let of = |is: bool, mark: Mark| if is { mark } else { Mark::Plain };
    let flow = match row {
        Row::Flow(flow) => flow,
        Row::Packet(packet) => return of(packet.cause.is_some(), Mark::Bad),
    };
    let record = &flow.record;
    match column {
        Column::ByteRate => of(flow.byte_rate() >= FAST, Mark::Notable),
        Column::Field(field) => match field {
            Field::PktDropPackets | Field::PktDropBytes | Field::PktDropLatestDropCause | Field::PktDropLikelyCause => {
                of(record.pkt_drop_packets.unwrap_or_default() > 0, Mark::Bad)
            }
            Field::Flags => of(record.flags.unwrap_or_default() & RST != 0, Mark::Warning),
            Field::IcmpType => {
                let kind = record.proto.zip(record.icmp_type);
                of(kind.is_some_and(|(proto, kind)| is_icmp_error(proto, kind)), Mark::Warning)
            }
            Field::DnsFlagsResponseCode => {
                of(record.dns_flags_response_code.as_ref().is_some_and(|code| &**code != "NoError"), Mark::Warning)
            }
            Field::DnsLatencyMs => of(record.dns_latency_ms.is_some_and(|ms| ms > SLOW_NS / 1_000_000), Mark::Warning),
            Field::TimeFlowRttNs => of(record.time_flow_rtt_ns.is_some_and(|ns| ns > SLOW_NS), Mark::Warning),
            Field::TcpResult => of(record.tcp_result.as_deref().is_some_and(is_failure), Mark::Warning),
            Field::TcpRetransmits => of(record.tcp_retransmits.is_some_and(|count| count > 0), Mark::Warning),
            Field::TcpZeroWindows => of(record.tcp_zero_windows.is_some_and(|count| count > 0), Mark::Warning),
            Field::IPSecStatus => {
                of(record.ipsec_status.as_ref().is_some_and(|status| &**status != "success"), Mark::Bad)
            }
            _ => Mark::Plain,
        },
        _ => Mark::Plain,
    }
}

/// Results of a connection that did not end well.
fn is_failure(result: &str) -> bool {
    result == "refused" || result == "timed out" || result.starts_with("reset")
}

/// Messages that report a failure: RFC 792 types 3, 4, 5, 11, 12; RFC 4443 types below 128.
fn is_icmp_error(proto: u8, kind: u8) -> bool {
    match proto {
        1 => matches!(kind, 3 | 4 | 5 | 11 | 12),
        58 => kind < 128,
        _ => false,
    }
}
