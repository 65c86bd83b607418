//! Pods: addresses, node, owner, and when their network came and went.

use std::{collections::BTreeMap, net::IpAddr};

use k8s_openapi::{api::core::v1::Pod as ApiPod, apimachinery::pkg::apis::meta::v1::Time};
use serde::Deserialize;

use super::{Told, milliseconds, networks, or_default, owner, protocol};
use crate::id::{ContainerId, Uid};

mod raw;

/// A pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "raw::Pod")]
pub(crate) struct Pod {
    pub(crate) version: String,
    pub(crate) uid: Uid,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) owner: Option<owner::Reference>,
    pub(crate) node: Option<String>,
    pub(crate) host_ip: Option<IpAddr>,
    /// Its own addresses; empty where it uses its node's network.
    pub(crate) addresses: Vec<IpAddr>,
    /// Whether it uses its node's network.
    pub(crate) host_network: bool,
    /// Interfaces on other networks.
    pub(crate) attachments: Vec<networks::Attachment>,
    /// Before this it had no network, ms since the epoch.
    pub(crate) started_ms: Option<u64>,
    /// At this time, cut to seconds, its network was there, ms since the epoch.
    pub(crate) connected_ms: Option<u64>,
    /// Whether it ended, succeeded or failed, and will not run again.
    pub(crate) over: bool,
    /// When the last of its containers ended, cut to seconds, ms since the epoch; `None` while one runs.
    pub(crate) stopped_ms: Option<u64>,
    pub(crate) labels: Labels,
    /// Those of its specification, with what its status says of them.
    pub(crate) containers: Vec<Container>,
    /// Whether Services send to it.
    pub(crate) ready: bool,
}

/// Keys and values, by key.
pub(crate) type Labels = BTreeMap<String, String>;

/// A container of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Container {
    pub(crate) name: String,
    /// What runs now, else what ran last.
    pub(crate) id: Option<ContainerId>,
    pub(crate) ports: Vec<Port>,
}

/// A port that a container declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Port {
    pub(crate) name: String,
    pub(crate) number: u16,
    /// IP protocol.
    pub(crate) protocol: u8,
}

impl Told for Pod {
    type Kind = ApiPod;
    const METADATA_ONLY: bool = false;
    fn take_version(&mut self) -> String {
        std::mem::take(&mut self.version)
    }
}

impl From<raw::Pod> for Pod {
    fn from(pod: raw::Pod) -> Self {
        let raw::Pod { metadata, spec, status } = pod;
        let addresses = status.addresses();
        let host_network = spec.host_network || status.host_ip().is_some_and(|host| addresses.contains(&host));
        let [standard, ovn] = [metadata.annotations.network_status.as_deref(), metadata.annotations.ovn.as_deref()]
            .map(Option::unwrap_or_default);
        let attachments = networks::join(networks::read(standard, &addresses), networks::ovn::read(ovn, &addresses));
        let containers = spec.containers(&status);
        Self {
            version: metadata.resource_version,
            uid: metadata.uid,
            name: metadata.name,
            namespace: metadata.namespace,
            owner: owner::controller(metadata.owner_references),
            node: spec.node_name,
            host_ip: status.host_ip(),
            addresses: if host_network { Vec::new() } else { addresses },
            host_network,
            attachments,
            started_ms: status.start_time.as_ref().or(metadata.creation_timestamp.as_ref()).map(milliseconds),
            connected_ms: status.connected().map(milliseconds),
            over: matches!(&*status.phase, "Succeeded" | "Failed"),
            stopped_ms: status.stopped().map(milliseconds),
            labels: metadata.labels,
            containers,
            ready: status.ready(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(spec: &serde_json::Value, status: &serde_json::Value) -> Pod {
        let metadata = json!({"name": "web-1", "namespace": "shop", "uid": "00000000-0000-0000-0000-000000000001",
            "resourceVersion": "9", "creationTimestamp": "2026-11-20T12:00:00Z", "managedFields": [{"manager": "x"}],
            "annotations": {"other": "text"}, "labels": {"app": "web"}});
        serde_json::from_value(
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status}),
        )
        .unwrap()
    }

    #[test]
    fn both_families_node_and_times_are_read() {
        let pod = pod(
            &json!({"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]}),
            &json!({"phase": "Running", "hostIP": "172.31.250.11", "podIP": "10.244.1.6", "podIPs": [{"ip": "10.244.1.6"}, {"ip": "fd00::6"}],
                "startTime": "2026-11-20T12:00:01Z",
                "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-20T12:00:09Z"},
                    {"type": "PodReadyToStartContainers", "status": "True", "lastTransitionTime": "2026-11-20T12:00:03Z"}],
                "containerStatuses": [{"name": "c", "state": {"running": {"startedAt": "2026-11-20T12:00:05Z"}}}]}),
        );
        assert_eq!(pod.addresses, ["10.244.1.6".parse::<IpAddr>().unwrap(), "fd00::6".parse().unwrap()]);
        assert_eq!(pod.node.as_deref(), Some("n1"));
        let started = pod.started_ms.unwrap();
        assert_eq!(pod.connected_ms, Some(started + 2000));
        assert_eq!((pod.over, pod.stopped_ms), (false, None));
        assert!(pod.ready);
        assert_eq!(pod.labels.get("app").map(String::as_str), Some("web"));
    }

    #[test]
    fn containers_bear_their_ids_and_ports() {
        let id = "1f".repeat(32);
        let pod = pod(
            &json!({"containers": [{"name": "c", "ports": [{"name": "http", "containerPort": 8080}, {"containerPort": 53, "protocol": "UDP"},
                    {"containerPort": 99999}]}, {"name": "waiting", "ports": null}],
                "initContainers": [{"name": "sidecar", "restartPolicy": "Always"}], "ephemeralContainers": null}),
            &json!({"containerStatuses": [{"name": "c", "containerID": format!("containerd://{id}")}, {"name": "waiting", "containerID": ""}],
                "initContainerStatuses": [{"name": "sidecar", "containerID": "docker://2"}]}),
        );
        let names: Vec<&str> = pod.containers.iter().map(|container| &*container.name).collect();
        assert_eq!(names, ["c", "waiting", "sidecar"]);
        let ids: Vec<bool> = pod.containers.iter().map(|container| container.id.is_some()).collect();
        assert_eq!(ids, [true, false, false], "what is no id of a runtime is none");
        assert_eq!(pod.containers[0].id, ContainerId::parse(&id));
        let ports: Vec<(&str, u16, u8)> =
            pod.containers[0].ports.iter().map(|port| (&*port.name, port.number, port.protocol)).collect();
        assert_eq!(ports, [("http", 8080, 6), ("", 53, 17)]);
        assert!(!pod.ready);
    }

    #[test]
    fn a_pod_on_its_node_s_network_has_no_address_of_its_own() {
        let status = json!({"hostIP": "172.31.250.11", "podIP": "172.31.250.11", "podIPs": [{"ip": "172.31.250.11"}]});
        assert_eq!(pod(&json!({"hostNetwork": true}), &status).addresses, Vec::<IpAddr>::new());
        assert_eq!(pod(&json!({}), &status).addresses, Vec::<IpAddr>::new(), "told by its address too");
    }

    #[test]
    fn a_finished_pod_ended_with_its_last_container() {
        let pod = pod(
            &json!({"nodeName": "n1"}),
            &json!({"phase": "Succeeded", "podIP": "10.244.1.6", "containerStatuses": [
                {"state": {"terminated": {"startedAt": "2026-11-20T12:00:05Z", "finishedAt": "2026-11-20T12:00:07Z"}}},
                {"state": {"terminated": {"startedAt": "2026-11-20T12:00:04Z", "finishedAt": "2026-11-20T12:00:09Z"}}}]}),
        );
        assert!(pod.over);
        assert_eq!(pod.addresses.len(), 1);
        assert_eq!(pod.stopped_ms.unwrap() - pod.connected_ms.unwrap(), 5000);
    }

    #[test]
    fn absent_null_and_unknown_parts_are_survived() {
        let pod: Pod = serde_json::from_str(r#"{"metadata":{"name":"a","annotations":null},"spec":null}"#).unwrap();
        assert_eq!((pod.addresses.len(), pod.started_ms), (0, None));
        let garbage = r#"{"metadata":{"name":"a","annotations":{"k8s.v1.cni.cncf.io/network-status":"{]"}},"status":{"podIP":"10.0.0.300"}}"#;
        let pod: Pod = serde_json::from_str(garbage).unwrap();
        assert_eq!((pod.addresses.len(), pod.attachments.len()), (0, 0));
    }
}
