//! Any bytes as a message of DNS: neither a panic nor a loop.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| agent::inputs::dns(bytes));
