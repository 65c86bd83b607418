//! The columns a table can have: every field of the record, and what only a table knows.

use flow::{Field, Kind, Unit};

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Column {
    /// A field of the flow record; counts are sums since the flow was first seen.
    Field(Field),
    /// Bytes per second.
    ByteRate,
    /// Packets per second.
    PacketRate,
    /// Time from the first packet of a flow to its last.
    Duration,
    /// When a packet was seen.
    Time,
    /// Interface a packet was seen at, with its network namespace.
    Interface,
    /// Which way a packet went at that interface.
    Direction,
    /// Protocol of a packet.
    Protocol,
    /// A packet in one line.
    Info,
    /// Length of a packet on the wire.
    Length,
}

/// The columns of the packet table.
pub const PACKET_COLUMNS: &[Column] =
    &[Column::Time, Column::Interface, Column::Direction, Column::Protocol, Column::Length, Column::Info];

/// The same where ends have names.
pub const NAMED_PACKET_COLUMNS: &[Column] = &[
    Column::Time,
    Column::Interface,
    Column::Direction,
    Column::Field(Field::SrcK8S_Name),
    Column::Field(Field::DstK8S_Name),
    Column::Protocol,
    Column::Length,
    Column::Info,
];

/// What else the table of packets can have: of their ends.
pub const PACKET_END_COLUMNS: &[Column] = &[
    Column::Field(Field::SrcK8S_Namespace),
    Column::Field(Field::DstK8S_Namespace),
    Column::Field(Field::SrcK8S_OwnerName),
    Column::Field(Field::DstK8S_OwnerName),
    Column::Field(Field::SrcK8S_HostName),
    Column::Field(Field::DstK8S_HostName),
    Column::Field(Field::SrcProcess),
    Column::Field(Field::DstProcess),
    Column::Field(Field::XlatDstK8S_Name),
];

/// What a count means in a row, which stands for more than an interval.
fn summed_doc(field: Field) -> &'static str {
    match field {
        Field::PktDropBytes => "Bytes that the kernel dropped since the flow was first seen.",
        Field::PktDropPackets => "Packets that the kernel dropped since the flow was first seen.",
        Field::Bytes_AB => "Bytes from the client, who is the source, since the conversation was first seen.",
        Field::Bytes_BA => "Bytes from the server since the conversation was first seen.",
        Field::Packets_AB => "Packets from the client since the conversation was first seen.",
        Field::Packets_BA => "Packets from the server since the conversation was first seen.",
        _ => field.doc().trim(),
    }
}

impl Column {
    /// Every column a table of flows can have.
    pub fn of_flows() -> impl Iterator<Item = Self> {
        [Self::ByteRate, Self::PacketRate, Self::Duration]
            .into_iter()
            .chain(Field::ALL.iter().copied().map(Self::Field))
    }

    /// Heading.
    pub fn label(self) -> &'static str {
        match self {
            // Shorter than in the schema, where they stand alone: a table has few cells.
            Self::Field(Field::SrcPort) => "SPort",
            Self::Field(Field::DstPort) => "DPort",
            Self::Field(Field::Proto) | Self::Protocol => "Proto",
            Self::Field(Field::FlowDirection) | Self::Direction => "Dir",
            Self::Field(Field::IfDirections) => "If Dirs",
            Self::Field(Field::PktDropPackets) => "Drops",
            Self::Field(Field::PktDropBytes) => "DropByte",
            Self::Field(Field::DnsLatencyMs) => "Latency",
            Self::Field(Field::DnsFlagsResponseCode) => "Response",
            Self::Field(Field::TLSVersion) => "TLS",
            Self::Field(Field::XlatSrcPort) => "XSPort",
            Self::Field(Field::XlatDstPort) => "XDPort",
            Self::Field(Field::TcpRetransmits) => "Retrans",
            Self::Field(Field::TcpOutOfOrder) => "OutOfOrd",
            Self::Field(Field::TcpZeroWindows) => "ZeroWin",
            Self::Field(Field::Bytes_AB) => "Sent",
            Self::Field(Field::Bytes_BA) => "Received",
            Self::Field(Field::Packets_AB) => "PktsSent",
            Self::Field(Field::Packets_BA) => "PktsRecv",
            Self::Field(field) => field.label(),
            Self::ByteRate => "Bytes/s",
            Self::PacketRate => "Pkts/s",
            Self::Duration => "Duration",
            Self::Time => "Time",
            Self::Interface => "Interface",
            Self::Info => "Info",
            Self::Length => "Len",
        }
    }

    /// One sentence for users.
    pub fn doc(self) -> &'static str {
        match self {
            Self::Field(Field::TimeFlowStartMs) => "First packet of the flow, UTC.",
            Self::Field(Field::TimeFlowEndMs) => "Last packet of the flow, UTC.",
            Self::Field(Field::Bytes) => "Bytes on the wire since the flow was first seen.",
            Self::Field(Field::Packets) => "Packets on the wire since the flow was first seen.",
            Self::Field(field) if field.is_summed() => summed_doc(field),
            Self::Field(field) => field.doc().trim(),
            Self::ByteRate => "Bytes per second now; in a saved file the average over the life of the flow.",
            Self::PacketRate => "Packets per second now; in a saved file the average over the life of the flow.",
            Self::Duration => "Time from the first packet of the flow to its last.",
            Self::Time => "When the packet was seen, UTC.",
            Self::Interface => "Interface where the packet was seen, with its network namespace.",
            Self::Direction => "Which way the packet went at that interface.",
            Self::Protocol => "Protocol of the packet.",
            Self::Info => "Ends and headers of the packet.",
            Self::Length => "Length of the whole frame, bytes.",
        }
    }

    /// Cells it takes when there is no more room than needed.
    pub fn width(self) -> u16 {
        let content = match self {
            Self::Field(Field::SrcPort | Field::DstPort) | Self::Protocol | Self::Length => 5,
            // What a text is cut to where there is hardly any room; it takes more where there is some.
            Self::Field(
                Field::DnsFlagsResponseCode | Field::TLSVersion | Field::IfDirections | Field::FlowDirection,
            )
            | Self::ByteRate
            | Self::PacketRate
            | Self::Duration => 7,
            Self::Field(Field::DnsName) | Self::Interface => 10,
            Self::Field(Field::TimeFlowStartMs | Field::TimeFlowEndMs | Field::SrcProcess | Field::DstProcess) => 12,
            Self::Field(Field::PktDropLatestDropCause) => 16,
            Self::Field(Field::TLSServerName) => 18,
            Self::Field(field) => match field.unit() {
                Unit::Bytes | Unit::Nanoseconds | Unit::Milliseconds => 6,
                Unit::Packets => 7,
                _ => field.width(),
            },
            Self::Time => 15,
            Self::Direction => 3,
            Self::Info => 40,
        };
        content.max(self.label().len() as u16)
    }

    /// Whether its text stands at the right of its cells.
    pub fn is_number(self) -> bool {
        match self {
            Self::Field(Field::SrcPort | Field::DstPort)
            | Self::ByteRate
            | Self::PacketRate
            | Self::Duration
            | Self::Length => true,
            Self::Field(field) => {
                field.is_summed()
                    || field.kind() == Kind::UInt
                        && matches!(field.unit(), Unit::Bytes | Unit::Packets | Unit::Milliseconds | Unit::Nanoseconds)
            }
            _ => false,
        }
    }

    /// Whether it can use more room than [`Column::width`].
    pub fn is_flexible(self) -> bool {
        match self {
            // Numbers that are shown as words of many lengths.
            Self::Field(Field::Flags | Field::IcmpType | Field::PktDropLatestFlags) | Self::Interface | Self::Info => {
                true
            }
            Self::Field(field) => !matches!(field.kind(), Kind::UInt | Kind::Mac),
            _ => false,
        }
    }

    /// Order in which columns stay while the screen gets narrower: 0 goes last.
    pub fn rank(self) -> u16 {
        use Field::{
            Bytes, Dscp, DstAddr, DstK8S_Name, DstK8S_Namespace, DstPort, Flags, FlowDirection, IcmpType, IfDirections,
            Interfaces, NetNs, Packets, Proto, SrcAddr, SrcK8S_Name, SrcK8S_Namespace, SrcPort, TimeFlowEndMs,
        };
        use Field::{
            Bytes_AB, Bytes_BA, DnsFlagsResponseCode, DnsLatencyMs, DnsName, DstProcess, IPSecStatus, NetworkEvents,
            PktDropLatestDropCause, PktDropPackets, SrcProcess, TLSAlpn, TLSServerName, TLSVersion, TcpResult,
            TcpRetransmits, TimeFlowRttNs, Udns, XlatDstAddr, XlatDstK8S_Name, XlatDstPort,
        };
        const FIRST: &[Column] = &[
            Column::Info,
            Column::Field(SrcAddr),
            Column::Field(DstAddr),
            Column::Field(SrcK8S_Name),
            Column::Field(DstK8S_Name),
            Column::Field(DstPort),
            Column::Field(SrcPort),
            Column::Field(Proto),
            // What the display of a feature is looked at for; other displays have none of them.
            Column::Field(PktDropPackets),
            Column::Field(PktDropLatestDropCause),
            Column::Field(DnsName),
            Column::Field(DnsFlagsResponseCode),
            Column::Field(DnsLatencyMs),
            Column::Field(TimeFlowRttNs),
            Column::Field(TcpRetransmits),
            Column::Field(NetworkEvents),
            Column::Field(XlatDstAddr),
            Column::Field(XlatDstPort),
            Column::Field(XlatDstK8S_Name),
            Column::Field(TLSServerName),
            Column::Field(TLSVersion),
            Column::Field(TLSAlpn),
            Column::Field(SrcProcess),
            Column::Field(DstProcess),
            Column::Field(IPSecStatus),
            Column::Field(Udns),
            Column::Field(Bytes_AB),
            Column::Field(Bytes_BA),
            Column::Duration,
            Column::Field(TcpResult),
            Column::ByteRate,
            Column::Field(Bytes),
            Column::Time,
            Column::Direction,
            Column::Interface,
            Column::Length,
            Column::Field(Packets),
        ];
        const LAST: &[Column] = &[
            Column::Field(SrcK8S_Namespace),
            Column::Field(DstK8S_Namespace),
            Column::Field(Flags),
            Column::Field(Interfaces),
            Column::PacketRate,
            Column::Field(IcmpType),
            Column::Field(TimeFlowEndMs),
            Column::Field(FlowDirection),
            Column::Field(NetNs),
            Column::Field(IfDirections),
            Column::Field(Dscp),
            Column::Protocol,
        ];
        let place = |list: &[Self]| list.iter().position(|column| *column == self).map(|at| at as u16);
        let middle = || Field::ALL.iter().position(|field| Self::Field(*field) == self).unwrap_or_default() as u16;
        place(FIRST).or_else(|| place(LAST).map(|at| 1000 + at)).unwrap_or_else(|| 100 + middle())
    }
}
