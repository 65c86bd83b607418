//! From kubectl's options to a client that has proved to work, or to one sentence about why there is none.
//!
//! Reads kubeconfig files and asks the server one thing: who we are. Changes nothing.

use std::time::Duration;

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::{Api, Client, Config, api::PostParams};
use tokio::time;

use crate::{cli::KubeArgs, error::Error};

mod failure;
mod kubeconfig;
mod proxy;

use failure::Peer;
pub(crate) use failure::failed;
use kubeconfig::Chosen;
pub(crate) use kubeconfig::{names_in_kubeconfig, runs_a_program};

/// Longest wait for the first answer, unless `--request-timeout` says otherwise.
const PATIENCE: Duration = Duration::from_secs(15);

/// A cluster that answers.
#[derive(Clone)]
#[expect(dead_code, reason = "whoever connects chooses what it needs")]
pub(crate) struct Connection {
    /// Asks as the user that was chosen.
    pub(crate) client: Client,
    /// Name of the kubeconfig's context; `None` inside a pod or with `--server` alone.
    pub(crate) context: Option<String>,
    /// Who we are to the server.
    pub(crate) user: String,
    /// URL of the server.
    pub(crate) server: String,
    /// Namespace where no other is named.
    pub(crate) namespace: String,
    /// Where the client came from, for another one of its kind.
    pub(crate) config: Config,
}

/// Connects, and asks the server who we are.
///
/// # Errors
/// No or a wrong kubeconfig, an unreachable server, a refused credential: one sentence each, with a hint.
pub(crate) async fn connect(args: &KubeArgs) -> Result<Connection, Error> {
    let Chosen { mut config, context, user } = kubeconfig::choose(args).await?;
    let patience = args.request_timeout.filter(|time| !time.is_zero()).unwrap_or(PATIENCE);
    config.connect_timeout = Some(patience);
    let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
    let namespace = config.default_namespace.clone();
    let proxy = config.proxy_url.as_ref().map(|proxy| proxy.to_string().trim_end_matches('/').to_owned());
    let peer = Peer { server: server.clone(), context: context.clone(), proxy, patience };
    let client = Client::try_from(config.clone()).map_err(|error| peer.failed(&error))?;
    let known = match time::timeout(patience, who(&client)).await {
        Ok(answer) => answer.map_err(|error| peer.failed(&error))?,
        Err(_) => return Err(peer.is_silent()),
    };
    Ok(Connection { client, context, user: known.or(user).unwrap_or_default(), server, namespace, config })
}

/// Our name to the server; `None` if it is one of before 1.28, which cannot say.
async fn who(client: &Client) -> kube::Result<Option<String>> {
    let reviews = Api::<SelfSubjectReview>::all(client.clone());
    match reviews.create(&PostParams::default(), &SelfSubjectReview::default()).await {
        Ok(review) => Ok(review.status.and_then(|status| status.user_info).and_then(|user| user.username)),
        Err(kube::Error::Api(status)) if matches!(status.code, 403..=405) => {
            client.apiserver_version().await.map(|_| None)
        }
        Err(error) => Err(error),
    }
}
