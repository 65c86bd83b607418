//! Addresses that no real pod has, on a node for a while, so that packets can come from them.

use anyhow::Result;

use super::{nodes, on_node};

/// Addresses of one /16 on the loopback interface of the first node. The others throw answers away.
#[derive(Debug)]
pub struct MadeUp {
    nodes: Vec<String>,
    subnet: &'static str,
    addresses: Vec<String>,
}

impl MadeUp {
    /// `addresses` of `subnet` (`10.250.0.0/16`).
    pub fn new(subnet: &'static str, addresses: &[&str]) -> Result<Self> {
        let made = Self {
            nodes: nodes()?,
            subnet,
            addresses: addresses.iter().map(|address| (*address).to_owned()).collect(),
        };
        for node in &made.nodes[1..] {
            on_node(node, &["ip", "route", "replace", "blackhole", subnet])?;
        }
        for address in &made.addresses {
            on_node(&made.nodes[0], &["ip", "address", "replace", &format!("{address}/32"), "dev", "lo"])?;
        }
        Ok(made)
    }

    /// Sends three echo requests from one of them; nobody answers.
    pub fn ping(&self, from: &str, to: &str) -> Result<()> {
        on_node(&self.nodes[0], &["sh", "-c", &format!("ping -q -c 3 -i 0.2 -W 1 -I {from} {to}; true")]).map(drop)
    }
}

impl Drop for MadeUp {
    fn drop(&mut self) {
        for node in &self.nodes[1..] {
            let _ = on_node(node, &["ip", "route", "del", "blackhole", self.subnet]);
        }
        for address in &self.addresses {
            let _ = on_node(&self.nodes[0], &["ip", "address", "del", &format!("{address}/32"), "dev", "lo"]);
        }
    }
}
