//! What makes a flow a flow, whatever its family.

use std::{
    hash::{Hash, Hasher},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use agent_common::types::{FAMILY_OTHER, FallbackRecord, FlowKey4, FlowKey6};

/// The five-tuple; for frames that are not IP the MAC addresses and the EtherType.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tuple {
    /// IPv4 addresses and MAC addresses stand at the beginning, followed by zeros.
    pub(crate) src: [u8; 16],
    pub(crate) dst: [u8; 16],
    /// See `agent_common::types::Selector`.
    pub(crate) selector: [u16; 2],
    pub(crate) proto: u8,
    /// 4, 6, or 0 when it is not IP.
    pub(crate) family: u8,
}

impl Hash for Tuple {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b] = self.selector;
        let rest = u64::from(a) << 32 | u64::from(b) << 16 | u64::from(self.proto) << 8 | u64::from(self.family);
        state.write_u128(u128::from_ne_bytes(self.src));
        state.write_u128(u128::from_ne_bytes(self.dst));
        state.write_u64(rest);
    }
}

fn wide(address: [u8; 4]) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&address);
    bytes
}

impl From<&FlowKey4> for Tuple {
    fn from(key: &FlowKey4) -> Self {
        Self { src: wide(key.src), dst: wide(key.dst), selector: key.selector, proto: key.proto, family: 4 }
    }
}

impl From<&FlowKey6> for Tuple {
    fn from(key: &FlowKey6) -> Self {
        let family = if key.kind & FAMILY_OTHER == 0 { 6 } else { 0 };
        Self { src: key.src, dst: key.dst, selector: key.selector, proto: key.proto, family }
    }
}

impl From<&FallbackRecord> for Tuple {
    fn from(record: &FallbackRecord) -> Self {
        Self { family: record.family as u8, ..Self::from(&record.key) }
    }
}

impl Tuple {
    /// Source and destination address, if it is IP.
    pub(crate) fn addresses(&self) -> Option<(IpAddr, IpAddr)> {
        let [src, dst] = [&self.src, &self.dst].map(|bytes| match self.family {
            4 => Some(IpAddr::V4(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]))),
            6 => Some(IpAddr::V6(Ipv6Addr::from(*bytes))),
            _ => None,
        });
        src.zip(dst)
    }
}
