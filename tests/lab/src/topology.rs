//! Ready-made networks.

use std::net::IpAddr;

use anyhow::Result;

use crate::{
    frame::{Ends, Mac},
    netns::{Netns, run},
};

/// Two namespaces joined by a veth pair: `a0` with 10.0.0.1 and fd00::1 in `a`, `b0` with 10.0.0.2 and fd00::2 in `b`.
#[derive(Debug)]
pub struct Pair {
    /// Left side.
    pub a: Netns,
    /// Right side.
    pub b: Netns,
    /// Second and third byte of the IPv4 addresses, last of the IPv6 prefix: keeps tests apart.
    net: u16,
}

/// MAC address of `a0`.
pub const MAC_A: Mac = [2, 0, 0, 0, 0, 0xa];
/// MAC address of `b0`.
pub const MAC_B: Mac = [2, 0, 0, 0, 0, 0xb];
/// A MAC address that nobody has: a frame to it is seen and then dropped without an answer.
pub const MAC_NOBODY: Mac = [2, 0, 0, 0, 0, 0x99];

impl Pair {
    /// A pair in network 10.(net).0/24 and fd00:(net)::/64, offloads off, neighbours known (so that nothing but the
    /// test's own traffic has to cross it).
    pub fn new(net: u8) -> Result<Self> {
        let pair = Self::with_offloads(net)?;
        for (netns, interface) in [(&pair.a, "a0"), (&pair.b, "b0")] {
            offloads_off(netns, interface)?;
        }
        Ok(pair)
    }

    /// As [`Self::new`], with the segmentation offloads that the kernel gives a veth pair.
    pub fn with_offloads(net: u8) -> Result<Self> {
        let pair = Self { a: Netns::new("a")?, b: Netns::new("b")?, net: net.into() };
        pair.a.ip(&format!("link add a0 address {} type veth peer name b0 netns {}", text(MAC_A), pair.b.name()))?;
        pair.b.ip(&format!("link set b0 address {}", text(MAC_B)))?;
        for (netns, interface, own, other, mac) in [(&pair.a, "a0", 1, 2, MAC_B), (&pair.b, "b0", 2, 1, MAC_A)] {
            netns.ip(&format!("addr add 10.{net}.0.{own}/24 dev {interface}"))?;
            netns.ip(&format!("addr add fd00:{net}::{own}/64 dev {interface} nodad"))?;
            netns.ip(&format!("link set {interface} up"))?;
            for address in [format!("10.{net}.0.{other}"), format!("fd00:{net}::{other}")] {
                netns.ip(&format!("neigh replace {address} lladdr {} dev {interface} nud permanent", text(mac)))?;
            }
        }
        Ok(pair)
    }

    /// IPv4 address of side `a` (1) or `b` (2).
    pub fn v4(&self, side: u8) -> IpAddr {
        IpAddr::from([10, self.net as u8, 0, side])
    }

    /// IPv6 address of side `a` (1) or `b` (2).
    pub fn v6(&self, side: u8) -> IpAddr {
        // The decimal digits of `net` stand in the text of the address, where they are read as hexadecimal ones.
        let digits = u16::from_str_radix(&self.net.to_string(), 16).unwrap_or_default();
        IpAddr::from([0xfd00, digits, 0, 0, 0, 0, 0, u16::from(side)])
    }

    /// Ends of IPv4 frames from `a` to `b`.
    pub fn ends4(&self) -> Ends {
        Ends { source_mac: MAC_A, target_mac: MAC_B, source: self.v4(1), target: self.v4(2) }
    }

    /// Ends of IPv6 frames from `a` to `b`.
    pub fn ends6(&self) -> Ends {
        Ends { source: self.v6(1), target: self.v6(2), ..self.ends4() }
    }

    /// Takes IPv6 away from both sides: nothing is sent that the test does not send.
    pub fn silence(&self) -> Result<()> {
        for netns in [&self.a, &self.b] {
            netns.sysctl("net/ipv6/conf/all/disable_ipv6", "1")?;
        }
        Ok(())
    }
}

/// Packets then have on the interface the size that they have on a wire.
pub fn offloads_off(netns: &Netns, interface: &str) -> Result<()> {
    let switches = ["tx", "off", "rx", "off", "sg", "off", "tso", "off", "gso", "off", "gro", "off"];
    run(netns.command("ethtool").args(["-K", interface]).args(switches))
}

fn text(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
