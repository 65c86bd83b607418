//! Addresses, so that those of one network stay in one network: Crypto-PAn (Fan, Xu, Ammar, Moon: "Prefix-preserving IP
//! address anonymization", Computer Networks 46, 2004) over AES-128, for 32 and for 128 bits.
//!
//! Addresses that mean the same everywhere stay: unspecified, loopback, broadcast and the well-known multicast groups. What
//! tells of a scope stays before what is replaced: link-local and multicast addresses remain such.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use aes::{
    Aes128,
    cipher::{BlockEncrypt as _, KeyInit as _},
};

/// Addresses remembered of each family; beyond that it begins again, which only takes time.
const REMEMBERED: usize = 1 << 18;

/// The cipher and what it has made of addresses so far.
pub(crate) struct Pan {
    cipher: Aes128,
    /// Bits after those of the address.
    pad: u128,
    v4: HashMap<u32, u32>,
    v6: HashMap<u128, u128>,
}

impl Pan {
    /// The first half is the cipher's key, the second makes the padding.
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let (first, second) = key.split_at(16);
        let cipher = Aes128::new(first.into());
        let mut pad = aes::Block::clone_from_slice(second);
        cipher.encrypt_block(&mut pad);
        Self { cipher, pad: u128::from_be_bytes(pad.into()), v4: HashMap::new(), v6: HashMap::new() }
    }

    /// What stands for `address`.
    pub(crate) fn ip(&mut self, address: IpAddr) -> IpAddr {
        match address {
            IpAddr::V4(address) => IpAddr::V4(self.v4(address)),
            IpAddr::V6(address) => IpAddr::V6(self.v6(address)),
        }
    }

    pub(crate) fn v4(&mut self, address: Ipv4Addr) -> Ipv4Addr {
        let bits = address.to_bits();
        if let Some(known) = self.v4.get(&bits) {
            return Ipv4Addr::from_bits(*known);
        }
        let Some(kept) = scope_v4(address) else { return address };
        let new = (self.anonymous(u128::from(bits) << 96, kept, 32) >> 96) as u32;
        if self.v4.len() >= REMEMBERED {
            self.v4.clear();
        }
        self.v4.insert(bits, new);
        Ipv4Addr::from_bits(new)
    }

    pub(crate) fn v6(&mut self, address: Ipv6Addr) -> Ipv6Addr {
        let bits = address.to_bits();
        if let Some(known) = self.v6.get(&bits) {
            return Ipv6Addr::from_bits(*known);
        }
        let Some(kept) = scope_v6(address) else { return address };
        let new = match embedded(address) {
            Some(inner) => bits >> 32 << 32 | u128::from(self.v4(inner).to_bits()),
            None => self.anonymous(bits, kept, 128),
        };
        if self.v6.len() >= REMEMBERED {
            self.v6.clear();
        }
        self.v6.insert(bits, new);
        Ipv6Addr::from_bits(new)
    }

    /// The first `width` bits of `address` from `kept` on, each turned or not by the cipher over those before it.
    fn anonymous(&self, address: u128, kept: u32, width: u32) -> u128 {
        let turned = (kept..width).fold(0, |turned, at| {
            let before = if at == 0 { 0 } else { u128::MAX << (128 - at) };
            let mut block = aes::Block::from((address & before | self.pad & !before).to_be_bytes());
            self.cipher.encrypt_block(&mut block);
            turned | u128::from(block[0] >> 7) << (127 - at)
        });
        address ^ turned
    }
}

/// How many bits in front tell of a scope and stay; `None` for what stays as a whole.
fn scope_v4(address: Ipv4Addr) -> Option<u32> {
    let [first, second, third, _] = address.octets();
    match () {
        () if address.is_unspecified() || address.is_loopback() || address.is_broadcast() => None,
        // 224.0.0.0/24: the protocols of a link, RFC 5771 section 4.
        () if (first, second, third) == (224, 0, 0) => None,
        () if address.is_multicast() => Some(4),
        () if address.is_link_local() => Some(16),
        () => Some(0),
    }
}

fn scope_v6(address: Ipv6Addr) -> Option<u32> {
    let segments = address.segments();
    match () {
        () if address.is_unspecified() || address.is_loopback() => None,
        // ff0x::xxxx and ff0x::1:xxxx: groups that IANA gives out, RFC 4291 section 2.7.1.
        () if segments[0] & 0xfff0 == 0xff00 && segments[1..6] == [0; 5] && segments[6] <= 1 => None,
        // Solicited nodes: the last 24 bits are those of an address, same section.
        () if segments[..6] == [0xff02, 0, 0, 0, 0, 1] && segments[6] >> 8 == 0xff => Some(104),
        () if address.is_multicast() => Some(16),
        () if address.is_unicast_link_local() => Some(64),
        () => Some(0),
    }
}

/// The IPv4 address in `::ffff:0:0/96` and `64:ff9b::/96` (RFC 6052).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let is_translated = address.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0];
    let inner = || Ipv4Addr::from_bits(address.to_bits() as u32);
    address.to_ipv4_mapped().or_else(|| is_translated.then(inner))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The key of the sample that Crypto-PAn's authors published.
    const KEY: [u8; 32] = [
        21, 34, 23, 141, 51, 164, 207, 128, 19, 10, 91, 22, 73, 144, 125, 16, 216, 152, 143, 131, 121, 121, 101, 39,
        98, 87, 76, 45, 42, 132, 34, 2,
    ];

    #[test]
    fn the_authors_sample_comes_out() {
        let mut pan = Pan::new(&KEY);
        for (address, expected) in [
            ("128.11.68.132", "135.242.180.132"),
            ("129.118.74.4", "134.136.186.123"),
            ("130.132.252.244", "133.68.164.234"),
            ("141.223.7.43", "141.167.8.160"),
            ("192.102.249.13", "252.138.62.131"),
            ("198.200.171.101", "249.199.68.213"),
        ] {
            assert_eq!(pan.v4(address.parse().unwrap()).to_string(), expected, "{address}");
        }
    }

    #[test]
    fn bits_of_ipv6_are_turned_as_other_implementations_do() {
        let pan = Pan::new(&KEY);
        for (address, expected) in [
            ("::1", "78ff:f001:9fc0:20df:8380:b1f1:704:ed"),
            ("2001:db8::1", "4401:2bc:603f:d91d:27f:ff8e:e6f1:dc1e"),
            ("2001:db8::2", "4401:2bc:603f:d91d:27f:ff8e:e6f1:dc1c"),
        ] {
            let bits = address.parse::<Ipv6Addr>().unwrap().to_bits();
            assert_eq!(Ipv6Addr::from_bits(pan.anonymous(bits, 0, 128)).to_string(), expected, "{address}");
        }
    }

    #[test]
    fn what_means_the_same_everywhere_stays_and_scopes_stay() {
        let mut pan = Pan::new(&KEY);
        for same in ["0.0.0.0", "127.0.0.1", "255.255.255.255", "224.0.0.251", "::", "::1", "ff02::1", "ff02::1:2"] {
            assert_eq!(pan.ip(same.parse().unwrap()).to_string(), same);
        }
        assert!(pan.v4("239.1.2.3".parse().unwrap()).is_multicast());
        assert!(pan.v4("169.254.7.9".parse().unwrap()).is_link_local());
        assert!(pan.v6("fe80::42:acff:fe11:2".parse().unwrap()).to_string().starts_with("fe80::"));
        let solicited = pan.v6("ff02::1:ff11:2".parse().unwrap());
        assert!(solicited.to_string().starts_with("ff02::1:ff") && solicited.to_string() != "ff02::1:ff11:2");
        let (mapped, plain) = (pan.v6("::ffff:10.1.2.3".parse().unwrap()), pan.v4("10.1.2.3".parse().unwrap()));
        assert_eq!(mapped.to_ipv4_mapped(), Some(plain));
    }

    proptest! {
        /// Two addresses share as many leading bits after as before.
        #[test]
        fn prefixes_are_kept(a: u128, b: u128, shared in 0_u32..128) {
            let pan = Pan::new(&KEY);
            let b = if shared == 0 { b } else { a & u128::MAX << (128 - shared) | b & !(u128::MAX << (128 - shared)) };
            let (x, y) = (pan.anonymous(a, 0, 128), pan.anonymous(b, 0, 128));
            prop_assert_eq!((a ^ b).leading_zeros(), (x ^ y).leading_zeros());
        }
    }
}
