//! The record is declared here, once. Everything that depends on a field — the struct, JSON, SQLite, table columns,
//! filter names, docs — is generated from this table or loops over [`Field::ALL`].
//!
//! Names are NetObserv's where NetObserv has the field, so that queries written for it work.

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    sync::{Arc, LazyLock},
};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
    ser::SerializeMap as _,
};

use crate::{
    accumulate::Accumulate as _,
    value::{FieldType, Kind, Mac, NetworkEvent, Unit, Value},
    wire::{Packed, Reader, WireError, Writer},
};

/// Version of the schema: the SQLite `user_version`, and what an agent says when it connects.
pub const SCHEMA_VERSION: u32 = 1;

/// What a field belongs to; the unit in which columns are shown together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// When.
    Time,
    /// Where it was seen.
    Observer,
    /// Layer 2.
    Link,
    /// Addresses and ports.
    Endpoint,
    /// How much.
    Volume,
    /// What a feature found out.
    Detail,
    /// Kubernetes names of the source.
    Source,
    /// Kubernetes names of the destination.
    Destination,
}

/// What has to be switched on for a field to be filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// Always there.
    Core,
    /// Names from the cluster.
    Kubernetes,
    /// `--enable-pkt-drop`
    PktDrop,
    /// `--enable-dns`
    Dns,
    /// `--enable-rtt`: round trip times, and what the kernel's TCP knows of a connection's health.
    Rtt,
    /// `--enable-pkt-translation`
    PktTranslation,
    /// `--enable-network-events`
    NetworkEvents,
    /// `--enable-udn-mapping`
    UdnMapping,
    /// `--enable-ipsec`
    Ipsec,
    /// `--enable-tls`
    Tls,
    /// `--enable-process`
    Process,
    /// `--conversations`
    Conversations,
    /// `--get-subnets`, `--subnet-label`
    Subnets,
}

impl Feature {
    /// Whether it tells something of packets, too: the others need what is counted of a flow, or tell it.
    pub const fn is_of_packets(self) -> bool {
        matches!(self, Self::PktDrop | Self::PktTranslation | Self::UdnMapping | Self::Process)
    }
}

macro_rules! fields {
    ($($(#[doc = $doc:literal])+ $json:ident: $name:ident, $type:ty, $group:ident, $feature:ident, $label:literal, $width:literal, $unit:ident;)*) => {
        /// One flow over one interval, as the agent counted it and the collector named it. Absent fields are `None`.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct FlowRecord {
            $($(#[doc = $doc])+
            pub $name: Option<$type>,)*
        }

        /// The fields of a [`FlowRecord`], in the order of the table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[expect(non_camel_case_types, reason = "the variants are NetObserv's field names, letter for letter")]
        pub enum Field {
            $($(#[doc = $doc])+
            $json,)*
        }

        impl Field {
            /// Every field, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$json,)*];

            /// Name in JSON, SQLite and filters.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$json => stringify!($json),)* }
            }

            /// One sentence for users.
            pub const fn doc(self) -> &'static str {
                match self { $(Self::$json => concat!($($doc),+),)* }
            }

            /// Shape of the value.
            pub const fn kind(self) -> Kind {
                match self { $(Self::$json => <$type as FieldType>::KIND,)* }
            }

            /// Group of columns that the field belongs to.
            pub const fn group(self) -> Group {
                match self { $(Self::$json => Group::$group,)* }
            }

            /// What has to be on for the field to be filled.
            pub const fn feature(self) -> Feature {
                match self { $(Self::$json => Feature::$feature,)* }
            }

            /// Heading of the column.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$json => $label,)* }
            }

            /// Usual width of the column, in terminal cells.
            pub const fn width(self) -> u16 {
                match self { $(Self::$json => $width,)* }
            }

            /// What a number in this field means.
            pub const fn unit(self) -> Unit {
                match self { $(Self::$json => Unit::$unit,)* }
            }
        }

        impl FlowRecord {
            /// The value of `field`, `None` where it is absent.
            pub fn get(&self, field: Field) -> Option<Value<'_>> {
                match field { $(Field::$json => self.$name.as_ref().map(FieldType::value),)* }
            }

            /// Takes the value of `field` out.
            pub fn clear(&mut self, field: Field) {
                match field { $(Field::$json => self.$name = None,)* }
            }

            /// Takes in a later record of the same flow: each field by its [`Field::accumulation`], absent ones change nothing.
            pub fn absorb(&mut self, newer: &Self) {
                $(if let Some(newer) = &newer.$name {
                    match &mut self.$name {
                        Some(value) => value.accumulate(newer, Field::$json.accumulation()),
                        absent => *absent = Some(newer.clone()),
                    }
                })*
            }
        }

        /// Names, types and units in order: what the binary form depends on.
        pub(crate) const LAYOUT: &str =
            concat!($(stringify!($json), ":", stringify!($type), ":", stringify!($unit), ";"),*);

        /// A bitmap of the fields that are there, then their values in the order of the table.
        impl Packed for FlowRecord {
            fn pack<'a>(&'a self, _: Unit, to: &mut Writer<'a>) -> Result<(), WireError> {
                let mut present = 0_u128;
                $(present |= u128::from(self.$name.is_some()) << Field::$json as u32;)*
                to.put(&present)?;
                $(if let Some(value) = &self.$name {
                    value.pack(Unit::$unit, to)?;
                })*
                Ok(())
            }

            fn unpack(_: Unit, from: &mut Reader<'_>) -> Result<Self, WireError> {
                let present: u128 = from.take()?;
                let mut record = Self::default();
                $(if present & 1 << Field::$json as u32 != 0 {
                    record.$name = Some(Packed::unpack(Unit::$unit, from)?);
                })*
                if present >> Field::ALL.len() == 0 { Ok(record) } else { Err(WireError::Invalid("a field that there is not")) }
            }
        }

        impl Serialize for FlowRecord {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(None)?;
                $(if let Some(value) = &self.$name {
                    map.serialize_entry(stringify!($json), value)?;
                })*
                map.end()
            }
        }

        impl<'de> Visitor<'de> for RecordVisitor {
            type Value = FlowRecord;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a flow record")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FlowRecord, A::Error> {
                let mut record = FlowRecord::default();
                while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                    match Field::by_name(&key) {
                        $(Some(Field::$json) => record.$name = map.next_value()?,)*
                        None => { map.next_value::<serde::de::IgnoredAny>()?; }
                    }
                }
                Ok(record)
            }
        }
    };
}

fields! {
    /// Start of the interval in which the record's packets were seen: first packet, ms since the epoch.
    TimeFlowStartMs: time_flow_start_ms, u64, Time, Core, "Start Time", 15, EpochMs;
    /// Last packet of the record, ms since the epoch.
    TimeFlowEndMs: time_flow_end_ms, u64, Time, Core, "End Time", 15, EpochMs;
    /// When the record was made, s since the epoch.
    TimeReceived: time_received, u64, Time, Core, "Received", 15, EpochS;
    /// Address of the machine that saw the flow.
    AgentIP: agent_ip, IpAddr, Observer, Core, "Agent IP", 15, None;
    /// Network namespace that the record belongs to: its name, else its inode number.
    NetNs: net_ns, Arc<str>, Observer, Core, "Namespace", 12, None;
    /// Interfaces that the flow crossed.
    Interfaces: interfaces, Arc<[Arc<str>]>, Observer, Core, "Interfaces", 15, None;
    /// Direction at each interface: 0 ingress, 1 egress, 3 both.
    IfDirections: if_directions, Arc<[u8]>, Observer, Core, "Interface Dirs", 14, IfDirection;
    /// Network of each interface, from OVN.
    Udns: udns, Arc<[Arc<str>]>, Observer, UdnMapping, "UDNs", 15, None;
    /// 0 ingress, 1 egress, 2 inside the node, as seen from the node.
    FlowDirection: flow_direction, u8, Observer, Core, "Node Direction", 9, FlowDirection;
    /// EtherType of the innermost frame.
    Etype: etype, u16, Link, Core, "Etype", 6, EtherType;
    /// Source MAC address of the first packet.
    SrcMac: src_mac, Mac, Link, Core, "Src MAC", 17, None;
    /// Destination MAC address of the first packet.
    DstMac: dst_mac, Mac, Link, Core, "Dst MAC", 17, None;
    /// VLAN id of the first packet, the outer one where there are two.
    VlanId: vlan_id, u16, Link, Core, "VLAN", 5, None;
    /// Inner VLAN id of the first packet (QinQ).
    VlanInnerId: vlan_inner_id, u16, Link, Core, "Inner VLAN", 5, None;
    /// Source address.
    SrcAddr: src_addr, IpAddr, Endpoint, Core, "Src IP", 15, None;
    /// Source port (TCP, UDP, SCTP).
    SrcPort: src_port, u16, Endpoint, Core, "Src Port", 6, None;
    /// Destination address.
    DstAddr: dst_addr, IpAddr, Endpoint, Core, "Dst IP", 15, None;
    /// Destination port (TCP, UDP, SCTP).
    DstPort: dst_port, u16, Endpoint, Core, "Dst Port", 6, None;
    /// IP protocol number.
    Proto: proto, u8, Endpoint, Core, "Protocol", 6, Protocol;
    /// Differentiated services code point of the first packet.
    Dscp: dscp, u8, Endpoint, Core, "DSCP", 6, Dscp;
    /// ICMP or ICMPv6 type.
    IcmpType: icmp_type, u8, Endpoint, Core, "ICMP Type", 5, None;
    /// ICMP or ICMPv6 code.
    IcmpCode: icmp_code, u8, Endpoint, Core, "ICMP Code", 5, None;
    /// OR of the TCP flags seen: bits 0-7 as on the wire, 0x100 SYN+ACK, 0x200 FIN+ACK, 0x400 RST+ACK in one packet.
    Flags: flags, u16, Endpoint, Core, "TCP Flags", 10, TcpFlags;
    /// Bytes on the wire in this interval: from the Ethernet header, VLAN tags included, without FCS.
    Bytes: bytes, u64, Volume, Core, "Bytes", 8, Bytes;
    /// Packets on the wire in this interval.
    Packets: packets, u64, Volume, Core, "Packets", 8, Packets;
    /// One of this many packets was looked at.
    Sampling: sampling, u32, Volume, Core, "Sampling", 8, None;
    /// Bytes dropped by the kernel.
    PktDropBytes: pkt_drop_bytes, u64, Detail, PktDrop, "Drop Bytes", 8, Bytes;
    /// Packets dropped by the kernel.
    PktDropPackets: pkt_drop_packets, u64, Detail, PktDrop, "Drop Packets", 8, Packets;
    /// TCP flags of the latest dropped packet.
    PktDropLatestFlags: pkt_drop_latest_flags, u16, Detail, PktDrop, "Drop Flags", 10, TcpFlags;
    /// TCP state of the socket at the latest drop.
    PktDropLatestState: pkt_drop_latest_state, Arc<str>, Detail, PktDrop, "Drop State", 15, None;
    /// Kernel's reason of the latest drop.
    PktDropLatestDropCause: pkt_drop_latest_drop_cause, Arc<str>, Detail, PktDrop, "Drop Cause", 20, None;
    /// What would explain the drop, for example a NetworkPolicy that does not allow it: a guess from the cluster's objects, never a fact.
    PktDropLikelyCause: pkt_drop_likely_cause, Arc<str>, Detail, PktDrop, "Likely Cause", 30, None;
    /// Id of the DNS message.
    DnsId: dns_id, u16, Detail, Dns, "DNS Id", 6, None;
    /// Flag word of the DNS header.
    DnsFlags: dns_flags, u16, Detail, Dns, "DNS Flags", 6, None;
    /// Name asked for.
    DnsName: dns_name, Arc<str>, Detail, Dns, "DNS Name", 20, None;
    /// Type of record asked for: A, AAAA, SRV...
    DnsType: dns_type, Arc<str>, Detail, Dns, "DNS Type", 8, None;
    /// Time from query to response, ms.
    DnsLatencyMs: dns_latency_ms, u64, Detail, Dns, "DNS Latency", 9, Milliseconds;
    /// Response code by name: NoError, NXDomain, ServFail...
    DnsFlagsResponseCode: dns_flags_response_code, Arc<str>, Detail, Dns, "DNS Response", 10, None;
    /// Why a DNS message could not be followed.
    DnsErrno: dns_errno, u8, Detail, Dns, "DNS Error", 6, None;
    /// Smoothed TCP round trip time of the kernel, ns: the largest of the interval.
    TimeFlowRttNs: time_flow_rtt_ns, u64, Detail, Rtt, "RTT", 9, Nanoseconds;
    /// Smoothed TCP round trip time of the kernel, ns: the smallest of the interval.
    TcpRttMinNs: tcp_rtt_min_ns, u64, Detail, Rtt, "RTT Min", 9, Nanoseconds;
    /// Smoothed TCP round trip time of the kernel, ns: the last of the interval.
    TcpRttLastNs: tcp_rtt_last_ns, u64, Detail, Rtt, "RTT Last", 9, Nanoseconds;
    /// Time from the first SYN to the established connection, ns, at this machine's end of it.
    TcpHandshakeNs: tcp_handshake_ns, u64, Detail, Rtt, "Handshake", 9, Nanoseconds;
    /// Segments that the source sent again.
    TcpRetransmits: tcp_retransmits, u64, Detail, Rtt, "Retransmits", 6, None;
    /// Segments that reached the destination out of order.
    TcpOutOfOrder: tcp_out_of_order, u64, Detail, Rtt, "Out of Order", 6, None;
    /// How often the source announced that it takes no more (zero window).
    TcpZeroWindows: tcp_zero_windows, u64, Detail, Rtt, "Zero Windows", 6, None;
    /// State of the connection at this machine's end: ESTABLISHED, TIME_WAIT...
    TcpState: tcp_state, Arc<str>, Detail, Rtt, "TCP State", 12, None;
    /// What became of the connection: established, refused, timed out (also when the application gave up), unreachable, reset by source, reset by destination, closed.
    TcpResult: tcp_result, Arc<str>, Detail, Rtt, "Result", 12, None;
    /// What network policies said about the flow.
    NetworkEvents: network_events, Arc<[NetworkEvent]>, Detail, NetworkEvents, "Network Events", 25, None;
    /// Conntrack zone of the translation.
    ZoneId: zone_id, u16, Detail, PktTranslation, "Xlat Zone", 6, None;
    /// Source address on the other side of address translation: after it where the record is before it, else before it.
    XlatSrcAddr: xlat_src_addr, IpAddr, Detail, PktTranslation, "Xlat Src IP", 15, None;
    /// Source port on the other side of address translation.
    XlatSrcPort: xlat_src_port, u16, Detail, PktTranslation, "Xlat Src Port", 6, None;
    /// Destination address on the other side of address translation: after it where the record is before it, else before it.
    XlatDstAddr: xlat_dst_addr, IpAddr, Detail, PktTranslation, "Xlat Dst IP", 15, None;
    /// Destination port on the other side of address translation.
    XlatDstPort: xlat_dst_port, u16, Detail, PktTranslation, "Xlat Dst Port", 6, None;
    /// Name of who has the source address on the other side of address translation.
    XlatSrcK8S_Name: xlat_src_k8s_name, Arc<str>, Detail, PktTranslation, "Xlat Src Name", 15, None;
    /// Its Kubernetes namespace.
    XlatSrcK8S_Namespace: xlat_src_k8s_namespace, Arc<str>, Detail, PktTranslation, "Xlat Src Namespace", 15, None;
    /// Name of who has the destination address on the other side of address translation: the pod behind a Service, or the Service before a pod.
    XlatDstK8S_Name: xlat_dst_k8s_name, Arc<str>, Detail, PktTranslation, "Xlat Dst Name", 15, None;
    /// Its Kubernetes namespace.
    XlatDstK8S_Namespace: xlat_dst_k8s_namespace, Arc<str>, Detail, PktTranslation, "Xlat Dst Namespace", 15, None;
    /// 0, or why packets do not pass IPsec: 1 blocked by a policy, 3 no association for a policy, 74 not authentic, 116 replayed.
    IPSecRetCode: ipsec_ret_code, u32, Detail, Ipsec, "IPsec Code", 6, None;
    /// `success` where policy and association are there and nothing failed in this interval, else `error`.
    IPSecStatus: ipsec_status, Arc<str>, Detail, Ipsec, "IPsec Status", 8, None;
    /// TLS version agreed on, else offered.
    TLSVersion: tls_version, Arc<str>, Detail, Tls, "TLS Version", 8, None;
    /// TLS messages seen.
    TLSTypes: tls_types, Arc<[Arc<str>]>, Detail, Tls, "TLS Types", 12, None;
    /// Server name asked for (SNI), in TLS or QUIC.
    TLSServerName: tls_server_name, Arc<str>, Detail, Tls, "Server Name", 20, None;
    /// Application protocol agreed on, else those offered (ALPN): h2, http/1.1...
    TLSAlpn: tls_alpn, Arc<str>, Detail, Tls, "ALPN", 10, None;
    /// TLS cipher suite agreed on.
    TLSCipherSuite: tls_cipher_suite, Arc<str>, Detail, Tls, "TLS Cipher", 20, None;
    /// TLS key exchange group.
    TLSGroup: tls_group, Arc<str>, Detail, Tls, "TLS Group", 10, None;
    /// QUIC version.
    QuicVersion: quic_version, Arc<str>, Detail, Tls, "QUIC Version", 8, None;
    /// QUIC packets with a long header seen: 0 or 1.
    QuicSeenLongHdr: quic_seen_long_hdr, u8, Detail, Tls, "QUIC Long", 5, None;
    /// QUIC packets with a short header seen: 0 or 1.
    QuicSeenShortHdr: quic_seen_short_hdr, u8, Detail, Tls, "QUIC Short", 5, None;
    /// Process at the source, if that is on this machine.
    SrcProcess: src_process, Arc<str>, Detail, Process, "Src Process", 15, None;
    /// Its process id, as the machine numbers it.
    SrcPid: src_pid, u32, Detail, Process, "Src PID", 7, None;
    /// Its container: the name where the cluster tells it, else the runtime's id.
    SrcContainer: src_container, Arc<str>, Detail, Process, "Src Container", 15, None;
    /// Process at the destination, if that is on this machine.
    DstProcess: dst_process, Arc<str>, Detail, Process, "Dst Process", 15, None;
    /// Its process id, as the machine numbers it.
    DstPid: dst_pid, u32, Detail, Process, "Dst PID", 7, None;
    /// Its container: the name where the cluster tells it, else the runtime's id.
    DstContainer: dst_container, Arc<str>, Detail, Process, "Dst Container", 15, None;
    /// Conversation that the record belongs to: equal for both directions of a connection.
    _HashId: hash_id, Arc<str>, Detail, Conversations, "Conversation", 16, None;
    /// Bytes from the client, who is the source of a conversation's record.
    Bytes_AB: bytes_ab, u64, Detail, Conversations, "Bytes Sent", 8, Bytes;
    /// Bytes from the server.
    Bytes_BA: bytes_ba, u64, Detail, Conversations, "Bytes Received", 8, Bytes;
    /// Packets from the client.
    Packets_AB: packets_ab, u64, Detail, Conversations, "Packets Sent", 8, Packets;
    /// Packets from the server.
    Packets_BA: packets_ba, u64, Detail, Conversations, "Packets Received", 8, Packets;
    /// Name of the source's pod, node or service.
    SrcK8S_Name: src_k8s_name, Arc<str>, Source, Kubernetes, "Src Name", 15, None;
    /// Pod, Node or Service.
    SrcK8S_Type: src_k8s_type, Arc<str>, Source, Kubernetes, "Src Kind", 8, None;
    /// Kubernetes namespace of the source.
    SrcK8S_Namespace: src_k8s_namespace, Arc<str>, Source, Kubernetes, "Src Namespace", 15, None;
    /// Workload that owns the source.
    SrcK8S_OwnerName: src_k8s_owner_name, Arc<str>, Source, Kubernetes, "Src Owner", 15, None;
    /// Deployment, DaemonSet, StatefulSet, CronJob...
    SrcK8S_OwnerType: src_k8s_owner_type, Arc<str>, Source, Kubernetes, "Src Owner Kind", 10, None;
    /// Address of the source's node.
    SrcK8S_HostIP: src_k8s_host_ip, IpAddr, Source, Kubernetes, "Src Node IP", 15, None;
    /// Name of the source's node.
    SrcK8S_HostName: src_k8s_host_name, Arc<str>, Source, Kubernetes, "Src Node", 15, None;
    /// Topology zone of the source's node.
    SrcK8S_Zone: src_k8s_zone, Arc<str>, Source, Kubernetes, "Src Zone", 10, None;
    /// `primary`, or the secondary network that the source's address belongs to.
    SrcK8S_NetworkName: src_k8s_network_name, Arc<str>, Source, Kubernetes, "Src Network", 12, None;
    /// Label of the subnet that holds the source.
    SrcSubnetLabel: src_subnet_label, Arc<str>, Source, Subnets, "Src Subnet", 12, None;
    /// Name of the destination's pod, node or service.
    DstK8S_Name: dst_k8s_name, Arc<str>, Destination, Kubernetes, "Dst Name", 15, None;
    /// Pod, Node or Service.
    DstK8S_Type: dst_k8s_type, Arc<str>, Destination, Kubernetes, "Dst Kind", 8, None;
    /// Kubernetes namespace of the destination.
    DstK8S_Namespace: dst_k8s_namespace, Arc<str>, Destination, Kubernetes, "Dst Namespace", 15, None;
    /// Workload that owns the destination.
    DstK8S_OwnerName: dst_k8s_owner_name, Arc<str>, Destination, Kubernetes, "Dst Owner", 15, None;
    /// Deployment, DaemonSet, StatefulSet, CronJob...
    DstK8S_OwnerType: dst_k8s_owner_type, Arc<str>, Destination, Kubernetes, "Dst Owner Kind", 10, None;
    /// Address of the destination's node.
    DstK8S_HostIP: dst_k8s_host_ip, IpAddr, Destination, Kubernetes, "Dst Node IP", 15, None;
    /// Name of the destination's node.
    DstK8S_HostName: dst_k8s_host_name, Arc<str>, Destination, Kubernetes, "Dst Node", 15, None;
    /// Topology zone of the destination's node.
    DstK8S_Zone: dst_k8s_zone, Arc<str>, Destination, Kubernetes, "Dst Zone", 10, None;
    /// `primary`, or the secondary network that the destination's address belongs to.
    DstK8S_NetworkName: dst_k8s_network_name, Arc<str>, Destination, Kubernetes, "Dst Network", 12, None;
    /// Label of the subnet that holds the destination.
    DstSubnetLabel: dst_subnet_label, Arc<str>, Destination, Subnets, "Dst Subnet", 12, None;
}

impl Field {
    /// The field of that exact name.
    pub fn by_name(name: &str) -> Option<Self> {
        static INDEX: LazyLock<HashMap<&'static str, Field>> =
            LazyLock::new(|| Field::ALL.iter().map(|field| (field.name(), *field)).collect());
        INDEX.get(name).copied()
    }
}

// One bit each in the binary form.
const _: () = assert!(Field::ALL.len() < 128);

struct RecordVisitor;

impl<'de> Deserialize<'de> for FlowRecord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RecordVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_without_regard_to_case_as_sqlite_wants() {
        let names: std::collections::HashSet<_> = Field::ALL.iter().map(|f| f.name().to_lowercase()).collect();
        assert_eq!(names.len(), Field::ALL.len());
    }

    #[test]
    fn a_record_reads_back_as_written_and_absent_fields_are_absent() {
        let record = FlowRecord {
            src_addr: Some("10.0.0.1".parse().unwrap()),
            bytes: Some(66),
            interfaces: Some(Arc::from([Arc::from("eth0")])),
            if_directions: Some(Arc::from([1])),
            src_mac: Some(Mac([2, 0, 0, 0, 0, 1])),
            ..FlowRecord::default()
        };
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(
            text,
            r#"{"Interfaces":["eth0"],"IfDirections":[1],"SrcMac":"02:00:00:00:00:01","SrcAddr":"10.0.0.1","Bytes":66}"#
        );
        assert_eq!(serde_json::from_str::<FlowRecord>(&text).unwrap(), record);
    }

    #[test]
    fn unknown_keys_of_newer_files_are_skipped() {
        let record: FlowRecord = serde_json::from_str(r#"{"NotYet":{"a":[1]},"Packets":3}"#).unwrap();
        assert_eq!(record.packets, Some(3));
    }
}
