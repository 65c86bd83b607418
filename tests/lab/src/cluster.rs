//! A real Kubernetes cluster for tests: kubectl, a shop whose traffic is known, and what a capture may have left.
//!
//! Needs KUBECONFIG with the rights of a cluster's admin, kubectl, and two nodes. Whatever looks at a node from within
//! needs NETOBSERV_NODE_EXEC: a command that takes the name of a node and a command to run there.

use std::{
    env,
    ffi::OsStr,
    io::Write as _,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

pub mod disturb;
mod made_up;
pub mod person;
mod shop;
mod trace;

pub use made_up::MadeUp;
pub use person::{Applied, Person, Told};
pub use shop::Shop;
pub use trace::Trace;

/// Selector of everything a capture makes.
pub const OURS: &str = "app.kubernetes.io/name=oc-netobserv";

/// Why a test that needs a cluster cannot run here; `None` when it can.
pub fn missing() -> Option<String> {
    // Both: nobody's everyday cluster is to be tested upon by accident.
    if let Some(name) = ["KUBECONFIG", "NETOBSERV_NODE_EXEC"].into_iter().find(|name| env::var_os(name).is_none()) {
        return Some(format!("needs a cluster: {name} is not set"));
    }
    match kubectl(["get", "nodes", "-o", "name"]) {
        Ok(nodes) if nodes.lines().count() >= 2 => None,
        Ok(nodes) => Some(format!("needs two nodes: {nodes:?}")),
        Err(error) => Some(format!("needs a cluster: {error}")),
    }
}

/// Standard output of kubectl.
pub fn kubectl<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Result<String> {
    output(Command::new("kubectl").args(arguments))
}

/// The same with `text` on its standard input.
pub fn kubectl_with<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>, text: &str) -> Result<String> {
    let mut command = Command::new("kubectl");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("kubectl")?;
    child.stdin.take().context("stdin")?.write_all(text.as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "kubectl: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A list or an object as JSON.
pub fn get(arguments: &str) -> Result<Value> {
    let words = ["get", "-o", "json"].into_iter().chain(arguments.split_whitespace());
    Ok(serde_json::from_str(&kubectl(words)?)?)
}

/// The items of a list.
pub fn items(arguments: &str) -> Result<Vec<Value>> {
    Ok(get(arguments)?["items"].as_array().context("a list")?.clone())
}

/// Standard output of a command in a node's own namespaces.
pub fn on_node(node: &str, command: &[&str]) -> Result<String> {
    let runner = env::var("NETOBSERV_NODE_EXEC").context("NETOBSERV_NODE_EXEC is not set")?;
    output(Command::new(runner).arg(node).args(command))
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Waits until `done`, or fails with what it last said.
pub fn wait(what: &str, longest: Duration, mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    loop {
        let last = done();
        match last {
            Ok(true) => return Ok(()),
            Ok(false) | Err(_) if start.elapsed() < longest => {}
            Ok(false) => bail!("{what}: not within {longest:?}"),
            Err(error) => return Err(error.context(format!("{what}: not within {longest:?}"))),
        }
        thread::sleep(Duration::from_millis(200));
    }
}

/// Everything of ours that there is: API objects, and on the nodes programs that bear our name, filters and pins.
pub fn leftovers() -> Result<Vec<String>> {
    let kinds = "namespaces,clusterroles,clusterrolebindings,pods,daemonsets,configmaps,secrets,services,leases,roles,rolebindings,serviceaccounts,networkpolicies";
    let mut found: Vec<String> = kubectl(["get", kinds, "-A", "-l", OURS, "-o", "name", "--ignore-not-found"])?
        .lines()
        .map(str::to_owned)
        .collect();
    for node in nodes()? {
        for (what, command) in [
            (
                "tc filter",
                "for i in $(ls /sys/class/net); do tc filter show dev $i ingress; tc filter show dev $i egress; done 2>/dev/null | grep -i netobserv || true",
            ),
            ("pin", "ls /sys/fs/bpf 2>/dev/null | grep -i netobserv || true"),
        ] {
            let lines = on_node(&node, &["sh", "-c", command])?;
            found.extend(lines.lines().map(|line| format!("{what} on {node}: {line}")));
        }
    }
    // The nodes of a test cluster share one kernel, whose programs are seen from anywhere.
    let programs =
        output(Command::new("sh").args(["-c", "bpftool prog show | grep -E 'name (ingress|egress)_l[23]' || true"]))?;
    found.extend(programs.lines().map(|line| format!("{PROGRAM}: {line}")));
    Ok(found)
}

/// What the line of a program begins with.
const PROGRAM: &str = "eBPF program";

/// What is there now and was not `before`.
pub fn leftovers_since(before: &[String]) -> Result<Vec<String>> {
    let mut left = leftovers()?;
    left.retain(|found| !before.contains(found));
    // The kernel takes a program a moment after its last link is gone.
    if left.iter().all(|found| found.starts_with(PROGRAM)) {
        thread::sleep(Duration::from_secs(1));
        left = leftovers()?;
        left.retain(|found| !before.contains(found));
    }
    Ok(left)
}

/// Names of the nodes.
pub fn nodes() -> Result<Vec<String>> {
    let names = kubectl(["get", "nodes", "-o", "jsonpath={.items[*].metadata.name}"])?;
    Ok(names.split_whitespace().map(str::to_owned).collect())
}
