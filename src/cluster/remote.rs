//! A running capture as seen from outside: its collector's pod, and the commands that are run in there.
//!
//! Owns how those commands are spelled; [`crate::pod`] is what answers them.

use std::time::{Duration, Instant};

use collector::session::State;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::{Api, Client};
use log::debug;
use tokio::time;

use super::{
    ask::ask,
    backoff::Backoff,
    copy,
    exec::{ExecError, Output, Target},
    pods::{self, Glance},
};
use crate::{
    error::Error,
    pod::{paths, settings::Settings},
};

/// Name of the collector's pod, and of its container.
pub(crate) const COLLECTOR: &str = "collector";

/// Longest wait for the collector to have closed its files.
const STOP: Duration = Duration::from_mins(1);

/// Longest time without an answer of somebody who may come back: the API server, the collector's process.
const OUTAGE: Duration = Duration::from_secs(30);

/// A capture on a cluster.
#[derive(Clone)]
pub(crate) struct Remote {
    pub(crate) client: Client,
    /// Its namespace.
    pub(crate) namespace: String,
    /// Our executable in the collector's container.
    program: String,
}

impl Remote {
    /// The capture in `namespace`; `has_image` where its pods are made from an image with our executable.
    pub(crate) fn new(client: Client, namespace: &str, has_image: bool) -> Self {
        let program = if has_image { paths::IN_IMAGE } else { paths::EXECUTABLE };
        Self { client, namespace: namespace.to_owned(), program: program.to_owned() }
    }

    /// The same for a capture that is there already.
    pub(crate) async fn find(client: Client, namespace: &str) -> Result<Self, Error> {
        let pods = Api::<Pod>::namespaced(client.clone(), namespace);
        let pod = ask("cannot look at the collector's pod", async || pods.get_opt(COLLECTOR).await).await?;
        let Some(pod) = pod else {
            return Err(Error::failed(format!(
                "the capture in {namespace} has no collector any more: its files are gone"
            ))
            .hint(format!("oc-netobserv cleanup {namespace}")));
        };
        let command = pod.spec.and_then(|spec| spec.containers.into_iter().next()?.command).unwrap_or_default();
        Ok(Self::new(client, namespace, command.first().is_some_and(|word| word == paths::IN_IMAGE)))
    }

    /// What the capture was asked to do.
    pub(crate) async fn settings(&self) -> Result<Settings, Error> {
        let maps = Api::<ConfigMap>::namespaced(self.client.clone(), &self.namespace);
        let map = ask("cannot read what the capture does", async || maps.get("capture").await).await?;
        let text = map.data.and_then(|mut data| data.remove("capture.json")).unwrap_or_default();
        serde_json::from_str(&text)
            .map_err(|error| Error::failed(format!("the capture in {} is of another version: {error}", self.namespace)))
    }

    /// The collector's container.
    pub(crate) fn target(&self) -> Target {
        Target::new(self.client.clone(), &self.namespace, COLLECTOR, Some(COLLECTOR))
    }

    /// `pod WORDS` of our executable.
    pub(crate) fn command(&self, words: &[&str]) -> Vec<String> {
        [self.program.as_str(), "pod"].iter().chain(words).map(|word| (*word).to_owned()).collect()
    }

    /// The collector's pod at a glance; `None` when it is gone.
    pub(crate) async fn collector(&self) -> kube::Result<Option<Glance>> {
        let pods = Api::<Pod>::namespaced(self.client.clone(), &self.namespace);
        Ok(pods.get_opt(COLLECTOR).await?.as_ref().map(pods::glance))
    }

    /// How the capture stands.
    pub(crate) async fn state(&self) -> Result<State, Error> {
        let output = self.target().run(&self.command(&["status"]), Duration::from_secs(15)).await;
        parse(&output.map_err(|error| failed(&error))?)
    }

    /// Ends the capture and waits until its files are closed.
    pub(crate) async fn stop(&self, reason: &str) -> Result<State, Error> {
        let start = Instant::now();
        let mut backoff = Backoff::default();
        loop {
            let output = self.target().run(&self.command(&["stop", "--reason", reason]), STOP).await;
            let (error, is_passing) = match output {
                // Its process may be starting again: then nobody listens for a moment.
                Ok(output) => match parse(&output) {
                    Ok(state) => return Ok(state),
                    Err(error) => (error, output.code != 0),
                },
                Err(error) => (failed(&error), error.is_passing()),
            };
            if !is_passing || start.elapsed() > OUTAGE {
                return Err(error);
            }
            debug!("asking it to end again: {}", error.message);
            time::sleep(backoff.pause()).await;
        }
    }

    /// Saves the flight recorder; what is said of it.
    pub(crate) async fn save(&self) -> Result<String, Error> {
        let output = self.target().run(&self.command(&["save"]), Duration::from_secs(15)).await;
        let output = output.map_err(|error| failed(&error))?;
        let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.code == 0 { Ok(words(&output.stdout)) } else { Err(Error::failed(words(output.stderr.as_bytes()))) }
    }

    /// Where its files are.
    pub(crate) fn files(&self) -> copy::Source {
        let options = vec!["--dir".to_owned(), paths::OUTPUT.to_owned()];
        copy::Source { target: self.target(), command: self.command(&[]), options }
    }
}

fn parse(output: &Output) -> Result<State, Error> {
    if output.code != 0 {
        let text =
            output.stderr.lines().next_back().unwrap_or("it says nothing").trim_start_matches("error: ").to_owned();
        return Err(Error::failed(format!("the collector: {text}")));
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| Error::failed(format!("the collector of the capture said something unintelligible: {error}")))
}

/// A command in the collector's container that did not come to its end.
pub(crate) fn failed(error: &ExecError) -> Error {
    match error {
        ExecError::NotFound { .. } => Error::failed(
            "the collector's pod is gone: somebody or something removed it, and with it what had not come home",
        ),
        error => Error::failed(format!("the collector of the capture: {error}")),
    }
}
