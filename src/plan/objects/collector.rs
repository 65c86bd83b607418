//! The collector's pod.

use k8s_openapi::{
    api::core::v1::{ConfigMapVolumeSource, Container, Pod, PodSpec, Toleration, Volume, VolumeMount},
    apimachinery::pkg::api::resource::Quantity,
};
use kube::core::DynamicObject;
use serde_json::json;

use super::{
    Capture, Executable, Facts, Workload, placement, resources,
    template::{Place, dress, dynamic, parse},
};
use crate::{error::Error, marks, plan::images::Group};

/// User and group of the collector where the cluster does not choose them: nobody, as images without users have it.
const NOBODY: i64 = 65532;

/// The pod, on nodes of `group`.
pub(super) fn pod(capture: &Capture<'_>, group: &Group) -> Result<Workload, Error> {
    let mut pod: Pod = parse(include_str!("../../../manifests/pod-collector.yaml"))?;
    dress(&mut pod.metadata, capture, Some(marks::COLLECTOR), &Place::Ours);
    fill(pod.spec.get_or_insert_default(), capture, group);
    Ok(Workload {
        object: dynamic(pod)?,
        arch: group.arch.clone(),
        nodes: group.nodes.clone(),
        images: group.images.clone(),
    })
}

fn fill(pod: &mut PodSpec, capture: &Capture<'_>, group: &Group) {
    let config = &capture.request.plan.config;
    let executable = group.arch.as_ref().and_then(|arch| capture.identity.executables.get(arch));
    let executables = if executable.is_some() { sizes(capture) } else { 0 };
    // Where the agents' nodes are chosen, the collector need not be on one of them, only on one that has the image.
    pod.affinity = Some(placement::affinity(group, Vec::new()));
    if only_reserved(capture, group) {
        pod.tolerations = Some(vec![Toleration { operator: Some("Exists".to_owned()), ..Toleration::default() }]);
    }
    if !capture.facts.is_some_and(Facts::is_openshift) {
        // There the user comes from the namespace's own range, and any other is refused.
        let context = pod.security_context.get_or_insert_default();
        (context.run_as_user, context.run_as_group, context.fs_group) = (Some(NOBODY), Some(NOBODY), Some(NOBODY));
    }
    if let Some(volumes) = &mut pod.volumes {
        size(volumes, resources::collector_work(config, executables));
        volumes.extend(executable.map(|_| stage_volume()));
    }
    if let Some(container) = pod.containers.first_mut() {
        run(container, group, executable);
        container.resources = Some(resources::collector(config, executables));
    }
}

fn run(container: &mut Container, group: &Group, executable: Option<&Executable>) {
    container.image = group.images.first().cloned();
    let (Some(arch), Some(executable)) = (&group.arch, executable) else {
        container.command = Some(["/oc-netobserv", "pod", "collector"].map(str::to_owned).to_vec());
        return;
    };
    let stage = format!("/stage/stage-{arch}");
    let command = [&stage, "run", "/work", arch, &executable.sha256, "--", "pod", "collector"];
    container.command = Some(command.map(str::to_owned).to_vec());
    container.volume_mounts.get_or_insert_default().push(stage_mount());
}

/// All executables pass through here on their way to the agents.
fn sizes(capture: &Capture<'_>) -> u64 {
    capture.identity.executables.values().map(|executable| executable.size).sum()
}

/// No node of the group takes ordinary pods: a cluster of control planes, or all are cordoned or tainted.
fn only_reserved(capture: &Capture<'_>, group: &Group) -> bool {
    let Some(facts) = capture.facts else { return false };
    let mut nodes = facts.nodes.iter().filter(|node| group.nodes.contains(&node.name));
    nodes.all(|node| node.reserved || !node.ready)
}

/// Limits the size of the volume `work`.
pub(super) fn size(volumes: &mut [Volume], bytes: Option<u64>) {
    for volume in volumes.iter_mut().filter(|volume| volume.name == "work") {
        volume.empty_dir.get_or_insert_default().size_limit = bytes.map(|bytes| Quantity(resources::mib(bytes)));
    }
}

/// The stages, executable.
pub(super) fn stage_volume() -> Volume {
    let map = ConfigMapVolumeSource {
        name: "stage".to_owned(),
        default_mode: Some(0o555),
        ..ConfigMapVolumeSource::default()
    };
    Volume { name: "stage".to_owned(), config_map: Some(map), ..Volume::default() }
}

/// Where the stages are.
pub(super) fn stage_mount() -> VolumeMount {
    VolumeMount {
        name: "stage".to_owned(),
        mount_path: "/stage".to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    }
}

/// The object on another image.
pub fn with_image(pod: &DynamicObject, image: &str) -> DynamicObject {
    let mut pod = pod.clone();
    pod.data["spec"]["containers"][0]["image"] = json!(image);
    pod
}
