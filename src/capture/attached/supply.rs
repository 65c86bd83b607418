//! A capture whose objects somebody applied by hand (`--yaml`) waits for the executable: whoever attaches first sends it.
//!
//! What its pods wait for is read from their objects, because nothing else is known of it here.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::Api;
use tokio::time;

use crate::{
    capture::identity,
    cluster::{
        ask::ask,
        deploy,
        pods::Stage,
        progress::Progress,
        remote::{COLLECTOR, Remote},
    },
    error::Error,
};

/// Longest wait for the collector to start.
const START: Duration = Duration::from_mins(2);

/// Time between two looks.
const POLL: Duration = Duration::from_millis(300);

/// Returns when the collector answers, having sent what it waits for if need be.
pub(super) async fn ready(remote: &Remote, colour: bool) -> Result<(), Error> {
    let Err(mut last) = remote.state().await.map(drop) else { return Ok(()) };
    let Some(wanted) = Wanted::by(remote).await? else { return Err(last) };
    let progress = Progress::new(0, colour);
    let (start, mut is_sent) = (Instant::now(), false);
    while start.elapsed() < START {
        progress.step("waiting for the collector");
        let glance = ask("cannot look at the collector's pod", async || remote.collector().await).await?;
        let is_running = glance.is_some_and(|glance| glance.stage == Stage::Running);
        match remote.state().await {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
        if is_running && !is_sent {
            let packed = identity::packed(&wanted.architectures)?;
            if packed.get(&wanted.own).is_some_and(|packed| packed.digest != wanted.digest) {
                let text = "the objects of this capture were made by another version of oc-netobserv";
                return Err(Error::failed(text).hint("print and apply them again, or attach with that version"));
            }
            deploy::send(remote, &packed, Some(&wanted.own), &progress).await?;
            is_sent = true;
        }
        time::sleep(POLL).await;
    }
    Err(last)
}

/// What the pods of a capture wait for.
struct Wanted {
    /// Architecture of the collector's node.
    own: String,
    /// SHA-256 that the collector insists on.
    digest: String,
    /// Of all nodes.
    architectures: BTreeSet<String>,
}

impl Wanted {
    /// `None` where an image holds the executable.
    async fn by(remote: &Remote) -> Result<Option<Self>, Error> {
        let pods = Api::<Pod>::namespaced(remote.client.clone(), &remote.namespace);
        let pod = ask("cannot look at the collector's pod", async || pods.get_opt(COLLECTOR).await).await?;
        let command = pod.and_then(|pod| pod.spec?.containers.into_iter().next()?.command).unwrap_or_default();
        // stage run DIR ARCH SHA256 -- ...
        let [stage, _, _, own, digest, ..] = command.as_slice() else { return Ok(None) };
        if !stage.starts_with("/stage/") {
            return Ok(None);
        }
        let maps = Api::<ConfigMap>::namespaced(remote.client.clone(), &remote.namespace);
        let map = ask("cannot read the stages", async || maps.get("stage").await).await?;
        let stages = map.binary_data.unwrap_or_default();
        let architectures = stages.keys().filter_map(|name| name.strip_prefix("stage-")).map(str::to_owned).collect();
        Ok(Some(Self { own: own.clone(), digest: digest.clone(), architectures }))
    }
}
