//! The command line as a user meets it: the real binary, what it prints, its exit code, and what it leaves behind.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod behaviour;
mod help;
mod kernel;
mod run;
mod wrong;
