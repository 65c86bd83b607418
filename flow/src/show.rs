//! How values are shown: units, names, times, and text made safe for a terminal.
//!
//! Owns the words; must not know widths, colours or columns.

mod cell;
mod escape;
mod icmp;
mod link;
mod protocol;
mod tcp;
mod time;
mod unit;

pub use cell::{cell, events};
pub use escape::escape;
pub use icmp::{icmp_type, icmpv6_type};
pub use link::{dscp, ethertype, flow_direction, interface_direction};
pub use protocol::{protocol, protocol_number};
pub use tcp::tcp_flags;
pub use time::{date_time, stamp, time_of_day};
pub use unit::{bytes, count, duration};
