//! Interfaces of a pod on several networks, as the annotation `k8s.v1.cni.cncf.io/network-status` tells them
//! (Kubernetes Network Custom Resource Definition De-facto Standard, section 4.1.4).

use std::net::IpAddr;

use flow::Mac;
use serde::Deserialize;

pub(crate) mod ovn;

/// An interface on a network besides the cluster's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attachment {
    /// Name of the network: `namespace/name` of its definition.
    pub(crate) network: String,
    /// Its addresses; empty where the network does not manage them.
    pub(crate) addresses: Vec<IpAddr>,
    /// Its Ethernet address.
    pub(crate) mac: Option<Mac>,
    /// Its name in the pod's namespace, if that is told.
    pub(crate) interface: Option<String>,
}

impl Attachment {
    fn is_same_interface(&self, other: &Self) -> bool {
        let mac = self.mac.is_some() && self.mac == other.mac;
        mac || self.addresses.iter().any(|address| other.addresses.contains(address))
    }
}

/// Attachments that two annotations tell: where both tell one, it bears OVN's name, which says the network and not the plugin, and what
/// either knows besides.
pub(crate) fn join(standard: Vec<Attachment>, ovn: Vec<Attachment>) -> Vec<Attachment> {
    let mut all = ovn;
    for one in standard {
        match all.iter_mut().find(|known| known.is_same_interface(&one)) {
            Some(known) => {
                known.interface = one.interface.or(known.interface.take());
                known.mac = known.mac.or(one.mac);
            }
            None => all.push(one),
        }
    }
    all
}

/// As it is written; everything may be missing or wrong.
#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    name: String,
    #[serde(default)]
    ips: Option<Vec<String>>,
    #[serde(default)]
    mac: Option<String>,
    #[serde(default)]
    interface: Option<String>,
    #[serde(default)]
    default: bool,
}

impl Status {
    fn addresses(&self) -> Vec<IpAddr> {
        addresses(self.ips.iter().flatten())
    }
}

/// Addresses with or without the length of their subnet.
fn addresses<'a>(texts: impl Iterator<Item = &'a String>) -> Vec<IpAddr> {
    texts.filter_map(|text| text.split('/').next()?.parse().ok()).map(|ip: IpAddr| ip.to_canonical()).collect()
}

/// An Ethernet address that is one.
fn mac(text: Option<&str>) -> Option<Mac> {
    text.and_then(|mac| mac.parse().ok()).filter(|mac| *mac != Mac::default())
}

/// The secondary attachments of a pod whose own addresses are `primary`. What cannot be read is left out: an annotation is anybody's text.
pub(crate) fn read(annotation: &str, primary: &[IpAddr]) -> Vec<Attachment> {
    let items: Vec<serde_json::Value> = serde_json::from_str(annotation).unwrap_or_default();
    let statuses = items.into_iter().filter_map(|item| serde_json::from_value::<Status>(item).ok());
    statuses.filter(|status| !is_primary(status, primary)).filter_map(attachment).collect()
}

/// The pod's own network holds its own addresses. Only where addresses do not tell, the mark decides: with networks defined by users
/// (OVN), the one that is marked as default is not the one whose address the pod's status has.
fn is_primary(status: &Status, primary: &[IpAddr]) -> bool {
    let addresses = status.addresses();
    if addresses.is_empty() || primary.is_empty() {
        status.default
    } else {
        addresses.iter().any(|ip| primary.contains(ip))
    }
}

fn attachment(status: Status) -> Option<Attachment> {
    let addresses = status.addresses();
    let mac = mac(status.mac.as_deref());
    let known = mac.is_some() || !addresses.is_empty();
    let interface = status.interface.filter(|name| !name.is_empty());
    known.then_some(Attachment { network: status.name, addresses, mac, interface })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PRIMARY: [IpAddr; 1] = [IpAddr::V4(std::net::Ipv4Addr::new(10, 244, 1, 6))];

    #[test]
    fn the_pod_s_own_network_is_left_out_and_the_others_are_read() {
        let text = r#"[
            {"name": "cbr0", "interface": "eth0", "ips": ["10.244.1.6"], "mac": "0a:58:0a:f4:01:06", "default": true, "dns": {}},
            {"name": "blue/macvlan", "interface": "net1", "ips": ["192.168.5.2", "fd05::2/64"], "mac": "02:00:00:00:00:01", "dns": {}},
            {"name": "blue/l2", "interface": "net2", "mac": "02:00:00:00:00:02"}]"#;
        let attachments = read(text, &PRIMARY);
        assert_eq!(attachments.len(), 2);
        assert_eq!(attachments[0].network, "blue/macvlan");
        assert_eq!(attachments[0].addresses, ["192.168.5.2".parse::<IpAddr>().unwrap(), "fd05::2".parse().unwrap()]);
        assert_eq!(attachments[0].interface.as_deref(), Some("net1"));
        assert_eq!(attachments[1].addresses, Vec::<IpAddr>::new());
        assert_eq!(attachments[1].mac, Some(Mac([2, 0, 0, 0, 0, 2])));
    }

    #[test]
    fn a_network_of_users_marked_as_default_is_secondary_to_the_address_in_the_status() {
        let text = r#"[
            {"name": "ovn-kubernetes", "interface": "eth0", "ips": ["10.244.1.6"], "mac": "0a:58:0a:f4:01:06"},
            {"name": "ovn-kubernetes", "interface": "ovn-udn1", "ips": ["10.128.0.3"], "mac": "0a:58:0a:80:00:03", "default": true}]"#;
        let attachments = read(text, &PRIMARY);
        assert_eq!(attachments.len(), 1);
        assert_eq!(attachments[0].addresses, ["10.128.0.3".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn what_ovn_tells_names_the_network_of_an_interface_that_both_tell() {
        let standard = r#"[
            {"name": "ovn-kubernetes", "interface": "eth0", "ips": ["10.244.1.6"], "mac": "0a:58:0a:f4:01:06"},
            {"name": "ovn-kubernetes", "interface": "ovn-udn1", "ips": ["10.128.0.3"], "mac": "0a:58:0a:80:00:03", "default": true},
            {"name": "blue/macvlan", "interface": "net1", "ips": ["192.168.5.2"], "mac": "02:00:00:00:00:01"}]"#;
        let ovn = r#"{
            "default": {"ip_addresses": ["10.244.1.6/24"], "mac_address": "0a:58:0a:f4:01:06", "role": "infrastructure-locked"},
            "blue/tenant": {"ip_addresses": ["10.128.0.3/16"], "mac_address": "0a:58:0a:80:00:03", "role": "primary"}}"#;
        let joined = join(read(standard, &PRIMARY), ovn::read(ovn, &PRIMARY));
        let told: Vec<(&str, Option<&str>)> =
            joined.iter().map(|one| (&*one.network, one.interface.as_deref())).collect();
        assert_eq!(told, [("blue/tenant", Some("ovn-udn1")), ("blue/macvlan", Some("net1"))]);
    }

    #[test]
    fn one_broken_entry_does_not_hide_the_others() {
        let text = r#"[7, {"name": 5}, {"name": "a", "ips": ["nonsense"]}, {"name": "b", "ips": null, "mac": "02:00:00:00:00:09"}]"#;
        let names: Vec<String> = read(text, &PRIMARY).into_iter().map(|attachment| attachment.network).collect();
        assert_eq!(names, ["b"]);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC*") {
            let _ = read(&text, &PRIMARY);
        }

        #[test]
        fn a_cut_annotation_is_survived(length in 0_usize..120) {
            let text = r#"[{"name": "blue/macvlan", "ips": ["192.168.5.2"], "mac": "02:00:00:00:00:01", "default": false}]"#;
            let _ = read(&text[..length.min(text.len())], &PRIMARY);
        }
    }
}
