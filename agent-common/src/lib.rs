//! What the kernel programs and their user-space half share: `repr(C)` types, header parsing, rule matching.
//!
//! Owns the layout of every map key, map value and ring record. Knows nothing else: no allocation, no operating
//! system, no aya. Everything here also runs on the host, in unit tests and fuzzers.
#![cfg_attr(not(test), no_std)]
#![expect(
    clippy::inline_always,
    reason = "in the kernel a call costs as much as the work, and the verifier follows packet pointers best within one function"
)]

pub mod drops;
pub mod fragment;
#[cfg(test)]
mod frames;
pub mod keys;
pub mod kfunc;
pub mod packet;
pub mod parse;
pub mod process;
pub mod rules;
pub mod sample;
pub mod tcp;
pub mod types;
pub mod wire;
