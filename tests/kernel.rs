//! The kernel tier: the real program in network namespaces, against tcpdump and against what was sent.
//!
//! Needs Linux and root; without them, or without a tool, a test prints `SKIP name: reason` and ends. `.ci/run` counts
//! those lines. `cargo test --test kernel -- --nocapture --test-threads 1` runs it alone;
//! `KERNEL_TIER_SHORT=1` keeps times and rates small, `OC_NETOBSERV_BIN` names another executable.

#![cfg(target_os = "linux")]

#[path = "kernel"]
mod kernel_tier {
}
