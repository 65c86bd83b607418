//! Pods on two nodes that talk to each other when told to: requests through a Service, pings, a refused port.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{get, items, kubectl, kubectl_with, wait};

/// A namespace with `web` (a Deployment on the second node behind a Service), `client` (a pod without owner on the
/// first), `local` (a DaemonSet), `once` (a Job) and `nightly` (a CronJob with one Job). It stays for the next test.
#[derive(Debug)]
pub struct Shop {
    namespace: String,
}

/// Its name.
const NAMESPACE: &str = "shop";

/// Where the server listens.
const PORT: u16 = 8080;

impl Shop {
    /// Opens it where it is not open yet, and waits until everybody is there.
    pub fn open(nodes: &[String]) -> Result<Self> {
        let shop = Self { namespace: NAMESPACE.to_owned() };
        kubectl_with(["apply", "--validate=false", "-f", "-"], &manifest(NAMESPACE, &nodes[0], &nodes[1]))?;
        let job = get(&format!("-n {NAMESPACE} job nightly-1"));
        if job.is_err() {
            kubectl(["-n", NAMESPACE, "create", "job", "nightly-1", "--from=cronjob/nightly"])?;
        }
        wait("pods of the shop", Duration::from_mins(1), || Ok(items(&format!("-n {NAMESPACE} pods"))?.len() >= 6))?;
        kubectl(["-n", NAMESPACE, "wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s"])?;
        wait("the shop's web server", Duration::from_secs(20), || Ok(shop.requests(1).is_ok()))?;
        Ok(shop)
    }

    /// Its name.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Runs a shell command in the client's pod.
    pub fn in_client(&self, command: &str) -> Result<String> {
        kubectl(["-n", &self.namespace, "exec", "client", "--", "sh", "-c", command])
    }

    /// `count` requests through the Service, each a connection of its own.
    pub fn requests(&self, count: usize) -> Result<()> {
        let each = format!("wget -q -O /dev/null http://{}/ || exit 1", self.service()?);
        self.in_client(&format!("for i in $(seq {count}); do {each}; done")).map(drop)
    }

    /// `count` pings of a web pod.
    pub fn pings(&self, count: usize) -> Result<()> {
        let address = self.address("app=web")?;
        self.in_client(&format!("ping -c {count} -i 0.05 -q {address}")).map(drop)
    }

    /// `count` connections to a port at which nobody listens.
    pub fn refusals(&self, count: usize) -> Result<()> {
        let address = self.address("app=web")?;
        self.in_client(&format!("for i in $(seq {count}); do nc -w 1 {address} 81 </dev/null && exit 1; done; true"))
            .map(drop)
    }

    /// Address of the first pod that `selector` finds.
    pub fn address(&self, selector: &str) -> Result<String> {
        let pod = self.pod(selector)?;
        pod["status"]["podIP"].as_str().map(str::to_owned).context("podIP")
    }

    /// The first pod that `selector` finds.
    pub fn pod(&self, selector: &str) -> Result<Value> {
        items(&format!("-n {} pods -l {selector}", self.namespace))?.first().cloned().context("a pod")
    }

    /// Address of the Service.
    pub fn service(&self) -> Result<String> {
        let service = get(&format!("-n {} service web", self.namespace))?;
        service["spec"]["clusterIP"].as_str().map(str::to_owned).context("clusterIP")
    }
}

fn manifest(namespace: &str, first: &str, second: &str) -> String {
    let server = format!(
        "{{name: web, image: 'localhost/busybox:test', command: [sh, -c, 'mkdir -p /tmp/www; seq 1000 > /tmp/www/index.html; exec httpd -f -p {PORT} -h /tmp/www']}}"
    );
    let idle = "{name: idle, image: 'localhost/busybox:test', command: [sleep, '100000']}";
    format!(
        "apiVersion: v1
kind: Namespace
metadata: {{name: {namespace}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: {namespace}}}
spec:
  replicas: 1
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web, shop: 'yes'}}}}
    spec: {{terminationGracePeriodSeconds: 0, nodeSelector: {{kubernetes.io/hostname: {second}}}, containers: [{server}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: {namespace}}}
spec: {{selector: {{app: web}}, ports: [{{port: 80, targetPort: {PORT}}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: client, namespace: {namespace}, labels: {{app: client, shop: 'yes'}}}}
spec: {{terminationGracePeriodSeconds: 0, nodeSelector: {{kubernetes.io/hostname: {first}}}, containers: [{idle}]}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: local, namespace: {namespace}}}
spec:
  selector: {{matchLabels: {{app: local}}}}
  template:
    metadata: {{labels: {{app: local, shop: 'yes'}}}}
    spec: {{terminationGracePeriodSeconds: 0, containers: [{idle}]}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {{name: nightly, namespace: {namespace}}}
spec:
  schedule: '0 0 1 1 *'
  jobTemplate:
    spec:
      template:
        metadata: {{labels: {{app: nightly}}}}
        spec: {{restartPolicy: Never, terminationGracePeriodSeconds: 0, containers: [{idle}]}}
---
apiVersion: batch/v1
kind: Job
metadata: {{name: once, namespace: {namespace}}}
spec:
  template:
    metadata: {{labels: {{app: once, shop: 'yes'}}}}
    spec: {{restartPolicy: Never, terminationGracePeriodSeconds: 0, containers: [{idle}]}}
"
    )
}
