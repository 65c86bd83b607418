//! Filter rules as NetObserv's options give them: first match decides.
//!
//! Owns what a rule is ([`Rule`]), how it is written ([`parse()`]) and what it means ([`verdict()`]). Must not know how
//! rules are loaded into a kernel.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

mod both;
mod conflict;
mod parse;
mod sets;
mod subject;
mod value;
mod verdict;

pub use both::{Both, Obstacle, both};
pub use conflict::Conflict;
pub use parse::{MAX_RULES, OPTIONS, Options, RuleError, parse};
pub use sets::{MAX_ADDRESSES, MAX_SETS, Sets};
pub use subject::{Directions, FlagsSeen, Subject};
pub use value::{Expected, InvalidValue};
pub use verdict::verdict;

/// Take or leave a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Take it.
    #[default]
    Accept,
    /// Leave it out.
    Reject,
}

/// Direction at an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// Into the namespace.
    Ingress,
    /// Out of the namespace.
    Egress,
}

/// Ports as inclusive ranges: one port, a range, or two ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// First range.
    pub first: (u16, u16),
    /// Second range, of a two-port list.
    pub second: Option<(u16, u16)>,
}

/// `flags & mask == value`, wire bits 0-7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpFlags {
    /// Bits looked at.
    pub mask: u8,
    /// Their value.
    pub value: u8,
}

/// One rule: all its conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    /// What to do with a packet that matches.
    pub action: Action,
    /// `--cidr`: network of either end.
    pub net: Option<IpNet>,
    /// `--peer-ip`, `--peer-cidr`: network of the other end.
    pub peer: Option<IpNet>,
    /// `--direction`
    pub direction: Option<Direction>,
    /// Network of the source.
    pub src: Option<IpNet>,
    /// Network of the destination.
    pub dst: Option<IpNet>,
    /// Set of addresses of either end, by its index in [`crate::CaptureConfig::sets`].
    pub net_set: Option<u8>,
    /// Set of the other end; with `net_set`, one end is in the one and the other in the other, either way round.
    pub peer_set: Option<u8>,
    /// Set of the source.
    pub src_set: Option<u8>,
    /// Set of the destination.
    pub dst_set: Option<u8>,
    /// `--protocol`, IANA number.
    pub protocol: Option<u8>,
    /// `--port`, `--ports`, `--port-range`: either port.
    pub port: Option<Ports>,
    /// `--sport`...: source port.
    pub sport: Option<Ports>,
    /// `--dport`...: destination port.
    pub dport: Option<Ports>,
    /// `--tcp-flags`
    pub tcp_flags: Option<TcpFlags>,
    /// `--icmp-type`
    pub icmp_type: Option<u8>,
    /// `--icmp-code`
    pub icmp_code: Option<u8>,
}

/// Rules in order. None at all accepts everything.
pub type Rules = Vec<Rule>;
