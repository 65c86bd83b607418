//! One field of a record as the text of a table cell.

use std::{borrow::Cow, fmt::Write as _, time::Duration};

use super::{bytes, count, date_time, dscp, duration, escape, ethertype, flow_direction, icmp_type, icmpv6_type};
use super::{interface_direction, protocol, tcp_flags, time_of_day};
use crate::{
    schema::{Field, FlowRecord},
    value::{NetworkEvent, Unit, Value},
};

/// What the table shows of `field`, safe for a terminal; `None` where the record has no value.
pub fn cell(record: &FlowRecord, field: Field) -> Option<Cow<'_, str>> {
    let field = standing_in(record, field);
    Some(match record.get(field)? {
        Value::UInt(number) => icmp(record, field, number).unwrap_or_else(|| quantity(number, field.unit())),
        Value::Ip(address) => Cow::Owned(address.to_string()),
        Value::Mac(address) => Cow::Owned(address.to_string()),
        Value::Text(text) => escape(text),
        Value::TextList([one]) => escape(one),
        Value::TextList(list) => Cow::Owned(join(list.iter().map(|text| escape(text)))),
        Value::UIntList(list) => Cow::Owned(join(list.iter().map(|n| quantity(u64::from(*n), field.unit())))),
        Value::Events(list) => Cow::Owned(events(list)),
    })
}

/// A frame that is not IP has no protocol and no addresses: its EtherType and MAC addresses are shown in their place.
fn standing_in(record: &FlowRecord, field: Field) -> Field {
    match field {
        Field::Proto if record.proto.is_none() => Field::Etype,
        Field::SrcAddr if record.src_addr.is_none() => Field::SrcMac,
        Field::DstAddr if record.dst_addr.is_none() => Field::DstMac,
        _ => field,
    }
}

fn quantity(value: u64, unit: Unit) -> Cow<'static, str> {
    let small = u8::try_from(value).ok();
    let name = match unit {
        Unit::Bytes => return Cow::Owned(bytes(value)),
        Unit::Packets => return Cow::Owned(count(value)),
        Unit::EpochMs => return Cow::Owned(time_of_day(value)),
        Unit::EpochS => return Cow::Owned(date_time(value.saturating_mul(1000)).split_off(11).replace(".000", "")),
        Unit::Milliseconds => return Cow::Owned(duration(Duration::from_millis(value))),
        Unit::Nanoseconds => return Cow::Owned(duration(Duration::from_nanos(value))),
        Unit::TcpFlags => return Cow::Owned(tcp_flags(value as u16)),
        Unit::EtherType => return Cow::Owned(link_type(value as u16)),
        Unit::Protocol => small.and_then(protocol),
        Unit::Dscp => small.and_then(dscp),
        Unit::FlowDirection => small.and_then(flow_direction),
        Unit::IfDirection => small.and_then(interface_direction),
        Unit::None => None,
    };
    name.map_or_else(|| Cow::Owned(value.to_string()), Cow::Borrowed)
}

fn link_type(value: u16) -> String {
    ethertype(value).map_or_else(|| format!("0x{value:04x}"), str::to_owned)
}

/// The type of an ICMP message depends on which ICMP it is.
fn icmp(record: &FlowRecord, field: Field, number: u64) -> Option<Cow<'static, str>> {
    let names = match (field, record.proto) {
        (Field::IcmpType, Some(1)) => icmp_type,
        (Field::IcmpType, Some(58)) => icmpv6_type,
        _ => return None,
    };
    u8::try_from(number).ok().and_then(names).map(Cow::Borrowed)
}

/// Network events in words: `drop by acl NetworkPolicy shop/deny-all (Ingress)`, joined by `; `.
pub fn events(list: &[NetworkEvent]) -> String {
    let mut text = String::new();
    for event in list {
        let separator = if text.is_empty() { "" } else { "; " };
        let NetworkEvent { feature, r#type, namespace, name, action, direction } = event;
        let slash = if namespace.is_empty() { "" } else { "/" };
        // Writing to a String cannot fail.
        let _ = write!(text, "{separator}{action} by {feature} {type} {namespace}{slash}{name} ({direction})");
    }
    escape(&text).into_owned()
}

fn join<'a>(items: impl Iterator<Item = Cow<'a, str>>) -> String {
    items.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(json: &str) -> FlowRecord {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn every_unit_has_its_words() {
        let record = record(
            r#"{"TimeFlowStartMs":1763629601123,"TimeReceived":1763629601,"Etype":2048,"Proto":6,"Dscp":46,"Flags":274,
            "Bytes":1234567,"Packets":12,"Interfaces":["eth0","v\u001b"],"IfDirections":[0,1,3],"FlowDirection":2,
            "TimeFlowRttNs":1234000,"DnsLatencyMs":12,"SrcAddr":"fd00::1","SrcPort":443}"#,
        );
        for (field, text) in [
            (Field::TimeFlowStartMs, "09:06:41.123"),
            (Field::TimeReceived, "09:06:41"),
            (Field::Etype, "IPv4"),
            (Field::Proto, "TCP"),
            (Field::Dscp, "EF"),
            (Field::Flags, "SYN,ACK"),
            (Field::Bytes, "1.23M"),
            (Field::Packets, "12"),
            (Field::Interfaces, r"eth0,v\u{1b}"),
            (Field::IfDirections, "in,out,both"),
            (Field::FlowDirection, "Inner"),
            (Field::TimeFlowRttNs, "1.23ms"),
            (Field::DnsLatencyMs, "12.0ms"),
            (Field::SrcAddr, "fd00::1"),
            (Field::SrcPort, "443"),
        ] {
            assert_eq!(cell(&record, field).as_deref(), Some(text), "{}", field.name());
        }
        assert_eq!(cell(&record, Field::DstAddr), None);
    }

    #[test]
    fn icmp_types_go_by_their_protocol_and_unknown_numbers_stay_numbers() {
        let shown = |json: &str, field| cell(&record(json), field).unwrap().into_owned();
        assert_eq!(shown(r#"{"Proto":1,"IcmpType":8}"#, Field::IcmpType), "EchoRequest");
        assert_eq!(shown(r#"{"Proto":58,"IcmpType":135}"#, Field::IcmpType), "NeighborSolicitation");
        assert_eq!(shown(r#"{"Proto":1,"IcmpType":200}"#, Field::IcmpType), "200");
        assert_eq!(shown(r#"{"Etype":34999}"#, Field::Etype), "0x88b7");
        assert_eq!(shown(r#"{"Proto":200}"#, Field::Proto), "200");
    }

    #[test]
    fn a_frame_that_is_not_ip_shows_its_ethertype_and_mac_addresses() {
        let arp = record(r#"{"Etype":2054,"SrcMac":"02:00:00:00:00:01","DstMac":"ff:ff:ff:ff:ff:ff"}"#);
        let shown = [Field::Proto, Field::SrcAddr, Field::DstAddr].map(|field| cell(&arp, field).unwrap().into_owned());
        assert_eq!(shown, ["ARP", "02:00:00:00:00:01", "ff:ff:ff:ff:ff:ff"]);
        assert_eq!(cell(&arp, Field::SrcPort), None);
    }

    #[test]
    fn an_event_is_a_phrase() {
        let json = r#"{"NetworkEvents":[{"Feature":"acl","Type":"NetworkPolicy","Namespace":"shop","Name":"deny","Action":"drop","Direction":"Ingress"}]}"#;
        let text = cell(&record(json), Field::NetworkEvents).unwrap().into_owned();
        assert_eq!(text, "drop by acl NetworkPolicy shop/deny (Ingress)");
    }
}
