//! Putting programs on an interface and taking them away again: TCX first in line, else a clsact filter.
//!
//! Nothing that others made is ever changed, moved or removed.

pub(crate) mod clsact;
pub(crate) mod owner;

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
};

use flow::LinkType;

use crate::{bpf::link::attach_tcx, loader::Programs, netlink::Requests, netns::enter};

/// Which of both ways is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Links, gone with the process.
    Tcx,
    /// Filters.
    Clsact,
    /// Nothing is put there: only what is dropped is asked for.
    Nothing,
}

/// What is attached to one interface. TCX links detach when they are dropped, filters by [`Attachment::remove`].
#[derive(Debug)]
pub(crate) enum Attachment {
    /// One link for each direction.
    Tcx(#[expect(dead_code, reason = "they are kept for what closing them does")] [OwnedFd; 2]),
    /// Filters, and whether clsact is ours.
    Clsact(clsact::Filters),
    /// Nothing.
    Nothing,
}

/// Whether an error means no more than that the interface has gone meanwhile.
pub(crate) fn has_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENODEV | libc::ENOENT | libc::ENXIO))
}

/// Attaches both directions to the interface `ifindex` in the namespace of `requests`.
pub(crate) fn attach(
    way: Way,
    requests: &mut Requests,
    programs: &Programs,
    ifindex: u32,
    link_type: LinkType,
) -> io::Result<Attachment> {
    match way {
        Way::Tcx => {
            let namespace = enter::of_socket(requests.as_fd())?;
            enter::within(namespace.as_fd(), || tcx(programs, ifindex, link_type))
        }
        Way::Clsact => clsact::attach(requests, programs, ifindex, link_type).map(Attachment::Clsact),
        Way::Nothing => Ok(Attachment::Nothing),
    }
}

fn tcx(programs: &Programs, ifindex: u32, link_type: LinkType) -> io::Result<Attachment> {
    let link = |egress| attach_tcx(programs.of(link_type, egress), ifindex, egress);
    Ok(Attachment::Tcx([link(false)?, link(true)?]))
}

impl Attachment {
    /// Takes the programs away.
    pub(crate) fn remove(self, requests: &mut Requests, ifindex: u32) -> io::Result<()> {
        match self {
            Self::Tcx(_) | Self::Nothing => Ok(()),
            Self::Clsact(filters) => filters.remove(requests, ifindex),
        }
    }
}
