//! Conditions of one rule that no packet can meet together. They are refused, because a capture that stays empty by a
//! slip looks like a network without traffic.

use ipnet::IpNet;

use super::{Action, Rule, Rules};
use crate::show;

/// Options that exclude each other; the text is one sentence for the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// Ports of a protocol without ports.
    #[error("--protocol {0}: has no ports; a port goes with TCP, UDP or SCTP")]
    PortsWithout(String),
    /// TCP flags of another protocol.
    #[error("--tcp-flags: goes with --protocol TCP, not with {0}")]
    FlagsWithout(String),
    /// ICMP type or code of another protocol.
    #[error("--icmp-type, --icmp-code: go with --protocol ICMP or ICMPv6, not with {0}")]
    IcmpWithout(String),
    /// Ports or TCP flags together with ICMP type or code.
    #[error(
        "--icmp-type, --icmp-code: do not go with ports or TCP flags in one rule; join two rules with the word `or`"
    )]
    IcmpAndTransport,
    /// An IPv4 and an IPv6 network.
    #[error("--cidr {0}, peer {1}: one is IPv4 and the other IPv6, and no packet has both")]
    Families(IpNet, IpNet),
    /// ICMP of the other family.
    #[error("--protocol {protocol}: never occurs with {net}; {instead} is what that family uses")]
    IcmpFamily {
        /// As typed.
        protocol: &'static str,
        /// The network of the rule.
        net: IpNet,
        /// The other one.
        instead: &'static str,
    },
    /// The first rule leaves out all packets.
    #[error(
        "--action Reject: without a condition it leaves out every packet; add what to leave out, for example --port 22"
    )]
    RejectsAll,
}

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
const SCTP: u8 = 132;

pub(super) fn check(rule: &Rule) -> Result<(), Conflict> {
    transport(rule)?;
    families(rule)
}

pub(super) fn first_rejects_all(rules: &Rules) -> Result<(), Conflict> {
    let all = rules.first().is_some_and(|rule| rule.action == Action::Reject && rule.is_unconditional());
    if all { Err(Conflict::RejectsAll) } else { Ok(()) }
}

fn transport(rule: &Rule) -> Result<(), Conflict> {
    let ports = rule.port.or(rule.sport).or(rule.dport).is_some();
    let icmp = rule.icmp_type.or(rule.icmp_code).is_some();
    if icmp && (ports || rule.tcp_flags.is_some()) {
        return Err(Conflict::IcmpAndTransport);
    }
    let Some(protocol) = rule.protocol else { return Ok(()) };
    let name = || show::protocol(protocol).map_or_else(|| protocol.to_string(), str::to_owned);
    if ports && !matches!(protocol, TCP | UDP | SCTP) {
        return Err(Conflict::PortsWithout(name()));
    }
    if rule.tcp_flags.is_some() && protocol != TCP {
        return Err(Conflict::FlagsWithout(name()));
    }
    if icmp && !matches!(protocol, ICMP | ICMPV6) {
        return Err(Conflict::IcmpWithout(name()));
    }
    Ok(())
}

fn families(rule: &Rule) -> Result<(), Conflict> {
    if let (Some(net), Some(peer)) = (rule.net, rule.peer)
        && net.addr().is_ipv4() != peer.addr().is_ipv4()
    {
        return Err(Conflict::Families(net, peer));
    }
    match (rule.protocol, rule.net.or(rule.peer)) {
        (Some(ICMP), Some(net @ IpNet::V6(_))) => {
            Err(Conflict::IcmpFamily { protocol: "ICMP", net, instead: "ICMPv6" })
        }
        (Some(ICMPV6), Some(net @ IpNet::V4(_))) => {
            Err(Conflict::IcmpFamily { protocol: "ICMPv6", net, instead: "ICMP" })
        }
        _ => Ok(()),
    }
}
