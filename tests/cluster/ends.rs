//! Everything that goes wrong while a capture runs: what is kept, what is said, and that nothing is left.

use std::{
    fmt::Debug,
    path::Path,
    process::{Command, Output},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

use lab::{
    Capture,
    capture::Running,
    cluster::{self, Shop, Trace, kubectl, kubectl_with},
    files::Files,
};
use serde_json::Value;

mod agents;
mod away;
mod collector;
mod killed;
mod nodes;
mod signals;

/// What most captures here ask for: records as lines, gone soon after their client.
fn capture(trace: &Trace) -> Capture {
    crate::flows().args("-o json --lease 10s --keep 5s --capture-namespace").arg(trace.namespace())
}

/// A name for the namespace of a capture that no other test has.
fn trace(name: &str) -> Trace {
    Trace::of(&format!("ends-{name}-{}", std::process::id()))
}

/// Starts it and waits until it captures.
fn running(capture: &Capture) -> Running {
    let mut running = capture.spawn().unwrap();
    running.wait_for("attached to", Duration::from_mins(1)).unwrap();
    running
}

/// Runs one of our commands to its end.
fn ours(arguments: &str, directory: &Path) -> Output {
    let mut command = Command::new(lab::capture::program(env!("CARGO_BIN_EXE_oc-netobserv")));
    command.args(arguments.split_whitespace()).current_dir(directory).env("NO_COLOR", "1");
    command.output().unwrap()
}

/// Standard error of a command.
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Attempts to connect to a closed port of the shop's web server that no other test uses: one packet to it each.
struct Knocks<'a> {
    shop: &'a Shop,
    port: u16,
}

impl<'a> Knocks<'a> {
    fn at(shop: &'a Shop) -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        // Below the ports that connections come from.
        let base = 20_000 + (std::process::id() % 600) as u16 * 20;
        Self { shop, port: base + NEXT.fetch_add(1, Ordering::Relaxed) }
    }

    fn knock(&self, count: usize) {
        let address = self.shop.address("app=web").unwrap();
        let each = format!("nc -w 1 {address} {} </dev/null && exit 1", self.port);
        self.shop.in_client(&format!("for i in $(seq {count}); do {each}; done; true")).unwrap();
    }

    /// The same once a second, by somebody who need not be told through the API server.
    fn knock_slowly(&self, count: usize) {
        let address = self.shop.address("app=web").unwrap();
        let each = format!("nc -w 1 {address} {} </dev/null", self.port);
        self.shop.in_client(&format!("(for i in $(seq {count}); do {each}; sleep 1; done) >/dev/null 2>&1 &")).unwrap();
    }

    /// Packets that were heard of so far.
    fn heard(&self, running: &Running) -> u64 {
        let text = running.stdout().unwrap();
        let records = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let ours = records.filter(|record| record["DstPort"] == self.port);
        ours.map(|record| record["Packets"].as_u64().unwrap()).sum()
    }

    /// Waits until so many were.
    fn wait_for(&self, running: &Running, count: u64, longest: Duration) {
        let done = cluster::wait("packets", longest, || Ok(self.heard(running) >= count));
        assert!(done.is_ok(), "{} of {count} after {longest:?}", self.heard(running));
    }

    /// What the files say.
    fn stored(&self, files: &Files) -> u64 {
        let sum = files.query(&format!("SELECT coalesce(sum(Packets), 0) FROM flow WHERE DstPort = {}", self.port));
        sum.unwrap().parse().unwrap()
    }
}

/// Long enough for a packet to be heard of.
const SOON: Duration = Duration::from_secs(20);

/// Time that something took, for whoever reads the log.
fn measured<T: Debug>(what: &str, value: T) -> T {
    eprintln!("{what}: {value:.1?}");
    value
}

/// Until the client may be called gone, and a little more.
fn lapse() {
    std::thread::sleep(Duration::from_secs(10 + 10 + 3));
}

/// Namespaces and DaemonSets that resemble ours.
struct Foreign {
    seen: Vec<String>,
}

const FOREIGN: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: netobserv-0f0e1d, labels: {app.kubernetes.io/name: netobserv, netobserv.io/capture: 0f0e1d}}
---
apiVersion: v1
kind: Namespace
metadata: {name: oc-netobserv, labels: {app.kubernetes.io/name: oc-netobserv}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent-amd64, namespace: netobserv-0f0e1d, labels: {app.kubernetes.io/name: oc-netobserv, app.kubernetes.io/component: agent}}
spec:
  selector: {matchLabels: {app: foreign}}
  template:
    metadata: {labels: {app: foreign}}
    spec: {nodeSelector: {nowhere: here}, containers: [{name: agent, image: 'localhost/busybox:test', command: [sleep, '1000']}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: capture, namespace: oc-netobserv, labels: {app.kubernetes.io/name: oc-netobserv, netobserv.io/capture: 0f0e1d}}
";

impl Foreign {
    fn make() -> Self {
        kubectl_with(["apply", "--validate=false", "-f", "-"], FOREIGN).unwrap();
        Self { seen: Self::look() }
    }

    /// Their unique ids, and whether somebody wants them gone.
    fn look() -> Vec<String> {
        let objects = [
            "namespace netobserv-0f0e1d",
            "namespace oc-netobserv",
            "-n netobserv-0f0e1d daemonset agent-amd64",
            "-n oc-netobserv configmap capture",
        ];
        let state = |object: &&str| {
            let found = cluster::get(object).unwrap();
            format!("{object} {} {}", found["metadata"]["uid"], found["metadata"]["deletionTimestamp"])
        };
        objects.iter().map(state).collect()
    }

    fn assert_untouched(&self) {
        assert_eq!(Self::look(), self.seen);
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = kubectl(["delete", "namespace", "netobserv-0f0e1d", "oc-netobserv", "--wait=false"]);
    }
}

/// Waits for the end of a capture and says how long that took.
fn end(running: Running) -> (lab::Finished, Duration) {
    let start = Instant::now();
    let finished = running.wait().unwrap();
    (finished, start.elapsed())
}
