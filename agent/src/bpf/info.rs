//! What the kernel tells of a program.

use std::os::fd::{AsRawFd as _, BorrowedFd};

use super::{Attributes, bpf};

const OBJ_GET_INFO_BY_FD: i32 = 15;
/// `recursion_misses` in `struct bpf_prog_info`, counted in words of eight bytes (Linux 5.12).
const RECURSION_MISSES: usize = 208 / 8;

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct InfoAttributes {
    bpf_fd: u32,
    info_len: u32,
    info: u64,
}
// SAFETY: integers without padding; the pointer is set below to a buffer of the length that is passed.
unsafe impl Attributes for InfoAttributes {}

/// How often a program was not run because it was running on that CPU already; 0 where the kernel does not tell.
pub(crate) fn missed(program: BorrowedFd<'_>) -> u64 {
    let mut info = [0u64; RECURSION_MISSES + 1];
    let mut attributes = InfoAttributes {
        bpf_fd: program.as_raw_fd() as u32,
        info_len: size_of_val(&info) as u32,
        info: info.as_mut_ptr() as u64,
    };
    match bpf(OBJ_GET_INFO_BY_FD, &mut attributes) {
        Ok(_) => info[RECURSION_MISSES],
        Err(_) => 0,
    }
}
