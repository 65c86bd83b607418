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

impl Column {
    /// Every column a table of flows can have.
    pub fn of_flows() -> impl Iterator<Item = Self> {
        [Self::ByteRate, Self::PacketRate].into_iter().chain(Field::ALL.iter().copied().map(Self::Field))
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
            Self::Field(field) => field.label(),
            Self::ByteRate => "Bytes/s",
            Self::PacketRate => "Pkts/s",
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
            Self::Field(field) => field.doc().trim(),
            Self::ByteRate => "Bytes per second now; in a saved file the average over the life of the flow.",
            Self::PacketRate => "Packets per second now; in a saved file the average over the life of the flow.",
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
            Self::Field(Field::TimeFlowStartMs | Field::TimeFlowEndMs) => 12,
            Self::Field(Field::IfDirections | Field::FlowDirection) | Self::ByteRate | Self::PacketRate => 7,
            Self::Field(field) => match field.unit() {
                Unit::Bytes => 6,
                Unit::Packets => 7,
                _ => field.width(),
            },
            Self::Time => 15,
            Self::Interface => 10,
            Self::Direction => 3,
            Self::Info => 40,
        };
        content.max(self.label().len() as u16)
    }

    /// Whether its text stands at the right of its cells.
    pub fn is_number(self) -> bool {
        match self {
            Self::Field(Field::SrcPort | Field::DstPort) | Self::ByteRate | Self::PacketRate | Self::Length => true,
            Self::Field(field) => {
                field.kind() == Kind::UInt
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
        const FIRST: &[Column] = &[
            Column::Info,
            Column::Field(SrcAddr),
            Column::Field(DstAddr),
            Column::Field(SrcK8S_Name),
            Column::Field(DstK8S_Name),
            Column::Field(DstPort),
            Column::Field(SrcPort),
            Column::Field(Proto),
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
