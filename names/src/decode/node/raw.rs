//! Nodes as the API server writes them.

use std::collections::BTreeMap;

use super::{Deserialize, IpAddr, IpNet, Uid, or_default};

#[derive(Deserialize)]
pub(super) struct Node {
    pub(super) metadata: Meta,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) spec: Spec,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Meta {
    pub(super) name: String,
    pub(super) uid: Uid,
    pub(super) resource_version: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) labels: Labels,
    #[serde(deserialize_with = "or_default")]
    pub(super) annotations: Annotations,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Labels {
    #[serde(rename = "topology.kubernetes.io/zone")]
    pub(super) zone: Option<String>,
    #[serde(rename = "failure-domain.beta.kubernetes.io/zone")]
    pub(super) old_zone: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Annotations {
    #[serde(rename = "k8s.ovn.org/node-subnets")]
    pub(super) ovn: Option<String>,
    #[serde(rename = "projectcalico.org/IPv4VXLANTunnelAddr")]
    calico_vxlan: Option<String>,
    #[serde(rename = "projectcalico.org/IPv4IPIPTunnelAddr")]
    calico_ipip: Option<String>,
    #[serde(rename = "projectcalico.org/IPv6VXLANTunnelAddr")]
    calico_vxlan6: Option<String>,
    #[serde(rename = "network.cilium.io/ipv4-cilium-host")]
    cilium: Option<String>,
    #[serde(rename = "network.cilium.io/ipv6-cilium-host")]
    cilium6: Option<String>,
}

impl Annotations {
    /// Addresses that Calico and Cilium write down.
    pub(super) fn gateways(&self) -> Vec<IpAddr> {
        let texts = [&self.calico_vxlan, &self.calico_ipip, &self.calico_vxlan6, &self.cilium, &self.cilium6];
        texts.into_iter().flatten().filter_map(|text| text.parse().ok()).collect()
    }

    /// Pod subnets that OVN-Kubernetes writes down, as a list or, in old versions, as one text.
    pub(super) fn ovn_subnets(&self) -> Vec<IpNet> {
        let Some(text) = &self.ovn else { return Vec::new() };
        let lists = serde_json::from_str::<BTreeMap<String, Vec<String>>>(text).map(|map| map.get("default").cloned());
        let list = lists.or_else(|_| {
            serde_json::from_str::<BTreeMap<String, String>>(text)
                .map(|map| map.get("default").map(|one| vec![one.clone()]))
        });
        list.ok().flatten().unwrap_or_default().iter().filter_map(|text| text.parse().ok()).collect()
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Spec {
    #[serde(rename = "podCIDR")]
    pod_cidr: Option<String>,
    #[serde(rename = "podCIDRs", deserialize_with = "or_default")]
    pod_cidrs: Vec<String>,
}

impl Spec {
    pub(super) fn pod_subnets(&self) -> Vec<IpNet> {
        let one = self.pod_cidr.iter().filter(|_| self.pod_cidrs.is_empty());
        self.pod_cidrs.iter().chain(one).filter_map(|text| text.parse().ok()).collect()
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    #[serde(deserialize_with = "or_default")]
    addresses: Vec<Address>,
}

impl Status {
    /// Internal addresses first, then the others that are addresses, not names.
    pub(super) fn addresses(&self) -> Vec<IpAddr> {
        let of = |internal| self.addresses.iter().filter(move |item| (item.r#type == "InternalIP") == internal);
        let mut addresses = Vec::new();
        for ip in of(true).chain(of(false)).filter_map(|item| item.address.parse::<IpAddr>().ok()) {
            if !addresses.contains(&ip.to_canonical()) {
                addresses.push(ip.to_canonical());
            }
        }
        addresses
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Address {
    r#type: String,
    address: String,
}
