//! The kernel tier: the real program in network namespaces, against tcpdump and against what was sent.
//!
//! Needs Linux and root; without them, or without a tool, a test prints `SKIP name: reason` and ends. `.ci/run` counts
//! those lines. `cargo test --test kernel -- --nocapture --test-threads 1` runs it alone;
//! `KERNEL_TIER_SHORT=1` keeps times and rates small, `OC_NETOBSERV_BIN` names another executable.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "what a test measured, for whoever reads its log")]

use lab::Capture;

/// `flows --local`.
fn flows() -> Capture {
    Capture::new(env!("CARGO_BIN_EXE_oc-netobserv"), "flows")
}

/// `packets --local`.
fn packets() -> Capture {
    Capture::new(env!("CARGO_BIN_EXE_oc-netobserv"), "packets")
}

// The name is what `.ci/run` chooses this tier by.
#[path = "kernel"]
mod kernel_tier {
    mod comings;
    mod ends;
    mod exact;
    mod features;
    mod filters;
    mod flows;
    mod keys;
    mod once;
    mod packets;
    mod recorder;
    mod rights;
    mod rules;
    mod terminal;
    mod traffic;
    mod wireshark;
}
