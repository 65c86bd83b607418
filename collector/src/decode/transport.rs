//! What follows the IP headers.

use etherparse::{Icmpv4Slice, Icmpv6Slice, IpNumber, TcpSlice, UdpSlice, ip_number};

use super::sctp::Sctp;

/// The transport header, as far as it was kept.
#[derive(Clone, Debug)]
pub(super) enum Transport<'a> {
    /// None, not a known one, or cut before its end.
    None,
    Tcp(TcpSlice<'a>),
    Udp(UdpSlice<'a>),
    Sctp(Sctp),
    Icmp4(Icmpv4Slice<'a>),
    Icmp6(Icmpv6Slice<'a>),
    /// The ports were kept, the rest of the header was not.
    Ports(u16, u16),
}

impl<'a> Transport<'a> {
    /// Reads the header of protocol `number` at the beginning of `bytes`.
    pub(super) fn read(number: IpNumber, bytes: &'a [u8]) -> Self {
        let whole = match number {
            ip_number::TCP => TcpSlice::from_slice(bytes).ok().map(Self::Tcp),
            ip_number::UDP => UdpSlice::from_slice_lax(bytes).ok().map(Self::Udp),
            ip_number::SCTP => Sctp::read(bytes).map(Self::Sctp),
            ip_number::ICMP => Icmpv4Slice::from_slice(bytes).ok().map(Self::Icmp4),
            ip_number::IPV6_ICMP => Icmpv6Slice::from_slice(bytes).ok().map(Self::Icmp6),
            _ => return Self::None,
        };
        whole.or_else(|| Self::ports_only(number, bytes)).unwrap_or(Self::None)
    }

    fn ports_only(number: IpNumber, bytes: &[u8]) -> Option<Self> {
        let has_ports = matches!(number, ip_number::TCP | ip_number::UDP | ip_number::SCTP);
        let [a, b, c, d] = *bytes.first_chunk()?;
        has_ports.then(|| Self::Ports(u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
    }

    pub(super) fn ports(&self) -> Option<(u16, u16)> {
        match self {
            Self::Tcp(tcp) => Some((tcp.source_port(), tcp.destination_port())),
            Self::Udp(udp) => Some((udp.source_port(), udp.destination_port())),
            Self::Sctp(sctp) => Some((sctp.src_port, sctp.dst_port)),
            Self::Ports(src, dst) => Some((*src, *dst)),
            Self::None | Self::Icmp4(_) | Self::Icmp6(_) => None,
        }
    }

    pub(super) fn icmp(&self) -> Option<(u8, u8)> {
        match self {
            Self::Icmp4(icmp) => Some((icmp.type_u8(), icmp.code_u8())),
            Self::Icmp6(icmp) => Some((icmp.type_u8(), icmp.code_u8())),
            _ => None,
        }
    }

    pub(super) fn flags(&self) -> Option<u16> {
        let Self::Tcp(tcp) = self else { return None };
        let wire = u16::from(wire_flags(tcp));
        let combined = [(0x12, 0x100), (0x11, 0x200), (0x14, 0x400)];
        Some(combined.iter().filter(|(both, _)| wire & both == *both).fold(wire, |flags, (_, bit)| flags | bit))
    }
}

/// The flag byte of a TCP header (RFC 9293): FIN is bit 0, CWR bit 7.
pub(super) fn wire_flags(tcp: &TcpSlice<'_>) -> u8 {
    tcp.slice().get(13).copied().unwrap_or_default()
}
