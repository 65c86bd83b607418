//! What a cluster has to choose from, within the time that somebody waits for a dialog. Never fails: a cluster that does not
//! answer has nothing to offer.

use std::time::Duration;

use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::{DaemonSet, Deployment, StatefulSet},
        core::v1::{Namespace, Node, Pod, Service},
    },
};
use kube::{Api, Client, Resource, ResourceExt, api::ListParams};
use tokio::time;

use super::{call::Call, interfaces::Source};
use crate::{cli::KubeArgs, cluster::connect};

/// Wireshark asks every source when it starts, and waits.
const QUICK: Duration = Duration::from_secs(1);

/// Somebody has pressed the button.
const PATIENT: Duration = Duration::from_secs(8);

/// Most objects asked for, of each kind.
const MOST: u32 = 500;

/// Kinds of lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Namespaces,
    Workloads,
    Pods,
    Services,
    Nodes,
}

/// The lists, as our options want their values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Values {
    pub(super) namespaces: Vec<String>,
    pub(super) workloads: Vec<String>,
    pub(super) pods: Vec<String>,
    pub(super) services: Vec<String>,
    pub(super) nodes: Vec<String>,
}

impl Values {
    pub(super) fn of(&self, kind: Kind) -> &[String] {
        match kind {
            Kind::Namespaces => &self.namespaces,
            Kind::Workloads => &self.workloads,
            Kind::Pods => &self.pods,
            Kind::Services => &self.services,
            Kind::Nodes => &self.nodes,
        }
    }
}

/// What answers at once. Users whose credentials come from another program are not asked for: it might open a browser
/// because Wireshark was started.
pub(super) fn quick(source: &Source) -> Values {
    match source {
        Source::Cluster(context) if !connect::runs_a_program(context) => asked(context, None, QUICK),
        _ => Values::default(),
    }
}

/// What answers in a few seconds; of the namespace that is chosen, if one is.
pub(super) fn patient(source: &Source, call: &Call) -> Values {
    match source {
        Source::Cluster(context) => asked(context, call.values("--namespace-of").next(), PATIENT),
        Source::Local => Values::default(),
    }
}

fn asked(context: &str, namespace: Option<&str>, patience: Duration) -> Values {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return Values::default();
    };
    let kube = KubeArgs { context: Some(context.to_owned()), request_timeout: Some(patience), ..KubeArgs::default() };
    let values = runtime.block_on(async { time::timeout(patience, ask(&kube, namespace)).await.ok().flatten() });
    // A connection that hangs is nobody's business any more.
    runtime.shutdown_background();
    values.unwrap_or_default()
}

async fn ask(kube: &KubeArgs, namespace: Option<&str>) -> Option<Values> {
    let client = connect::connect(kube).await.ok()?.client;
    let all = ListParams::default().limit(MOST);
    let namespaces = async { Api::<Namespace>::all(client.clone()).list_metadata(&all).await };
    let nodes = async { Api::<Node>::all(client.clone()).list_metadata(&all).await };
    let (namespaces, nodes, pods, services, deployments, stateful, daemons) = tokio::join!(
        namespaces,
        nodes,
        places::<Pod>(&client, namespace, ""),
        places::<Service>(&client, namespace, ""),
        places::<Deployment>(&client, namespace, "deploy/"),
        places::<StatefulSet>(&client, namespace, "sts/"),
        places::<DaemonSet>(&client, namespace, "ds/"),
    );
    Some(Values {
        namespaces: namespaces.map(|list| list.iter().map(ResourceExt::name_any).collect()).unwrap_or_default(),
        nodes: nodes.map(|list| list.iter().map(ResourceExt::name_any).collect()).unwrap_or_default(),
        workloads: [deployments, stateful, daemons].concat(),
        pods,
        services,
    })
}

/// `namespace/name` of each, with the kind between where it has to be said.
async fn places<K>(client: &Client, namespace: Option<&str>, kind: &str) -> Vec<String>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
    let api = match namespace {
        Some(namespace) => Api::<K>::namespaced(client.clone(), namespace),
        None => Api::<K>::all(client.clone()),
    };
    let list = api.list_metadata(&ListParams::default().limit(MOST)).await;
    let place = |namespace: String, name: String| format!("{namespace}/{kind}{name}");
    list.map(|list| list.iter().map(|one| place(one.namespace().unwrap_or_default(), one.name_any())).collect())
        .unwrap_or_default()
}
