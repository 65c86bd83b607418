//! What the cluster and the kubeconfig have to offer, within the time that somebody waits after pressing Tab.

use std::time::Duration;

use clap::FromArgMatches as _;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod, Service};
use kube::{Api, ResourceExt, api::ListParams};
use tokio::time;

use super::words::{Candidate, Kind};
use crate::{
    argv,
    cli::{self, KubeArgs},
    cluster::{captures, connect},
};

/// Longest wait; then there are no candidates.
const PATIENCE: Duration = Duration::from_millis(1500);
/// Most objects asked for.
const MOST: u32 = 500;

/// Candidates that begin with `prefix`, each after `before`.
pub(super) fn candidates(kind: Kind, typed: &[String], prefix: &str, before: &str) -> Vec<Candidate> {
    let kube = connection(typed);
    let names = match kind {
        Kind::Contexts => connect::names_in_kubeconfig(&kube).map(|names| names.contexts).unwrap_or_default(),
        Kind::Clusters => connect::names_in_kubeconfig(&kube).map(|names| names.clusters).unwrap_or_default(),
        Kind::Users => connect::names_in_kubeconfig(&kube).map(|names| names.users).unwrap_or_default(),
        kind => asked(kind, &kube).unwrap_or_default(),
    };
    let fitting = names.into_iter().filter(|name| name.starts_with(prefix));
    fitting.map(|name| Candidate { word: format!("{before}{name}"), help: String::new() }).collect()
}

/// What the words typed so far say of the cluster; whatever else is in them is not looked at.
fn connection(typed: &[String]) -> KubeArgs {
    let command = cli::command();
    let words = argv::normalize(typed.to_vec(), &command);
    let matches = command.ignore_errors(true).try_get_matches_from([vec![String::new()], words].concat());
    let subcommand = matches.ok().and_then(|mut matches| matches.remove_subcommand());
    subcommand.and_then(|(_, matches)| KubeArgs::from_arg_matches(&matches).ok()).unwrap_or_default()
}

fn asked(kind: Kind, kube: &KubeArgs) -> Option<Vec<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    runtime.block_on(async { time::timeout(PATIENCE, ask(kind, kube)).await.ok().flatten() })
}

async fn ask(kind: Kind, kube: &KubeArgs) -> Option<Vec<String>> {
    let client = connect::connect(kube).await.ok()?.client;
    let all = ListParams::default().limit(MOST);
    match kind {
        Kind::Namespaces => {
            let list = Api::<Namespace>::all(client).list_metadata(&all).await.ok()?;
            Some(list.iter().map(ResourceExt::name_any).collect())
        }
        Kind::Nodes => {
            let list = Api::<Node>::all(client).list_metadata(&all).await.ok()?;
            let hosts = list.iter().filter_map(|node| node.labels().get("kubernetes.io/hostname"));
            Some(hosts.map(|host| format!("kubernetes.io/hostname={host}")).collect())
        }
        Kind::NodeNames => {
            let list = Api::<Node>::all(client).list_metadata(&all).await.ok()?;
            Some(list.iter().map(ResourceExt::name_any).collect())
        }
        Kind::Pods => Some(places(Api::<Pod>::all(client).list_metadata(&all).await.ok()?.iter())),
        Kind::Services => Some(places(Api::<Service>::all(client).list_metadata(&all).await.ok()?.iter())),
        Kind::Captures => {
            let captures = captures::list(&client).await.ok()?;
            Some(captures.into_iter().map(|capture| capture.id).collect())
        }
        Kind::Contexts | Kind::Clusters | Kind::Users => None,
    }
}

/// `namespace/name` of each.
fn places<'a, K: ResourceExt + 'a>(objects: impl Iterator<Item = &'a K>) -> Vec<String> {
    objects.map(|object| format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any())).collect()
}
