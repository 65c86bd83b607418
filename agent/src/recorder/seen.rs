//! A packet as the filter language sees it: its headers, length and direction, and why it was dropped. Makes no record.

use std::net::IpAddr;

use agent_common::parse::{self, ETHERTYPE_IPV4, ETHERTYPE_IPV6, Headers, ICMP, ICMPV6, Layer, SCTP, TCP, UDP};
use flow::{Field, LinkType, Packet, Value, filter::Subject};

/// The packet.
pub(super) struct Seen<'a> {
    headers: Option<Found>,
    direction: [u8; 1],
    len: u64,
    cause: Option<&'a str>,
}

struct Found {
    src: IpAddr,
    dst: IpAddr,
    proto: u8,
    selector: Option<[u16; 2]>,
    flags: Option<u16>,
}

impl<'a> Seen<'a> {
    pub(super) fn new(packet: &Packet, bytes: &[u8], link_type: LinkType, cause: Option<&'a str>) -> Self {
        let layer = if link_type == LinkType::Ethernet { Layer::Ethernet } else { Layer::Ip };
        let link = parse::link(bytes, layer);
        let headers = match link.ethertype {
            ETHERTYPE_IPV4 => parse::ipv4(bytes, link.l3).map(found),
            ETHERTYPE_IPV6 => parse::ipv6(bytes, link.l3).map(found),
            _ => None,
        };
        Self { headers, direction: [packet.direction], len: packet.len.into(), cause }
    }

    /// It in a few words.
    pub(super) fn words(&self) -> String {
        let dropped = self.cause.map(|cause| format!(", dropped: {cause}")).unwrap_or_default();
        let Some(Found { src, dst, proto, selector, .. }) = &self.headers else {
            return format!("a packet of {} bytes that is not IP{dropped}", self.len);
        };
        let name = flow::show::protocol(*proto).map_or_else(|| format!("protocol {proto}"), str::to_owned);
        let end = |address: &IpAddr, at: usize| match selector {
            Some(ports) if matches!(*proto, TCP | UDP | SCTP) => {
                std::net::SocketAddr::new(*address, ports[at]).to_string()
            }
            _ => address.to_string(),
        };
        format!("{name} {} > {}, {} bytes{dropped}", end(src, 0), end(dst, 1), self.len)
    }

    fn port(&self, at: usize) -> Option<Value<'_>> {
        let found = self.headers.as_ref().filter(|found| matches!(found.proto, TCP | UDP | SCTP))?;
        Some(Value::UInt(found.selector?[at].into()))
    }

    fn icmp(&self, at: usize) -> Option<Value<'_>> {
        let found = self.headers.as_ref().filter(|found| matches!(found.proto, ICMP | ICMPV6))?;
        Some(Value::UInt(found.selector?[at].into()))
    }
}

fn found<A: Into<IpAddr>>(headers: Headers<A>) -> Found {
    Found {
        src: headers.src.into().to_canonical(),
        dst: headers.dst.into().to_canonical(),
        proto: headers.proto,
        selector: headers.selector_known.then_some(headers.selector),
        flags: headers.flags_known.then_some(headers.tcp_flags),
    }
}

impl Subject for Seen<'_> {
    fn field(&self, field: Field) -> Option<Value<'_>> {
        let headers = self.headers.as_ref();
        match field {
            Field::SrcAddr => headers.map(|found| Value::Ip(found.src)),
            Field::DstAddr => headers.map(|found| Value::Ip(found.dst)),
            Field::Proto => headers.map(|found| Value::UInt(found.proto.into())),
            Field::Flags => headers.and_then(|found| found.flags).map(|flags| Value::UInt(flags.into())),
            Field::SrcPort => self.port(0),
            Field::DstPort => self.port(1),
            Field::IcmpType => self.icmp(0),
            Field::IcmpCode => self.icmp(1),
            Field::IfDirections => Some(Value::UIntList(&self.direction)),
            Field::Bytes => Some(Value::UInt(self.len)),
            Field::Packets => Some(Value::UInt(1)),
            Field::PktDropPackets => self.cause.map(|_| Value::UInt(1)),
            Field::PktDropBytes => self.cause.map(|_| Value::UInt(self.len)),
            Field::PktDropLatestDropCause => self.cause.map(Value::Text),
            _ => None,
        }
    }

    fn any_text(&self, _: &mut dyn FnMut(&str) -> bool) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use flow::filter::Trigger;

    use super::*;
    use crate::testing::udp_frame;

    #[test]
    fn headers_length_direction_and_drops_are_seen() {
        let frame = udp_frame();
        let packet = Packet { len: frame.len() as u32, direction: 1, ..Packet::default() };
        let holds = |text: &str, cause| {
            let filter = Trigger::parse(text).unwrap().on_packets.unwrap_or_else(|| panic!("{text}: not of packets"));
            filter.matches(&Seen::new(&packet, &frame, LinkType::Ethernet, cause))
        };
        for text in [
            "udp port 53",
            "src.addr = 10.0.0.1 and src.port = 1000",
            "bytes < 100",
            "direction = egress",
            "ip proto 17",
        ] {
            assert!(holds(text, None), "{text}");
        }
        for text in ["drop", "tcp", "dst.port = 54", "bytes > 100", "icmp.type = 8", "drop.cause = X", "flags = SYN"] {
            assert!(!holds(text, None), "{text}");
        }
        assert!(holds("drop", Some("SKB_DROP_REASON_NO_SOCKET")) && holds("drop.cause =~ NO_S", Some("NO_SOCKET")));
        let words = Seen::new(&packet, &frame, LinkType::Ethernet, Some("NO_SOCKET")).words();
        assert_eq!(words, "UDP 10.0.0.1:1000 > 10.0.0.2:53, 46 bytes, dropped: NO_SOCKET");
    }

    #[test]
    fn what_is_no_packet_is_nothing() {
        for bytes in [&[][..], &[0; 13], &[255; 60]] {
            let seen = Seen::new(&Packet::default(), bytes, LinkType::Ethernet, None);
            assert!(seen.field(Field::SrcAddr).is_none() && seen.words().contains("not IP"));
        }
    }
}
