//! The fields of a record. All are named here: one that is added does not compile until it is decided what becomes of it.

use std::{net::IpAddr, sync::Arc};

use flow::{FlowRecord, Mac, NetworkEvent};

use super::{Anonymizer, Kind};

impl Anonymizer {
    /// Replaces who and where in `record`; when, how much and how stay.
    #[expect(clippy::too_many_lines, reason = "every field of a record, once")]
    pub(crate) fn record(&mut self, record: &mut FlowRecord) {
        let FlowRecord {
            time_flow_start_ms: _,
            time_flow_end_ms: _,
            time_received: _,
            agent_ip,
            net_ns,
            interfaces,
            if_directions: _,
            udns,
            flow_direction: _,
            etype: _,
            src_mac,
            dst_mac,
            vlan_id: _,
            vlan_inner_id: _,
            src_addr,
            src_port: _,
            dst_addr,
            dst_port: _,
            proto: _,
            dscp: _,
            icmp_type: _,
            icmp_code: _,
            flags: _,
            bytes: _,
            packets: _,
            sampling: _,
            pkt_drop_bytes: _,
            pkt_drop_packets: _,
            pkt_drop_latest_flags: _,
            pkt_drop_latest_state,
            pkt_drop_latest_drop_cause,
            pkt_drop_likely_cause,
            dns_id: _,
            dns_flags: _,
            dns_name,
            dns_type,
            dns_latency_ms: _,
            dns_flags_response_code,
            dns_errno: _,
            time_flow_rtt_ns: _,
            tcp_rtt_min_ns: _,
            tcp_rtt_last_ns: _,
            tcp_handshake_ns: _,
            tcp_retransmits: _,
            tcp_out_of_order: _,
            tcp_zero_windows: _,
            tcp_state,
            tcp_result,
            network_events,
            zone_id: _,
            xlat_src_addr,
            xlat_src_port: _,
            xlat_dst_addr,
            xlat_dst_port: _,
            xlat_src_k8s_name,
            xlat_src_k8s_namespace,
            xlat_dst_k8s_name,
            xlat_dst_k8s_namespace,
            ipsec_ret_code: _,
            ipsec_status,
            tls_version,
            tls_types,
            tls_server_name,
            tls_alpn,
            tls_cipher_suite,
            tls_group,
            quic_version,
            quic_seen_long_hdr: _,
            quic_seen_short_hdr: _,
            src_process,
            src_pid: _,
            src_container,
            dst_process,
            dst_pid: _,
            dst_container,
            hash_id,
            bytes_ab: _,
            bytes_ba: _,
            packets_ab: _,
            packets_ba: _,
            src_k8s_name,
            src_k8s_type,
            src_k8s_namespace,
            src_k8s_owner_name,
            src_k8s_owner_type,
            src_k8s_host_ip,
            src_k8s_host_name,
            src_k8s_zone,
            src_k8s_network_name,
            src_subnet_label,
            dst_k8s_name,
            dst_k8s_type,
            dst_k8s_namespace,
            dst_k8s_owner_name,
            dst_k8s_owner_type,
            dst_k8s_host_ip,
            dst_k8s_host_name,
            dst_k8s_zone,
            dst_k8s_network_name,
            dst_subnet_label,
        } = record;
        let addresses = [agent_ip, src_addr, dst_addr, xlat_src_addr, xlat_dst_addr, src_k8s_host_ip, dst_k8s_host_ip];
        addresses.into_iter().flatten().for_each(|address: &mut IpAddr| *address = self.pan.ip(*address));
        [src_mac, dst_mac].into_iter().flatten().for_each(|mac: &mut Mac| *mac = self.names.mac(*mac));
        let (source, destination) =
            (Kind::of_object(src_k8s_type.as_deref()), Kind::of_object(dst_k8s_type.as_deref()));
        let (source_owner, destination_owner) =
            (Kind::of_owner(src_k8s_owner_type.as_deref()), Kind::of_owner(dst_k8s_owner_type.as_deref()));
        for (kind, text) in [
            (source, src_k8s_name),
            (destination, dst_k8s_name),
            (Kind::Object, xlat_src_k8s_name),
            (Kind::Object, xlat_dst_k8s_name),
            (Kind::Namespace, src_k8s_namespace),
            (Kind::Namespace, dst_k8s_namespace),
            (Kind::Namespace, xlat_src_k8s_namespace),
            (Kind::Namespace, xlat_dst_k8s_namespace),
            (source_owner, src_k8s_owner_name),
            (destination_owner, dst_k8s_owner_name),
            (Kind::Node, src_k8s_host_name),
            (Kind::Node, dst_k8s_host_name),
            (Kind::Zone, src_k8s_zone),
            (Kind::Zone, dst_k8s_zone),
            (Kind::Subnet, src_subnet_label),
            (Kind::Subnet, dst_subnet_label),
            (Kind::Process, src_process),
            (Kind::Process, dst_process),
            (Kind::Container, src_container),
            (Kind::Container, dst_container),
            (Kind::Host, dns_name),
            (Kind::Host, tls_server_name),
            (Kind::Cause, pkt_drop_likely_cause),
        ] {
            if let Some(text) = text {
                *text = self.names.text(kind, text);
            }
        }
        for word in [
            pkt_drop_latest_state,
            pkt_drop_latest_drop_cause,
            dns_type,
            dns_flags_response_code,
            tcp_state,
            tcp_result,
            ipsec_status,
            tls_version,
            tls_alpn,
            tls_cipher_suite,
            tls_group,
            quic_version,
            src_k8s_type,
            dst_k8s_type,
            src_k8s_owner_type,
            dst_k8s_owner_type,
        ]
        .into_iter()
        .flatten()
        {
            *word = self.names.word(word);
        }
        for network in [src_k8s_network_name, dst_k8s_network_name].into_iter().flatten() {
            if &**network != "primary" {
                *network = self.names.text(Kind::Network, network);
            }
        }
        if let Some(name) = net_ns {
            *name = self.names.netns(name);
        }
        if let Some(id) = hash_id {
            *id = self.names.hash(id);
        }
        each(interfaces, |name| self.names.interface(name));
        each(udns, |name| self.names.text(Kind::Network, name));
        each(tls_types, |word| self.names.word(word));
        each(network_events, |event| self.event(event));
    }

    fn event(&mut self, event: &NetworkEvent) -> NetworkEvent {
        let NetworkEvent { feature, r#type, namespace, name, action, direction } = event;
        NetworkEvent {
            feature: self.names.word(feature),
            r#type: self.names.word(r#type),
            namespace: self.names.text(Kind::Namespace, namespace),
            name: self.names.text(Kind::Object, name),
            action: self.names.word(action),
            direction: self.names.word(direction),
        }
    }
}

fn each<T>(list: &mut Option<Arc<[T]>>, new: impl FnMut(&T) -> T) {
    if let Some(list) = list {
        *list = list.iter().map(new).collect();
    }
}
