//! TCX links. A link lives as long as its descriptor, so it goes with the process, however that ends.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
};

use super::{Attributes, bpf};

const PROG_QUERY: i32 = 16;
const LINK_CREATE: i32 = 28;
const TCX_INGRESS: u32 = 46;
const TCX_EGRESS: u32 = 47;
/// Without a relative: before all others.
const BEFORE: u32 = 1 << 3;

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CreateAttributes {
    prog_fd: u32,
    target_ifindex: u32,
    attach_type: u32,
    flags: u32,
    relative_fd: u32,
    pad: u32,
    expected_revision: u64,
}
// SAFETY: integers without padding, no pointers.
unsafe impl Attributes for CreateAttributes {}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct QueryAttributes {
    target_ifindex: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    prog_ids: u64,
    count: u32,
    pad: u32,
    prog_attach_flags: u64,
    link_ids: u64,
    link_attach_flags: u64,
    revision: u64,
}
// SAFETY: integers without padding; no pointer is set.
unsafe impl Attributes for QueryAttributes {}

/// Attaches a program first in line. The interface is looked up in the namespace of the calling thread.
pub(crate) fn attach_tcx(program: BorrowedFd<'_>, ifindex: u32, egress: bool) -> io::Result<OwnedFd> {
    let mut attributes = CreateAttributes {
        prog_fd: program.as_raw_fd() as u32,
        target_ifindex: ifindex,
        attach_type: if egress { TCX_EGRESS } else { TCX_INGRESS },
        flags: BEFORE,
        ..CreateAttributes::default()
    };
    let fd = bpf(LINK_CREATE, &mut attributes)?;
    // SAFETY: the kernel just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Whether the kernel knows TCX (6.6): it can say what is attached to the loopback interface, which is always there.
pub(crate) fn has_tcx() -> bool {
    let mut attributes = QueryAttributes { target_ifindex: 1, attach_type: TCX_INGRESS, ..QueryAttributes::default() };
    match bpf(PROG_QUERY, &mut attributes) {
        Ok(_) => true,
        Err(error) => !matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EPERM | libc::ENOSYS)),
    }
}
