//! What goes wrong on a cluster, done on purpose and undone when it is dropped: the API server stands still, a node is cut
//! off. For tests that are alone on their cluster.

use std::fs;

use anyhow::{Context as _, Result, ensure};

use super::on_node;

/// An API server that stands still.
#[derive(Debug)]
pub struct Halt {
    pid: i32,
}

/// Process id of the API server, if it runs on this machine and there is one.
pub fn api_server() -> Option<i32> {
    let is_it = |pid: &i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).next().is_some_and(|program| program.ends_with(b"kube-apiserver"))
    };
    let pids = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let found: Vec<i32> = pids.filter(is_it).collect();
    <[i32; 1]>::try_from(found).ok().map(|[pid]| pid)
}

impl Halt {
    /// Stops the API server as a debugger does: connections stay, nothing is answered.
    pub fn api_server() -> Result<Self> {
        let pid = api_server().context("no API server on this machine")?;
        // SAFETY: a signal, no memory.
        ensure!(unsafe { libc::kill(pid, libc::SIGSTOP) } == 0, "kill: {}", std::io::Error::last_os_error());
        Ok(Self { pid })
    }
}

impl Drop for Halt {
    fn drop(&mut self) {
        // SAFETY: a signal, no memory.
        unsafe { libc::kill(self.pid, libc::SIGCONT) };
    }
}

/// A node that nothing reaches and that reaches nothing, while all its processes go on.
#[derive(Debug)]
pub struct CutOff {
    node: String,
}

/// Rules that take all packets between a node and everybody else, the first ones asked.
const RULES: [&str; 2] = ["-t raw -%s PREROUTING ! -i lo -j DROP", "-t mangle -%s POSTROUTING ! -o lo -j DROP"];

impl CutOff {
    /// Cuts `node` off.
    pub fn node(node: &str) -> Result<Self> {
        let cut = Self { node: node.to_owned() };
        cut.rules('I')?;
        Ok(cut)
    }

    fn rules(&self, verb: char) -> Result<()> {
        for rule in RULES {
            let rule = rule.replace("%s", &verb.to_string());
            on_node(&self.node, &["sh", "-c", &format!("iptables -w {rule}")])?;
        }
        Ok(())
    }
}

impl Drop for CutOff {
    fn drop(&mut self) {
        let _ = self.rules('D');
    }
}
