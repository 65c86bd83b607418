//! Pods: addresses, node, owner, and when their network came and went.

use std::net::IpAddr;

use k8s_openapi::{api::core::v1::Pod as ApiPod, apimachinery::pkg::apis::meta::v1::Time};
use serde::Deserialize;

use super::{Told, milliseconds, networks, or_default, owner};
use crate::id::Uid;

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
        let annotation = metadata.annotations.network_status.as_deref();
        let attachments = annotation.map(|text| networks::read(text, &addresses)).unwrap_or_default();
        Self {
            version: metadata.resource_version,
            uid: metadata.uid,
            name: metadata.name,
            namespace: metadata.namespace,
            owner: owner::controller(metadata.owner_references),
            node: spec.node_name,
            host_ip: status.host_ip(),
            addresses: if host_network { Vec::new() } else { addresses },
            attachments,
            started_ms: status.start_time.as_ref().or(metadata.creation_timestamp.as_ref()).map(milliseconds),
            connected_ms: status.connected().map(milliseconds),
            over: matches!(&*status.phase, "Succeeded" | "Failed"),
            stopped_ms: status.stopped().map(milliseconds),
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
