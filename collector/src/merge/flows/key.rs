//! What makes records of two nodes the same flow.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flow::{FlowRecord, Mac};

/// Protocol and ends, as they are the same on every node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// A packet of IP.
    Ip {
        addresses: (IpAddr, IpAddr),
        ports: (u16, u16),
        proto: u8,
        /// ICMP type and code.
        icmp: (u8, u8),
    },
    /// A frame of something else.
    Link { addresses: (Mac, Mac), etype: u16 },
}

impl Key {
    /// `None` for what another node cannot see of the same packets: flows of another network namespace than the node's
    /// own, and those of addresses that every node has.
    pub(super) fn of(record: &FlowRecord) -> Option<Self> {
        if record.net_ns.as_deref().is_some_and(|netns| !netns.is_empty()) {
            return None;
        }
        let Some(addresses) = record.src_addr.zip(record.dst_addr) else {
            let addresses = record.src_mac.zip(record.dst_mac)?;
            return Some(Self::Link { addresses, etype: record.etype.unwrap_or_default() });
        };
        if is_of_one_node(addresses.0) || is_of_one_node(addresses.1) {
            return None;
        }
        Some(Self::Ip {
            addresses,
            ports: (record.src_port.unwrap_or_default(), record.dst_port.unwrap_or_default()),
            proto: record.proto.unwrap_or_default(),
            icmp: (record.icmp_type.unwrap_or_default(), record.icmp_code.unwrap_or_default()),
        })
    }
}

/// Loopback, link-local and "this host": the same address is another machine elsewhere.
fn is_of_one_node(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_link_local() || address == Ipv4Addr::UNSPECIFIED,
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unicast_link_local() || address == Ipv6Addr::UNSPECIFIED
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(src: &str, dst: &str, netns: &str) -> Option<Key> {
        Key::of(&FlowRecord {
            src_addr: src.parse().ok(),
            dst_addr: dst.parse().ok(),
            net_ns: Some(netns.into()),
            ..FlowRecord::default()
        })
    }

    #[test]
    fn only_what_two_nodes_can_both_see_has_a_key() {
        assert_eq!(key("10.0.0.1", "10.0.0.2", ""), key("10.0.0.1", "10.0.0.2", ""));
        assert!(key("10.0.0.1", "10.0.0.2", "").is_some());
        for (src, dst, netns) in [
            ("127.0.0.1", "127.0.0.1", ""),
            ("fe80::1", "ff02::1", ""),
            ("10.0.0.1", "169.254.169.254", ""),
            ("0.0.0.0", "255.255.255.255", ""),
            ("10.0.0.1", "10.0.0.2", "blue"),
        ] {
            assert_eq!(key(src, dst, netns), None, "{src} {dst} {netns}");
        }
    }
}
