//! What features find out: each with a cause made on purpose and its effect seen in records or packets.

mod dns;
mod drops;
mod events;
mod ipsec;
mod nat;
mod networks;
mod process;
mod tcp;
mod tls;
