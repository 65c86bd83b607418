//! What is wrong with a watch, in words for the user.

use kube::{core::Status, runtime::watcher::Error};

use crate::world::relist::Watch;

impl Watch {
    /// The resource, as in rights.
    fn resource(self) -> &'static str {
        match self {
            Self::Pods => "pods",
            Self::Nodes => "nodes",
            Self::Services => "services",
            Self::ReplicaSets => "replicasets",
            Self::Jobs => "jobs",
            Self::Policies => "networkpolicies",
            Self::Namespaces => "namespaces",
        }
    }

    /// What is missing while it cannot be watched.
    fn missing(self) -> &'static str {
        match self {
            Self::Pods => "names of pods are missing",
            Self::Nodes => "names of nodes and zones are missing",
            Self::Services => "names of services are missing",
            Self::ReplicaSets => "pods of Deployments show their ReplicaSet as owner",
            Self::Jobs => "pods of CronJobs show their Job as owner",
            Self::Policies => "no policy is named as the likely cause of a drop",
            Self::Namespaces => "policies that choose namespaces by label are taken to allow everything",
        }
    }
}

/// Something that went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// Whether the server said no, and will until somebody changes that.
    pub(crate) refused: bool,
    /// Why, as far as the server or the connection say.
    pub(crate) why: String,
}

impl Trouble {
    /// From an error of a watch.
    pub(super) fn of_watch(error: &Error) -> Self {
        match error {
            Error::InitialListFailed(error) | Error::WatchStartFailed(error) | Error::WatchFailed(error) => {
                Self::of_request(error)
            }
            Error::WatchError(status) => Self::of_status(status),
            Error::NoResourceVersion => Self { refused: false, why: error.to_string() },
        }
    }

    /// From an error of a request.
    pub(crate) fn of_request(error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::of_status(status),
            error => Self { refused: false, why: innermost(error) },
        }
    }

    fn of_status(status: &Status) -> Self {
        let refused = matches!(status.code, 401 | 403 | 404);
        Self { refused, why: format!("{} ({})", status.message, status.code) }
    }

    /// One sentence.
    pub(crate) fn sentence(&self, watch: Watch, listed: bool) -> String {
        let (resource, missing, why) = (watch.resource(), watch.missing(), &self.why);
        match (self.refused, listed) {
            (true, false) => format!(
                "{resource} cannot be watched, {missing}: {why}; grant list and watch on {resource} to the collector's service account"
            ),
            (_, false) => format!("{resource} are not known yet, {missing}: {why}"),
            (_, true) => format!("{resource} are as they were, changes are missing: {why}"),
        }
    }
}

/// What is at the bottom of an error: above it, layers only say that something failed.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_is_missing_and_what_to_do() {
        let status = Status { code: 403, message: "jobs.batch is forbidden".to_owned(), ..Status::default() };
        let trouble = Trouble::of_watch(&Error::WatchStartFailed(kube::Error::Api(Box::new(status))));
        assert!(trouble.refused);
        assert_eq!(
            trouble.sentence(Watch::Jobs, false),
            "jobs cannot be watched, pods of CronJobs show their Job as owner: jobs.batch is forbidden (403); grant list and watch on jobs to the collector's service account"
        );
    }

    #[test]
    fn a_lost_connection_says_that_names_are_old() {
        let trouble = Trouble { refused: false, why: "connection refused".to_owned() };
        assert_eq!(
            trouble.sentence(Watch::Pods, true),
            "pods are as they were, changes are missing: connection refused"
        );
        assert!(trouble.sentence(Watch::Pods, false).starts_with("pods are not known yet"));
    }
}
