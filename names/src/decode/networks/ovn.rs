//! Networks of a pod as OVN-Kubernetes tells them in the annotation `k8s.ovn.org/pod-networks` (go-controller/pkg/util/pod_annotation.go):
//! an object with one entry for each network, named `namespace/name` of its definition, or `default`.

use std::{collections::BTreeMap, net::IpAddr};

use serde::Deserialize;

use super::{Attachment, addresses, mac};

/// The cluster's own network.
const DEFAULT: &str = "default";
/// The interface of a primary network of users, in every pod that has one.
const PRIMARY_INTERFACE: &str = "ovn-udn1";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Network {
    ip_addresses: Option<Vec<String>>,
    ip_address: Option<String>,
    mac_address: Option<String>,
    /// `primary`, `secondary`, or `infrastructure-locked` for the cluster's own network beside a primary one of users.
    role: Option<String>,
}

/// The attachments besides the network of `primary`, the addresses in the pod's status. What cannot be read is left out.
pub(crate) fn read(annotation: &str, primary: &[IpAddr]) -> Vec<Attachment> {
    let networks: BTreeMap<String, serde_json::Value> = serde_json::from_str(annotation).unwrap_or_default();
    let networks = networks.into_iter().filter(|(name, _)| name != DEFAULT);
    let read = networks.filter_map(|(name, value)| Some(attachment(name, &serde_json::from_value(value).ok()?)));
    let own = |attachment: &Attachment| attachment.addresses.iter().any(|address| primary.contains(address));
    read.filter(|attachment| (attachment.mac.is_some() || !attachment.addresses.is_empty()) && !own(attachment))
        .collect()
}

fn attachment(network: String, of: &Network) -> Attachment {
    let primary = of.role.as_deref() == Some("primary");
    Attachment {
        network,
        addresses: addresses(
            of.ip_addresses.iter().flatten().chain(of.ip_address.iter().filter(|_| of.ip_addresses.is_none())),
        ),
        mac: mac(of.mac_address.as_deref()),
        interface: primary.then(|| PRIMARY_INTERFACE.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PRIMARY: [IpAddr; 1] = [IpAddr::V4(std::net::Ipv4Addr::new(10, 244, 1, 6))];

    #[test]
    fn networks_of_users_are_read_whatever_their_role() {
        let text = r#"{"default": {"ip_addresses": ["10.244.1.6/24"], "mac_address": "0a:58:0a:f4:01:06"},
            "a/one": {"ip_addresses": ["10.128.0.3/16", "fd01::3/64"], "mac_address": "0a:58:0a:80:00:03", "role": "primary"},
            "a/two": {"ip_address": "10.9.0.3/16", "mac_address": "0a:58:0a:09:00:03", "role": "secondary"},
            "b/broken": 7, "b/nothing": {}}"#;
        let read = read(text, &PRIMARY);
        let told: Vec<(&str, usize, Option<&str>)> =
            read.iter().map(|one| (&*one.network, one.addresses.len(), one.interface.as_deref())).collect();
        assert_eq!(told, [("a/one", 2, Some("ovn-udn1")), ("a/two", 1, None)]);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC*") {
            let _ = read(&text, &PRIMARY);
        }
    }
}
