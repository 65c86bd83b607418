//! Removal of a capture from the cluster: workloads first, then the namespace and with it everything; waits until it is
//! gone, and says what is not.
//!
//! Owns the order and the waiting. Touches nothing that does not bear our label.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use collector::NodeStatus;
use flow::{config::TcAttach, control::AgentState};
use k8s_openapi::api::{
    apps::v1::DaemonSet,
    core::v1::{Namespace, Node, Pod},
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams},
};
use tokio::time;

use super::{
    ask::{ask, ask_gone},
    orphans,
    remote::Remote,
};
use crate::{error::Error, marks};

/// What failures begin with.
const WHAT: &str = "cleaning up";

/// Longest wait for pods whose node answers.
const PODS: Duration = Duration::from_secs(20);

/// Longest wait for the namespace after that.
const NAMESPACE: Duration = Duration::from_mins(1);

/// Time in which the garbage collector takes what the namespace owned.
const COLLECTED: Duration = Duration::from_secs(3);

/// Longest wait for the collector's answer.
const ASKED: Duration = Duration::from_secs(3);

/// Time between two looks.
const POLL: Duration = Duration::from_millis(150);

/// What could not be removed, or not seen to be gone, in sentences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Left(pub(crate) Vec<String>);

/// Removes the capture in `namespace` and waits until it is gone; `tell` hears what is waited for.
///
/// # Errors
/// The namespace is not ours, or the API server refuses or cannot be reached.
pub(crate) async fn remove(client: &Client, namespace: &str, tell: &dyn Fn(&str)) -> Result<Left, Error> {
    let removal = Removal { client, namespace };
    let namespaces = Api::<Namespace>::all(client.clone());
    let Some(found) = ask(WHAT, async || namespaces.get_opt(namespace).await).await? else {
        return Ok(Left::default());
    };
    if !marks::is_ours(found.labels()) {
        let text = format!("namespace {namespace} does not bear the label {}: it is not ours to delete", marks::OURS);
        return Err(Error::failed(text));
    }
    tell("removing the agents");
    let mut left = Left::default();
    removal.workloads(&mut left).await?;
    tell("removing the namespace");
    ask_gone(WHAT, async || namespaces.delete(namespace, &DeleteParams::background()).await).await?;
    removal.collector().await;
    removal.wait_for_namespace(&mut left).await?;
    removal.wait_for_the_rest(&found, &mut left).await;
    Ok(left)
}

struct Removal<'a> {
    client: &'a Client,
    namespace: &'a str,
}

impl Removal<'_> {
    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), self.namespace)
    }

    /// Agents get the time to detach. The collector stays until the namespace goes: its guardian takes over if this client ends
    /// before that.
    async fn workloads(&self, left: &mut Left) -> Result<(), Error> {
        let sets = Api::<DaemonSet>::namespaced(self.client.clone(), self.namespace);
        let ours = ListParams::default().labels(marks::OURS);
        let uses_tc = self.uses_tc().await;
        let mut killed = if uses_tc { self.killed_agents().await } else { BTreeSet::new() };
        ask_gone(WHAT, async || sets.delete_collection(&DeleteParams::background(), &ours).await).await?;
        let lost = self.lost_nodes().await;
        let pods = ask(WHAT, async || self.pods().list(&ours).await).await?;
        for pod in &pods {
            let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default();
            let out_of_reach = lost.contains(&node);
            if marks::is_collector(pod.labels()) && !out_of_reach {
                continue;
            }
            if out_of_reach {
                left.0.push(format!("node {node} does not answer: agent and filters may still be on it"));
            }
            if uses_tc && is_down(pod) && !marks::is_collector(pod.labels()) {
                killed.insert(node);
            }
            // Agents have the time that their DaemonSet gives them to detach.
            let grace_period_seconds = out_of_reach.then_some(0);
            let how = DeleteParams { grace_period_seconds, ..DeleteParams::background() };
            ask_gone(WHAT, async || self.pods().delete(&pod.name_any(), &how).await).await?;
        }
        left.0.extend(killed.iter().map(|node| {
            format!(
                "node {node}: its agent was killed and has not come back: filters of tc may still be on it; \
                 the next capture there removes them"
            )
        }));
        self.wait_for_pods(left).await
    }

    /// Nodes whose agents were attached and are gone without having detached, by what the collector knows.
    async fn killed_agents(&self) -> BTreeSet<String> {
        let Ok(remote) = Remote::find(self.client.clone(), self.namespace).await else { return BTreeSet::new() };
        let Ok(Ok(state)) = time::timeout(ASKED, remote.state()).await else { return BTreeSet::new() };
        let is_killed = |node: &NodeStatus| {
            !node.connected && matches!(node.state, Some(AgentState::Starting | AgentState::Attached { .. }))
        };
        state.snapshot.nodes.into_iter().filter(is_killed).map(|node| node.node).collect()
    }

    /// Whether agents may have attached filters of tc, which stay when their process is killed: asked for, or a kernel of
    /// before 6.6 somewhere.
    async fn uses_tc(&self) -> bool {
        let settings = Remote::new(self.client.clone(), self.namespace, false).settings().await;
        match settings.map(|settings| settings.config.tc_attach) {
            Ok(TcAttach::Tc) => true,
            Ok(TcAttach::Tcx) | Err(_) => false,
            Ok(TcAttach::Any) => {
                let nodes = Api::<Node>::all(self.client.clone()).list(&ListParams::default()).await;
                nodes.is_ok_and(|nodes| nodes.iter().any(|node| !has_tcx(node)))
            }
        }
    }

    /// Names of nodes that do not answer; none where they may not be looked at.
    async fn lost_nodes(&self) -> Vec<String> {
        let nodes = Api::<Node>::all(self.client.clone()).list(&ListParams::default()).await;
        let lost = |node: &Node| {
            let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
            conditions.filter(|condition| condition.type_ == "Ready").any(|condition| condition.status != "True")
        };
        nodes
            .map(|list| list.items.iter().filter(|node| lost(node)).map(ResourceExt::name_any).collect())
            .unwrap_or_default()
    }

    async fn wait_for_pods(&self, left: &mut Left) -> Result<(), Error> {
        let start = Instant::now();
        loop {
            let ours = ListParams::default().labels(marks::OURS);
            let mut pods = ask(WHAT, async || self.pods().list(&ours).await).await?;
            pods.items.retain(|pod| !marks::is_collector(pod.labels()));
            if pods.items.is_empty() {
                return Ok(());
            }
            if start.elapsed() > PODS {
                return self.force(pods.items, left).await;
            }
            time::sleep(POLL).await;
        }
    }

    /// The collector has nothing to do any more. If this fails, the namespace takes it along.
    async fn collector(&self) {
        let ours = ListParams::default().labels(marks::OURS);
        let how = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::background() };
        for pod in self.pods().list(&ours).await.map(|pods| pods.items).unwrap_or_default() {
            if marks::is_collector(pod.labels()) {
                let _ = self.pods().delete(&pod.name_any(), &how).await;
            }
        }
    }

    /// Pods that do not go: their objects are removed, and it is said that what they ran may go on.
    async fn force(&self, pods: Vec<Pod>, left: &mut Left) -> Result<(), Error> {
        for pod in pods {
            let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default();
            left.0.push(format!(
                "pod {} on node {node} did not end in {PODS:?} and was removed by force",
                pod.name_any()
            ));
            let how = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::background() };
            ask_gone(WHAT, async || self.pods().delete(&pod.name_any(), &how).await).await?;
        }
        Ok(())
    }

    async fn wait_for_namespace(&self, left: &mut Left) -> Result<(), Error> {
        let namespaces = Api::<Namespace>::all(self.client.clone());
        let start = Instant::now();
        while let Some(found) = ask(WHAT, async || namespaces.get_opt(self.namespace).await).await? {
            if start.elapsed() > NAMESPACE {
                let why = blocked(&found).unwrap_or_else(|| "its deletion takes long".to_owned());
                left.0.push(format!("namespace {}: {why}", self.namespace));
                break;
            }
            time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Cluster-scoped objects are owned by the namespace: the garbage collector takes them a moment later.
    async fn wait_for_the_rest(&self, namespace: &Namespace, left: &mut Left) {
        let Some(capture) = marks::capture(namespace.labels()) else { return };
        let start = Instant::now();
        loop {
            let remaining = orphans::of_capture(self.client, capture).await;
            if remaining.is_empty() {
                return;
            }
            if start.elapsed() > PODS {
                left.0.extend(remaining);
                return;
            }
            if start.elapsed() > COLLECTED {
                // Applied by hand they have no owner, and nobody collects them: by our own hand, as far as we may.
                orphans::remove(self.client, capture).await;
            }
            time::sleep(POLL).await;
        }
    }
}

/// Linux has TCX from 6.6 on.
fn has_tcx(node: &Node) -> bool {
    let info = node.status.as_ref().and_then(|status| status.node_info.as_ref());
    let mut numbers =
        info.map_or("", |info| &info.kernel_version).split(['.', '-']).map_while(|part| part.parse().ok());
    (numbers.next().unwrap_or(0u32), numbers.next().unwrap_or(0u32)) >= (6, 6)
}

/// Whether it ran once, does not now, and did not end well: an agent that was told to go has detached and ends with 0.
fn is_down(pod: &Pod) -> bool {
    let mut containers = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    !marks::is_collector(pod.labels())
        && containers.any(|container| {
            let runs = container.state.as_ref().is_some_and(|state| state.running.is_some());
            let mut states = container.state.iter().chain(&container.last_state);
            let ended = states.find_map(|state| state.terminated.as_ref());
            !runs && ended.is_some_and(|ended| ended.exit_code != 0)
        })
}

/// What the namespace controller says keeps it.
fn blocked(namespace: &Namespace) -> Option<String> {
    let conditions = namespace.status.as_ref()?.conditions.as_ref()?;
    let found = conditions.iter().find(|condition| condition.status == "True" && condition.message.is_some())?;
    found.message.clone()
}
