//! Link types (tcpdump.org's registry) reduced to the two that we have: Ethernet, and bare IP.

/// How frames begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::open) enum Link {
    Ethernet,
    /// LINKTYPE_RAW, _IPV4, _IPV6, and what OpenBSD and Linux wrote for them.
    RawIp,
    /// LINKTYPE_NULL and _LOOP: four bytes of address family.
    Loopback,
    /// LINKTYPE_LINUX_SLL: 16 bytes, of `tcpdump -i any`.
    Cooked,
    /// LINKTYPE_LINUX_SLL2: 20 bytes.
    Cooked2,
    /// Any other.
    Other,
}

impl Link {
    pub(in crate::open) fn of(number: u32) -> Self {
        match number {
            1 => Self::Ethernet,
            12 | 14 | 101 | 228 | 229 => Self::RawIp,
            0 | 108 => Self::Loopback,
            113 => Self::Cooked,
            276 => Self::Cooked2,
            _ => Self::Other,
        }
    }
}

/// A frame without what stands before Ethernet or IP.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::open) struct Frame<'a> {
    pub(in crate::open) data: &'a [u8],
    /// Its whole length.
    pub(in crate::open) len: u32,
    /// 0 in, 1 out, where the header tells.
    pub(in crate::open) direction: Option<u8>,
}

impl<'a> Frame<'a> {
    /// `None` for links that we cannot read.
    pub(in crate::open) fn of(link: Link, data: &'a [u8], len: u32) -> Option<Self> {
        // The packet type of a cooked header: 4 is sent by us.
        let (header, packet_type) = match link {
            Link::Ethernet | Link::RawIp => (0, None),
            Link::Loopback => (4, None),
            Link::Cooked => (16, data.get(1)),
            Link::Cooked2 => (20, data.get(10)),
            Link::Other => return None,
        };
        let direction = packet_type.map(|packet_type| u8::from(*packet_type == 4));
        Some(Self { data: data.get(header..)?, len: len.saturating_sub(header as u32), direction })
    }
}
