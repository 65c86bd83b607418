//! Creates the objects of a capture, in order. What is there already is never changed.

use std::net::IpAddr;

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Service;
use kube::{
    Api, Client, ResourceExt as _,
    api::{DynamicObject, PostParams},
};

use super::ask::ask;
use crate::{
    error::Error,
    marks,
    plan::objects::{self, ClusterPlan},
};

/// Name of the collector's Service.
const SERVICE: &str = "collector";

/// Creates the namespace and what pods need, and fills what only the cluster knows into the workloads of `plan`.
pub(crate) async fn base(client: &Client, plan: &mut ClusterPlan) -> Result<(), Error> {
    let (namespace, rest) = plan.base.split_first_mut().ok_or_else(|| Error::failed("the plan is empty"))?;
    let created = create(client, namespace).await?;
    objects::own_by(rest, &plan.namespace, &created.uid().unwrap_or_default());
    // A binding is refused as long as its role is not there, to users who may bind only what they hold.
    let (bindings, others): (Vec<_>, Vec<_>) = rest.iter().partition(|object| is_binding(object));
    for objects in [others, bindings] {
        try_join_all(objects.into_iter().map(|object| create(client, object))).await?;
    }
    let address = service_address(client, &plan.namespace).await?;
    objects::with_service_address(&mut plan.agents, address);
    Ok(())
}

fn is_binding(object: &DynamicObject) -> bool {
    object.types.as_ref().is_some_and(|types| types.kind.ends_with("RoleBinding"))
}

/// Creates one object.
///
/// # Errors
/// The server refuses, or somebody else's object of that name is there.
pub(crate) async fn create(client: &Client, object: &DynamicObject) -> Result<DynamicObject, Error> {
    let api = api(client, object);
    let what = format!("cannot create {}", called(object));
    let how = PostParams { field_manager: Some(marks::PRODUCT.to_owned()), ..PostParams::default() };
    let attempt = async || {
        match api.create(&how, object).await {
            // The answer to an earlier attempt was lost on its way.
            Err(kube::Error::Api(status)) if status.code == 409 => match api.get(&object.name_any()).await {
                Ok(found) if is_same(&found, object) => Ok(found),
                _ => Err(kube::Error::Api(status)),
            },
            other => other,
        }
    };
    ask(&what, attempt).await
}

fn is_same(found: &DynamicObject, object: &DynamicObject) -> bool {
    marks::capture(found.labels()).is_some_and(|capture| marks::capture(object.labels()) == Some(capture))
}

/// Kind and name, as people say them.
fn called(object: &DynamicObject) -> String {
    let kind = object.types.as_ref().map_or("object", |types| types.kind.as_str());
    format!("{kind} {}", object.name_any())
}

/// Where objects like this one live.
pub(crate) fn api(client: &Client, object: &DynamicObject) -> Api<DynamicObject> {
    let resource = objects::resource_of(object);
    match &object.metadata.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

async fn service_address(client: &Client, namespace: &str) -> Result<IpAddr, Error> {
    let services = Api::<Service>::namespaced(client.clone(), namespace);
    let service = ask("cannot read the Service", async || services.get(SERVICE).await).await?;
    let address = service.spec.and_then(|spec| spec.cluster_ip).unwrap_or_default();
    address.parse().map_err(|_| Error::failed(format!("the Service of the collector has no address: {address:?}")))
}
