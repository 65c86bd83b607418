//! The agent on a real kernel: namespaces and veth pairs of the test's own, real traffic, the sender's counts as truth.
//! Without root every test says `SKIP name: needs root` and passes.
#![expect(clippy::print_stdout, reason = "measured figures, and tests that were skipped")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "kernel/capture.rs"]
mod capture;
#[path = "kernel/drops.rs"]
mod drops;
#[path = "kernel/ends.rs"]
mod ends;
#[path = "kernel/filters.rs"]
mod filters;
#[path = "kernel/flows.rs"]
mod flows;
#[path = "kernel/hellos.rs"]
mod hellos;
#[path = "kernel/keys.rs"]
mod keys;
#[path = "kernel/lab.rs"]
mod lab;
#[path = "kernel/leftovers.rs"]
mod leftovers;
#[path = "kernel/packets.rs"]
mod packets;
#[path = "kernel/places.rs"]
mod places;
#[path = "kernel/sinks.rs"]
mod sinks;
#[path = "kernel/sockets.rs"]
mod sockets;
#[path = "kernel/storm.rs"]
mod storm;
