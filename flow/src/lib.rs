//! What a flow is, independent of where it comes from and where it goes: the record schema (one table), filter
//! rules, the batches that travel from agent to collector, units and names.
//!
//! Pure: no I/O, no clock, no tokio, kube, aya, ratatui or rusqlite.

mod accumulate;
pub mod batch;
pub mod config;
pub mod control;
pub mod counters;
pub mod duration;
mod enrich;
pub mod filter;
mod own;
pub mod rules;
pub mod schema;
pub mod service;
pub mod show;
pub mod size;
pub mod stop;
pub mod text;
mod times;
pub mod value;
pub mod wire;

pub use accumulate::Accumulation;
pub use batch::{
    Batch, Body, Clock, Closed, Drop, Fired, FlowBatch, Interface, InterfaceCounts, LinkType, Observation, Packet,
    PacketBatch, Place, Recording, Ring, Sink,
};
pub use config::{CaptureConfig, Selection};
pub use counters::Counters;
pub use enrich::Enrich;
pub use filter::{Filter, FilterError};
pub use own::Own;
pub use rules::{Rule, Rules};
pub use schema::{Feature, Field, FlowRecord, Group};
pub use service::Service;
pub use stop::{Reason, Stop};
pub use text::TextFilter;
pub use value::{Kind, Mac, NetworkEvent, Unit, Value};
