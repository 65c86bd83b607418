//! Workloads that own others: of ReplicaSets and Jobs, only who owns them.

use k8s_openapi::api::{apps::v1::ReplicaSet as ApiReplicaSet, batch::v1::Job as ApiJob};
use serde::Deserialize;

use super::{Told, or_default};
use crate::id::Uid;

/// A reference to an owner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Reference {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) uid: Uid,
    controller: Option<bool>,
}

impl Reference {
    /// A reference to a controller, for tests.
    #[cfg(test)]
    pub(crate) fn to(kind: &str, name: &str, uid: u128) -> Self {
        Self { kind: kind.to_owned(), name: name.to_owned(), uid: Uid(uid), controller: Some(true) }
    }
}

/// The one of `references` that controls the object, else the first.
pub(crate) fn controller(references: Vec<Reference>) -> Option<Reference> {
    let place = references.iter().position(|reference| reference.controller == Some(true)).unwrap_or(0);
    references.into_iter().nth(place)
}

#[derive(Deserialize)]
struct Raw {
    metadata: RawMeta,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawMeta {
    name: String,
    uid: Uid,
    resource_version: String,
    #[serde(deserialize_with = "or_default")]
    owner_references: Vec<Reference>,
}

/// A workload and its owner.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    version: String,
    pub(crate) uid: Uid,
    pub(crate) name: String,
    pub(crate) owner: Option<Reference>,
}

impl From<Raw> for Workload {
    fn from(Raw { metadata }: Raw) -> Self {
        Self {
            version: metadata.resource_version,
            uid: metadata.uid,
            name: metadata.name,
            owner: controller(metadata.owner_references),
        }
    }
}

#[cfg(test)]
impl Workload {
    /// A workload, for tests.
    pub(crate) fn new(name: &str, uid: u128, owner: Option<Reference>) -> Self {
        Self { version: String::new(), uid: Uid(uid), name: name.to_owned(), owner }
    }
}

/// A ReplicaSet.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "Raw")]
pub(crate) struct ReplicaSet(pub(crate) Workload);

/// A Job.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "Raw")]
pub(crate) struct Job(pub(crate) Workload);

impl From<Raw> for ReplicaSet {
    fn from(raw: Raw) -> Self {
        Self(raw.into())
    }
}

impl From<Raw> for Job {
    fn from(raw: Raw) -> Self {
        Self(raw.into())
    }
}

impl Told for ReplicaSet {
    type Kind = ApiReplicaSet;
    const METADATA_ONLY: bool = true;
    fn take_version(&mut self) -> String {
        std::mem::take(&mut self.0.version)
    }
}

impl Told for Job {
    type Kind = ApiJob;
    const METADATA_ONLY: bool = true;
    fn take_version(&mut self) -> String {
        std::mem::take(&mut self.0.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_controller_is_the_owner_wherever_it_stands() {
        let replica_set: ReplicaSet = serde_json::from_value(serde_json::json!({
            "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
            "metadata": {"name": "web-1", "uid": "00000000-0000-0000-0000-000000000001", "resourceVersion": "7",
                "ownerReferences": [
                    {"kind": "Application", "name": "shop", "uid": "00000000-0000-0000-0000-000000000002"},
                    {"kind": "Rollout", "name": "web", "uid": "00000000-0000-0000-0000-000000000003", "controller": true}]}
        }))
        .unwrap();
        assert_eq!(replica_set.0.owner, Some(Reference::to("Rollout", "web", 3)));
        assert_eq!(replica_set.0.uid, Uid(1));
    }

    #[test]
    fn without_owners_or_with_null_there_is_none() {
        let job: Job =
            serde_json::from_str(r#"{"metadata":{"name":"once","ownerReferences":null,"creationTimestamp":null}}"#)
                .unwrap();
        assert_eq!(job.0.owner, None);
    }
}
