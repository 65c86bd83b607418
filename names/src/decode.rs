//! What is kept of the cluster's objects. They are read straight into these small structs: the many other fields never
//! become values, which is most of what a watch of whole objects costs.

use std::{fmt::Debug, marker::PhantomData};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Resource;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};

pub(crate) mod namespace;
pub(crate) mod networks;
pub(crate) mod node;
pub(crate) mod owner;
pub(crate) mod pod;
pub(crate) mod policy;
pub(crate) mod service;

/// Something read from the API server.
pub(crate) trait Told: Clone + Debug + DeserializeOwned + Send + Sync + 'static {
    /// The kind as the API knows it.
    type Kind: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static;
    /// Whether its metadata is enough.
    const METADATA_ONLY: bool;
    /// Takes the resource version out of it.
    fn take_version(&mut self) -> String;
}

/// What kube's watcher wants around a [`Told`]: a resource with metadata, of which it reads the version only.
#[derive(Clone, Debug)]
pub(crate) struct Object<T: Told> {
    meta: ObjectMeta,
    /// What was read.
    pub(crate) told: T,
    kind: PhantomData<T::Kind>,
}

impl<'de, T: Told> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut told = T::deserialize(deserializer)?;
        let meta = ObjectMeta { resource_version: Some(told.take_version()), ..ObjectMeta::default() };
        Ok(Self { meta, told, kind: PhantomData })
    }
}

impl<T: Told> Resource for Object<T> {
    type DynamicType = ();
    type Scope = <T::Kind as Resource>::Scope;

    fn kind((): &()) -> std::borrow::Cow<'_, str> {
        T::Kind::kind(&())
    }

    fn group((): &()) -> std::borrow::Cow<'_, str> {
        T::Kind::group(&())
    }

    fn version((): &()) -> std::borrow::Cow<'_, str> {
        T::Kind::version(&())
    }

    fn plural((): &()) -> std::borrow::Cow<'_, str> {
        T::Kind::plural(&())
    }

    fn metadata_api() -> bool {
        T::METADATA_ONLY
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}

/// Reads `null` as the default value.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Milliseconds since the epoch; what is before it is the epoch.
fn milliseconds(time: &Time) -> u64 {
    u64::try_from(time.0.as_millisecond()).unwrap_or(0)
}

/// The IP protocol of that name in ports of containers and policies; TCP where there is none.
fn protocol(name: &str) -> Option<u8> {
    match name {
        "" | "TCP" => Some(6),
        "UDP" => Some(17),
        "SCTP" => Some(132),
        _ => None,
    }
}
