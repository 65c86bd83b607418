//! Values as people type them: numbers with units, names of protocols, flags and directions, addresses, ports.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use super::names::Place;
use crate::{
    Field, Kind, Unit, duration,
    rules::{Direction, TcpFlags},
    show, size,
};

/// What the values of a field are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Domain {
    Port,
    /// A number up to the limit.
    Plain(u64),
    Bytes,
    Count,
    Nanoseconds,
    Milliseconds,
    EtherType,
    Protocol,
    Dscp,
    NodeDirection,
    Direction,
    Flags,
    IcmpType,
    Ip,
    Mac,
    Text,
}

/// What the values at `place` are like.
pub(super) fn domain(place: Place) -> Domain {
    let field = place.field();
    match (field.kind(), field.unit()) {
        (Kind::Ip, _) => Domain::Ip,
        (Kind::Mac, _) => Domain::Mac,
        (Kind::UIntList, _) => Domain::Direction,
        (Kind::Text | Kind::TextList | Kind::Events, _) => Domain::Text,
        (Kind::UInt, Unit::Bytes) => Domain::Bytes,
        (Kind::UInt, Unit::Packets) => Domain::Count,
        (Kind::UInt, Unit::Milliseconds) => Domain::Milliseconds,
        (Kind::UInt, Unit::Nanoseconds) => Domain::Nanoseconds,
        (Kind::UInt, Unit::EtherType) => Domain::EtherType,
        (Kind::UInt, Unit::Protocol) => Domain::Protocol,
        (Kind::UInt, Unit::Dscp) => Domain::Dscp,
        (Kind::UInt, Unit::TcpFlags) => Domain::Flags,
        (Kind::UInt, Unit::FlowDirection) => Domain::NodeDirection,
        (Kind::UInt, Unit::IfDirection | Unit::EpochMs | Unit::EpochS | Unit::None) => plain(field),
    }
}

fn plain(field: Field) -> Domain {
    match field {
        Field::SrcPort | Field::DstPort | Field::XlatSrcPort | Field::XlatDstPort => Domain::Port,
        Field::IcmpType => Domain::IcmpType,
        Field::IcmpCode => Domain::Plain(255),
        Field::VlanId | Field::VlanInnerId => Domain::Plain(4095),
        _ => Domain::Plain(u64::MAX),
    }
}

impl Domain {
    /// Whether values are smaller and larger than each other.
    pub(super) const fn is_ordered(self) -> bool {
        !matches!(self, Self::Ip | Self::Mac | Self::Text | Self::Direction)
    }

    /// Finishes the sentence "... is not".
    pub(super) const fn expected(self) -> &'static str {
        match self {
            Self::Port => "a port: a number from 0 to 65535, a range like 8000-8100 or a name like https",
            Self::Plain(4095) => "a VLAN id: a number from 0 to 4095",
            Self::Plain(255) => "a number from 0 to 255",
            Self::Plain(_) => "a number",
            Self::Bytes => "a size: a number of bytes, or like 10k, 1MB, 64MiB",
            Self::Count => "a count: a number, or like 10k, 1M",
            Self::Nanoseconds => "a duration: like 500us, 5ms, 2s or 1m30s",
            Self::Milliseconds => "a duration in whole milliseconds: like 5ms, 2s or 1m30s",
            Self::EtherType => "an EtherType: a name like IPv4, IPv6 or ARP, or a number like 0x88cc",
            Self::Protocol => "a protocol: a name like TCP, UDP or ICMPv6, or a number from 0 to 255",
            Self::Dscp => "a DSCP: a name like EF, CS1 or AF21, or a number from 0 to 63",
            Self::NodeDirection => "a direction of a node: ingress, egress or inner",
            Self::Direction => "a direction at an interface: ingress or egress",
            Self::Flags => {
                "a TCP flag: FIN, SYN, RST, PSH, ACK, URG, ECE, CWR, one of them with -ACK like SYN-ACK, or a number"
            }
            Self::IcmpType => "an ICMP type: a name like EchoRequest, or a number from 0 to 255",
            Self::Ip => "an address or a network: like 10.0.0.1, 10.0.0.0/8 or fd00::/8",
            Self::Mac => "an Ethernet address: like 02:42:ac:11:00:02",
            Self::Text => "a text",
        }
    }
}

/// One number, or the first and last of a range.
pub(super) fn range(domain: Domain, text: &str) -> Option<(u64, u64)> {
    if let Some(one) = number(domain, text) {
        return Some((one, one));
    }
    let (low, high) = text.split_once('-')?;
    let ends = (number(domain, low.trim())?, number(domain, high.trim())?);
    (ends.0 <= ends.1).then_some(ends)
}

/// A number as its field counts.
pub(super) fn number(domain: Domain, text: &str) -> Option<u64> {
    let plain = || digits(text);
    match domain {
        Domain::Port => plain().filter(|port| *port <= 65535).or_else(|| service(text)),
        Domain::Plain(most) => plain().filter(|number| *number <= most),
        Domain::IcmpType => plain().filter(|n| *n <= 255),
        Domain::Flags => plain().filter(|n| *n <= 0xffff),
        Domain::Bytes => plain().or_else(|| size::parse(text).ok()),
        Domain::Count => plain().or_else(|| size::parse(text).ok().filter(|_| !text.ends_with(['b', 'B']))),
        Domain::Nanoseconds => plain().or_else(|| nanoseconds(text)),
        Domain::Milliseconds => {
            plain().or_else(|| nanoseconds(text).filter(|ns| ns % 1_000_000 == 0).map(|ns| ns / 1_000_000))
        }
        Domain::EtherType => plain().filter(|n| *n <= 0xffff).or_else(|| named(0..=0xffff, show::ethertype, text)),
        Domain::Protocol => plain().filter(|n| *n <= 255).or_else(|| protocol(text).map(u64::from)),
        Domain::Dscp => plain().filter(|n| *n <= 63).or_else(|| named(0..=63, show::dscp, text)),
        Domain::NodeDirection => plain().filter(|n| *n <= 2).or_else(|| named(0..=2, show::flow_direction, text)),
        Domain::Direction | Domain::Ip | Domain::Mac | Domain::Text => None,
    }
}

fn nanoseconds(text: &str) -> Option<u64> {
    duration::parse(text).ok().and_then(|duration| u64::try_from(duration.as_nanos()).ok())
}

/// Digits, or hexadecimal ones after `0x`.
pub(super) fn digits(text: &str) -> Option<u64> {
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return hex.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u64::from_str_radix(hex, 16).ok()).flatten();
    }
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// The number among `all` that has this name, in any case.
fn named<N: Copy + Into<u64>>(
    all: impl IntoIterator<Item = N>,
    name: impl Fn(N) -> Option<&'static str>,
    text: &str,
) -> Option<u64> {
    let is_it = |number: &N| name(*number).is_some_and(|name| name.eq_ignore_ascii_case(text));
    all.into_iter().find(is_it).map(Into::into)
}

/// A protocol by name; `icmp6` and `ip6` as tcpdump calls them.
pub(super) fn protocol(text: &str) -> Option<u8> {
    match text.to_ascii_lowercase().as_str() {
        "icmp6" => Some(58),
        _ => show::protocol_number(text),
    }
}

/// Types of ICMP and of ICMPv6 that have this name.
pub(super) fn icmp_types(text: &str) -> (Option<u8>, Option<u8>) {
    let find = |name: fn(u8) -> Option<&'static str>| named(0..=255, name, text).map(|number| number as u8);
    (find(show::icmp_type), find(show::icmpv6_type))
}

/// Ports that people write by name, with the protocol where they belong to one only (`/etc/services`).
const SERVICES: &[(&str, u64, Option<u8>)] = &[
    ("ftp", 21, Some(6)),
    ("ssh", 22, Some(6)),
    ("telnet", 23, Some(6)),
    ("smtp", 25, Some(6)),
    ("domain", 53, None),
    ("dns", 53, None),
    ("bootps", 67, Some(17)),
    ("bootpc", 68, Some(17)),
    ("tftp", 69, Some(17)),
    ("http", 80, Some(6)),
    ("kerberos", 88, None),
    ("pop3", 110, Some(6)),
    ("ntp", 123, Some(17)),
    ("imap", 143, Some(6)),
    ("snmp", 161, None),
    ("bgp", 179, Some(6)),
    ("ldap", 389, None),
    ("https", 443, None),
    ("syslog", 514, Some(17)),
    ("ldaps", 636, None),
    ("imaps", 993, Some(6)),
    ("mysql", 3306, Some(6)),
    ("postgresql", 5432, Some(6)),
    ("mdns", 5353, Some(17)),
    ("redis", 6379, Some(6)),
];

fn find_service(text: &str) -> Option<&'static (&'static str, u64, Option<u8>)> {
    SERVICES.iter().find(|(name, ..)| name.eq_ignore_ascii_case(text))
}

fn service(text: &str) -> Option<u64> {
    find_service(text).map(|(_, port, _)| *port)
}

/// The protocol of a port's name where it belongs to one only: libpcap takes no other then.
pub(super) fn service_protocol(text: &str) -> Option<u8> {
    find_service(text).and_then(|(.., protocol)| *protocol)
}

/// An address or a network; bits beyond its length do not count.
pub(super) fn net(text: &str) -> Option<IpNet> {
    let address = || text.parse::<IpAddr>().ok().map(|address| IpNet::from(address.to_canonical()));
    text.parse::<IpNet>().ok().map(|net| net.trunc()).or_else(address)
}

/// A network as pcap-filter also takes it: `10`, `192.168` and `192.168.1` stand for all addresses that begin so, also with a
/// length.
pub(super) fn short_net(text: &str) -> Option<IpNet> {
    if let Some(net) = net(text) {
        return Some(net);
    }
    let (start, length) = text.split_once('/').map_or((text, None), |(start, length)| (start, Some(length)));
    let octets = start.split('.').map(|octet| octet.parse::<u8>().ok().filter(|_| octet.len() < 4));
    let octets = octets.collect::<Option<Vec<_>>>().filter(|octets| octets.len() <= 4)?;
    let length = length.map_or(Some(octets.len() as u8 * 8), |length| length.parse().ok())?;
    let mut address = [0; 4];
    address.get_mut(..octets.len())?.copy_from_slice(&octets);
    Ipv4Net::new(address.into(), length).ok().map(|net| IpNet::V4(net.trunc()))
}

/// Bits 0 to 7 by name (RFC 9293, section 3.1).
pub(super) const FLAG_NAMES: [&str; 8] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];

/// The bit of a flag by its name, in any case, also as `tcp-syn`.
pub(super) fn flag_bit(text: &str) -> Option<u8> {
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("TCP-").unwrap_or(&upper);
    let name = if name == "PUSH" { "PSH" } else { name };
    FLAG_NAMES.iter().position(|known| *known == name).map(|bit| 1 << bit)
}

/// Flags as rules understand their names: `SYN` is SYN without ACK, `SYN-ACK` both; several with commas are all of them.
pub(super) fn flags(text: &str) -> Option<TcpFlags> {
    if text.contains([',', '+']) {
        let bits = text.split([',', '+']).map(|name| flag_bit(name.trim()));
        let all = bits.collect::<Option<Vec<_>>>()?.into_iter().fold(0, |all, bit| all | bit);
        return Some(TcpFlags { mask: all, value: all });
    }
    TcpFlags::by_name(text)
}

/// A direction at an interface.
pub(super) fn direction(text: &str) -> Option<Direction> {
    match text.to_ascii_lowercase().as_str() {
        "ingress" | "in" | "0" => Some(Direction::Ingress),
        "egress" | "out" | "1" => Some(Direction::Egress),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_units_of_their_fields() {
        for (domain, text, value) in [
            (Domain::Port, "443", Some(443)),
            (Domain::Port, "HTTPS", Some(443)),
            (Domain::Port, "65536", None),
            (Domain::Bytes, "1MB", Some(1_000_000)),
            (Domain::Bytes, "1MiB", Some(1 << 20)),
            (Domain::Count, "10k", Some(10_000)),
            (Domain::Count, "10kB", None),
            (Domain::Nanoseconds, "5ms", Some(5_000_000)),
            (Domain::Milliseconds, "2s", Some(2000)),
            (Domain::Milliseconds, "500us", None),
            (Domain::EtherType, "arp", Some(0x806)),
            (Domain::EtherType, "0x88cc", Some(0x88cc)),
            (Domain::Protocol, "icmp6", Some(58)),
            (Domain::Protocol, "256", None),
            (Domain::Dscp, "ef", Some(46)),
            (Domain::NodeDirection, "Inner", Some(2)),
            (Domain::Plain(4095), "4096", None),
        ] {
            assert_eq!(number(domain, text), value, "{domain:?} {text}");
        }
        assert_eq!(range(Domain::Port, "8000-8100"), Some((8000, 8100)));
        assert_eq!(range(Domain::Port, "2-1"), None);
    }

    #[test]
    fn networks_may_be_short() {
        for (text, net) in
            [("10", "10.0.0.0/8"), ("192.168", "192.168.0.0/16"), ("10.1/9", "10.0.0.0/9"), ("fd00::/8", "fd00::/8")]
        {
            assert_eq!(short_net(text), Some(net.parse().unwrap()), "{text}");
        }
        assert_eq!([short_net("256"), short_net("1.2.3.4.5"), short_net("x"), short_net("10/33")], [None; 4]);
    }

    #[test]
    fn icmp_names_mean_the_type_of_each_protocol() {
        assert_eq!(icmp_types("echorequest"), (Some(8), Some(128)));
        assert_eq!(icmp_types("PacketTooBig"), (None, Some(2)));
    }
}
