//! From a plan to a capture that runs: objects, the collector, the executable, the agents, until packets are looked at.
//!
//! Owns the waiting and what is told of it. A node that fails is named and does not keep the others.

use std::{
    collections::BTreeMap,
    io::Cursor,
    time::{Duration, Instant},
};

use collector::{NodeStatus, session::State};
use flow::control::AgentState;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::{
    Api, Client,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams},
};
use tokio::time;

use super::{
    apply,
    ask::ask,
    exec::Output,
    lease::{self, Renewal},
    pods::{self, Glance, Stage},
    progress::Progress,
    remote::{COLLECTOR, Remote, failed},
};
use crate::{
    error::Error,
    marks,
    plan::objects::{self, ClusterPlan, Workload},
    pod::paths,
    stage::Packed,
};

/// Time between two looks at the cluster.
const POLL: Duration = Duration::from_millis(200);

/// Nodes that are later than the first one by more than this join while the capture runs.
const STRAGGLERS: Duration = Duration::from_secs(5);

/// Longest time for the executable's way to the collector.
const SENDING: Duration = Duration::from_mins(10);

/// What a capture needs besides its plan.
pub(crate) struct Terms {
    /// Time of the lease.
    pub(crate) lease: Duration,
    /// Longest wait for the first node.
    pub(crate) timeout: Duration,
    /// Every node has to capture.
    pub(crate) all_nodes: bool,
}

/// A capture on its way.
pub(crate) struct Deployment<'a> {
    pub(crate) plan: &'a mut ClusterPlan,
    pub(crate) remote: &'a Remote,
    /// Executables by architecture of nodes; none where an image holds ours.
    pub(crate) packed: &'a BTreeMap<String, Packed>,
    pub(crate) terms: Terms,
    pub(crate) progress: &'a mut Progress,
    /// The renewal of the lease, from the moment on at which there is one.
    pub(crate) renewal: &'a mut Option<Renewal>,
}

/// What it came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ready {
    /// Nodes that capture, each with its number of interfaces.
    pub(crate) capturing: Vec<(String, u32)>,
    /// Nodes that do not, and why.
    pub(crate) failed: Vec<(String, String)>,
    /// Nodes that are not there yet.
    pub(crate) late: Vec<String>,
    /// What kernels or rights do not give, in sentences, and the nodes of which each is true.
    pub(crate) limits: BTreeMap<String, Vec<String>>,
}

impl Ready {
    /// Nodes that will not come, and why.
    fn give_up(&mut self, nodes: impl Iterator<Item = (String, String)>) {
        for (node, why) in nodes {
            self.late.retain(|late| *late != node);
            self.failed.push((node, why));
        }
    }
}

impl Deployment<'_> {
    /// Creates everything and waits until packets are looked at.
    pub(crate) async fn run(&mut self) -> Result<Ready, Error> {
        self.progress.step("creating the namespace");
        apply::base(&self.remote.client, self.plan).await?;
        let renewal = lease::keep_alive(self.client().clone(), &self.plan.namespace, self.terms.lease);
        *self.renewal = Some(renewal);
        self.progress.step("starting the collector and the agents");
        apply::create(self.client(), &self.plan.collector.object).await?;
        for agent in &self.plan.agents {
            apply::create(self.client(), &agent.object).await?;
        }
        self.collector_runs().await?;
        send(self.remote, self.packed, self.plan.collector.arch.as_deref(), self.progress).await?;
        self.attached().await
    }

    fn client(&self) -> &Client {
        &self.remote.client
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client().clone(), &self.plan.namespace)
    }

    /// Waits for the collector's container, with the next image where one cannot be had.
    async fn collector_runs(&mut self) -> Result<(), Error> {
        let start = Instant::now();
        let mut tried = 1;
        loop {
            let found = ask("cannot look at the collector's pod", async || self.remote.collector().await).await?;
            let glance = found.ok_or_else(|| Error::failed("the collector's pod was removed by somebody"))?;
            match glance {
                Glance { stage: Stage::Running, .. } => return Ok(()),
                Glance { is_image_trouble: true, trouble, .. } => {
                    let Some(image) = self.plan.collector.images.get(tried).cloned() else {
                        return Err(no_image(&self.plan.collector, trouble.as_deref()));
                    };
                    tried += 1;
                    self.replace_collector(&image).await?;
                }
                Glance { trouble, .. } if start.elapsed() > self.terms.timeout => {
                    let why = trouble.unwrap_or_else(|| "its container does not start".to_owned());
                    return Err(Error::failed(format!("the collector's pod is not running: {why}")));
                }
                Glance { trouble: Some(trouble), .. } => self.progress.step(&format!("the collector: {trouble}")),
                Glance { .. } => {}
            }
            time::sleep(POLL).await;
        }
    }

    async fn replace_collector(&self, image: &str) -> Result<(), Error> {
        let now = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::background() };
        let pods = self.pods();
        super::ask::ask_gone("cannot replace the collector's pod", async || pods.delete(COLLECTOR, &now).await).await?;
        while ask("cannot look at the collector's pod", async || pods.get_opt(COLLECTOR).await).await?.is_some() {
            time::sleep(POLL).await;
        }
        apply::create(self.client(), &objects::collector_with_image(&self.plan.collector.object, image)).await.map(drop)
    }

    /// Waits until the nodes capture, as many as will.
    async fn attached(&mut self) -> Result<Ready, Error> {
        self.progress.step("waiting for the agents");
        let start = Instant::now();
        let mut first = None;
        let mut images = vec![1; self.plan.agents.len()];
        loop {
            let ready = self.look(&mut images).await?;
            if self.terms.all_nodes
                && let Some((node, why)) = ready.failed.first()
            {
                return Err(Error::failed(format!("--require-all-nodes: node {node} cannot capture: {why}")));
            }
            if first.is_none() && !ready.capturing.is_empty() {
                first = Some(Instant::now());
            }
            let waited = first.is_some_and(|first: Instant| first.elapsed() > STRAGGLERS) && !self.terms.all_nodes;
            if !ready.capturing.is_empty() && (ready.late.is_empty() || waited) {
                return Ok(ready);
            }
            let is_hopeless = ready.capturing.is_empty() && ready.late.is_empty();
            if is_hopeless || start.elapsed() > self.terms.timeout {
                return Err(none_captures(&ready, start.elapsed()));
            }
            time::sleep(POLL).await;
        }
    }

    /// Puts together what pods and collector say of every node.
    async fn look(&mut self, images: &mut [usize]) -> Result<Ready, Error> {
        let pods = self.pods();
        let selector = ListParams::default().labels(&format!("{}={}", marks::COMPONENT, marks::AGENT));
        let list = ask("cannot look at the agents' pods", async || pods.list(&selector).await).await?;
        let glances: Vec<Glance> = list.iter().map(pods::glance).collect();
        // The collector may still be starting.
        let state = self.remote.state().await.unwrap_or_default();
        let mut ready = Ready::default();
        let expected: Vec<String> = self.plan.nodes().map(str::to_owned).collect();
        let refused = if glances.len() < expected.len() { self.refusal().await } else { None };
        for node in expected {
            let glance = glances.iter().find(|glance| glance.node.as_deref() == Some(&node));
            let told = known(&state, &node);
            self.sort(&node, glance, told, refused.as_deref(), &mut ready);
        }
        self.next_images(&glances, images, &mut ready).await?;
        Ok(ready)
    }

    fn sort(
        &mut self,
        node: &str,
        glance: Option<&Glance>,
        told: Option<&NodeStatus>,
        refused: Option<&str>,
        ready: &mut Ready,
    ) {
        let (words, done) = match (told.and_then(|told| told.state.as_ref()), glance) {
            (Some(AgentState::Attached { interfaces, limits, .. }), _) => {
                for limit in limits {
                    ready.limits.entry(limit.clone()).or_default().push(node.to_owned());
                }
                ready.capturing.push((node.to_owned(), *interfaces));
                (format!("capturing at {interfaces} interfaces"), true)
            }
            (Some(AgentState::Failed { what, .. }), _) => {
                ready.failed.push((node.to_owned(), what.clone()));
                (format!("cannot capture: {what}"), true)
            }
            (Some(_), _) => ("loading its programs".to_owned(), false),
            (None, Some(Glance { trouble: Some(trouble), is_image_trouble, .. })) => {
                if !is_image_trouble {
                    ready.failed.push((node.to_owned(), trouble.clone()));
                }
                (trouble.clone(), false)
            }
            (None, Some(glance)) => (waiting_words(glance.stage).to_owned(), false),
            (None, None) => {
                if let Some(refused) = refused {
                    ready.failed.push((node.to_owned(), refused.to_owned()));
                }
                (refused.unwrap_or("waiting for its pod").to_owned(), false)
            }
        };
        let is_settled = done || ready.failed.iter().any(|(failed, _)| failed == node);
        if !is_settled {
            ready.late.push(node.to_owned());
        }
        self.progress.node(node, &words, is_settled);
    }

    /// Why pods of the agents are not even made: quota, admission.
    async fn refusal(&self) -> Option<String> {
        let events = Api::<Event>::namespaced(self.client().clone(), &self.plan.namespace);
        let failed = ListParams::default().fields("reason=FailedCreate");
        let list = time::timeout(POLL * 10, events.list(&failed)).await.ok()?.ok()?;
        let message = list.items.into_iter().filter_map(|event| event.message).next_back()?;
        Some(message.trim_start_matches("(combined from similar events): ").to_owned())
    }

    /// A DaemonSet with a pod that cannot have its image gets the next one. When there is none left, the nodes that lack it
    /// do not capture.
    async fn next_images(&self, glances: &[Glance], tried: &mut [usize], ready: &mut Ready) -> Result<(), Error> {
        for (agent, tried) in self.plan.agents.iter().zip(tried) {
            // Pods of the image before may not have gone yet.
            let current = agent.images.get(*tried - 1);
            let has_trouble = |glance: &&Glance| {
                glance.is_image_trouble
                    && glance.image.as_ref() == current
                    && glance.node.as_ref().is_some_and(|node| agent.nodes.contains(node))
            };
            let mut troubles = glances.iter().filter(has_trouble).peekable();
            if troubles.peek().is_none() {
                continue;
            }
            let Some(image) = agent.images.get(*tried) else {
                ready.give_up(troubles.filter_map(|glance| Some((glance.node.clone()?, glance.trouble.clone()?))));
                continue;
            };
            *tried += 1;
            self.replace_agents(&objects::agent_with_image(&agent.object, image)).await?;
        }
        Ok(())
    }

    async fn replace_agents(&self, object: &DynamicObject) -> Result<(), Error> {
        let api = apply::api(self.client(), object);
        let name = object.metadata.name.clone().unwrap_or_default();
        let how = PatchParams { field_manager: Some(marks::PRODUCT.to_owned()), ..PatchParams::default() };
        ask("cannot give the agents another image", async || api.patch(&name, &how, &Patch::Merge(object)).await)
            .await
            .map(drop)
    }
}

/// Sends our executable, for each architecture in `packed`, to the collector, whose own is `own`.
pub(crate) async fn send(
    remote: &Remote,
    packed: &BTreeMap<String, Packed>,
    own: Option<&str>,
    progress: &Progress,
) -> Result<(), Error> {
    for (arch, packed) in packed {
        let size = packed.bytes.len();
        let told = |sent: u64| {
            let percent = (sent * 100).checked_div(size as u64).unwrap_or(100);
            progress.step(&format!("sending the executable for {arch} ({} MB): {percent} %", size / 1_000_000));
        };
        let command = paths::receive(arch, packed, own.unwrap_or(arch));
        let target = remote.target();
        let sending = target.send(&command, Cursor::new(packed.bytes.clone()), told);
        let Output { code, stderr, .. } = match time::timeout(SENDING, sending).await {
            Ok(sent) => sent.map_err(|error| failed(&error))?,
            Err(_) => return Err(Error::failed(format!("sending the executable took longer than {SENDING:?}"))),
        };
        if code != 0 {
            return Err(Error::failed(format!("the collector did not take the executable: {}", stderr.trim())));
        }
    }
    Ok(())
}

fn known<'a>(state: &'a State, node: &str) -> Option<&'a NodeStatus> {
    state.snapshot.nodes.iter().find(|status| status.node == node)
}

fn waiting_words(stage: Stage) -> &'static str {
    match stage {
        Stage::Waiting => "waiting for the scheduler",
        Stage::Scheduled => "starting its container",
        Stage::Running => "fetching the executable",
        Stage::Ending => "ending",
    }
}

fn no_image(workload: &Workload, trouble: Option<&str>) -> Error {
    let tried = workload.images.join(", ");
    Error::failed(format!(
        "no image could be had on the nodes: {}; tried {tried}",
        trouble.unwrap_or("no reason is given")
    ))
    .hint("--image names a published image of oc-netobserv")
}

fn none_captures(ready: &Ready, waited: Duration) -> Error {
    let reasons = by_reason(&ready.failed);
    if reasons.is_empty() {
        return Error::failed(format!("no node captures after {} s", waited.as_secs())).hint("--timeout waits longer");
    }
    Error::failed(format!("no node can capture: {}", reasons.join("; ")))
}

/// Nodes that fail for the same reason, together.
fn by_reason(failed: &[(String, String)]) -> Vec<String> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for (node, why) in failed {
        match reasons.iter_mut().find(|(known, _)| known == why) {
            Some((_, nodes)) => nodes.push(node),
            None => reasons.push((why, vec![node])),
        }
    }
    reasons.into_iter().map(|(why, nodes)| format!("{}: {why}", nodes.join(", "))).collect()
}
