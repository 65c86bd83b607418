//! Both ends over loopback: who is refused, what survives a broken connection, who waits for whom.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "measured figures")]

#[path = "loopback/clocks.rs"]
mod clocks;
#[path = "loopback/control.rs"]
mod control;
#[path = "loopback/delivery.rs"]
mod delivery;
#[path = "loopback/executables.rs"]
mod executables;
#[path = "loopback/proxy.rs"]
mod proxy;
#[path = "loopback/refusal.rs"]
mod refusal;
#[path = "loopback/speed.rs"]
mod speed;
#[path = "loopback/support.rs"]
mod support;
