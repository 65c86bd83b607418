//! The manifests, parsed into typed objects; and typed objects as the API takes any object.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DynamicObject;
use serde::{Serialize, de::DeserializeOwned};

use super::Capture;
use crate::{error::Error, marks};

/// Parses a manifest of ours.
pub(super) fn parse<T: DeserializeOwned>(manifest: &str) -> Result<T, Error> {
    // By way of a value: YAML read straight into every type of the API made the executable three times as large.
    let wrong = |error: String| Error::failed(format!("a manifest is wrong, please report it: {error}"));
    let value: serde_json::Value = serde_saphyr::from_str(manifest).map_err(|error| wrong(error.to_string()))?;
    serde_json::from_value(value).map_err(|error| wrong(error.to_string()))
}

/// The object as any object.
pub(super) fn dynamic(object: impl Serialize) -> Result<DynamicObject, Error> {
    let object = serde_json::to_value(object).and_then(serde_json::from_value);
    object.map_err(|error| Error::failed(format!("an object is wrong, please report it: {error}")))
}

/// Where the object belongs.
pub(super) enum Place<'a> {
    /// In our namespace.
    Ours,
    /// Nowhere; with this name.
    Cluster(&'a str),
}

/// Gives the object its labels, and its namespace or name.
pub(super) fn dress(metadata: &mut ObjectMeta, capture: &Capture<'_>, component: Option<&str>, place: &Place<'_>) {
    metadata.labels.get_or_insert_default().extend(labels(capture, component));
    match place {
        Place::Ours => metadata.namespace = Some(capture.namespace()),
        Place::Cluster(name) => metadata.name = Some((*name).to_owned()),
    }
}

/// The labels that every object bears.
pub(super) fn labels(capture: &Capture<'_>, component: Option<&str>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([
        (marks::NAME.to_owned(), marks::PRODUCT.to_owned()),
        (marks::CAPTURE.to_owned(), capture.identity.id.clone()),
        ("app.kubernetes.io/managed-by".to_owned(), marks::PRODUCT.to_owned()),
    ]);
    labels.extend(component.map(|component| (marks::COMPONENT.to_owned(), component.to_owned())));
    labels
}

/// The labels by which pods of a component are found.
pub(super) fn selector(capture: &Capture<'_>, component: &str) -> BTreeMap<String, String> {
    let labels = labels(capture, Some(component));
    labels.into_iter().filter(|(key, _)| key == marks::CAPTURE || key == marks::COMPONENT).collect()
}
