//! Any bytes as what carries hellos: records and handshake messages of TLS, packets and frames of QUIC.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| agent::inputs::hello(bytes));
