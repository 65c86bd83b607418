//! Conditions on the two ends of a packet: networks and sets.

use std::net::IpAddr;

use agent_common::types::{COND_DIRECTED, COND_NET, NO_FAMILY, Rule};
use ipnet::IpNet;

/// Puts all that `from` says of ends into `rule`.
pub(super) fn put(rule: &mut Rule, from: &flow::Rule) {
    let flow::Rule { net, peer, src, dst, net_set, peer_set, src_set, dst_set, .. } = *from;
    if net.or(peer).is_some() || net_set.or(peer_set).is_some() {
        rule.conditions |= COND_NET;
    }
    if src.or(dst).is_some() || src_set.or(dst_set).is_some() {
        rule.conditions |= COND_DIRECTED;
    }
    rule.family = family([net, peer, src, dst]);
    (rule.net, rule.net_mask) = words(net);
    (rule.peer, rule.peer_mask) = words(peer);
    (rule.src, rule.src_mask) = words(src);
    (rule.dst, rule.dst_mask) = words(dst);
    let places = [&mut rule.net_set, &mut rule.peer_set, &mut rule.src_set, &mut rule.dst_set];
    for (place, set) in places.into_iter().zip([net_set, peer_set, src_set, dst_set]) {
        match set.map(|number| 1_u32.checked_shl(number.into())) {
            None => {}
            Some(Some(bit)) => *place = bit,
            // No address is in a set that cannot be.
            Some(None) => rule.family = NO_FAMILY,
        }
    }
}

/// The family of packets that may match.
fn family(nets: [Option<IpNet>; 4]) -> u8 {
    let is = |v4: bool| nets.iter().flatten().any(|net| matches!(net, IpNet::V4(_)) == v4);
    match (is(true), is(false)) {
        (false, false) => 0,
        (true, false) => 4,
        (false, true) => 6,
        (true, true) => NO_FAMILY,
    }
}

/// Network and mask in words of network byte order; all zero holds for every address.
fn words(net: Option<IpNet>) -> ([u32; 4], [u32; 4]) {
    net.map_or(([0; 4], [0; 4]), |net| (address(net.network()), address(net.netmask())))
}

fn address(address: IpAddr) -> [u32; 4] {
    let mut words = [0; 4];
    let octets = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    for (word, bytes) in words.iter_mut().zip(octets.chunks_exact(4)) {
        *word = u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    words
}
