//! How objects and addresses are told apart, in few bytes.

use std::{
    fmt,
    hash::{DefaultHasher, Hasher as _},
    net::IpAddr,
};

use flow::Mac;
use serde::{Deserialize, Deserializer, de::Visitor};

/// The uid of an object. UUIDs, which they all are in practice, keep their value; anything else becomes a hash of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Uid(pub(crate) u128);

impl Uid {
    pub(crate) fn of(text: &str) -> Self {
        let digits = text.bytes().filter(|byte| *byte != b'-');
        let uuid = (text.len() == 36).then(|| digits.map(hex).try_fold(0, |sum: u128, digit| Some(sum << 4 | digit?)));
        Self(uuid.flatten().unwrap_or_else(|| u128::from(hash(text, 0)) << 64 | u128::from(hash(text, 1))))
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |shift: u32, bits: u32| self.0 >> shift & ((1 << bits) - 1);
        write!(f, "{:08x}-{:04x}-{:04x}-", part(96, 32), part(80, 16), part(64, 16))?;
        write!(f, "{:04x}-{:012x}", part(48, 16), part(0, 48))
    }
}

fn hex(byte: u8) -> Option<u128> {
    char::from(byte).to_digit(16).map(u128::from)
}

fn hash(text: &str, seed: u8) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write_u8(seed);
    hasher.write(text.as_bytes());
    hasher.finish()
}

struct UidVisitor;

impl Visitor<'_> for UidVisitor {
    type Value = Uid;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a uid")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Uid, E> {
        Ok(Uid::of(text))
    }
}

impl<'de> Deserialize<'de> for Uid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(UidVisitor)
    }
}

/// The id that a container runtime gave to a container: the first half of its 64 hexadecimal digits, which are random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ContainerId(u128);

impl ContainerId {
    /// Reads 64 hexadecimal digits; nothing else is an id.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        digits.then(|| u128::from_str_radix(text.get(..32)?, 16).ok().map(Self)).flatten()
    }
}

/// An address that something can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Key {
    /// IPv4, or IPv6 that is no mapped IPv4.
    Ip(IpAddr),
    /// Of an interface on a secondary network.
    Mac(Mac),
}

impl Key {
    /// The key of an IP address: IPv4 mapped into IPv6 is IPv4.
    pub(crate) fn ip(address: IpAddr) -> Self {
        Self::Ip(address.to_canonical())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_keeps_its_value_and_other_uids_differ_from_each_other() {
        assert_eq!(Uid::of("00000000-0000-0000-0000-0000000000ff"), Uid(255));
        assert_ne!(Uid::of("a"), Uid::of("b"));
        assert_ne!(Uid::of("0000000g-0000-0000-0000-0000000000ff"), Uid(255));
        assert_eq!(serde_json::from_str::<Uid>("\"00000000-0000-0000-0000-000000000001\"").unwrap(), Uid(1));
    }

    #[test]
    fn a_mapped_address_is_the_address() {
        assert_eq!(Key::ip("::ffff:10.0.0.1".parse().unwrap()), Key::ip("10.0.0.1".parse().unwrap()));
    }
}
