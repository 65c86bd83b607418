//! What one capture has on a cluster, told from other captures by its namespace: objects, and processes on the nodes.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{OURS, get, items, kubectl, nodes, on_node, wait};

/// A capture on a cluster, from before it is there until it is gone.
#[derive(Clone, Debug)]
pub struct Trace {
    namespace: String,
}

impl Trace {
    /// The capture that has, or will have, this namespace.
    pub fn of(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned() }
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Waits for an object of it, noticed within milliseconds: `ns/NAME`, `pod/collector`.
    pub fn wait_for_object(&self, object: &str) -> Result<()> {
        kubectl(["-n", &self.namespace, "wait", "--for=create", object, "--timeout=60s"]).map(drop)
    }

    /// Whether its namespace is there.
    pub fn is_there(&self) -> Result<bool> {
        Ok(!kubectl(["get", "namespace", &self.namespace, "-o", "name", "--ignore-not-found"])?.is_empty())
    }

    /// Its collector's pod.
    pub fn collector(&self) -> Result<Value> {
        get(&format!("-n {} pod collector", self.namespace))
    }

    /// The node that its collector is on.
    pub fn collector_node(&self) -> Result<String> {
        self.collector()?["spec"]["nodeName"].as_str().map(str::to_owned).context("nodeName")
    }

    /// Whether its guardian has said that it is at work.
    pub fn has_guardian(&self) -> Result<bool> {
        let lease = get(&format!("-n {} lease client", self.namespace))?;
        Ok(lease["metadata"]["annotations"]["netobserv.io/guardian"] == "here")
    }

    /// Process ids of `pod ROLE` (`agent`, `collector`) on a node.
    pub fn processes(&self, node: &str, role: &str) -> Result<Vec<u32>> {
        // What a container runs has the variables of its pod. Nodes of a test cluster may share process ids.
        let script = format!(
            "for p in /proc/[0-9]*; do \
               tr '\\0' ' ' <$p/cmdline | grep -q '^[^ ]*oc-netobserv pod {role} $' || continue; \
               tr '\\0' '\\n' <$p/environ | grep -qx 'POD_NAMESPACE={}' || continue; \
               tr '\\0' '\\n' <$p/environ | grep -qx 'NODE_NAME={node}' || continue; \
               echo ${{p#/proc/}}; \
             done 2>/dev/null; true",
            self.namespace
        );
        let found = on_node(node, &["sh", "-c", &script])?;
        found.lines().map(|line| Ok(line.trim().parse()?)).collect()
    }

    /// Kills the one process of that role on a node, with SIGKILL.
    pub fn kill(&self, node: &str, role: &str) -> Result<u32> {
        let processes = self.processes(node, role)?;
        let pid = *processes.first().with_context(|| format!("no {role} on {node}"))?;
        on_node(node, &["sh", "-c", &format!("kill -9 {pid}")])?;
        Ok(pid)
    }

    /// Agents that run, as `node/pid`.
    pub fn agents(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for node in nodes()? {
            found.extend(self.processes(&node, "agent")?.iter().map(|pid| format!("{node}/{pid}")));
        }
        Ok(found)
    }

    /// Waits until no agent runs; how long that took.
    pub fn wait_without_agents(&self, longest: Duration) -> Result<Duration> {
        let start = Instant::now();
        wait("no agents", longest, || Ok(self.agents()?.is_empty()))?;
        Ok(start.elapsed())
    }

    /// Waits until nothing is left; how long that took.
    pub fn wait_until_gone(&self, longest: Duration) -> Result<Duration> {
        let start = Instant::now();
        let gone = wait("nothing left", longest, || Ok(self.left()?.is_empty()));
        gone.with_context(|| format!("{:?}", self.left()))?;
        Ok(start.elapsed())
    }

    /// Everything of this capture that there is.
    pub fn left(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        if self.is_there()? {
            found.push(format!("namespace {}", self.namespace));
        }
        for kind in ["clusterroles", "clusterrolebindings"] {
            let owned = |item: &Value| {
                let owners = item["metadata"]["ownerReferences"].as_array();
                owners.into_iter().flatten().any(|owner| owner["name"] == self.namespace.as_str())
            };
            let all = items(&format!("{kind} -l {OURS}"))?;
            found.extend(
                all.iter().filter(|item| owned(item)).map(|item| format!("{kind} {}", item["metadata"]["name"])),
            );
        }
        found.extend(self.agents()?.iter().map(|agent| format!("agent {agent}")));
        Ok(found)
    }
}
