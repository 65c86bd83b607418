//! Waiting until every program that was running has ended.

use std::{
    ffi::c_int,
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use super::{Attributes, bpf};

const MAP_CREATE: c_int = 0;
const MAP_UPDATE: c_int = 2;
const TYPE_ARRAY: u32 = 2;
const TYPE_ARRAY_OF_MAPS: u32 = 12;
/// `MEMBARRIER_CMD_GLOBAL` of include/uapi/linux/membarrier.h.
const MEMBARRIER_GLOBAL: c_int = 1;

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct CreateAttributes {
    pub(super) map_type: u32,
    pub(super) key_size: u32,
    pub(super) value_size: u32,
    pub(super) max_entries: u32,
    pub(super) map_flags: u32,
    pub(super) inner_map_fd: u32,
}
// SAFETY: integers without padding, no pointers.
unsafe impl Attributes for CreateAttributes {}

#[repr(C)]
#[derive(Clone, Copy)]
struct UpdateAttributes {
    map_fd: u32,
    pad: u32,
    key: u64,
    value: u64,
    flags: u64,
}
// SAFETY: integers without padding; the pointers are set in `by_map_of_maps` to two integers.
unsafe impl Attributes for UpdateAttributes {}

/// Returns once all programs that ran when it was called have ended.
pub(crate) fn wait() -> io::Result<()> {
    // SAFETY: the system call takes no pointers.
    if unsafe { libc::syscall(libc::SYS_membarrier, MEMBARRIER_GLOBAL, 0, 0) } == 0 {
        return Ok(());
    }
    // A kernel with tickless CPUs (nohz_full) or without membarrier: an update of a map of maps waits just as long
    // (kernel/bpf/syscall.c, maybe_wait_bpf_programs).
    by_map_of_maps()
}

fn by_map_of_maps() -> io::Result<()> {
    let inner = create(TYPE_ARRAY, 0)?;
    let outer = create(TYPE_ARRAY_OF_MAPS, inner.as_raw_fd() as u32)?;
    let (key, value) = (0u32, inner.as_raw_fd() as u32);
    let mut attributes = UpdateAttributes {
        map_fd: outer.as_raw_fd() as u32,
        pad: 0,
        key: &raw const key as u64,
        value: &raw const value as u64,
        flags: 0,
    };
    bpf(MAP_UPDATE, &mut attributes).map(drop)
}

fn create(map_type: u32, inner_map_fd: u32) -> io::Result<OwnedFd> {
    let mut attributes =
        CreateAttributes { map_type, key_size: 4, value_size: 4, max_entries: 1, map_flags: 0, inner_map_fd };
    let fd = bpf(MAP_CREATE, &mut attributes)?;
    // SAFETY: the kernel just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Whether bpf(2) can be used at all.
pub(crate) fn can_create_maps() -> io::Result<()> {
    create(TYPE_ARRAY, 0).map(drop)
}

#[cfg(test)]
mod tests {
    #[test]
    fn kernel_both_ways_of_waiting_end() {
        if super::can_create_maps().is_err() {
            eprintln!("SKIP kernel_both_ways_of_waiting_end: needs root");
            return;
        }
        super::wait().unwrap();
        super::by_map_of_maps().unwrap();
    }
}
