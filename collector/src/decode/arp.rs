//! ARP (RFC 826) in words.

use std::net::Ipv4Addr;

use etherparse::{ArpOperation, ArpPacketSlice};
use flow::Mac;

/// `who-has 10.0.0.1 tell 10.0.0.2`, `10.0.0.1 is-at 02:42:ac:11:00:02`.
pub(super) fn line(arp: &ArpPacketSlice<'_>) -> String {
    let (Some(sender), Some(target)) = (address(arp.sender_protocol_addr()), address(arp.target_protocol_addr()))
    else {
        return format!("operation {}", arp.operation().0);
    };
    match arp.operation() {
        ArpOperation::REQUEST if sender == target => format!("announce {sender}"),
        ArpOperation::REQUEST => format!("who-has {target} tell {sender}"),
        ArpOperation::REPLY => format!("{sender} is-at {}", hardware(arp.sender_hw_addr())),
        ArpOperation(other) => format!("operation {other}, {sender} to {target}"),
    }
}

fn address(bytes: &[u8]) -> Option<Ipv4Addr> {
    <[u8; 4]>::try_from(bytes).ok().map(Ipv4Addr::from)
}

fn hardware(bytes: &[u8]) -> String {
    <[u8; 6]>::try_from(bytes).map_or_else(|_| "?".to_owned(), |octets| Mac(octets).to_string())
}
