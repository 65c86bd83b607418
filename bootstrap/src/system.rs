//! What a C library would do: the entry point, and the three system calls that rustix leaves to one (`execve(2)`,
//! `rt_sigaction(2)`, `exit_group(2)`).
//!
//! The only place with assembly.

use core::{
    arch::{asm, naked_asm},
    ffi::{CStr, c_char, c_int},
};

use rustix::io::Errno;

use crate::arguments::Words;

#[cfg(target_arch = "x86_64")]
mod number {
    pub(super) const RT_SIGACTION: usize = 13;
    pub(super) const EXECVE: usize = 59;
    pub(super) const EXIT_GROUP: usize = 231;
}
#[cfg(target_arch = "aarch64")]
mod number {
    pub(super) const RT_SIGACTION: usize = 134;
    pub(super) const EXECVE: usize = 221;
    pub(super) const EXIT_GROUP: usize = 94;
}

const SIGINT: usize = 2;
const SIGTERM: usize = 15;
const SA_RESTORER: usize = 0x0400_0000;

/// Where the kernel starts the process: the stack holds argc, argv, a null, the environment, a null.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    #[cfg(target_arch = "x86_64")]
    naked_asm!("xor ebp, ebp", "mov rdi, rsp", "and rsp, -16", "call {entry}", "ud2", entry = sym entry);
    #[cfg(target_arch = "aarch64")]
    naked_asm!("mov x29, #0", "mov x30, #0", "mov x0, sp", "b {entry}", entry = sym entry);
}

extern "C" fn entry(stack: *mut usize) -> ! {
    // SAFETY: `_start` hands over the stack as the kernel made it, and nobody else uses it.
    let words = unsafe { Words::from_stack(stack) };
    exit(crate::main(words))
}

/// As the kernel has it (`struct sigaction` of linux/signal.h), the same on both architectures.
#[repr(C)]
struct Action {
    handler: extern "C" fn(c_int) -> !,
    flags: usize,
    /// Where a handler would return to; ours never does, but x86-64 insists on one.
    restorer: extern "C" fn(c_int) -> !,
    mask: u64,
}

/// SIGTERM and SIGINT end the process with code 0. The first process of a container would ignore them otherwise.
/// `execve` takes this back.
pub(crate) fn exit_on_termination() {
    let action = Action { handler: quit, flags: SA_RESTORER, restorer: quit, mask: 0 };
    for signal in [SIGTERM, SIGINT] {
        // SAFETY: the kernel reads one `Action` and keeps no pointer to it; a null pointer asks for no old one.
        unsafe { call(number::RT_SIGACTION, signal, &raw const action as usize, 0, size_of::<u64>()) };
    }
}

extern "C" fn quit(_: c_int) -> ! {
    exit(0)
}

/// Becomes `program`; comes back only if that did not work.
///
/// # Safety
/// Both arrays are of C strings and end with a null.
pub(crate) unsafe fn execute(
    program: &CStr,
    arguments: *const *const c_char,
    environment: *const *const c_char,
) -> Errno {
    // SAFETY: the kernel only reads what is given, and the caller vouches for the arrays.
    let result =
        unsafe { call(number::EXECVE, program.as_ptr() as usize, arguments as usize, environment as usize, 0) };
    Errno::from_raw_os_error(-(result as i32))
}

/// Ends the process.
pub(crate) fn exit(code: i32) -> ! {
    loop {
        // SAFETY: takes no pointer.
        unsafe { call(number::EXIT_GROUP, code as usize, 0, 0, 0) };
    }
}

/// A system call; the result is negative if it failed.
///
/// # Safety
/// The arguments are what that call wants.
unsafe fn call(number: usize, a: usize, b: usize, c: usize, d: usize) -> isize {
    let result: isize;
    // SAFETY: the kernel's calling convention; what the call does is the caller's business.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!("syscall", inlateout("rax") number => result, in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d,
             lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!("svc 0", in("x8") number, inlateout("x0") a => result, in("x1") b, in("x2") c, in("x3") d,
             options(nostack));
    }
    result
}
