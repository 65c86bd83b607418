//! The value of one filter option: text in, number out, and a sentence when it is none.

use std::{fmt, net::IpAddr};

use ipnet::IpNet;

use super::{Action, Direction, Ports, TcpFlags};
use crate::show;

/// What an option takes; its `Display` finishes the sentence "not ...".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A port.
    Port,
    /// `first-last`.
    PortRange,
    /// One or two ports or ranges.
    PortList,
    /// `address/length`.
    Cidr,
    /// An address.
    Ip,
    /// A protocol by name or number.
    Protocol,
    /// Ingress or Egress.
    Direction,
    /// A TCP flag or a combination with ACK.
    TcpFlags,
    /// ICMP type or code.
    IcmpNumber,
    /// Accept or Reject.
    Action,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Port => "a port; a port is a number from 1 to 65535",
            Self::PortRange => "a port range; a range is first-last, from 1 to 65535, the smaller number first",
            Self::PortList => {
                "a list of ports; at most two ports or ranges, like 80,443 (join rules with the word `or` for more)"
            }
            Self::Cidr => "a network; a network is an address and a prefix length, like 10.0.0.0/8 or fd00::/8",
            Self::Ip => "an IP address; an address is like 10.0.0.1 or fd00::1",
            Self::Protocol => "a protocol; allowed are TCP, UDP, SCTP, ICMP, ICMPv6 or a number from 0 to 255",
            Self::Direction => "a direction; allowed are Ingress and Egress",
            Self::TcpFlags => {
                "a TCP flag; allowed are SYN, SYN-ACK, ACK, FIN, FIN-ACK, RST, RST-ACK, PSH, URG, ECE and CWR"
            }
            Self::IcmpNumber => "an ICMP type or code; allowed are numbers from 0 to 255",
            Self::Action => "an action; allowed are Accept and Reject",
        })
    }
}

/// A value that is not what its option takes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--{option} {value}: not {expected}")]
pub struct InvalidValue {
    /// The option, without dashes.
    pub option: String,
    /// The value as typed, safe to print.
    pub value: String,
    /// What the option takes.
    pub expected: Expected,
}

pub(super) type Parsed<T> = Result<T, Expected>;

pub(super) fn action(text: &str) -> Parsed<Action> {
    match text.to_ascii_lowercase().as_str() {
        "accept" => Ok(Action::Accept),
        "reject" => Ok(Action::Reject),
        _ => Err(Expected::Action),
    }
}

pub(super) fn direction(text: &str) -> Parsed<Direction> {
    match text.to_ascii_lowercase().as_str() {
        "ingress" => Ok(Direction::Ingress),
        "egress" => Ok(Direction::Egress),
        _ => Err(Expected::Direction),
    }
}

/// A name of the IANA list in any case, `ICMPv6` for its `IPv6-ICMP`, or a number.
pub(super) fn protocol(text: &str) -> Parsed<u8> {
    show::protocol_number(text).or_else(|| number(text)).ok_or(Expected::Protocol)
}

pub(super) fn icmp_number(text: &str) -> Parsed<u8> {
    number(text).ok_or(Expected::IcmpNumber)
}

pub(super) fn cidr(text: &str) -> Parsed<IpNet> {
    text.parse::<IpNet>().map(|net| net.trunc()).map_err(|_| Expected::Cidr)
}

/// An address as a network of one.
pub(super) fn ip(text: &str) -> Parsed<IpNet> {
    text.parse::<IpAddr>().map(IpNet::from).map_err(|_| Expected::Ip)
}

/// `--port`: a port, and also what `--port-range` and `--ports` take.
pub(super) fn any_ports(text: &str) -> Parsed<Ports> {
    match (text.contains(','), text.contains('-')) {
        (true, _) => port_list(text),
        (_, true) => port_range(text),
        _ => port(text).map(|port| Ports { first: (port, port), second: None }),
    }
}

/// `--ports`: one or two ports or ranges.
pub(super) fn port_list(text: &str) -> Parsed<Ports> {
    let mut items = text.split(',').map(|item| any_range(item.trim()));
    let first = items.next().ok_or(Expected::PortList)??;
    let second = items.next().transpose()?;
    if items.next().is_some() { Err(Expected::PortList) } else { Ok(Ports { first, second }) }
}

/// `--port-range`: `first-last`.
pub(super) fn port_range(text: &str) -> Parsed<Ports> {
    range(text).map(|first| Ports { first, second: None })
}

fn any_range(text: &str) -> Parsed<(u16, u16)> {
    if text.contains('-') { range(text) } else { port(text).map(|port| (port, port)) }
}

fn range(text: &str) -> Parsed<(u16, u16)> {
    let (first, last) = text.split_once('-').ok_or(Expected::PortRange)?;
    let ends = port(first.trim()).and_then(|first| Ok((first, port(last.trim())?)));
    ends.ok().filter(|(first, last)| first <= last).ok_or(Expected::PortRange)
}

fn port(text: &str) -> Parsed<u16> {
    number::<u16>(text).filter(|port| *port > 0).ok_or(Expected::Port)
}

/// Digits only: Rust also reads `+80`.
fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// `SYN` is SYN without ACK, `X-ACK` is both bits, `ACK` is ACK without SYN, FIN and RST; the others are their bit.
pub(super) fn tcp_flags(text: &str) -> Parsed<TcpFlags> {
    let name = text.to_ascii_uppercase().replace('_', "-");
    let (name, with_ack) = name.strip_suffix("-ACK").map_or((name.as_str(), false), |flag| (flag, true));
    let bit = flag_bit(name).ok_or(Expected::TcpFlags)?;
    match (name, with_ack) {
        ("ACK", true) => Err(Expected::TcpFlags),
        (_, true) => Ok(TcpFlags { mask: bit | ACK, value: bit | ACK }),
        ("SYN", _) => Ok(TcpFlags { mask: SYN | ACK, value: SYN }),
        ("ACK", _) => Ok(TcpFlags { mask: ACK | SYN | FIN | RST, value: ACK }),
        _ => Ok(TcpFlags { mask: bit, value: bit }),
    }
}

/// Bits of the TCP header's flag octet (RFC 9293, section 3.1).
pub(super) const FIN: u8 = 0x01;
pub(super) const SYN: u8 = 0x02;
pub(super) const RST: u8 = 0x04;
pub(super) const ACK: u8 = 0x10;

impl TcpFlags {
    /// By name in any case: `SYN` is SYN without ACK, `X-ACK` is both bits, `ACK` is ACK without SYN, FIN and RST, the others
    /// are their bit.
    pub fn by_name(name: &str) -> Option<Self> {
        tcp_flags(name).ok()
    }
}

fn flag_bit(name: &str) -> Option<u8> {
    Some(match name {
        "FIN" => FIN,
        "SYN" => SYN,
        "RST" => RST,
        "PSH" | "PUSH" => 0x08,
        "ACK" => ACK,
        "URG" => 0x20,
        "ECE" => 0x40,
        "CWR" => 0x80,
        _ => return None,
    })
}
