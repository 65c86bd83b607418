//! A look at the cluster, in few requests: version, API groups, nodes; more only where that is not enough. Reads only.

use std::collections::BTreeMap;

use futures::future::{join_all, try_join3};
use k8s_openapi::api::{
    apps::v1::DaemonSet,
    core::v1::{Namespace, Node as ApiNode, Pod},
};
use kube::{Api, Client, api::ListParams, core::Selector};

use super::connect::{Connection, failed};
use crate::{
    error::Error,
    plan::{
        cluster::Request,
        facts::{Facts, Node},
        has_sandbox,
    },
};

mod node;

/// Nodes in one answer.
const PAGE: u32 = 500;
/// DaemonSets whose pods are looked at for images: those on most nodes.
const DAEMON_SETS: usize = 3;

/// Gathers what the plan of `request` needs.
///
/// # Errors
/// A request that fails; a server that is too old.
pub(crate) async fn gather(connection: &Connection, request: &Request) -> Result<Facts, Error> {
    let client = &connection.client;
    let version =
        async { client.apiserver_version().await.map_err(|error| failed("cannot read the server's version", &error)) };
    let groups =
        async { client.list_api_groups().await.map_err(|error| failed("cannot read the server's API groups", &error)) };
    let (version, groups, listed) = try_join3(version, groups, nodes(client)).await?;
    let (mut nodes, nodes_refused) = match listed {
        Listed::Nodes(nodes) => (nodes, None),
        Listed::Refused(why) => (Vec::new(), Some(why)),
    };
    if request.image.is_none() {
        add_daemon_images(client, &mut nodes).await;
    }
    Ok(Facts {
        version: node::version(&version.major, &version.minor),
        version_text: version.git_version,
        groups: groups.groups.into_iter().map(|group| group.name).collect(),
        nodes,
        nodes_refused,
        server_port: connection.config.cluster_url.port_u16(),
        default_namespace: connection.namespace.clone(),
        namespace_exists: match &request.namespace {
            Some(name) => exists(client, name).await?,
            None => false,
        },
    })
}

/// What came of listing nodes.
enum Listed {
    Nodes(Vec<Node>),
    Refused(String),
}

async fn nodes(client: &Client) -> Result<Listed, Error> {
    let api = Api::<ApiNode>::all(client.clone());
    let mut params = ListParams::default().limit(PAGE);
    let mut nodes = Vec::new();
    loop {
        let page = match api.list(&params).await {
            Ok(page) => page,
            Err(kube::Error::Api(status)) if status.code == 403 => return Ok(Listed::Refused(status.message)),
            Err(error) => return Err(failed("cannot read the nodes", &error)),
        };
        nodes.extend(page.items.into_iter().map(node::of));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(Listed::Nodes(nodes)),
        }
    }
}

async fn exists(client: &Client, name: &str) -> Result<bool, Error> {
    match Api::<Namespace>::all(client.clone()).get_opt(name).await {
        Ok(found) => Ok(found.is_some()),
        // The rights that are asked next say so.
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(false),
        Err(error) => Err(failed(&format!("cannot read namespace {name}"), &error)),
    }
}

/// Images of DaemonSet pods, for nodes that do not list what makes their sandboxes. A refusal is no failure: the plan says
/// what is missing then.
async fn add_daemon_images(client: &Client, nodes: &mut [Node]) {
    let lacks = |node: &Node| node.os == "linux" && !node.is_virtual && !has_sandbox(&node.images);
    if !nodes.iter().any(lacks) {
        return;
    }
    let Ok(sets) = Api::<DaemonSet>::all(client.clone()).list(&ListParams::default()).await else { return };
    let mut sets = sets.items;
    sets.sort_by_key(|set| std::cmp::Reverse(set.status.as_ref().map_or(0, |status| status.number_ready)));
    let pods = join_all(sets.iter().take(DAEMON_SETS).map(|set| pods_of(client, set))).await;
    let mut images: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pod in pods.into_iter().flatten() {
        if let Some(node) = pod.spec.as_ref().and_then(|spec| spec.node_name.clone()) {
            images.entry(node).or_default().extend(node::images_by_digest(&pod));
        }
    }
    for node in nodes.iter_mut().filter(|node| lacks(node)) {
        node.daemon_images = images.remove(&node.name).unwrap_or_default();
    }
}

async fn pods_of(client: &Client, set: &DaemonSet) -> Vec<Pod> {
    let selector = Selector::try_from(set.spec.selector.clone());
    let (Some(namespace), Ok(selector)) = (&set.metadata.namespace, selector) else {
        return Vec::new();
    };
    let api = Api::<Pod>::namespaced(client.clone(), namespace);
    let list = api.list(&ListParams::default().labels_from(&selector)).await;
    list.map(|list| list.items).unwrap_or_default()
}
