//! The cluster tier: the real program on a real cluster of two nodes, against what its pods sent and what the API server
//! says.
//!
//! Needs KUBECONFIG of an admin, kubectl, two nodes, and NETOBSERV_NODE_EXEC, a command that runs a command on a node;
//! without them a test prints `SKIP name: reason` and ends. Tests share the namespace `shop`, which stays.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "what a test measured, for whoever reads its log")]

use lab::{Capture, cluster::Shop};

/// `flows`.
fn flows() -> Capture {
    Capture::on_cluster(env!("CARGO_BIN_EXE_oc-netobserv"), "flows")
}

/// `packets`.
fn packets() -> Capture {
    Capture::on_cluster(env!("CARGO_BIN_EXE_oc-netobserv"), "packets")
}

/// The program, for command lines.
fn program() -> String {
    std::env::var("OC_NETOBSERV_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_oc-netobserv").to_owned())
}

/// Leaves the test, with a line that says why, unless there is a cluster.
macro_rules! needs_cluster {
    () => {
        if let Some(reason) = lab::cluster::missing() {
            lab::need::skip(&reason);
            return;
        }
    };
}

/// The shop, open.
fn shop() -> Shop {
    Shop::open(&lab::cluster::nodes().unwrap()).unwrap()
}

// The name is what `.ci/run` chooses this tier by.
#[path = "cluster"]
mod cluster_tier {
    mod clocks;
    mod ends;
    mod features;
    mod flows;
    mod life;
    mod many;
    mod openshift;
    mod packets;
    mod recorder;
    mod refusals;
    mod rights;
    mod table;
}
