//! The bpf(2) commands that aya does not offer: batches, links by interface index, grace periods.
//!
//! Must not know what is in the maps. Layouts are those of `union bpf_attr` in include/uapi/linux/bpf.h.

pub(crate) mod batch;
pub(crate) mod grace;
pub(crate) mod info;
pub(crate) mod link;

use std::{ffi::c_int, io};

/// A command's part of `union bpf_attr`: every field an integer, no padding, so that all its bytes are set.
///
/// # Safety
/// The type must have that shape, and the pointers in it must be good for what the command does with them.
pub(crate) unsafe trait Attributes: Copy {}

/// Runs a command; what it returns when that is not an error.
pub(crate) fn bpf<A: Attributes>(command: c_int, attributes: &mut A) -> io::Result<c_int> {
    // SAFETY: the kernel reads and writes `size` bytes at the pointer; what the attributes point to is vouched for by
    // whoever implemented `Attributes`.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size_of::<A>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as c_int) }
}

/// Types whose bytes the kernel may write and that keys and values of maps are made of.
///
/// # Safety
/// Every bit pattern must be valid and there must be no padding.
pub(crate) unsafe trait Pod: Copy {
    /// All bytes zero.
    fn zeroed() -> Self {
        // SAFETY: every bit pattern is valid.
        unsafe { std::mem::zeroed() }
    }

    /// Reads one from the beginning of `bytes`, which need not be aligned.
    fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..size_of::<Self>())?;
        // SAFETY: the slice is as long as the type, and every bit pattern is valid.
        Some(unsafe { bytes.as_ptr().cast::<Self>().read_unaligned() })
    }
}

// SAFETY: integers.
unsafe impl Pod for u32 {}
// SAFETY: integers.
unsafe impl Pod for u64 {}
// SAFETY: agent-common asserts their sizes to be the sums of their fields, which are integers and arrays of them.
unsafe impl Pod for agent_common::types::FlowKey4 {}
// SAFETY: as above.
unsafe impl Pod for agent_common::types::FlowKey6 {}
// SAFETY: as above.
unsafe impl Pod for agent_common::types::FlowValue {}
// SAFETY: as above.
unsafe impl Pod for agent_common::types::FallbackRecord {}
// SAFETY: as above.
unsafe impl Pod for agent_common::types::PacketHead {}
// SAFETY: as above.
unsafe impl Pod for agent_common::tcp::TcpSocket {}
// SAFETY: as above.
unsafe impl Pod for agent_common::tcp::TcpEvent {}
// SAFETY: as above.
unsafe impl Pod for agent_common::sample::SampleHead {}
// SAFETY: agent-common asserts their sizes to be the sums of their fields, which are integers and arrays of them.
unsafe impl Pod for agent_common::drops::DropKey {}
// SAFETY: as above.
unsafe impl Pod for agent_common::drops::DropValue {}
// SAFETY: as above.
unsafe impl Pod for agent_common::drops::DropRecord {}
// SAFETY: as above.
unsafe impl Pod for agent_common::drops::DropHead {}
