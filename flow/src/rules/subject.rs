//! What rules are applied to: the headers of a packet, or what a flow record says of its packets.

use std::net::IpAddr;

use super::Direction;
use crate::schema::FlowRecord;

/// A packet or a flow as far as rules look at it. Absent is what could not be read; conditions on it do not hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// IP protocol number of the last header; absent when the frame is not IP.
    pub protocol: Option<u8>,
    /// Source address.
    pub src: Option<IpAddr>,
    /// Destination address.
    pub dst: Option<IpAddr>,
    /// Source and destination port.
    pub ports: Option<(u16, u16)>,
    /// TCP flags.
    pub flags: Option<FlagsSeen>,
    /// ICMP or ICMPv6 type and code.
    pub icmp: Option<(u8, u8)>,
    /// Directions it was seen in.
    pub directions: Directions,
}

/// TCP flags of one packet or of many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagsSeen {
    /// The flag octet of one packet.
    Packet(u8),
    /// The OR over a flow, with NetObserv's bits 0x100 SYN+ACK, 0x200 FIN+ACK, 0x400 RST+ACK in one packet.
    Flow(u16),
}

/// The directions a packet or flow was seen in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Directions {
    /// Seen entering.
    pub ingress: bool,
    /// Seen leaving.
    pub egress: bool,
}

impl Directions {
    /// From a number as in `IfDirections`: 0 ingress, 1 egress, 3 both.
    pub const fn of(number: u8) -> Self {
        Self { ingress: matches!(number, 0 | 3), egress: matches!(number, 1 | 3) }
    }

    /// Either of two.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self { ingress: self.ingress || other.ingress, egress: self.egress || other.egress }
    }

    pub(crate) const fn contain(self, direction: Direction) -> bool {
        match direction {
            Direction::Ingress => self.ingress,
            Direction::Egress => self.egress,
        }
    }
}

impl From<&FlowRecord> for Subject {
    fn from(record: &FlowRecord) -> Self {
        let directions = record.if_directions.iter().flat_map(|list| list.iter());
        Self {
            protocol: record.proto,
            src: record.src_addr,
            dst: record.dst_addr,
            ports: record.src_port.zip(record.dst_port),
            flags: record.flags.map(FlagsSeen::Flow),
            icmp: record.icmp_type.zip(record.icmp_code),
            directions: directions.fold(Directions::default(), |sum, number| sum.or(Directions::of(*number))),
        }
    }
}
