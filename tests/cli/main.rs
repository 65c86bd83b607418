//! The command line as a user meets it: the real binary, what it prints, its exit code, and what it leaves behind.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod behaviour;
mod convert;
mod help;
// The name is what `.ci/run` chooses the kernel tier by.
#[path = "kernel.rs"]
mod kernel_tier;
mod run;
mod wireshark;
mod wrong;
