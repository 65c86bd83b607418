//! Names of our filters. They say which process made them, so that one left behind by a process that was killed is
//! told from one of a capture that runs beside us.
//!
//! A process that has filters keeps an abstract UNIX socket of its name (unix(7)): those belong to a network namespace and go
//! with their process, so that agents in containers, which do not see each other's processes, can judge each other.

use std::{
    fs, io,
    os::{
        linux::{fs::MetadataExt as _, net::SocketAddrExt as _},
        unix::net::{SocketAddr, UnixDatagram},
    },
    sync::OnceLock,
};

const PREFIX: &str = "oc-netobserv/";
const MADE: &str = "/made";
/// Inode number of the first PID namespace (`PROC_PID_INIT_INO`), from which all processes can be seen.
const INITIAL_PID_NAMESPACE: u64 = 0xefff_fffc;

/// The process that a filter belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Owner {
    /// Inode number of its network namespace, where its socket is; 0 when it has none.
    network: u64,
    /// Inode number of its PID namespace.
    namespace: u64,
    pid: u32,
    /// When it was started, in clock ticks since boot; pids are used again.
    started: u64,
}

/// Name for a filter of ours; `serial` tells apart the captures of one process, `made` says that the qdisc is ours too.
pub(crate) fn name(egress: bool, serial: u32, made: bool) -> String {
    let Owner { network, namespace, pid, started } = sign_of_life();
    let (direction, made) = (if egress { "egress" } else { "ingress" }, if made { MADE } else { "" });
    format!("{PREFIX}{network}.{namespace}.{pid}.{started}/{serial}/{direction}{made}")
}

/// Whether a filter of this name stands on a qdisc that a capture of ours made, this one or another.
pub(crate) fn made_qdisc(name: &str) -> bool {
    parse(name).is_some() && name.ends_with(MADE)
}

/// Whether a filter of this name is of our making, and its process has ended.
pub(crate) fn is_left_behind(name: &str) -> bool {
    let (Some(owner), ours) = (parse(name), ours()) else { return false };
    if owner.network != 0 && owner.network == ours.network {
        return !owner.has_socket();
    }
    if owner.namespace == ours.namespace {
        return started(owner.pid) != Some(owner.started);
    }
    // Processes of a PID namespace that we do not see into cannot be judged: their filters are left alone.
    ours.namespace == INITIAL_PID_NAMESPACE && !namespace_lives(owner.namespace)
}

fn parse(name: &str) -> Option<Owner> {
    let mut parts = name.strip_prefix(PREFIX)?.split('/').next()?.split('.');
    let owner = Owner {
        network: parts.next()?.parse().ok()?,
        namespace: parts.next()?.parse().ok()?,
        pid: parts.next()?.parse().ok()?,
        started: parts.next()?.parse().ok()?,
    };
    parts.next().is_none().then_some(owner)
}

impl Owner {
    fn bind(&self) -> io::Result<UnixDatagram> {
        let name = format!("{PREFIX}{}.{}.{}", self.namespace, self.pid, self.started);
        UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name)?)
    }

    /// Asked by taking the name, which needs no right that a security module could refuse between two containers.
    fn has_socket(&self) -> bool {
        self.bind().is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
    }
}

/// This process, which from now on has its socket.
fn sign_of_life() -> Owner {
    static SOCKET: OnceLock<Option<UnixDatagram>> = OnceLock::new();
    let ours = ours();
    let socket = SOCKET.get_or_init(|| ours.bind().ok());
    Owner { network: if socket.is_some() { ours.network } else { 0 }, ..ours }
}

fn ours() -> Owner {
    let pid = std::process::id();
    let inode = |kind: &str| fs::metadata(format!("/proc/self/ns/{kind}")).map_or(0, |metadata| metadata.st_ino());
    Owner { network: inode("net"), namespace: inode("pid"), pid, started: started(pid).unwrap_or(0) }
}

/// Field 22 of /proc/PID/stat; the second one, a name in parentheses, may hold anything.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()
}

fn namespace_lives(inode: u64) -> bool {
    let Ok(processes) = fs::read_dir("/proc") else { return true };
    let mut namespaces = processes.flatten().filter_map(|entry| fs::metadata(entry.path().join("ns/pid")).ok());
    namespaces.any(|metadata| metadata.st_ino() == inode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_filters_are_not_left_behind() {
        assert!(!is_left_behind(&name(true, 1, false)));
    }

    #[test]
    fn a_process_that_has_ended_leaves_its_filters_behind() {
        let Owner { network, namespace, started, .. } = ours();
        let pid = std::process::id();
        for network in [network, 0] {
            assert!(is_left_behind(&format!("{PREFIX}{network}.{namespace}.4194305.{started}/ingress")));
            // The pid was given to somebody else.
            assert!(is_left_behind(&format!("{PREFIX}{network}.{namespace}.{pid}.{}/ingress", started + 1)));
        }
    }

    #[test]
    fn a_process_that_cannot_be_seen_is_known_by_its_socket() {
        let elsewhere = Owner { namespace: 7, pid: 1, ..ours() };
        let Owner { network, namespace, pid, started } = elsewhere;
        let name = format!("{PREFIX}{network}.{namespace}.{pid}.{started}/0/ingress");
        let socket = elsewhere.bind().unwrap();
        assert!(!is_left_behind(&name));
        drop(socket);
        assert!(is_left_behind(&name));
    }

    #[test]
    fn a_name_tells_whether_the_qdisc_is_ours() {
        assert!(made_qdisc(&name(true, 1, true)) && !made_qdisc(&name(true, 1, false)) && !made_qdisc("their/made"));
    }

    #[test]
    fn names_of_others_are_never_ours() {
        for name in ["", "cil_from_netdev", "oc-netobserv", "oc-netobserv/1.2.3/ingress", "oc-netobserv/w.x.y.z/egress"]
        {
            assert!(!is_left_behind(name), "{name}");
        }
    }
}
