//! A namespace for a test, and ways to make things in it.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::{
    Api, Client, Config, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, PostParams, PropagationPolicy},
};
use names::{Kind, Names};
use serde_json::{Value, json};

/// A client for the cluster that the environment names; ends the test where it names none.
pub(crate) async fn client() -> Client {
    Client::try_from(config().await).unwrap()
}

/// Its configuration.
pub(crate) async fn config() -> Config {
    assert!(
        std::env::var_os("NETOBSERV_CLUSTER_TESTS").is_some(),
        "needs a cluster: set KUBECONFIG and NETOBSERV_CLUSTER_TESTS"
    );
    Config::infer().await.unwrap()
}

/// A namespace that is deleted at the end.
pub(crate) struct Room {
    pub(crate) client: Client,
    pub(crate) name: String,
}

impl Room {
    pub(crate) async fn new(test: &str) -> Self {
        let client = client().await;
        let name = format!("names-{test}-{}", std::process::id());
        let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
        Api::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
        Self { client, name }
    }

    /// Makes an object of kind `K` in it.
    pub(crate) async fn create<K>(&self, object: Value) -> K
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + serde::Serialize
            + serde::de::DeserializeOwned,
    {
        let object: K = serde_json::from_value(object).unwrap();
        Api::namespaced(self.client.clone(), &self.name).create(&PostParams::default(), &object).await.unwrap()
    }

    pub(crate) fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// Makes a pod that no node ever gets, with an address in its status.
    pub(crate) async fn unscheduled(&self, name: &str, address: &str) {
        let container = json!({"name": "c", "image": "localhost/busybox:test"});
        let spec = json!({"schedulingGates": [{"name": "example.org/never"}], "containers": [container]});
        let _: Pod = self.create(json!({"metadata": {"name": name}, "spec": spec})).await;
        let status = json!({"status": {"podIP": address, "podIPs": [{"ip": address}]}});
        self.pods().patch_status(name, &PatchParams::default(), &Patch::Merge(&status)).await.unwrap();
    }
}

impl Drop for Room {
    /// Deletes it with all that is in it, also when the test has failed.
    fn drop(&mut self) {
        let name = self.name.clone();
        let delete = move || tokio::runtime::Runtime::new().unwrap().block_on(delete(&name));
        std::thread::spawn(delete).join().unwrap();
    }
}

async fn delete(name: &str) {
    let client = client().await;
    let now = DeleteParams { propagation_policy: Some(PropagationPolicy::Background), ..DeleteParams::default() };
    let pods: Api<Pod> = Api::namespaced(client.clone(), name);
    let _ = pods.delete_collection(&now.clone().grace_period(0), &kube::api::ListParams::default()).await;
    let namespaces: Api<Namespace> = Api::all(client);
    namespaces.delete(name, &now).await.unwrap();
}

/// A pod that sleeps after it has run `first`.
pub(crate) fn sleeper(name: &str, node: &str, first: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": sleeping(node, first)})
}

/// The spec of a pod that sleeps after it has run `first`; any node if `node` is empty.
pub(crate) fn sleeping(node: &str, first: &str) -> Value {
    let script = format!("{first}\nsleep 3600 & wait");
    let container = json!({"name": "c", "image": "localhost/busybox:test", "imagePullPolicy": "Never", "command": ["sh", "-c", script]});
    let mut spec = json!({"containers": [container], "terminationGracePeriodSeconds": 0});
    if !node.is_empty() {
        spec["nodeName"] = json!(node);
    }
    spec
}

/// Waits until `check` gives something.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut check: impl FnMut() -> F) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = check().await {
            return found;
        }
        assert!(began.elapsed() < Duration::from_mins(1), "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until the names know an address of a pod.
pub(crate) async fn named(names: &Names, pod: &Pod) -> std::net::IpAddr {
    let namespace = pod.namespace().unwrap();
    let name = pod.name_any();
    until(&name, async || names.addresses(Kind::Pod, &namespace, &name)?.first().copied()).await
}
