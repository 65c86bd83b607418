//! Packets that the kernel samples for whoever listens (include/uapi/linux/psample.h): Open vSwitch and `tc action sample`.

use std::io;

use netlink_sys::protocols::NETLINK_GENERIC;

use super::{
    attributes::{Attributes, word},
    generic,
    stream::Groups,
};

const SAMPLE: u8 = 0;
const GROUP: u16 = 3;
const SEQUENCE: u16 = 4;
const DATA: u16 = 6;
const PROTOCOL: u16 = 14;
const COOKIE: u16 = 15;

/// One sampled packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample<'a> {
    /// Number of the sampler's group.
    pub(crate) group: u32,
    /// Number of the sample in its group.
    pub(crate) sequence: u32,
    /// What the sampler says of the packet (Linux 6.11); empty if nothing.
    pub(crate) cookie: &'a [u8],
    /// The frame, possibly cut.
    pub(crate) frame: &'a [u8],
    /// EtherType, where the kernel tells it.
    pub(crate) protocol: Option<u16>,
}

impl<'a> Sample<'a> {
    /// Reads a message of the family.
    pub(crate) fn parse(body: &'a [u8]) -> Option<Self> {
        if *body.first()? != SAMPLE {
            return None;
        }
        let attributes = Attributes(body.get(generic::HEADER..)?);
        let number = |kind| word(attributes.clone().find(kind)?, 0);
        let protocol = attributes.clone().find(PROTOCOL);
        Some(Self {
            group: number(GROUP)?,
            sequence: number(SEQUENCE)?,
            cookie: attributes.clone().find(COOKIE).unwrap_or_default(),
            frame: attributes.clone().find(DATA)?,
            protocol: protocol.and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes),
        })
    }
}

/// Hears of samples of the namespace of the calling thread, with the kind of their messages. Needs CAP_NET_ADMIN.
///
/// # Errors
/// `NotFound` where the kernel does not sample.
pub(crate) fn hear() -> io::Result<(Groups, u16)> {
    let found = generic::find("psample", "packets")?;
    Ok((Groups::join(NETLINK_GENERIC, &[found.group])?, found.family))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::netlink::attributes::Body;

    #[test]
    fn a_sample_tells_its_group_its_number_its_cookie_and_the_frame() {
        let body = Body(vec![SAMPLE, 1, 0, 0])
            .attribute(0, &3_u16.to_ne_bytes())
            .attribute(2, &98_u32.to_ne_bytes())
            .attribute(GROUP, &10_u32.to_ne_bytes())
            .attribute(SEQUENCE, &7_u32.to_ne_bytes())
            .attribute(PROTOCOL, &0x0800_u16.to_ne_bytes())
            .attribute(COOKIE, &[2, 0, 0, 5, 0, 0, 4, 210])
            .attribute(DATA, &[0xaa; 61]);
        let sample = Sample::parse(&body.0).unwrap();
        assert_eq!((sample.group, sample.sequence, sample.protocol), (10, 7, Some(0x0800)));
        assert_eq!((sample.cookie, sample.frame), ([2, 0, 0, 5, 0, 0, 4, 210].as_slice(), [0xaa; 61].as_slice()));
        let other = Body(vec![SAMPLE + 1, 1, 0, 0]).attribute(GROUP, &10_u32.to_ne_bytes());
        assert_eq!(Sample::parse(&other.0), None);
    }

    proptest! {
        #[test]
        fn any_message_is_read_without_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            Sample::parse(&body);
        }
    }
}
