//! What rules mean: the reference that the kernel's filter is tested against, and the filter of saved files.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{
    Action, FlagsSeen, Ports, Rule, Sets, Subject, TcpFlags,
    value::{ACK, FIN, RST, SYN},
};

/// Whether the rules take `subject`: the first rule that matches decides; where none does, it is rejected if any rule
/// accepts, else accepted. A set that a rule refers to and that is not in `sets` is empty.
pub fn verdict(rules: &[Rule], sets: &Sets, subject: &Subject) -> Action {
    let matching = rules.iter().find(|rule| matches(rule, sets, subject));
    match matching {
        Some(rule) => rule.action,
        None if rules.iter().any(Rule::accepts) => Action::Reject,
        None => Action::Accept,
    }
}

fn matches(rule: &Rule, sets: &Sets, subject: &Subject) -> bool {
    rule.protocol.is_none_or(|protocol| subject.protocol == Some(protocol))
        && rule.direction.is_none_or(|direction| subject.directions.contain(direction))
        && ports_match(rule, subject)
        && rule.tcp_flags.is_none_or(|flags| flags_match(flags, subject))
        && icmp_matches(rule, subject)
        && ends_match(rule, sets, subject)
}

/// A port without a protocol means TCP, UDP and SCTP.
fn ports_match(rule: &Rule, subject: &Subject) -> bool {
    if rule.port.or(rule.sport).or(rule.dport).is_none() {
        return true;
    }
    let Some((source, destination)) = subject.ports else { return false };
    matches!(subject.protocol, Some(6 | 17 | 132))
        && rule.sport.is_none_or(|ports| ports.contain(source))
        && rule.dport.is_none_or(|ports| ports.contain(destination))
        && rule.port.is_none_or(|ports| ports.contain(source) || ports.contain(destination))
}

impl Ports {
    /// Whether `port` is in one of the ranges.
    pub fn contain(self, port: u16) -> bool {
        let within = |(first, last): (u16, u16)| (first..=last).contains(&port);
        within(self.first) || self.second.is_some_and(within)
    }
}

fn flags_match(asked: TcpFlags, subject: &Subject) -> bool {
    subject.protocol == Some(6)
        && match subject.flags {
            Some(FlagsSeen::Packet(flags)) => flags & asked.mask == asked.value,
            Some(FlagsSeen::Flow(seen)) => asked.may_be_in(seen),
            None => false,
        }
}

impl TcpFlags {
    /// Whether a packet of the flow can have matched. The OR over a flow does not tell what a packet lacked, but for SYN,
    /// FIN and RST its three combination bits tell whether ACK came with them.
    pub(crate) fn may_be_in(self, seen: u16) -> bool {
        let wanted = u16::from(self.value);
        let combination = match self.value & (SYN | FIN | RST) {
            SYN => 0x100,
            FIN => 0x200,
            RST => 0x400,
            _ => 0,
        };
        let with_ack = self.value & ACK != 0;
        let without_ack = self.mask & ACK != 0 && !with_ack;
        seen & wanted == wanted
            && (!with_ack || seen & combination == combination)
            && !(without_ack && seen & combination != 0)
    }
}

fn icmp_matches(rule: &Rule, subject: &Subject) -> bool {
    if rule.icmp_type.or(rule.icmp_code).is_none() {
        return true;
    }
    let family = subject.src.map(|address| address.is_ipv4());
    let is_icmp = matches!((family, subject.protocol), (Some(true), Some(1)) | (Some(false), Some(58)));
    let Some((kind, code)) = subject.icmp else { return false };
    is_icmp && rule.icmp_type.is_none_or(|asked| asked == kind) && rule.icmp_code.is_none_or(|asked| asked == code)
}

/// The source in `src` and `src_set`, the destination in `dst` and `dst_set`; one end in `net` and `net_set` and the other in
/// `peer` and `peer_set`, either way round. Families never mix.
fn ends_match(rule: &Rule, sets: &Sets, subject: &Subject) -> bool {
    let Rule { net, peer, src, dst, net_set, peer_set, src_set, dst_set, .. } = rule;
    let nets = net.or(*peer).or(*src).or(*dst);
    if nets.is_none() && net_set.or(*peer_set).or(*src_set).or(*dst_set).is_none() {
        return true;
    }
    let (Some(source), Some(destination)) = (subject.src, subject.dst) else { return false };
    let is_in = |net: &Option<IpNet>, set: &Option<u8>, address| within(*net, address) && sets.contain(*set, address);
    let either_way = |one, other| is_in(net, net_set, one) && is_in(peer, peer_set, other);
    is_in(src, src_set, source)
        && is_in(dst, dst_set, destination)
        && (either_way(source, destination) || either_way(destination, source))
}

fn within(net: Option<IpNet>, address: IpAddr) -> bool {
    net.is_none_or(|net| net.contains(&address))
}

#[cfg(test)]
mod tests;
