//! What this kernel and these rights give, asked before anything is touched.

use std::{fs, net::IpAddr};

use flow::{
    CaptureConfig,
    config::{NetNs, TcAttach},
};

use crate::{
    bpf::{grace::can_create_maps, link::has_tcx},
    error::AgentError,
    interfaces::Selection,
    loader::{rules::table, settings::NetnsSource},
    netlink::{Requests, link},
    netns,
};

/// Oldest kernel that the programs are made for.
const OLDEST: (u32, u32) = (5, 10);
/// From here on maps count as memory of a cgroup, before it as locked memory of the process.
const WITHOUT_MEMLOCK: (u32, u32) = (5, 11);

/// What a capture can count on here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Support {
    /// Release of the kernel.
    pub kernel: String,
    /// TCX will be used; else clsact filters.
    pub tcx: bool,
    /// Packets of several namespaces can be told apart, or need not be.
    pub namespaces: bool,
    /// What is missing or limited, in sentences.
    pub limits: Vec<String>,
}

/// A capability by its bit (include/uapi/linux/capability.h) and what it is for.
const CAPABILITIES: [(u32, &str, &str); 4] = [
    (BPF, "CAP_BPF", "loading eBPF programs"),
    (PERFMON, "CAP_PERFMON", "reading packets in eBPF programs"),
    (12, "CAP_NET_ADMIN", "attaching to interfaces"),
    (SYS_ADMIN, "CAP_SYS_ADMIN", "entering other network namespaces"),
];
const SYS_ADMIN: u32 = 21;
const PERFMON: u32 = 38;
const BPF: u32 = 39;

/// Checks rights, kernel, namespaces, interface names and rules.
///
/// # Errors
/// The first thing that keeps a capture from beginning, with what to do about it in [`AgentError::hint`].
pub fn preflight(config: &CaptureConfig) -> Result<Support, AgentError> {
    let selection = Selection::new(&config.interfaces, &config.exclude_interfaces)?;
    table(config)?;
    let kernel = kernel_release();
    check_kernel(&kernel)?;
    check_path(&config.netns)?;
    check_rights(&config.netns)?;
    lift_memlock(&kernel)?;
    lift_files();
    can_create_maps().map_err(|error| AgentError::NoBpf { reason: error.to_string() })?;
    let tcx = config.tc_attach != TcAttach::Tc && has_tcx();
    if config.tc_attach == TcAttach::Tcx && !tcx {
        return Err(AgentError::NoTcx);
    }
    check_names(config, &selection)?;
    // Reading the kernel's types takes 20 MB for a moment: only where it matters.
    let namespaces = config.netns != NetNs::All || NetnsSource::of_kernel().is_some();
    Ok(Support { limits: limits(config, tcx, namespaces), kernel, tcx, namespaces })
}

fn limits(config: &CaptureConfig, tcx: bool, namespaces: bool) -> Vec<String> {
    let mut limits = Vec::new();
    if !tcx && config.tc_attach == TcAttach::Any {
        limits
            .push("no TCX (Linux 6.6): clsact filters are used, and programs before ours can hide packets".to_owned());
    }
    if !namespaces && config.netns == NetNs::All {
        limits.push("packets of several namespaces cannot be told apart: only the current one is watched".to_owned());
    }
    let lockdown = fs::read_to_string("/sys/kernel/security/lockdown").unwrap_or_default();
    if lockdown.contains("[confidentiality]") {
        limits.push("the kernel is locked down (confidentiality): eBPF may not read kernel memory".to_owned());
    }
    limits
}

/// Release of the running kernel, as `uname -r` tells it; empty where /proc does not.
pub fn kernel_release() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned()
}

fn check_kernel(release: &str) -> Result<(), AgentError> {
    match version(release) {
        Some(version) if version < OLDEST => Err(AgentError::KernelTooOld { have: release.to_owned() }),
        _ => Ok(()),
    }
}

/// Before Linux 5.11 the usual limit of 64 KiB of locked memory holds no map.
fn lift_memlock(release: &str) -> Result<(), AgentError> {
    if version(release).is_none_or(|version| version >= WITHOUT_MEMLOCK) {
        return Ok(());
    }
    let limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the limit is read during the call only.
    if unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) } == 0 {
        return Ok(());
    }
    let error = std::io::Error::last_os_error();
    Err(AgentError::os("cannot raise the limit of locked memory, which Linux before 5.11 needs for maps", error))
}

/// Each namespace takes a few sockets and each interface two links: on a large node more than the usual 1,024.
fn lift_files() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limit is written during the call only.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } == 0 {
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: the limit is read during the call only. Where it fails, what cannot be opened is told then.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    }
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

fn check_path(netns: &NetNs) -> Result<(), AgentError> {
    let NetNs::Path(path) = netns else { return Ok(()) };
    let reason = |error: std::io::Error| AgentError::NoNetns { path: path.clone(), reason: error.to_string() };
    netns::at(path).map(drop).map_err(reason)
}

fn check_rights(netns: &NetNs) -> Result<(), AgentError> {
    let missing = missing(effective_capabilities(), *netns != NetNs::Current);
    if missing.is_empty() { Ok(()) } else { Err(AgentError::Rights { missing: missing.join(", ") }) }
}

/// What is missing of these capabilities, each with what it is for.
fn missing(effective: u64, others: bool) -> Vec<String> {
    let has = |bit: u32| effective >> bit & 1 == 1;
    // CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON too; by itself it is needed for other namespaces only.
    let lacks = |bit: u32| match bit {
        SYS_ADMIN => others && !has(SYS_ADMIN),
        BPF | PERFMON => !has(bit) && !has(SYS_ADMIN),
        bit => !has(bit),
    };
    let missing = CAPABILITIES.iter().filter(|(bit, ..)| lacks(*bit));
    missing.map(|(_, name, purpose)| format!("{name} ({purpose})")).collect()
}

fn effective_capabilities() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|line| u64::from_str_radix(line.trim(), 16).ok()).unwrap_or(0)
}

/// Exact names must be there now, in one of the namespaces that are asked for.
fn check_names(config: &CaptureConfig, selection: &Selection) -> Result<(), AgentError> {
    let found = match &config.netns {
        NetNs::All => netns::all(),
        NetNs::Current => netns::current(),
        NetNs::Path(path) => netns::at(path),
    };
    let found = found.map_err(|error| AgentError::os("cannot look for network namespaces", error))?;
    let list = |path| netns::enter::within_path(path, || link::list(&mut Requests::open()?));
    let links = found.values().filter_map(|found| list(&found.path).ok()).flatten();
    let mut present: Vec<String> = links.map(|link| link.name).collect();
    present.sort();
    present.dedup();
    let names: Vec<&str> = present.iter().map(String::as_str).collect();
    match selection.missing(&names) {
        Some(name) => Err(AgentError::NoInterface { name: name.to_owned(), present: names.join(", ") }),
        None => Ok(()),
    }
}

/// Address of this machine for records: what a connection to the outside would use, else none. Nothing is sent.
pub fn own_address() -> Option<IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    // TEST-NET-1 (RFC 5737): connecting a UDP socket only looks up the route.
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|address| !address.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_capabilities_are_named_with_their_purpose() {
        let names = |effective, others| {
            let missing = missing(effective, others).into_iter();
            missing.map(|text| text.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let net_admin = 1 << 12;
        assert_eq!(names(0, true), ["CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN", "CAP_SYS_ADMIN"]);
        assert_eq!(names(net_admin | 1 << BPF | 1 << PERFMON, true), ["CAP_SYS_ADMIN"]);
        assert_eq!(names(net_admin | 1 << BPF | 1 << PERFMON, false), [""; 0]);
        assert_eq!(names(net_admin | 1 << SYS_ADMIN, true), [""; 0]);
    }

    #[test]
    fn releases_are_compared_as_numbers() {
        assert_eq!(version("6.18.44-fc-v669"), Some((6, 18)));
        assert!(check_kernel("5.10.0-30-amd64").is_ok() && check_kernel("10.2").is_ok());
        assert!(matches!(check_kernel("5.4.0-200-generic"), Err(AgentError::KernelTooOld { .. })));
    }
}
