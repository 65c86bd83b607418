//! What a pod's status says about how far it is and what is wrong with it, in a few words. Pure.

use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod};

/// How far a pod is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// No node yet.
    Waiting,
    /// It has a node; image, volumes and sandbox are being made.
    Scheduled,
    /// Its container runs.
    Running,
    /// It is on its way out.
    Ending,
}

/// A pod at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Glance {
    /// Its name.
    pub(crate) name: String,
    /// Where it runs, or is to run.
    pub(crate) node: Option<String>,
    /// How far it is.
    pub(crate) stage: Stage,
    /// What keeps it, in one sentence.
    pub(crate) trouble: Option<String>,
    /// The trouble is its image: another one may do.
    pub(crate) is_image_trouble: bool,
    /// The image that it is to run.
    pub(crate) image: Option<String>,
    /// How often its container was started again.
    pub(crate) restarts: i32,
}

/// Reasons of a waiting container that are no trouble.
const USUAL: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// Reasons that another image can mend (pkg/kubelet/images/types.go; the last of a runtime that finds no such file).
const IMAGE: [&str; 7] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "ImageInspectError",
    "RegistryUnavailable",
    "SignatureValidationFailed",
];

/// Looks at a pod.
pub(crate) fn glance(pod: &Pod) -> Glance {
    let status = pod.status.as_ref();
    let container = status.and_then(|status| status.container_statuses.as_ref()).and_then(|all| all.first());
    let state = container.and_then(|container| container.state.as_ref());
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
    let reason = state.and_then(|state| state.waiting.as_ref()).and_then(|waiting| waiting.reason.clone());
    Glance {
        name: pod.metadata.name.clone().unwrap_or_default(),
        stage: stage(pod, node.as_deref(), state),
        trouble: container.and_then(container_trouble).or_else(|| unschedulable(pod)).or_else(|| refused(pod)),
        is_image_trouble: reason.is_some_and(|reason| IMAGE.contains(&reason.as_str())),
        image: pod.spec.as_ref().and_then(|spec| spec.containers.first()?.image.clone()),
        restarts: container.map_or(0, |container| container.restart_count),
        node: node.or_else(|| wanted_node(pod)),
    }
}

fn stage(pod: &Pod, node: Option<&str>, state: Option<&ContainerState>) -> Stage {
    if pod.metadata.deletion_timestamp.is_some() {
        Stage::Ending
    } else if state.is_some_and(|state| state.running.is_some()) {
        Stage::Running
    } else if node.is_some() {
        Stage::Scheduled
    } else {
        Stage::Waiting
    }
}

/// The DaemonSet controller binds its pods by affinity to the node's name.
fn wanted_node(pod: &Pod) -> Option<String> {
    let required = pod
        .spec
        .as_ref()?
        .affinity
        .as_ref()?
        .node_affinity
        .as_ref()?
        .required_during_scheduling_ignored_during_execution
        .as_ref()?;
    let fields = required.node_selector_terms.iter().flat_map(|term| term.match_fields.iter().flatten());
    let mut names =
        fields.filter(|field| field.key == "metadata.name").filter_map(|field| field.values.as_ref()?.first());
    let name = names.next()?.clone();
    names.next().is_none().then_some(name)
}

fn container_trouble(container: &ContainerStatus) -> Option<String> {
    let state = container.state.as_ref()?;
    if let Some(waiting) = &state.waiting {
        let reason = waiting.reason.as_deref().unwrap_or_default();
        if USUAL.contains(&reason) || reason.is_empty() {
            return None;
        }
        let last = container.last_state.as_ref().and_then(|last| last.terminated.as_ref());
        let detail = last.and_then(|last| last.message.clone()).or_else(|| waiting.message.clone()).unwrap_or_default();
        return Some(sentence(reason, &detail));
    }
    let ended = state.terminated.as_ref()?;
    Some(sentence(ended.reason.as_deref().unwrap_or("ended"), ended.message.as_deref().unwrap_or_default()))
}

fn sentence(reason: &str, detail: &str) -> String {
    match detail.lines().next_back().map(str::trim) {
        Some(detail) if !detail.is_empty() => format!("{reason}: {detail}"),
        _ => reason.to_owned(),
    }
}

fn unschedulable(pod: &Pod) -> Option<String> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let scheduled =
        conditions.iter().find(|condition| condition.type_ == "PodScheduled" && condition.status == "False")?;
    scheduled.message.clone()
}

/// The kubelet turned it away, or evicted it.
fn refused(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref().filter(|status| status.phase.as_deref() == Some("Failed"))?;
    Some(sentence(status.reason.as_deref().unwrap_or("failed"), status.message.as_deref().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn look(status: &Value) -> Glance {
        let pod = json!({ "metadata": { "name": "agent-x" }, "spec": { "nodeName": "n1", "containers": [] }, "status": status });
        glance(&serde_json::from_value(pod).unwrap())
    }

    fn container(state: &Value) -> Value {
        json!({ "containerStatuses": [{ "name": "agent", "image": "", "imageID": "", "ready": false, "restartCount": 2, "state": state }] })
    }

    #[test]
    fn a_container_being_made_is_no_trouble() {
        let seen = look(&container(&json!({ "waiting": { "reason": "ContainerCreating" } })));
        assert_eq!((seen.stage, seen.trouble, seen.restarts), (Stage::Scheduled, None, 2));
        assert_eq!(look(&container(&json!({ "running": {} }))).stage, Stage::Running);
    }

    #[test]
    fn an_image_that_cannot_be_had_is_named_as_such() {
        let seen = look(&container(&json!({ "waiting": { "reason": "ErrImagePull", "message": "no such host" } })));
        assert!(seen.is_image_trouble);
        assert_eq!(seen.trouble.as_deref(), Some("ErrImagePull: no such host"));
    }

    #[test]
    fn a_pod_without_a_node_says_why() {
        let condition = json!({ "type": "PodScheduled", "status": "False", "message": "0/2 nodes are available" });
        let pod = json!({ "metadata": { "name": "a" }, "spec": { "containers": [] }, "status": { "conditions": [condition] } });
        let seen = glance(&serde_json::from_value(pod).unwrap());
        assert_eq!((seen.stage, seen.trouble.as_deref()), (Stage::Waiting, Some("0/2 nodes are available")));
    }

    #[test]
    fn a_pod_of_a_daemonset_is_bound_to_its_node_before_it_is_scheduled() {
        let term = json!({ "matchFields": [{ "key": "metadata.name", "operator": "In", "values": ["n2"] }] });
        let required = json!({ "nodeSelectorTerms": [term] });
        let affinity = json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": required } });
        let pod = json!({ "metadata": { "name": "a" }, "spec": { "containers": [], "affinity": affinity } });
        assert_eq!(glance(&serde_json::from_value(pod).unwrap()).node.as_deref(), Some("n2"));
    }
}
