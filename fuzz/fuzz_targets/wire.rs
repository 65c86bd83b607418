//! Any bytes as a batch from an agent: decoding neither panics nor takes memory without end, and what it takes for a batch
//! is one that comes back from its own encoding.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(batch) = flow::wire::decode(bytes) else { return };
    let mut again = Vec::new();
    flow::wire::encode(&batch, &mut again).unwrap();
    let decoded = flow::wire::decode(&again).unwrap();
    assert_eq!(format!("{batch:?}"), format!("{decoded:?}"));
});
