//! What it costs to judge a record.

use std::{hint::black_box, time::Instant};

use super::*;

/// Prints ns a record; run it with `cargo test --release -p flow speed -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement, not a test"]
fn speed_of_three_filters() {
    const TIMES: u32 = 1_000_000;
    let record = meaning::record();
    for text in
        ["dst.port = 443 and bytes > 1MB", "src.pod = shop/web-1 and rtt > 5ms", "NXDomain tls.sni =~ \"example\""]
    {
        let filter = Filter::parse(text).unwrap();
        let start = Instant::now();
        for _ in 0..TIMES {
            black_box(filter.matches(black_box(&record)));
        }
        println!("{:6.1} ns a record: {text}", start.elapsed().as_nanos() as f64 / f64::from(TIMES));
    }
}
