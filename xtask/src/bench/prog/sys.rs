//! Programs as file descriptors, and the bpf(2) commands that aya has no use for: an empty program, a test run of any
//! program.

use std::{
    io, mem,
    os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use aya::programs::{SchedClassifier, loaded_programs};

/// Commands of bpf(2) (include/uapi/linux/bpf.h).
const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_PROG_TEST_RUN: libc::c_long = 10;
const BPF_PROG_TYPE_SCHED_CLS: u32 = 3;
/// Result of our programs: TCX_NEXT, TC_ACT_UNSPEC.
pub(super) const NEXT: u32 = u32::MAX;

/// A loaded program.
pub(super) struct Program(OwnedFd);

/// The member `test` of `union bpf_attr`, up to what is used.
#[repr(C)]
#[derive(Default)]
struct TestRun {
    fd: u32,
    result: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
}

/// The beginning of the member of `union bpf_attr` for BPF_PROG_LOAD.
#[repr(C)]
struct Load {
    kind: u32,
    instructions: u32,
    code: u64,
    license: u64,
}

impl Program {
    /// A program that returns at once: what is measured of it is the measuring.
    pub(super) fn empty() -> Result<Self> {
        // r0 = -1; exit (RFC 9669)
        let code: [u64; 2] = [0xffff_ffff_0000_00b7, 0x95];
        let mut attr = Load {
            kind: BPF_PROG_TYPE_SCHED_CLS,
            instructions: code.len() as u32,
            code: code.as_ptr() as u64,
            license: c"GPL".as_ptr() as u64,
        };
        let fd = bpf(BPF_PROG_LOAD, &mut attr).context("cannot load a BPF program (root is needed)")?;
        // SAFETY: the kernel has just returned this descriptor; nobody else has it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd as i32) }))
    }

    /// A program of ours.
    pub(super) fn of(program: &SchedClassifier) -> Result<Self> {
        Ok(Self(program.info()?.fd()?.as_fd().try_clone_to_owned()?))
    }

    /// The newest loaded program of this name; the kernel keeps 15 characters of it.
    pub(super) fn by_name(name: &str) -> Result<Self> {
        let kept = &name[..name.floor_char_boundary(15)];
        let mut found = None;
        for program in loaded_programs() {
            // A program may go between being listed and being asked.
            let Ok(program) = program else { continue };
            if program.name_as_str() == Some(kept) {
                found = Some(program);
            }
        }
        let program = found.with_context(|| format!("no program named {name} is loaded (see: bpftool prog list)"))?;
        Ok(Self(program.fd()?.as_fd().try_clone_to_owned()?))
    }

    /// Runs the program on `frame` as often as asked. Returns the ns that one packet took.
    pub(super) fn test_run(&self, frame: &[u8], repeat: u32) -> Result<u64> {
        Ok(self.test(frame, repeat)?.0)
    }

    /// The same, with the program's result.
    pub(super) fn test(&self, frame: &[u8], repeat: u32) -> Result<(u64, u32)> {
        let mut attr = TestRun {
            fd: self.0.as_raw_fd() as u32,
            data_size_in: frame.len() as u32,
            data_in: frame.as_ptr() as u64,
            repeat,
            ..TestRun::default()
        };
        bpf(BPF_PROG_TEST_RUN, &mut attr).context("the test run failed")?;
        Ok((u64::from(attr.duration), attr.result))
    }
}

fn bpf<T>(command: libc::c_long, attr: &mut T) -> io::Result<i64> {
    // SAFETY: `attr` is the beginning of `union bpf_attr` for this command, and its size is told.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Processor time of this thread so far.
pub(super) fn processor_time() -> Result<Duration> {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is that of a value which the call fills in.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut now) };
    ensure!(result == 0, "cannot read the clock: {}", io::Error::last_os_error());
    Ok(Duration::new(now.tv_sec as u64, now.tv_nsec as u32))
}

/// Keeps this thread on one CPU, so that runs are alike.
pub(super) fn pin_to_one_cpu() -> Result<()> {
    // SAFETY: a set of all zeros is a valid value.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: CPU 0 lies within the set.
    unsafe { libc::CPU_SET(0, &mut set) };
    // SAFETY: the set is of the size that is told.
    let result = unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) };
    ensure!(result == 0, "cannot stay on CPU 0: {}", io::Error::last_os_error());
    Ok(())
}
