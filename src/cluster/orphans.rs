//! What captures have outside of their namespace: cluster-scoped objects, found by label.

use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{DeleteParams, DynamicObject, ListParams},
    core::{ApiResource, GroupVersionKind},
};
use serde::de::DeserializeOwned;

use crate::marks;

/// Cluster-scoped objects of one capture, as `kind name`. What may not be looked at is not told.
pub(crate) async fn of_capture(client: &Client, capture: &str) -> Vec<String> {
    let selector = format!("{},{}={capture}", marks::OURS, marks::CAPTURE);
    let mut found = names::<ClusterRoleBinding>(client, &selector).await;
    found.extend(names::<ClusterRole>(client, &selector).await);
    found.extend(security_contexts(client, &selector).await);
    found
}

async fn names<K>(client: &Client, selector: &str) -> Vec<String>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let list = Api::<K>::all(client.clone()).list_metadata(&ListParams::default().labels(selector)).await;
    let named = |name: String| format!("{} {name}", K::kind(&()));
    list.map(|list| list.items.iter().map(|item| named(item.name_any())).collect()).unwrap_or_default()
}

/// OpenShift's; on other clusters there is no such kind.
pub(crate) fn security_context_constraints() -> ApiResource {
    ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk("security.openshift.io", "v1", "SecurityContextConstraints"),
        "securitycontextconstraints",
    )
}

async fn security_contexts(client: &Client, selector: &str) -> Vec<String> {
    let api = Api::<DynamicObject>::all_with(client.clone(), &security_context_constraints());
    let list = api.list_metadata(&ListParams::default().labels(selector)).await;
    let named = |name: String| format!("SecurityContextConstraints {name}");
    list.map(|list| list.items.iter().map(|item| named(item.name_any())).collect()).unwrap_or_default()
}

/// Removes the cluster-scoped objects of a capture whose namespace is gone, or that it does not own because they were applied
/// by hand.
pub(crate) async fn remove(client: &Client, capture: &str) {
    let selector = ListParams::default().labels(&format!("{},{}={capture}", marks::OURS, marks::CAPTURE));
    let how = DeleteParams::background();
    // What cannot be removed is told by `of_capture` afterwards.
    let _ = Api::<ClusterRoleBinding>::all(client.clone()).delete_collection(&how, &selector).await;
    let _ = Api::<ClusterRole>::all(client.clone()).delete_collection(&how, &selector).await;
    let contexts = Api::<DynamicObject>::all_with(client.clone(), &security_context_constraints());
    let _ = contexts.delete_collection(&how, &selector).await;
}
