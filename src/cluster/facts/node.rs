//! What the plan needs of the API's objects.

use k8s_openapi::api::core::v1::{Node as ApiNode, NodeSpec, NodeStatus, Pod};

use crate::plan::facts::Node;

/// What the plan needs of a node.
pub(super) fn of(node: ApiNode) -> Node {
    let status = node.status.unwrap_or_default();
    let info = status.node_info.clone().unwrap_or_default();
    let labels = node.metadata.labels.unwrap_or_default();
    Node {
        name: node.metadata.name.unwrap_or_default(),
        ready: is_ready(&status),
        is_virtual: is_virtual(&labels, &info.kubelet_version),
        reserved: is_reserved(&node.spec.unwrap_or_default()),
        internal_ip: internal_ip(&status),
        kubelet_port: kubelet_port(&status),
        images: status.images.unwrap_or_default().into_iter().filter_map(|image| image.names).collect(),
        daemon_images: Vec::new(),
        arch: info.architecture,
        os: info.operating_system,
        labels,
    }
}

fn is_ready(status: &NodeStatus) -> bool {
    status.conditions.iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// Virtual kubelets say so in their version (`v1.19.10-vk-azure-aci-1.4.8`) or a label; Fargate's are micro machines that take
/// no DaemonSet.
fn is_virtual(labels: &std::collections::BTreeMap<String, String>, kubelet: &str) -> bool {
    let label = |key: &str, value: &str| labels.get(key).is_some_and(|found| found == value);
    label("type", "virtual-kubelet")
        || label("eks.amazonaws.com/compute-type", "fargate")
        || kubelet.contains("-vk-")
        || kubelet.contains("virtual-kubelet")
}

/// Cordoned, or a taint that keeps away pods that do not tolerate it.
fn is_reserved(spec: &NodeSpec) -> bool {
    let keeps_away = |effect: &str| effect == "NoSchedule" || effect == "NoExecute";
    spec.unschedulable == Some(true) || spec.taints.iter().flatten().any(|taint| keeps_away(&taint.effect))
}

fn internal_ip(status: &NodeStatus) -> Option<std::net::IpAddr> {
    let mut addresses = status.addresses.iter().flatten();
    addresses.find(|address| address.type_ == "InternalIP")?.address.parse().ok()
}

/// What a kubelet's port is where nothing else is said.
const KUBELET_PORT: u16 = 10250;

fn kubelet_port(status: &NodeStatus) -> u16 {
    let endpoint = status.daemon_endpoints.as_ref().and_then(|endpoints| endpoints.kubelet_endpoint.as_ref());
    endpoint.and_then(|endpoint| u16::try_from(endpoint.port).ok()).unwrap_or(KUBELET_PORT)
}

/// `repository@sha256:...` of the pod's running containers.
pub(super) fn images_by_digest(pod: &Pod) -> Vec<String> {
    let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    statuses
        .filter_map(|status| {
            // Some runtimes put their name before it.
            let id = status.image_id.split_once("://").map_or(status.image_id.as_str(), |(_, id)| id);
            id.contains("@sha256:").then(|| id.to_owned())
        })
        .collect()
}

/// `1`, `36+` as numbers; what cannot be read is 0.
pub(super) fn version(major: &str, minor: &str) -> (u32, u32) {
    let number = |text: &str| {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap_or(0)
    };
    (number(major), number(minor))
}
