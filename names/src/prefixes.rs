//! A table of subnets in which the longest one that holds an address is found.
//!
//! One look-up in a hash table for each prefix length there is: clusters have thousands of node subnets, but few lengths.

use std::net::IpAddr;

use hashbrown::HashMap;
use ipnet::IpNet;

/// Values by subnet.
#[derive(Debug)]
pub(crate) struct Prefixes<T> {
    nets: HashMap<IpNet, T>,
    /// Lengths in use, longest first: IPv4, IPv6.
    lengths: [Vec<u8>; 2],
}

impl<T> Default for Prefixes<T> {
    fn default() -> Self {
        Self { nets: HashMap::new(), lengths: [Vec::new(), Vec::new()] }
    }
}

impl<T> Prefixes<T> {
    /// Whether there is no subnet at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.nets.is_empty()
    }

    /// The value of `net`, made by `new` where there is none.
    pub(crate) fn entry(&mut self, net: IpNet, new: impl FnOnce() -> T) -> &mut T {
        let lengths = &mut self.lengths[usize::from(matches!(net, IpNet::V6(_)))];
        if let Err(place) = lengths.binary_search_by(|length| net.prefix_len().cmp(length)) {
            lengths.insert(place, net.prefix_len());
        }
        self.nets.entry(net.trunc()).or_insert_with(new)
    }

    /// Forgets `net`. Its length stays in use: it costs one look-up that finds nothing.
    pub(crate) fn remove(&mut self, net: IpNet) {
        self.nets.remove(&net.trunc());
    }

    /// The value of the longest subnet that holds `address`.
    pub(crate) fn longest(&self, address: IpAddr) -> Option<&T> {
        self.lengths[usize::from(address.is_ipv6())].iter().find_map(|length| {
            let net = IpNet::new(address, *length).ok()?;
            self.nets.get(&net.trunc())
        })
    }

    /// Memory held, bytes, roughly.
    pub(crate) fn bytes(&self) -> usize {
        self.nets.capacity() * (size_of::<(IpNet, T)>() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(nets: &[&str]) -> Prefixes<String> {
        let mut table = Prefixes::default();
        for net in nets {
            table.entry(net.parse().unwrap(), || (*net).to_owned());
        }
        table
    }

    #[test]
    fn the_longest_subnet_wins_in_any_order_of_insertion() {
        for nets in [["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24"], ["10.1.2.0/24", "10.0.0.0/8", "10.1.0.0/16"]] {
            let table = table(&nets);
            assert_eq!(table.longest("10.1.2.3".parse().unwrap()).unwrap(), "10.1.2.0/24");
            assert_eq!(table.longest("10.1.9.3".parse().unwrap()).unwrap(), "10.1.0.0/16");
            assert_eq!(table.longest("10.9.9.3".parse().unwrap()).unwrap(), "10.0.0.0/8");
            assert_eq!(table.longest("11.0.0.1".parse().unwrap()), None);
        }
    }

    #[test]
    fn families_do_not_mix_and_the_whole_internet_is_a_subnet() {
        let table = table(&["0.0.0.0/0", "fd00::/8"]);
        assert_eq!(table.longest("8.8.8.8".parse().unwrap()).unwrap(), "0.0.0.0/0");
        assert_eq!(table.longest("fd01::1".parse().unwrap()).unwrap(), "fd00::/8");
        assert_eq!(table.longest("2001:db8::1".parse().unwrap()), None);
    }

    #[test]
    fn a_removed_subnet_uncovers_the_shorter_one() {
        let mut table = table(&["10.0.0.0/8", "10.1.0.0/16"]);
        table.remove("10.1.0.0/16".parse().unwrap());
        assert_eq!(table.longest("10.1.2.3".parse().unwrap()).unwrap(), "10.0.0.0/8");
    }
}
