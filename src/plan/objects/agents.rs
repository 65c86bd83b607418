//! The agents' DaemonSets, one for each architecture and image.

use std::net::IpAddr;

use flow::{Feature, config::NetNs};
use k8s_openapi::api::{
    apps::v1::DaemonSet,
    core::v1::{AppArmorProfile, Container, EnvVar, HostPathVolumeSource, PodSpec, Volume, VolumeMount},
};
use kube::core::DynamicObject;
use serde_json::json;

use super::{
    Capture, Executable, Workload, placement, resources,
    template::{Place, dress, dynamic, labels, parse, selector},
};
use crate::{
    error::Error,
    marks,
    plan::{cluster::Request, images::Group, selector::affinity},
    pod::EXECUTABLES_PORT,
};

/// What a container of agents is allowed.
#[expect(clippy::struct_excessive_bools, reason = "each is a right of its own")]
pub(super) struct Rights {
    /// Added to none.
    pub(super) capabilities: Vec<&'static str>,
    /// Everything (`--privileged`).
    pub(super) privileged: bool,
    /// Sees the namespaces that have names on the node.
    pub(super) named_namespaces: bool,
    /// Sees the node's processes.
    pub(super) processes: bool,
    /// Reaches the databases of OVN.
    pub(super) ovn: bool,
}

impl Rights {
    pub(super) fn of(request: &Request) -> Self {
        let config = &request.plan.config;
        let features = config.all_features();
        let has = |feature| features.contains(&feature);
        let named_namespaces = config.netns == NetNs::All;
        let processes = has(Feature::Process) || has(Feature::UdnMapping) || config.tls_keys;
        let mut capabilities = vec!["BPF", "PERFMON", "NET_ADMIN"];
        if named_namespaces || config.tls_keys {
            // Entering a namespace; and since 6.16, and where that was taken over, the kernel wants it for uprobes too.
            capabilities.push("SYS_ADMIN");
        }
        if named_namespaces || processes {
            // Seeing which namespaces processes are in, whose their sockets are, and which libraries they have.
            capabilities.push("SYS_PTRACE");
        }
        let ovn = has(Feature::NetworkEvents) || has(Feature::UdnMapping);
        Self { capabilities, privileged: request.privileged, named_namespaces, processes, ovn }
    }

    /// Folders of the node that are mounted: name, where it is there, where it is in the container.
    pub(super) fn folders(&self) -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
        let folders = [
            (self.named_namespaces, ("namespaces", "/var/run/netns", "/run/netns")),
            (self.ovn, ("ovn", "/var/run/ovn", "/run/ovn")),
        ];
        folders.into_iter().filter(|(wanted, _)| *wanted).map(|(_, folder)| folder)
    }

    /// The API refuses `allowPrivilegeEscalation: false` beside either of these.
    pub(super) fn escalation(&self) -> bool {
        self.privileged || self.capabilities.contains(&"SYS_ADMIN")
    }
}

/// A DaemonSet for each group.
pub(super) fn all(capture: &Capture<'_>, groups: &[Group]) -> Result<Vec<Workload>, Error> {
    groups.iter().enumerate().map(|(index, group)| workload(capture, index, group)).collect()
}

fn workload(capture: &Capture<'_>, index: usize, group: &Group) -> Result<Workload, Error> {
    let mut agents: DaemonSet = parse(include_str!("../../../manifests/daemonset-agent.yaml"))?;
    dress(&mut agents.metadata, capture, Some(marks::AGENT), &Place::Ours);
    agents.metadata.name = Some(name(index, group));
    let spec = &mut agents.spec;
    let mut own = selector(capture, marks::AGENT);
    own.insert(GROUP_LABEL.to_owned(), name(index, group));
    spec.selector.match_labels = Some(own.clone());
    let metadata = spec.template.metadata.get_or_insert_default();
    metadata.labels = Some(labels(capture, Some(marks::AGENT)).into_iter().chain(own).collect());
    fill(spec.template.spec.get_or_insert_default(), capture, group);
    Ok(Workload {
        object: dynamic(agents)?,
        arch: group.arch.clone(),
        nodes: group.nodes.clone(),
        images: group.images.clone(),
    })
}

/// Label that tells the pods of several DaemonSets apart.
const GROUP_LABEL: &str = "netobserv.io/agents";

fn name(index: usize, group: &Group) -> String {
    let arch = group.arch.as_deref().map(|arch| format!("-{arch}")).unwrap_or_default();
    let more = if index == 0 { String::new() } else { format!("-{index}") };
    format!("agent{arch}{more}")
}

fn fill(pod: &mut PodSpec, capture: &Capture<'_>, group: &Group) {
    let rights = Rights::of(capture.request);
    let executable = group.arch.as_ref().and_then(|arch| capture.identity.executables.get(arch));
    pod.host_pid = Some(rights.processes);
    pod.affinity = Some(placement::affinity(group, affinity(&capture.request.nodes)));
    if let Some(volumes) = &mut pod.volumes {
        super::collector::size(volumes, Some(resources::work(executable)));
        if executable.is_some() {
            volumes.push(super::collector::stage_volume());
        }
        volumes.extend(rights.folders().map(|(name, there, _)| folder(name, there)));
    }
    if let Some(container) = pod.containers.first_mut() {
        container.image = group.images.first().cloned();
        container.resources = Some(resources::agent(&capture.request.plan.config, executable));
        container.command = Some(command(group, executable));
        container.env.get_or_insert_default().push(lease(capture.request));
        secure(container, &rights);
        mount(container, executable.is_some(), &rights);
    }
}

/// The silence of its collector after which an agent ends by itself.
fn lease(request: &Request) -> EnvVar {
    let value = Some(request.lease.as_secs().to_string());
    EnvVar { name: "LEASE_SECONDS".to_owned(), value, ..EnvVar::default() }
}

fn command(group: &Group, executable: Option<&Executable>) -> Vec<String> {
    let (Some(arch), Some(executable)) = (&group.arch, executable) else {
        return ["/oc-netobserv", "pod", "agent"].map(str::to_owned).to_vec();
    };
    let collector = format!("$(COLLECTOR):{EXECUTABLES_PORT}");
    let stage = format!("/stage/stage-{arch}");
    [&stage, "fetch", &collector, "/work", arch, &executable.sha256, "--", "pod", "agent"].map(str::to_owned).to_vec()
}

fn secure(container: &mut Container, rights: &Rights) {
    let context = container.security_context.get_or_insert_default();
    context.allow_privilege_escalation = Some(rights.escalation());
    if rights.privileged {
        context.privileged = Some(true);
        context.capabilities = None;
        return;
    }
    context.capabilities.get_or_insert_default().add =
        Some(rights.capabilities.iter().map(|name| (*name).to_owned()).collect());
    if rights.capabilities.contains(&"SYS_PTRACE") {
        // Runtimes' own profile forbids looking at the processes of others, and with them their namespaces.
        context.app_armor_profile =
            Some(AppArmorProfile { type_: "Unconfined".to_owned(), ..AppArmorProfile::default() });
    }
}

fn mount(container: &mut Container, stage: bool, rights: &Rights) {
    let mounts = container.volume_mounts.get_or_insert_default();
    if stage {
        mounts.push(super::collector::stage_mount());
    }
    mounts.extend(rights.folders().map(|(name, _, here)| VolumeMount {
        name: name.to_owned(),
        mount_path: here.to_owned(),
        read_only: Some(true),
        // Namespaces that get their names later are seen too.
        mount_propagation: Some("HostToContainer".to_owned()),
        ..VolumeMount::default()
    }));
}

/// No type: `Directory` keeps the pod from starting where there is none, and nothing of ours would remain of an empty one
/// in a file system that lives in memory.
fn folder(name: &str, path: &str) -> Volume {
    let path = HostPathVolumeSource { path: path.to_owned(), type_: None };
    Volume { name: name.to_owned(), host_path: Some(path), ..Volume::default() }
}

/// The object on another image.
pub fn with_image(agents: &DynamicObject, image: &str) -> DynamicObject {
    let mut agents = agents.clone();
    agents.data["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
    agents
}

/// Fills in where the collector is.
pub(super) fn set_collector(agents: &mut DynamicObject, address: IpAddr) {
    let host = match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    let environment = agents.data.pointer_mut("/spec/template/spec/containers/0/env");
    let variables = environment.and_then(|list| list.as_array_mut()).into_iter().flatten();
    for variable in variables.filter(|variable| variable["name"] == "COLLECTOR") {
        variable["value"] = json!(host);
    }
}
