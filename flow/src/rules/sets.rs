//! Sets of addresses that rules refer to by number.

use std::{collections::HashMap, net::IpAddr};

/// Most sets: an address's sets are a mask of 32 bits.
pub const MAX_SETS: usize = 32;

/// Most addresses in all sets together.
pub const MAX_ADDRESSES: usize = 65_536;

/// For each address the sets that it is in. Made once from [`crate::CaptureConfig::sets`], asked for each packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sets(HashMap<IpAddr, u32>);

impl Sets {
    /// Of these sets, numbered from 0. IPv4 addresses may be written as IPv6 ones (`::ffff:10.0.0.1`). Sets after the first
    /// [`MAX_SETS`] are left out: no rule may refer to them.
    pub fn new(sets: &[Vec<IpAddr>]) -> Self {
        let mut masks = HashMap::new();
        for (number, set) in sets.iter().take(MAX_SETS).enumerate() {
            for address in set {
                *masks.entry(address.to_canonical()).or_default() |= 1 << number;
            }
        }
        Self(masks)
    }

    /// The sets of an address as a mask: bit `n` stands for set `n`.
    pub fn of(&self, address: IpAddr) -> u32 {
        self.0.get(&address).copied().unwrap_or_default()
    }

    /// Every address that is in a set, with its mask, in no order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (IpAddr, u32)> {
        self.0.iter().map(|(address, mask)| (*address, *mask))
    }

    /// Whether `address` is in set `number`; in all of them if `None`.
    pub(super) fn contain(&self, number: Option<u8>, address: IpAddr) -> bool {
        number.is_none_or(|number| self.of(address).checked_shr(number.into()).unwrap_or_default() & 1 != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(text: &str) -> Vec<IpAddr> {
        text.split_whitespace().map(|address| address.parse().unwrap()).collect()
    }

    #[test]
    fn an_address_may_be_in_several_sets_and_in_either_spelling() {
        let sets = Sets::new(&[addresses("10.0.0.1 fd00::1"), addresses("::ffff:10.0.0.1"), addresses("")]);
        let mask = |text: &str| sets.of(text.parse().unwrap());
        assert_eq!((mask("10.0.0.1"), mask("fd00::1"), mask("10.0.0.2")), (3, 1, 0));
        assert_eq!(sets.iter().len(), 2);
    }

    #[test]
    fn a_number_without_a_set_contains_nothing() {
        let sets = Sets::new(&vec![addresses("10.0.0.1"); 40]);
        let contain = |number| sets.contain(Some(number), "10.0.0.1".parse().unwrap());
        assert_eq!([contain(31), contain(32), contain(255)], [true, false, false]);
    }
}
