//! What a test needs to run at all, and how it says that it does not.

use std::{
    env,
    fs::{self, File},
    os::fd::AsRawFd as _,
    path::PathBuf,
    process::Command,
    thread,
};

use anyhow::{Result, ensure};

/// Why a test that needs root and `tools` cannot run here; `None` when it can.
pub fn missing(tools: &[&str]) -> Option<String> {
    // SAFETY: no arguments, cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        return Some("needs root".into());
    }
    let missing: Vec<_> = tools.iter().copied().filter(|tool| find(tool).is_none()).collect();
    (!missing.is_empty()).then(|| format!("needs {}", missing.join(", ")))
}

/// Says that the test on this thread does not run: one line `SKIP name: reason` that a script can count.
#[expect(clippy::print_stdout, reason = "a test's standard output is where its runner looks")]
pub fn skip(reason: &str) {
    // The runner may have left its cursor behind the name of the test.
    println!("\nSKIP {}: {reason}", thread::current().name().unwrap_or("?"));
}

/// Whether this kernel makes interfaces of `kind`, for example `vlan`.
pub fn has_link_kind(kind: &str) -> bool {
    let Ok(netns) = crate::Netns::new("probe") else { return false };
    let below = netns.ip("link add below0 type veth peer name below1");
    below.is_ok() && (netns.ip(&format!("link add probe0 type {kind}")).is_ok() || kind_needs_more(&netns, kind))
}

/// Kinds that cannot be made from their name alone.
fn kind_needs_more(netns: &crate::Netns, kind: &str) -> bool {
    let extra = match kind {
        "vlan" => "link add link below0 name probe0 type vlan id 5",
        "ipip" => "link add probe0 type ipip local 127.0.0.1 remote 127.0.0.2",
        "vxlan" => "link add probe0 type vxlan id 5 dstport 4789",
        _ => return false,
    };
    netns.ip(extra).is_ok()
}

fn find(tool: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let more = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path).chain(more).map(|directory| directory.join(tool)).find(|file| file.is_file())
}

/// Held while something runs that must not be disturbed, or must not disturb.
#[derive(Debug)]
pub struct Turn(#[expect(dead_code, reason = "held for its lock")] File);

/// Waits until nobody measures; others may run beside us.
pub fn beside_others() -> Result<Turn> {
    turn(libc::LOCK_SH)
}

/// Waits until nobody else runs.
pub fn alone() -> Result<Turn> {
    turn(libc::LOCK_EX)
}

fn turn(operation: libc::c_int) -> Result<Turn> {
    let file = File::create(env::temp_dir().join("oc-netobserv-kernel-tests.lock"))?;
    // SAFETY: a descriptor that we own.
    ensure!(unsafe { libc::flock(file.as_raw_fd(), operation) } == 0, "flock: {}", std::io::Error::last_os_error());
    Ok(Turn(file))
}

/// Whether times and rates are to be kept small: software emulation, or somebody in a hurry.
pub fn is_short() -> bool {
    env::var_os("KERNEL_TIER_SHORT").is_some()
}

/// Major and minor version of the running kernel.
pub fn kernel() -> (u32, u32) {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// How many TCX programs an interface has on ingress and egress, by BPF_PROG_QUERY; `None` before Linux 6.6.
/// (bpftool of Debian 12 does not show them.)
pub fn tcx_programs(netns: &crate::Netns, interface: &str) -> Result<Option<[u32; 2]>> {
    netns.run(|| {
        let name = std::ffi::CString::new(interface)?;
        // SAFETY: a string that ends in NUL.
        let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
        ensure!(index != 0, "there is no {interface}");
        Ok(query(index, TCX_INGRESS).zip(query(index, TCX_EGRESS)).map(|(ingress, egress)| [ingress, egress]))
    })
}

/// `enum bpf_attach_type` of include/uapi/linux/bpf.h.
const TCX_INGRESS: u32 = 46;
/// The next one.
const TCX_EGRESS: u32 = 47;
/// `enum bpf_cmd`.
const BPF_PROG_QUERY: libc::c_int = 16;

/// `union bpf_attr`, its part for BPF_PROG_QUERY; with no room for ids the kernel answers with their number.
#[repr(C)]
#[derive(Default)]
struct Query {
    ifindex: u32,
    attach_type: u32,
    flags: [u32; 2],
    program_ids: u64,
    count: u32,
    zero: u32,
    more: [u64; 4],
}

fn query(ifindex: u32, attach_type: u32) -> Option<u32> {
    let mut query = Query { ifindex, attach_type, ..Query::default() };
    let size = size_of::<Query>();
    // SAFETY: pointer and size describe `query`; it holds no pointers.
    let result = unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_QUERY, &raw mut query, size) };
    (result == 0).then_some(query.count)
}

/// Standard output of a command, whatever its exit code.
pub fn output_of(command: &mut Command) -> Result<String> {
    Ok(String::from_utf8_lossy(&command.output()?.stdout).into_owned())
}

/// Leaves the test, with a line that says why, unless it runs as root and has these tools.
#[macro_export]
macro_rules! needs {
    ($($tool:literal),* $(,)?) => {
        if let Some(reason) = $crate::need::missing(&["ip", $($tool),*]) {
            $crate::need::skip(&reason);
            return;
        }
    };
}
