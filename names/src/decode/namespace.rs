//! Namespaces: their labels, by which policies choose them.

use k8s_openapi::api::core::v1::Namespace as ApiNamespace;
use serde::Deserialize;

use super::{Told, or_default, pod::Labels};

/// A namespace.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "Raw")]
pub(crate) struct Namespace {
    version: String,
    pub(crate) name: String,
    pub(crate) labels: Labels,
}

#[derive(Deserialize)]
struct Raw {
    metadata: Meta,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Meta {
    name: String,
    resource_version: String,
    #[serde(deserialize_with = "or_default")]
    labels: Labels,
}

impl From<Raw> for Namespace {
    fn from(Raw { metadata }: Raw) -> Self {
        Self { version: metadata.resource_version, name: metadata.name, labels: metadata.labels }
    }
}

impl Told for Namespace {
    type Kind = ApiNamespace;
    const METADATA_ONLY: bool = true;
    fn take_version(&mut self) -> String {
        std::mem::take(&mut self.version)
    }
}

#[cfg(test)]
impl Namespace {
    /// A namespace, for tests.
    pub(crate) fn new(name: &str, labels: &[(&str, &str)]) -> Self {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Self { version: String::new(), name: name.to_owned(), labels }
    }
}
