//! Any bytes as a saved capture: the readers of JSON, pcapng and pcap neither panic nor run away.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    collector::open::fuzz(bytes);
});
