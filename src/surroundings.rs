//! A look at the machine and the terminal: the facts that a plan depends on. Changes nothing and sends nothing.

use std::{
    env, fs,
    io::{IsTerminal as _, stderr, stdin, stdout},
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use crate::{
    cli::{Color, GlobalArgs},
    plan::Surroundings,
    report::ColourChoice,
};

/// The facts now.
pub fn look() -> Surroundings {
    Surroundings {
        stdout_is_terminal: stdout().is_terminal(),
        stdout_is_file: stdout_is_file(),
        can_ask: stdin().is_terminal() && stderr().is_terminal(),
        ssh: ssh_connection(),
        node: node(),
        address: address(),
        capture_namespace: env::var("NETOBSERV_NAMESPACE").ok().filter(|name| !name.is_empty()),
    }
}

/// `--color` and what the environment says.
pub fn colour(global: GlobalArgs) -> ColourChoice {
    let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
    match global.color {
        Color::Auto => ColourChoice::Auto { unwanted: set("NO_COLOR") || dumb },
        Color::Always => ColourChoice::Always,
        Color::Never => ColourChoice::Never,
    }
}

/// An address of this machine that others reach it by.
#[cfg(target_os = "linux")]
fn address() -> Option<IpAddr> {
    agent::own_address()
}

/// Only a capture on this machine needs it, and only Linux captures.
#[cfg(not(target_os = "linux"))]
fn address() -> Option<IpAddr> {
    None
}

/// A regular file, or a character device that is no terminal (/dev/null).
#[cfg(unix)]
fn stdout_is_file() -> bool {
    use std::os::{fd::AsFd as _, unix::fs::FileTypeExt as _};
    let metadata = stdout().as_fd().try_clone_to_owned().and_then(|fd| fs::File::from(fd).metadata());
    let kind = metadata.map(|metadata| metadata.file_type());
    kind.is_ok_and(|kind| kind.is_file() || (kind.is_char_device() && !stdout().is_terminal()))
}

/// A regular file.
#[cfg(windows)]
fn stdout_is_file() -> bool {
    use std::os::windows::io::AsHandle as _;
    let metadata = stdout().as_handle().try_clone_to_owned().and_then(|handle| fs::File::from(handle).metadata());
    metadata.is_ok_and(|metadata| metadata.is_file())
}

fn node() -> Arc<str> {
    let named = || env::var("COMPUTERNAME").or_else(|_| env::var("HOSTNAME")).unwrap_or_default();
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| named());
    if name.trim().is_empty() { "localhost".into() } else { name.trim().into() }
}

/// Most generations looked back for the SSH connection.
const GENERATIONS: usize = 64;

/// The SSH connection that we run in: ours, or that of an ancestor, because sudo takes the variable away.
fn ssh_connection() -> Option<(SocketAddr, SocketAddr)> {
    if let Ok(text) = env::var("SSH_CONNECTION") {
        return parse_ssh(&text);
    }
    let mut process = "self".to_owned();
    for _ in 0..GENERATIONS {
        process = parent(&process)?;
        let environment = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        let mut variables = environment.split(|byte| *byte == 0);
        if let Some(text) = variables.find_map(|variable| variable.strip_prefix(b"SSH_CONNECTION=")) {
            return parse_ssh(std::str::from_utf8(text).ok()?);
        }
    }
    None
}

fn parent(process: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim();
    (parent != "0").then(|| parent.to_owned())
}

/// `client port server port` (sshd(8)) as our end and the other end.
fn parse_ssh(text: &str) -> Option<(SocketAddr, SocketAddr)> {
    let mut words = text.split_whitespace();
    let mut end = || {
        // A link-local address carries its zone.
        let address = words.next()?.split('%').next()?.parse::<IpAddr>().ok()?.to_canonical();
        Some(SocketAddr::new(address, words.next()?.parse().ok()?))
    };
    let (remote, local) = (end()?, end()?);
    Some((local, remote))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_names_the_other_end_first() {
        let ends = |local: &str, remote: &str| Some((local.parse().unwrap(), remote.parse().unwrap()));
        assert_eq!(parse_ssh("10.0.0.2 50000 10.0.0.1 22"), ends("10.0.0.1:22", "10.0.0.2:50000"));
        assert_eq!(parse_ssh("fe80::2%eth0 50000 fe80::1%eth0 22"), ends("[fe80::1]:22", "[fe80::2]:50000"));
        assert_eq!(parse_ssh("::ffff:10.0.0.2 5 ::ffff:10.0.0.1 22"), ends("10.0.0.1:22", "10.0.0.2:5"));
        assert_eq!(parse_ssh("nonsense"), None);
    }

    #[test]
    fn every_process_has_a_parent_up_to_the_first() {
        assert!(parent("self").is_some());
        assert_eq!(parent("1"), None);
    }
}
