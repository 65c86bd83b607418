//! Pods: addresses, node, owner, and when their network came and went.

use std::net::IpAddr;

use k8s_openapi::{api::core::v1::Pod as ApiPod, apimachinery::pkg::apis::meta::v1::Time};
use serde::Deserialize;

use super::{Told, milliseconds, networks, or_default, owner};
use crate::id::Uid;

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

/// Pods as the API server writes them.
mod raw {
    use super::{Deserialize, IpAddr, Time, Uid, or_default, owner};

    #[derive(Deserialize)]
    pub(super) struct Pod {
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
        pub(super) namespace: String,
        pub(super) uid: Uid,
        pub(super) resource_version: String,
        pub(super) creation_timestamp: Option<Time>,
        #[serde(deserialize_with = "or_default")]
        pub(super) owner_references: Vec<owner::Reference>,
        #[serde(deserialize_with = "or_default")]
        pub(super) annotations: Annotations,
    }

    #[derive(Default, Deserialize)]
    #[serde(default)]
    pub(super) struct Annotations {
        #[serde(rename = "k8s.v1.cni.cncf.io/network-status")]
        pub(super) network_status: Option<String>,
    }

    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    pub(super) struct Spec {
        pub(super) node_name: Option<String>,
        pub(super) host_network: bool,
    }

    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    pub(super) struct Status {
        pub(super) phase: String,
        pub(super) start_time: Option<Time>,
        #[serde(rename = "hostIP")]
        host_ip: Option<String>,
        #[serde(rename = "podIP")]
        pod_ip: Option<String>,
        #[serde(rename = "podIPs", deserialize_with = "or_default")]
        pod_ips: Vec<PodIp>,
        #[serde(deserialize_with = "or_default")]
        conditions: Vec<Condition>,
        #[serde(deserialize_with = "or_default")]
        init_container_statuses: Vec<Container>,
        #[serde(deserialize_with = "or_default")]
        container_statuses: Vec<Container>,
    }

    impl Status {
        pub(super) fn host_ip(&self) -> Option<IpAddr> {
            self.host_ip.as_ref()?.parse().ok()
        }

        pub(super) fn addresses(&self) -> Vec<IpAddr> {
            let one = self.pod_ip.iter().filter(|_| self.pod_ips.is_empty());
            let texts = self.pod_ips.iter().map(|item| &item.ip).chain(one);
            texts.filter_map(|text| text.parse().ok()).map(|ip: IpAddr| ip.to_canonical()).collect()
        }

        /// When the sandbox had its network (Kubernetes 1.29), else when the first container began.
        pub(super) fn connected(&self) -> Option<&Time> {
            let ready =
                |condition: &&Condition| condition.r#type == "PodReadyToStartContainers" && condition.status == "True";
            let condition =
                self.conditions.iter().find(ready).and_then(|condition| condition.last_transition_time.as_ref());
            let containers = self.init_container_statuses.iter().chain(&self.container_statuses);
            condition.or_else(|| containers.filter_map(|container| container.state.started()).min_by_key(|time| time.0))
        }

        /// When the last container ended, if all have.
        pub(super) fn stopped(&self) -> Option<&Time> {
            let ends: Option<Vec<&Time>> =
                self.container_statuses.iter().map(|container| container.state.finished()).collect();
            ends?.into_iter().max_by_key(|time| time.0)
        }
    }

    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct PodIp {
        ip: String,
    }

    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Condition {
        r#type: String,
        status: String,
        last_transition_time: Option<Time>,
    }

    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Container {
        #[serde(deserialize_with = "or_default")]
        state: State,
    }

    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct State {
        running: Option<Period>,
        terminated: Option<Period>,
    }

    impl State {
        fn started(&self) -> Option<&Time> {
            self.running.as_ref().or(self.terminated.as_ref())?.started_at.as_ref()
        }

        fn finished(&self) -> Option<&Time> {
            self.terminated.as_ref()?.finished_at.as_ref()
        }
    }

    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Period {
        started_at: Option<Time>,
        finished_at: Option<Time>,
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
