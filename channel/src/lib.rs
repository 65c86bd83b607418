//! The way between agents and collector: frames, certificates of one capture, mutual TLS, sequence, reconnect,
//! backpressure, control; and the plain server from which agents fetch their executable.
//!
//! Both ends are called from ordinary threads and run what is asynchronous by themselves. An agent's messages (batches,
//! reports, its end) bear numbers; the collector confirms those it has delivered, the agent keeps the others and sends
//! them again after a reconnect, the collector drops what it has had. So each is delivered once and in order, however
//! often the connection breaks. A collector that is behind confirms nothing; then the agent's buffer is full, its sink
//! blocks, and what is lost is lost, and counted, in the kernel.
//!
//! Knows flow; must not know the cluster's API, eBPF, or what becomes of the batches.

pub mod certs;
pub mod client;
pub mod executables;
pub mod frame;
mod heard;
mod message;
pub mod server;
mod tls;

pub use self::{
    client::Client,
    server::Server,
    tls::{Identity, TlsError},
};
