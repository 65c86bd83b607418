//! What looks after a capture when its client cannot: runs in the collector's pod, watches the client's lease, stops the
//! capture when that has lapsed, removes the agents, and in the end the namespace and with it everything.
//!
//! Owns when ([`Judge`], pure) and what is deleted there. Knows nothing of traffic.

use std::time::{Duration, Instant};

use flow::{Reason, Stop};
use k8s_openapi::api::{apps::v1::DaemonSet, coordination::v1::Lease, core::v1::Namespace};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use log::{info, warn};
use serde_json::json;
use tokio::time;

use super::lease;
use crate::marks;

mod judge;

pub(crate) use judge::{Judge, Terms, Verdict};

/// Time between two looks at the lease.
const LOOK: Duration = Duration::from_secs(2);

/// Longest wait for an answer of the API server.
const PATIENCE: Duration = Duration::from_secs(5);

/// Looks after the capture in `namespace` until everything is removed; the last thing it does removes its own pod.
pub(crate) async fn run(client: Client, namespace: String, terms: Terms, stop: Stop) {
    let start = Instant::now();
    let judge = Judge::new(terms, Duration::ZERO);
    let mut guardian = Guardian { judge, is_blind: false, agents_removed: false, client, namespace };
    let mut looked = Duration::ZERO;
    let mut is_announced = false;
    loop {
        is_announced = is_announced || guardian.announce().await;
        time::sleep(LOOK).await;
        let now = start.elapsed();
        guardian.look(looked, now, &stop).await;
        looked = now;
        guardian.act(start.elapsed(), &stop).await;
    }
}

struct Guardian {
    judge: Judge,
    /// The lease could not be read the last time.
    is_blind: bool,
    agents_removed: bool,
    client: Client,
    namespace: String,
}

impl Guardian {
    /// Says that somebody looks after this capture, so that no other client takes it for abandoned.
    async fn announce(&self) -> bool {
        let leases = Api::<Lease>::namespaced(self.client.clone(), &self.namespace);
        let patch = Patch::Merge(json!({ "metadata": { "annotations": { marks::GUARDIAN: "here" } } }));
        let patched = time::timeout(PATIENCE, leases.patch(lease::NAME, &PatchParams::default(), &patch)).await;
        matches!(patched, Ok(Ok(_)))
    }

    /// Takes in the state of the lease and of the capture.
    async fn look(&mut self, before: Duration, now: Duration, stop: &Stop) {
        let leases = Api::<Lease>::namespaced(self.client.clone(), &self.namespace);
        let found = time::timeout(PATIENCE, leases.get_opt(lease::NAME)).await;
        // Who cannot be asked has not fallen silent; nor could the client renew its lease before the first answer.
        let was_blind = std::mem::replace(&mut self.is_blind, !matches!(found, Ok(Ok(_))));
        if self.is_blind || was_blind {
            self.judge.blind(now.saturating_sub(before));
        }
        if let Ok(Ok(found)) = found {
            let renewed = found.and_then(|lease| lease.spec?.renew_time).map(|time| format!("{:?}", time.0));
            self.judge.saw(renewed, now);
        }
        if stop.requested() {
            self.judge.ended(now);
        }
    }

    async fn act(&mut self, now: Duration, stop: &Stop) {
        match self.judge.verdict(now) {
            Verdict::Wait => {}
            Verdict::Stop => {
                info!("the client has not renewed its lease: the capture ends");
                stop.request(Reason::Lapsed);
            }
            Verdict::RemoveAgents => self.remove_agents().await,
            Verdict::RemoveAll => {
                self.remove_agents().await;
                self.remove_all().await;
            }
        }
    }

    /// The agents have detached already, unless they are out of reach; now their pods go.
    async fn remove_agents(&mut self) {
        if self.agents_removed {
            return;
        }
        let agents = Api::<DaemonSet>::namespaced(self.client.clone(), &self.namespace);
        let deleted = agents.delete_collection(&DeleteParams::background(), &ListParams::default()).await;
        match deleted {
            Ok(_) => self.agents_removed = true,
            Err(error) => warn!("cannot remove the agents: {error}"),
        }
    }

    async fn remove_all(&self) {
        info!("nobody has come for the capture: everything is removed");
        let namespaces = Api::<Namespace>::all(self.client.clone());
        if let Err(error) = namespaces.delete(&self.namespace, &DeleteParams::background()).await {
            warn!("cannot remove the namespace: {error}");
        }
    }
}
