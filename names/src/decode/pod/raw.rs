//! Pods as the API server writes them.

use super::{ContainerId, Deserialize, IpAddr, Labels, Port, Time, Uid, or_default, owner, protocol};

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
    #[serde(deserialize_with = "or_default")]
    pub(super) labels: Labels,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Annotations {
    #[serde(rename = "k8s.v1.cni.cncf.io/network-status")]
    pub(super) network_status: Option<String>,
    #[serde(rename = "k8s.ovn.org/pod-networks")]
    pub(super) ovn: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Spec {
    pub(super) node_name: Option<String>,
    pub(super) host_network: bool,
    #[serde(deserialize_with = "or_default")]
    init_containers: Vec<Specified>,
    #[serde(deserialize_with = "or_default")]
    containers: Vec<Specified>,
    #[serde(deserialize_with = "or_default")]
    ephemeral_containers: Vec<Specified>,
}

impl Spec {
    /// All containers, with the ids in `status`.
    pub(super) fn containers(&self, status: &Status) -> Vec<super::Container> {
        let all = self.containers.iter().chain(&self.init_containers).chain(&self.ephemeral_containers);
        all.map(|container| container.with(status)).collect()
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Specified {
    name: String,
    #[serde(deserialize_with = "or_default")]
    ports: Vec<RawPort>,
}

impl Specified {
    fn with(&self, status: &Status) -> super::Container {
        let port = |port: &RawPort| {
            Some(Port {
                name: port.name.clone(),
                number: u16::try_from(port.container_port).ok()?,
                protocol: protocol(&port.protocol)?,
            })
        };
        super::Container {
            name: self.name.clone(),
            id: status.statuses().find(|other| other.name == self.name).and_then(Container::id),
            ports: self.ports.iter().filter_map(port).collect(),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawPort {
    name: String,
    container_port: u32,
    protocol: String,
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
    #[serde(deserialize_with = "or_default")]
    ephemeral_container_statuses: Vec<Container>,
}

impl Status {
    fn statuses(&self) -> impl Iterator<Item = &Container> {
        let others = self.init_container_statuses.iter().chain(&self.ephemeral_container_statuses);
        self.container_statuses.iter().chain(others)
    }

    pub(super) fn ready(&self) -> bool {
        self.conditions.iter().any(|condition| condition.r#type == "Ready" && condition.status == "True")
    }

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
    name: String,
    #[serde(rename = "containerID")]
    id: Option<String>,
    #[serde(deserialize_with = "or_default")]
    state: State,
}

impl Container {
    /// `containerd://0123...`
    fn id(&self) -> Option<ContainerId> {
        ContainerId::parse(self.id.as_ref()?.rsplit('/').next()?)
    }
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
