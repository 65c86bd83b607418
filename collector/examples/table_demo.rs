//! The table with made-up traffic, for developing it: `cargo run -p collector --example table_demo [-- packets|storm|file]`.
//!
//! `storm` is 10,000 records a second over 100,000 flows, with losses; `file` behaves like a saved capture.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::{Duration, SystemTime},
};

use collector::tui::{self, Source, TableSetup};
use flow::{Batch, Stop, config::Mode};

#[path = "table_demo/traffic.rs"]
mod traffic;

fn main() -> Result<(), tui::TuiError> {
    let kind = std::env::args().nth(1).unwrap_or_default();
    let mode = if kind == "packets" { Mode::Packets } else { Mode::Flows };
    let source = match kind.as_str() {
        "file" => Source::File,
        _ => Source::Live { interval: Duration::from_secs(1) },
    };
    let (sender, receiver) = mpsc::sync_channel::<Arc<Batch>>(64);
    thread::spawn(move || {
        let mut traffic = traffic::Traffic::new(now_ns());
        let file = kind == "file";
        for sent in 0_u64.. {
            let batch = match kind.as_str() {
                "packets" => traffic.packets(now_ns(), 20),
                "storm" => traffic.storm(now_ns(), 10_000, 100_000),
                _ => traffic.flows(now_ns()),
            };
            let ended = sender.send(Arc::new(batch)).is_err() || (file && sent == 5);
            if ended {
                break;
            }
            thread::sleep(Duration::from_millis(if kind == "packets" { 300 } else { 1000 }));
        }
    });
    let mut setup = TableSetup::new(mode, source);
    setup.what = String::from("tcp, udp or icmp");
    setup.node = "worker-1".into();
    setup.limits.time = Some(Duration::from_mins(5));
    setup.colour = std::env::var_os("NO_COLOR").is_none();
    tui::run(receiver, setup, Stop::default())
}

fn now_ns() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}
