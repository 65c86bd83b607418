//! The kernel side in user space: network namespaces and interfaces, attaching, maps and rings, accounting, records.
//!
//! Owns everything that knows aya, netlink or bpf(2). Must not know the collector, the command line or a cluster's API.

#[cfg(not(target_os = "linux"))]
compile_error!("packets are captured with Linux eBPF");

mod account;
mod agent;
mod attach;
mod bpf;
mod btf;
mod decode;
mod drain;
mod error;
mod features;
mod flows;
mod interfaces;
mod loader;
mod netlink;
mod netns;
mod observer;
mod outbox;
mod packets;
mod preflight;
mod recorder;
#[cfg(test)]
mod testing;
mod time;
mod topology;
mod trace;
mod worker;

pub use agent::{Agent, start, sweep};
pub use error::AgentError;
pub use interfaces::check_pattern;
pub use netlink::{conntrack::translated, sockets::connections};
pub use observer::Attached;
pub use preflight::{Support, kernel_release, own_address, preflight};
pub use time::{clock_ns, shift_clock};

/// For the fuzzer: what reads bytes that anybody may send.
#[cfg(fuzzing)]
pub mod inputs {
    /// Reads a message of DNS.
    pub fn dns(bytes: &[u8]) {
        crate::features::inputs::dns(bytes);
    }

    /// Reads records and handshake messages of TLS, packets and frames of QUIC.
    pub fn hello(bytes: &[u8]) {
        crate::features::inputs::hello(bytes);
    }
}
