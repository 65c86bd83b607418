//! Generic netlink: finding a family and its multicast groups by name (include/uapi/linux/genetlink.h).

use std::io;

use netlink_sys::protocols::NETLINK_GENERIC;

use super::{
    Requests,
    attributes::{Attributes, Body, text, word},
};

/// `struct genlmsghdr`.
pub(crate) const HEADER: usize = 4;
/// `GENL_ID_CTRL`.
const CONTROL: u16 = 0x10;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
const GROUPS: u16 = 7;
const GROUP_NAME: u16 = 1;
const GROUP_ID: u16 = 2;

/// A family and one of its groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Kind of its messages.
    pub(crate) family: u16,
    pub(crate) group: u32,
}

/// Looks up a family and a group of it, in the namespace of the calling thread. Needs no rights.
///
/// # Errors
/// `NotFound` when the kernel has none of that name.
pub(crate) fn find(family: &str, group: &str) -> io::Result<Found> {
    let request = Body(vec![GET_FAMILY, 1, 0, 0]).text(FAMILY_NAME, family);
    let answers = Requests::of(NETLINK_GENERIC)?.request(CONTROL, 0, &request.0)?;
    let found = answers.iter().find_map(|answer| read(&answer.body, group));
    found.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
}

fn read(body: &[u8], group: &str) -> Option<Found> {
    let attributes = Attributes(body.get(HEADER..)?);
    let family = attributes.clone().find(FAMILY_ID)?.try_into().ok().map(u16::from_ne_bytes)?;
    let groups = Attributes(attributes.find(GROUPS)?);
    let group = groups.map(|(_, group)| Attributes(group)).find_map(|attributes| {
        let name = attributes.clone().find(GROUP_NAME).map(text)?;
        if name == group { word(attributes.find(GROUP_ID)?, 0) } else { None }
    });
    Some(Found { family, group: group? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_has_the_family_of_families_and_none_of_a_made_up_name() {
        let found = find("nlctrl", "notify").unwrap();
        assert_eq!((found.family, found.group), (CONTROL, 16));
        assert_eq!(find("there-is-none", "x").unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(find("nlctrl", "x").unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
