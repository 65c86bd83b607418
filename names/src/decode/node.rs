//! Nodes: their addresses, zone, and the subnets of their pods.
//!
//! A node also has addresses that its status does not tell: those of the bridge or tunnel through which its pods reach it. They are taken
//! from the annotations of the network plugins that write them down; else the first address of a pod subnet is guessed to be its gateway, as
//! the reference plugins (host-local, flannel) have it. Pods come before them in a look-up, so that a wrong guess hides nothing.

use std::net::IpAddr;

use ipnet::IpNet;
use k8s_openapi::api::core::v1::Node as ApiNode;
use serde::Deserialize;

use super::{Told, or_default};
use crate::id::Uid;

mod raw;

/// A node.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "raw::Node")]
pub(crate) struct Node {
    pub(crate) version: String,
    pub(crate) uid: Uid,
    pub(crate) name: String,
    pub(crate) zone: Option<String>,
    /// All addresses in its status, the one that pods call their host's first.
    pub(crate) addresses: Vec<IpAddr>,
    /// Addresses by which its pods see it.
    pub(crate) gateways: Vec<IpAddr>,
    /// Subnets of its pods.
    pub(crate) pod_subnets: Vec<IpNet>,
}

impl Told for Node {
    type Kind = ApiNode;
    const METADATA_ONLY: bool = false;
    fn take_version(&mut self) -> String {
        std::mem::take(&mut self.version)
    }
}

impl From<raw::Node> for Node {
    fn from(node: raw::Node) -> Self {
        let raw::Node { metadata, spec, status } = node;
        let told = metadata.annotations.ovn_subnets();
        let pod_subnets = if told.is_empty() { spec.pod_subnets() } else { told };
        let mut gateways = metadata.annotations.gateways();
        if gateways.is_empty() {
            let place = if metadata.annotations.ovn.is_some() { 2 } else { 1 };
            gateways = pod_subnets
                .iter()
                .filter_map(|subnet| subnet.hosts().nth(place - usize::from(is_v4(*subnet))))
                .collect();
        }
        Self {
            version: metadata.resource_version,
            uid: metadata.uid,
            name: metadata.name,
            zone: metadata.labels.zone.or(metadata.labels.old_zone),
            addresses: status.addresses(),
            gateways,
            pod_subnets,
        }
    }
}

/// Iteration over the hosts of an IPv4 subnet begins behind its network address, of an IPv6 subnet with it.
fn is_v4(subnet: IpNet) -> bool {
    matches!(subnet, IpNet::V4(_))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn node(annotations: &Value, spec: &Value) -> Node {
        let status = json!({"addresses": [{"type": "Hostname", "address": "n1"}, {"type": "ExternalIP", "address": "192.0.2.7"},
            {"type": "InternalIP", "address": "172.31.250.11"}, {"type": "InternalIP", "address": "fd00:31::11"}]});
        let metadata = json!({"name": "n1", "labels": {"topology.kubernetes.io/zone": "west-1", "a": "b"}, "annotations": annotations});
        serde_json::from_value(json!({"metadata": metadata, "spec": spec, "status": status})).unwrap()
    }

    fn texts<T: ToString>(items: &[T]) -> Vec<String> {
        items.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn internal_addresses_come_first_and_names_are_none() {
        let node =
            node(&Value::Null, &json!({"podCIDR": "10.244.1.0/24", "podCIDRs": ["10.244.1.0/24", "fd00:244:1::/64"]}));
        assert_eq!(texts(&node.addresses), ["172.31.250.11", "fd00:31::11", "192.0.2.7"]);
        assert_eq!(node.zone.as_deref(), Some("west-1"));
        assert_eq!(texts(&node.gateways), ["10.244.1.1", "fd00:244:1::1"], "the first address of each subnet");
    }

    #[test]
    fn what_a_network_plugin_writes_down_comes_before_the_guess() {
        let calico = node(
            &json!({"projectcalico.org/IPv4VXLANTunnelAddr": "192.168.7.0"}),
            &json!({"podCIDR": "10.244.1.0/24"}),
        );
        assert_eq!(texts(&calico.gateways), ["192.168.7.0"]);
        for annotation in [r#"{"default":["10.128.2.0/23"]}"#, r#"{"default":"10.128.2.0/23"}"#] {
            let ovn = node(&json!({"k8s.ovn.org/node-subnets": annotation}), &json!({}));
            assert_eq!(texts(&ovn.pod_subnets), ["10.128.2.0/23"]);
            assert_eq!(texts(&ovn.gateways), ["10.128.2.2"], "the management port");
        }
        let broken = node(&json!({"k8s.ovn.org/node-subnets": "["}), &json!({}));
        assert_eq!((broken.pod_subnets.len(), broken.gateways.len()), (0, 0));
    }
}
