//! Captures that are on the cluster: found by the label of their namespaces, chosen by id or name, and those that nobody
//! looks after any more.

use std::time::Duration;

use flow::show::escape;
use k8s_openapi::{
    api::{
        coordination::v1::Lease,
        core::v1::{Namespace, Pod},
    },
    jiff::{Timestamp, fmt::rfc2822},
};
use kube::{Api, Client, ResourceExt as _, api::ListParams};

use super::{ask::ask, lease, remote::COLLECTOR};
use crate::{error::Error, marks};

/// A capture on the cluster.
#[derive(Clone, Debug)]
pub(crate) struct Capture {
    /// Its id.
    pub(crate) id: String,
    /// Its namespace.
    pub(crate) namespace: String,
    /// Who began it.
    pub(crate) user: String,
    /// With which command.
    pub(crate) command: String,
    /// When, by the API server's clock.
    pub(crate) created: Option<Timestamp>,
    /// It is being removed.
    pub(crate) is_ending: bool,
    /// `--background`
    pub(crate) is_background: bool,
    /// Terms of the guardian.
    pub(crate) lease: Duration,
    pub(crate) keep: Duration,
    /// `--max-time`; zero for none.
    pub(crate) max_time: Duration,
}

impl Capture {
    fn of(namespace: &Namespace) -> Option<Self> {
        let (labels, notes) = (namespace.labels(), namespace.annotations());
        let note = |name: &str| notes.get(name).cloned().unwrap_or_default();
        let seconds =
            |name: &str| notes.get(name).and_then(|text| text.parse().ok()).map_or(Duration::ZERO, Duration::from_secs);
        Some(Self {
            id: marks::is_ours(labels).then(|| marks::capture(labels))??.to_owned(),
            namespace: namespace.name_any(),
            user: note(marks::USER),
            command: note(marks::COMMAND),
            created: namespace.metadata.creation_timestamp.as_ref().map(|time| time.0),
            is_ending: namespace.metadata.deletion_timestamp.is_some(),
            is_background: note(marks::BACKGROUND) == "true",
            lease: seconds(marks::LEASE),
            keep: seconds(marks::KEEP),
            max_time: seconds(marks::MAX_TIME),
        })
    }

    /// A line about it.
    pub(crate) fn words(&self, now: Option<Timestamp>) -> String {
        let age = now.zip(self.created).map(|(now, created)| now.duration_since(created).as_secs().max(0));
        let age = age.map_or_else(String::new, |seconds| format!(", {seconds} s old"));
        // Whoever makes namespaces writes what is in there.
        let [user, command] = [&self.user, &self.command].map(|text| escape(text));
        format!("{} ({}, begun by {user}{age}): {command}", self.id, self.namespace)
    }
}

/// All captures there are, oldest first.
pub(crate) async fn list(client: &Client) -> Result<Vec<Capture>, Error> {
    let namespaces = Api::<Namespace>::all(client.clone());
    let ours = ListParams::default().labels(marks::OURS);
    let found = ask("cannot look for captures", async || namespaces.list(&ours).await).await?;
    let mut captures: Vec<Capture> = found.iter().filter_map(Capture::of).collect();
    captures.sort_by_key(|capture| capture.created);
    Ok(captures)
}

/// The one of that id or namespace; `None` where there is none such.
pub(crate) async fn find(client: &Client, wanted: &str) -> Result<Option<Capture>, Error> {
    // Who may not list may still name a namespace.
    if let Ok(Some(namespace)) = Api::<Namespace>::all(client.clone()).get_opt(wanted).await {
        let text = format!("namespace {wanted} is not that of a capture");
        return Capture::of(&namespace).map(Some).ok_or_else(|| Error::failed(text));
    }
    Ok(list(client).await?.into_iter().find(|capture| capture.id == wanted))
}

/// The one that is meant: by id, by namespace, or the only one there is.
pub(crate) async fn choose(client: &Client, wanted: Option<&str>) -> Result<Capture, Error> {
    if let Some(wanted) = wanted
        && let Some(found) = find(client, wanted).await?
    {
        return Ok(found);
    }
    let mut captures: Vec<Capture> = list(client).await?.into_iter().filter(|capture| !capture.is_ending).collect();
    let names: Vec<String> = captures.iter().map(|capture| capture.id.clone()).collect();
    if wanted.is_some() {
        captures.clear();
    }
    match (captures.pop(), captures.is_empty(), wanted) {
        (Some(capture), true, _) => Ok(capture),
        (Some(_), false, _) => Err(Error::usage(format!("several captures run: {}; say which", names.join(", ")))),
        (None, _, Some(wanted)) if names.is_empty() => {
            Err(Error::failed(format!("no capture {wanted} is on this cluster; there is none")))
        }
        (None, _, Some(wanted)) => {
            Err(Error::failed(format!("no capture {wanted} is on this cluster; there are {}", names.join(", "))))
        }
        (None, _, None) => Err(Error::failed("no capture is on this cluster").hint("oc-netobserv flows --background")),
    }
}

/// The API server's clock.
pub(crate) async fn server_time(client: &Client) -> Option<Timestamp> {
    let request = http::Request::get("/version").body(kube::client::Body::empty()).ok()?;
    let answer = client.send(request).await.ok()?;
    let date = answer.headers().get(http::header::DATE)?.to_str().ok()?;
    rfc2822::parse(date).ok().map(|time| time.timestamp())
}

/// Captures whose client has gone and that no guardian looks after: it never ran, or it is gone too.
pub(crate) async fn abandoned(client: &Client) -> Vec<Capture> {
    let (Ok(captures), Some(now)) = (list(client).await, server_time(client).await) else { return Vec::new() };
    let mut abandoned = Vec::new();
    for capture in captures.into_iter().filter(|capture| !capture.is_ending) {
        if is_abandoned(client, &capture, now).await {
            abandoned.push(capture);
        }
    }
    abandoned
}

/// API servers' clocks may differ a little, and a renewal may be late. Clients' clocks do not count: see [`heard`].
const DOUBT: Duration = Duration::from_secs(10);

async fn is_abandoned(client: &Client, capture: &Capture, now: Timestamp) -> bool {
    let leases = Api::<Lease>::namespaced(client.clone(), &capture.namespace);
    let pods = Api::<Pod>::namespaced(client.clone(), &capture.namespace);
    let (Ok(lease), Ok(pod)) = (leases.get_opt(lease::NAME).await, pods.get_opt(COLLECTOR).await) else { return false };
    let has_guardian =
        lease.as_ref().is_some_and(|lease| lease.annotations().contains_key(marks::GUARDIAN)) && pod.is_some();
    let Some(heard) = lease.as_ref().and_then(heard).max(capture.created) else { return false };
    let silent = Duration::try_from(now.duration_since(heard)).unwrap_or_default();
    let own_end = if capture.is_background { capture.max_time } else { Duration::ZERO };
    match has_guardian {
        false => silent > capture.lease + DOUBT,
        // It had its time, and did not do it.
        true if capture.is_background && capture.max_time.is_zero() => false,
        true => silent > own_end + capture.lease + capture.keep + DOUBT * 2,
    }
}

/// When the lease was last renewed, by the API server's clock: a client whose own clock is wrong is not taken for gone.
fn heard(lease: &Lease) -> Option<Timestamp> {
    let changes = lease.metadata.managed_fields.iter().flatten();
    changes.filter_map(|change| change.time.as_ref()).map(|time| time.0).max()
}
