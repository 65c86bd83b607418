//! How values of several records of one flow become one value, and how a record looks from its other end: said once, for the
//! table, for nodes that are merged and for conversations.

use std::{net::IpAddr, sync::Arc};

use crate::{Field, FlowRecord, Mac, NetworkEvent};

/// What becomes of a field when a later record of the same flow is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accumulation {
    /// Counts of one interval are added.
    Sum,
    /// The largest stays.
    Max,
    /// The smallest stays.
    Min,
    /// Bits that were ever set.
    Or,
    /// All that were ever in the list, each once.
    Union,
    /// The latest that is there.
    Last,
}

impl Field {
    /// What becomes of it when a later record of the same flow is added.
    pub const fn accumulation(self) -> Accumulation {
        match self {
            Self::Bytes
            | Self::Packets
            | Self::PktDropBytes
            | Self::PktDropPackets
            | Self::TcpRetransmits
            | Self::TcpOutOfOrder
            | Self::TcpZeroWindows
            | Self::Bytes_AB
            | Self::Bytes_BA
            | Self::Packets_AB
            | Self::Packets_BA => Accumulation::Sum,
            Self::TimeFlowStartMs | Self::TcpRttMinNs => Accumulation::Min,
            Self::TimeFlowEndMs
            | Self::TimeReceived
            | Self::TimeFlowRttNs
            | Self::QuicSeenLongHdr
            | Self::QuicSeenShortHdr => Accumulation::Max,
            Self::Flags => Accumulation::Or,
            Self::TLSTypes | Self::NetworkEvents => Accumulation::Union,
            _ => Accumulation::Last,
        }
    }

    /// Whether it is a count of one interval: added over the life of a flow.
    pub const fn is_summed(self) -> bool {
        matches!(self.accumulation(), Accumulation::Sum)
    }
}

/// A value that takes in a later one.
pub(crate) trait Accumulate {
    /// Takes in `newer`.
    fn accumulate(&mut self, newer: &Self, how: Accumulation);
}

macro_rules! numbers {
    ($($type:ty)*) => {$(
        impl Accumulate for $type {
            fn accumulate(&mut self, newer: &Self, how: Accumulation) {
                *self = match how {
                    Accumulation::Sum => self.saturating_add(*newer),
                    Accumulation::Max => (*self).max(*newer),
                    Accumulation::Min => (*self).min(*newer),
                    Accumulation::Or => *self | *newer,
                    Accumulation::Union | Accumulation::Last => *newer,
                };
            }
        }
    )*};
}

macro_rules! lists {
    ($($type:ty)*) => {$(
        impl Accumulate for Arc<[$type]> {
            fn accumulate(&mut self, newer: &Self, how: Accumulation) {
                if how != Accumulation::Union {
                    self.clone_from(newer);
                } else if newer.iter().any(|item| !self.contains(item)) {
                    let fresh = newer.iter().filter(|item| !self.contains(item));
                    *self = self.iter().chain(fresh).cloned().collect();
                }
            }
        }
    )*};
}

macro_rules! latest {
    ($($type:ty)*) => {$(
        impl Accumulate for $type {
            fn accumulate(&mut self, newer: &Self, _: Accumulation) {
                self.clone_from(newer);
            }
        }
    )*};
}

numbers!(u8 u16 u32 u64);
lists!(Arc<str> u8 NetworkEvent);
latest!(IpAddr Mac Arc<str>);

macro_rules! swap {
    ($record:ident: $($one:ident $other:ident,)*) => {
        $(std::mem::swap(&mut $record.$one, &mut $record.$other);)*
    };
}

impl FlowRecord {
    /// The same flow as if its packets had gone the other way: what was said of the source is said of the destination, and what
    /// went in went out. Counts without a direction (bytes, drops, retransmitted segments) stay.
    pub fn turn_round(&mut self) {
        let record = self;
        swap! { record:
            src_mac dst_mac, src_addr dst_addr, src_port dst_port,
            xlat_src_addr xlat_dst_addr, xlat_src_port xlat_dst_port, xlat_src_k8s_name xlat_dst_k8s_name,
            xlat_src_k8s_namespace xlat_dst_k8s_namespace,
            src_process dst_process, src_pid dst_pid, src_container dst_container,
            bytes_ab bytes_ba, packets_ab packets_ba,
            src_k8s_name dst_k8s_name, src_k8s_type dst_k8s_type, src_k8s_namespace dst_k8s_namespace,
            src_k8s_owner_name dst_k8s_owner_name, src_k8s_owner_type dst_k8s_owner_type,
            src_k8s_host_ip dst_k8s_host_ip, src_k8s_host_name dst_k8s_host_name, src_k8s_zone dst_k8s_zone,
            src_k8s_network_name dst_k8s_network_name, src_subnet_label dst_subnet_label,
        }
        record.flow_direction = record.flow_direction.map(opposite);
        record.if_directions =
            record.if_directions.as_deref().map(|list| list.iter().map(|number| opposite(*number)).collect());
        let result = match record.tcp_result.as_deref() {
            Some("reset by source") => Some(Arc::from("reset by destination")),
            Some("reset by destination") => Some(Arc::from("reset by source")),
            _ => record.tcp_result.take(),
        };
        record.tcp_result = result;
    }
}

/// 0 in and 1 out change places; 2 (inside the node) and 3 (both) are the same either way.
const fn opposite(direction: u8) -> u8 {
    if direction < 2 { 1 - direction } else { direction }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::{Kind, Unit};

    /// Every field filled, with values that tell the fields apart.
    fn full() -> FlowRecord {
        let value = |field: &Field| match (field.kind(), field.unit()) {
            (Kind::UInt, Unit::FlowDirection) => json!(0),
            (Kind::UInt, _) => json!(*field as u64 + 1),
            (Kind::Ip, _) => json!(format!("10.0.0.{}", *field as u64)),
            (Kind::Mac, _) => json!(format!("02:00:00:00:00:{:02x}", *field as u64)),
            (Kind::Text, _) => json!(field.name()),
            (Kind::TextList, _) => json!([field.name()]),
            (Kind::UIntList, _) => json!([0, 1, 3]),
            (Kind::Events, _) => json!([]),
        };
        let object: Map<String, Value> =
            Field::ALL.iter().map(|field| (field.name().to_owned(), value(field))).collect();
        serde_json::from_value(Value::Object(object)).unwrap()
    }

    fn other_end(name: &str) -> Option<Field> {
        let by = |from: &str, to: &str| name.contains(from).then(|| name.replacen(from, to, 1));
        let other =
            by("Src", "Dst").or_else(|| by("Dst", "Src")).or_else(|| by("_AB", "_BA")).or_else(|| by("_BA", "_AB"));
        Field::by_name(&other?)
    }

    #[test]
    fn a_record_turned_round_has_the_ends_exchanged_and_turned_again_is_itself() {
        let record = full();
        let mut turned = record.clone();
        turned.turn_round();
        for field in Field::ALL {
            match other_end(field.name()) {
                Some(other) => assert_eq!(turned.get(*field), record.get(other), "{}", field.name()),
                None if matches!(*field, Field::FlowDirection | Field::IfDirections) => {}
                None => assert_eq!(turned.get(*field), record.get(*field), "{}", field.name()),
            }
        }
        assert_eq!((turned.flow_direction, turned.if_directions.as_deref()), (Some(1), Some([1, 0, 3].as_slice())));
        turned.turn_round();
        assert_eq!(turned, record);
    }

    #[test]
    fn who_reset_a_connection_is_the_same_end_after_turning() {
        let mut record = FlowRecord { tcp_result: Some("reset by source".into()), ..FlowRecord::default() };
        record.turn_round();
        assert_eq!(record.tcp_result.as_deref(), Some("reset by destination"));
    }

    #[test]
    fn counts_are_added_extremes_stay_and_the_latest_text_wins() {
        let json = |text: &str| serde_json::from_str::<FlowRecord>(text).unwrap();
        let mut record = json(
            r#"{"TimeFlowStartMs":5,"TimeFlowEndMs":9,"Flags":2,"Bytes":100,"PktDropPackets":1,"TimeFlowRttNs":7,"TcpRttMinNs":3,
            "TcpState":"SYN_SENT","TLSTypes":["ClientHello"],"DnsName":"a"}"#,
        );
        record.absorb(&json(
            r#"{"TimeFlowStartMs":6,"TimeFlowEndMs":12,"Flags":16,"Bytes":50,"PktDropPackets":2,"TimeFlowRttNs":4,"TcpRttMinNs":1,
            "TcpState":"ESTABLISHED","TLSTypes":["ServerHello","ClientHello"],"TcpRetransmits":3}"#,
        ));
        assert_eq!(
            serde_json::to_string(&record).unwrap(),
            r#"{"TimeFlowStartMs":5,"TimeFlowEndMs":12,"Flags":18,"Bytes":150,"PktDropPackets":3,"DnsName":"a","TimeFlowRttNs":7,"TcpRttMinNs":1,"TcpRetransmits":3,"TcpState":"ESTABLISHED","TLSTypes":["ClientHello","ServerHello"]}"#
        );
    }

    #[test]
    fn what_is_summed_is_a_number() {
        assert!(Field::ALL.iter().filter(|field| field.is_summed()).all(|field| field.kind() == Kind::UInt));
    }
}
