//! What is there before any pod: namespace, access, certificates, settings, stage, Service, policy, lease.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::{
    ByteString,
    api::{
        coordination::v1::Lease,
        core::v1::{ConfigMap, Namespace, Secret, Service},
        networking::v1::{NetworkPolicy, NetworkPolicyPort},
    },
    apimachinery::pkg::{apis::meta::v1::ObjectMeta, util::intstr::IntOrString},
};
use kube::core::DynamicObject;

use super::{
    Capture, Pair, access,
    template::{Place, dress, dynamic, parse, selector},
};
use crate::{
    error::Error,
    marks,
    plan::{cluster::Request, images::Group},
    pod::settings::Settings,
    version::VERSION,
};

/// All of it in the order of creation.
pub(super) fn all(
    capture: &Capture<'_>,
    groups: &[Group],
    home: &Group,
    nodes: &[String],
) -> Result<Vec<DynamicObject>, Error> {
    let mut objects = vec![namespace(capture)?];
    objects.extend(access::all(capture)?);
    let identity = capture.identity;
    objects.push(secret(capture, marks::COLLECTOR, &identity.collector)?);
    objects.push(secret(capture, marks::AGENT, &identity.agent)?);
    objects.push(settings(capture, nodes)?);
    objects.extend(stage(capture, groups, home)?);
    objects.push(service(capture)?);
    objects.push(network_policy(capture)?);
    objects.push(lease(capture)?);
    Ok(objects)
}

/// A namespace that admission judges as it will judge ours.
pub(crate) fn namespace_like(request: &Request) -> Result<Namespace, Error> {
    let mut namespace: Namespace = parse(include_str!("../../../manifests/namespace.yaml"))?;
    namespace.metadata.name.clone_from(&request.namespace);
    Ok(namespace)
}

fn namespace(capture: &Capture<'_>) -> Result<DynamicObject, Error> {
    let mut namespace = namespace_like(capture.request)?;
    dress(&mut namespace.metadata, capture, None, &Place::Cluster(&capture.namespace()));
    let request = capture.request;
    let seconds = |time: Duration| time.as_secs().to_string();
    let annotations = [
        (marks::USER, capture.identity.user.clone()),
        (marks::VERSION, VERSION.to_owned()),
        (marks::COMMAND, capture.identity.command.join(" ")),
        (marks::BACKGROUND, request.background.to_string()),
        (marks::LEASE, seconds(request.lease)),
        (marks::KEEP, seconds(request.keep)),
        (marks::MAX_TIME, seconds(request.plan.config.limits.time.unwrap_or_default())),
    ];
    let annotations = annotations.map(|(key, value)| (key.to_owned(), value));
    namespace.metadata.annotations.get_or_insert_default().extend(annotations);
    dynamic(namespace)
}

/// Metadata of an object that no manifest describes because it is all content.
fn content(capture: &Capture<'_>, name: String, component: &str) -> ObjectMeta {
    let mut metadata = ObjectMeta { name: Some(name), ..ObjectMeta::default() };
    dress(&mut metadata, capture, Some(component), &Place::Ours);
    metadata
}

fn secret(capture: &Capture<'_>, component: &str, pair: &Pair) -> Result<DynamicObject, Error> {
    let entry = |key: &str, text: &str| (key.to_owned(), ByteString(text.as_bytes().to_vec()));
    dynamic(Secret {
        metadata: content(capture, format!("{component}-tls"), component),
        type_: Some("kubernetes.io/tls".to_owned()),
        data: Some(BTreeMap::from([
            entry("ca.crt", &capture.identity.ca_pem),
            entry("tls.crt", &pair.certificate_pem),
            entry("tls.key", &pair.key_pem),
        ])),
        immutable: Some(true),
        ..Secret::default()
    })
}

fn settings(capture: &Capture<'_>, nodes: &[String]) -> Result<DynamicObject, Error> {
    let (request, identity) = (capture.request, capture.identity);
    let settings = Settings {
        id: identity.id.clone(),
        namespace: capture.namespace(),
        config: request.plan.config.clone(),
        sets: request.plan.sets.clone(),
        default_namespace: capture.facts.map_or_else(|| "default".to_owned(), |facts| facts.default_namespace.clone()),
        what: request.plan.what.clone(),
        command: identity.command.clone(),
        version: VERSION.to_owned(),
        user: identity.user.clone(),
        nodes: nodes.to_vec(),
        background: request.background,
        lease: request.lease,
        keep: request.keep,
        include_self: request.include_self,
        kubelet_ports: kubelet_ports(capture),
        subnets: request.subnets.clone(),
        get_subnets: request.get_subnets,
    };
    let text = serde_json::to_string_pretty(&settings)
        .map_err(|error| Error::failed(format!("the settings are wrong, please report it: {error}")))?;
    dynamic(ConfigMap {
        metadata: content(capture, "capture".to_owned(), marks::COLLECTOR),
        data: Some(BTreeMap::from([("capture.json".to_owned(), text)])),
        immutable: Some(true),
        ..ConfigMap::default()
    })
}

/// What a kubelet's port is where nothing else is said.
const KUBELET_PORT: u16 = 10250;

fn kubelet_ports(capture: &Capture<'_>) -> BTreeMap<String, u16> {
    let nodes = capture.facts.into_iter().flat_map(|facts| &facts.nodes);
    let unusual = nodes.filter(|node| ![0, KUBELET_PORT].contains(&node.kubelet_port));
    unusual.map(|node| (node.name.clone(), node.kubelet_port)).collect()
}

/// The stages of the architectures that are needed; nothing where the image holds our executable.
fn stage(capture: &Capture<'_>, groups: &[Group], home: &Group) -> Result<Option<DynamicObject>, Error> {
    let archs = groups.iter().chain([home]).filter_map(|group| group.arch.as_deref());
    let stages: BTreeMap<_, _> = archs
        .filter_map(|arch| {
            let executable = capture.identity.executables.get(arch)?;
            Some((format!("stage-{arch}"), ByteString(executable.stage.clone())))
        })
        .collect();
    if stages.is_empty() {
        return Ok(None);
    }
    let object = dynamic(ConfigMap {
        metadata: content(capture, "stage".to_owned(), marks::COLLECTOR),
        binary_data: Some(stages),
        immutable: Some(true),
        ..ConfigMap::default()
    })?;
    Ok(Some(object))
}

fn service(capture: &Capture<'_>) -> Result<DynamicObject, Error> {
    let mut service: Service = parse(include_str!("../../../manifests/service-collector.yaml"))?;
    dress(&mut service.metadata, capture, Some(marks::COLLECTOR), &Place::Ours);
    service.spec.get_or_insert_default().selector = Some(selector(capture, marks::COLLECTOR));
    dynamic(service)
}

fn network_policy(capture: &Capture<'_>) -> Result<DynamicObject, Error> {
    let mut policy: NetworkPolicy = parse(include_str!("../../../manifests/network-policy.yaml"))?;
    dress(&mut policy.metadata, capture, Some(marks::COLLECTOR), &Place::Ours);
    let spec = policy.spec.get_or_insert_default();
    spec.pod_selector.get_or_insert_default().match_labels = Some(selector(capture, marks::COLLECTOR));
    if let Some(port) = capture.facts.and_then(|facts| facts.server_port) {
        for rule in spec.egress.iter_mut().flatten() {
            allow(rule.ports.get_or_insert_default(), port);
        }
    }
    dynamic(policy)
}

fn allow(ports: &mut Vec<NetworkPolicyPort>, port: u16) {
    let wanted = Some(IntOrString::Int(i32::from(port)));
    if ports.iter().all(|allowed| allowed.port != wanted) {
        ports.push(NetworkPolicyPort {
            port: wanted,
            protocol: Some("TCP".to_owned()),
            ..NetworkPolicyPort::default()
        });
    }
}

fn lease(capture: &Capture<'_>) -> Result<DynamicObject, Error> {
    let mut lease: Lease = parse(include_str!("../../../manifests/lease.yaml"))?;
    dress(&mut lease.metadata, capture, None, &Place::Ours);
    let spec = lease.spec.get_or_insert_default();
    spec.holder_identity = Some(capture.identity.user.clone());
    spec.lease_duration_seconds = i32::try_from(capture.request.lease.as_secs()).ok();
    dynamic(lease)
}
