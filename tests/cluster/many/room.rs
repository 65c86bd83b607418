//! A namespace of things that only the API server knows: pods that never run, services that nobody serves.

use std::time::Instant;

use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::{Namespace, Pod, Service};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio::runtime::Runtime;

/// A namespace of things that only the API server knows.
pub(super) struct Room {
    runtime: Runtime,
    client: Client,
    name: String,
}

impl Room {
    pub(super) fn new(test: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let client = runtime.block_on(Client::try_default()).unwrap();
        let name = format!("{test}-{}", std::process::id());
        let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
        let namespaces = Api::<Namespace>::all(client.clone());
        runtime.block_on(namespaces.create(&PostParams::default(), &namespace)).unwrap();
        Self { runtime, client, name }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// A pod that no node ever gets, with an address in its status.
    async fn make_pod(&self, name: &str, address: &str) {
        let container = json!({"name": "c", "image": "localhost/busybox:test"});
        let spec = json!({"schedulingGates": [{"name": "example.org/never"}], "containers": [container]});
        let pod = serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).unwrap();
        self.pods().create(&PostParams::default(), &pod).await.unwrap();
        let status = json!({"status": {"podIP": address, "podIPs": [{"ip": address}]}});
        self.pods().patch_status(name, &PatchParams::default(), &Patch::Merge(&status)).await.unwrap();
    }

    async fn make_service(&self, number: usize) {
        let object = json!({"metadata": {"name": format!("service-{number}")}, "spec": {"ports": [{"port": 80}]}});
        let services: Api<Service> = Api::namespaced(self.client.clone(), &self.name);
        services.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    }

    pub(super) fn pod(&self, name: &str, address: &str) {
        self.runtime.block_on(self.make_pod(name, address));
    }

    pub(super) fn remove_pod(&self, name: &str) {
        self.runtime.block_on(self.pods().delete(name, &DeleteParams::default().grace_period(0))).unwrap();
    }

    /// So many pods, at `address` of their numbers, and so many services.
    pub(super) fn fill(&self, pods: usize, services: usize, address: fn(usize) -> String) {
        let made = Instant::now();
        self.runtime.block_on(async {
            let pod = |number: usize| async move { self.make_pod(&format!("pod-{number}"), &address(number)).await };
            stream::iter(0..pods).for_each_concurrent(32, pod).await;
            stream::iter(0..services).for_each_concurrent(32, |number| self.make_service(number)).await;
        });
        eprintln!("{pods} pods, {services} services made in {:.1?}", made.elapsed());
    }

    /// Watches of the whole cluster as the API server counts them, by resource.
    pub(super) fn watches(&self) -> Vec<(&'static str, i64)> {
        let request = http::Request::get("/metrics").body(Vec::new()).unwrap();
        let text = self.runtime.block_on(self.client.request_text(request)).unwrap();
        let wanted = ["apiserver_longrunning_requests{", "verb=\"WATCH\"", "scope=\"cluster\""];
        let lines: Vec<&str> = text.lines().filter(|line| wanted.iter().all(|part| line.contains(part))).collect();
        let count = |resource: &'static str| {
            let part = format!("resource=\"{resource}\"");
            let numbers = lines.iter().filter(|line| line.contains(&part));
            (resource, numbers.filter_map(|line| line.rsplit(' ').next()?.parse::<i64>().ok()).sum())
        };
        ["pods", "nodes", "services", "replicasets", "jobs"].map(count).into()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let now = DeleteParams::background().grace_period(0);
        let namespaces = Api::<Namespace>::all(self.client.clone());
        let _ = self.runtime.block_on(self.pods().delete_collection(&now, &ListParams::default()));
        let _ = self.runtime.block_on(namespaces.delete(&self.name, &DeleteParams::background()));
    }
}
