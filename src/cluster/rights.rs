//! Everything that could refuse a capture, asked before the first write: the server's version, the user's rights, what
//! admission says of the namespace. All that is missing is told at once. Writes nothing; the one request that could is a dry run.

use futures::future::{join_all, try_join_all};
use k8s_openapi::api::{
    authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec},
    core::v1::Namespace,
};
use kube::{Api, Client, ResourceExt as _, api::PostParams};

use super::connect::Connection;
use crate::{
    error::Error,
    plan::{cluster::Request, facts::Facts},
};

mod needed;
mod role;

pub(crate) use needed::Right;
use needed::{Asked, needed};

/// Least version of the API server: PodSecurity's labels mean something, and what else we use is there.
const LEAST: (u32, u32) = (1, 25);

/// Asks all that can be asked.
///
/// # Errors
/// One error that lists everything missing, with the YAML that an administrator would apply.
pub(crate) async fn check(connection: &Connection, request: &Request, facts: &Facts) -> Result<(), Error> {
    if facts.version < LEAST {
        let (major, minor) = LEAST;
        return Err(Error::failed(format!(
            "the server is Kubernetes {}; captures need {major}.{minor} or later",
            facts.version_text
        )));
    }
    if let Some(name) = request.namespace.as_ref().filter(|_| facts.namespace_exists) {
        return Err(taken(name));
    }
    let missing = missing(connection, request, facts).await?;
    if !missing.is_empty() {
        return Err(role::refusal(&connection.user, &missing));
    }
    admission(&connection.client, request).await
}

fn taken(name: &str) -> Error {
    Error::failed(format!("--capture-namespace {name}: exists already, and a capture uses no namespace but its own"))
        .hint(format!("another name, or none; if it is a capture's: oc-netobserv cleanup {name}"))
}

/// The rights that the user does not have.
async fn missing(connection: &Connection, request: &Request, facts: &Facts) -> Result<Vec<Right>, Error> {
    let namespace = request.namespace.as_deref().unwrap_or("netobserv-00000000");
    let asked = needed(request, facts);
    let answers = join_all(asked.iter().map(|asked| may(&connection.client, asked, namespace))).await;
    let mut missing = Vec::new();
    for (asked, answer) in asked.into_iter().zip(answers) {
        if !answer? {
            missing.push(asked.right);
        }
    }
    if missing.iter().any(Right::is_granted_on) && may_escalate(&connection.client, namespace).await? {
        missing.retain(|right| !right.is_granted_on());
    }
    Ok(missing)
}

async fn may(client: &Client, asked: &Asked, namespace: &str) -> Result<bool, Error> {
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(attributes(asked, namespace)),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let reviews = Api::<SelfSubjectAccessReview>::all(client.clone());
    let answer = reviews.create(&PostParams::default(), &review).await;
    let answer = answer.map_err(|error| super::connect::failed("cannot ask for your rights", &error))?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

fn attributes(asked: &Asked, namespace: &str) -> ResourceAttributes {
    let right = &asked.right;
    let (resource, subresource) =
        right.resource.split_once('/').map_or((right.resource, None), |(name, sub)| (name, Some(sub.to_owned())));
    ResourceAttributes {
        group: Some(right.group.to_owned()),
        resource: Some(resource.to_owned()),
        subresource,
        verb: Some(right.verb.to_owned()),
        name: right.name.map(str::to_owned),
        namespace: asked.namespaced.then(|| namespace.to_owned()),
        ..ResourceAttributes::default()
    }
}

/// Whoever may escalate and bind need not hold what he grants.
async fn may_escalate(client: &Client, namespace: &str) -> Result<bool, Error> {
    let asked = needed::escalation();
    let answers = try_join_all(asked.iter().map(|asked| may(client, asked, namespace))).await?;
    Ok(answers.into_iter().all(|allowed| allowed))
}

/// What webhooks and policies say of a namespace like ours: a dry run of its creation.
async fn admission(client: &Client, request: &Request) -> Result<(), Error> {
    let mut namespace: Namespace = crate::plan::objects::namespace_like(request)?;
    if request.namespace.is_none() {
        namespace.metadata.generate_name = Some("netobserv-".to_owned());
        namespace.metadata.name = None;
    }
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    match Api::<Namespace>::all(client.clone()).create(&dry_run, &namespace).await {
        Ok(made) => is_relabelled(&namespace, &made).map_or(Ok(()), Err),
        Err(kube::Error::Api(status)) if status.code == 409 => {
            Err(taken(request.namespace.as_deref().unwrap_or_default()))
        }
        Err(error) => Err(super::connect::failed("the cluster would refuse the capture's namespace", &error)),
    }
}

/// A policy that makes PodSecurity stricter: the agents would be refused.
fn is_relabelled(wanted: &Namespace, made: &Namespace) -> Option<Error> {
    const ENFORCE: &str = "pod-security.kubernetes.io/enforce";
    let level = |namespace: &Namespace| namespace.labels().get(ENFORCE).cloned().unwrap_or_default();
    let (wanted, made) = (level(wanted), level(made));
    (wanted != made).then(|| {
        let text =
            format!("the cluster changes the label {ENFORCE} of the capture's namespace from {wanted} to {made:?}");
        Error::failed(format!("{text}: the agents need {wanted}"))
            .hint("an administrator can except the capture's namespace from that policy; --capture-namespace names it")
    })
}
