//! Network namespaces of our own: made, entered by threads and processes, removed again.

use std::{
    fs::{self, File},
    os::{fd::AsRawFd as _, unix::process::CommandExt as _},
    path::{Path, PathBuf},
    process::{self, Command},
    sync::{
        Once,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};

/// What the names of our namespaces begin with; the process id and a number follow.
const PREFIX: &str = "onk-";
/// Where `ip netns` keeps them.
const DIRECTORY: &str = "/run/netns";

/// A namespace that lives as long as this value.
#[derive(Debug)]
pub struct Netns {
    name: String,
    file: File,
}

impl Netns {
    /// Makes a namespace with loopback up and IPv6 without duplicate address detection.
    pub fn new(label: &str) -> Result<Self> {
        static LEFTOVERS: Once = Once::new();
        static NEXT: AtomicU32 = AtomicU32::new(0);
        LEFTOVERS.call_once(remove_leftovers);
        let name = format!("{PREFIX}{}-{}-{label}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        run(Command::new("ip").args(["netns", "add", &name]))?;
        let file = File::open(Path::new(DIRECTORY).join(&name))?;
        let netns = Self { name, file };
        netns.ip("link set lo up")?;
        netns.sysctl("net/ipv6/conf/default/accept_dad", "0")?;
        netns.sysctl("net/ipv6/conf/default/router_solicitations", "0")?;
        Ok(netns)
    }

    /// Name as `ip netns` shows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that stands for it.
    pub fn path(&self) -> PathBuf {
        Path::new(DIRECTORY).join(&self.name)
    }

    /// Runs `f` on a thread inside the namespace and waits for it.
    pub fn run<T: Send>(&self, f: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                enter(self.file.as_raw_fd())?;
                f()
            });
            thread.join().map_err(|_| anyhow!("a thread in {} panicked", self.name))?
        })
    }

    /// A command that will run inside the namespace.
    pub fn command(&self, program: &str) -> Command {
        let fd = self.file.as_raw_fd();
        let mut command = Command::new(program);
        // SAFETY: setns is async-signal-safe and the descriptor outlives the fork: `self` is borrowed by the caller.
        unsafe { command.pre_exec(move || enter(fd).map_err(|_| std::io::Error::last_os_error())) };
        command
    }

    /// `ip -n NAME` with `arguments` split at blanks.
    pub fn ip(&self, arguments: &str) -> Result<()> {
        run(Command::new("ip").args(["-n", &self.name]).args(arguments.split_whitespace()))
    }

    /// Writes a file under `/proc/sys` as seen from inside.
    pub fn sysctl(&self, name: &str, value: &str) -> Result<()> {
        self.run(|| fs::write(Path::new("/proc/sys").join(name), value).with_context(|| format!("sysctl {name}")))
    }

    /// Reads a counter of an interface, for example `tx_packets`.
    pub fn statistic(&self, interface: &str, name: &str) -> Result<u64> {
        let output =
            Command::new("ip").args(["-n", &self.name, "-s", "-s", "-j", "link", "show", "dev", interface]).output()?;
        let links: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let (side, counter) = name.split_once('_').context("side_counter")?;
        links[0]["stats64"][side][counter].as_u64().with_context(|| format!("{interface} has no {name}"))
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        // Nothing more can be done here than try; leftovers are removed by the next run.
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

/// Runs a command to its end and turns failure into an error with its words.
pub fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

fn enter(fd: libc::c_int) -> Result<()> {
    // SAFETY: plain system call on a descriptor; it changes this thread only.
    if unsafe { libc::setns(fd, libc::CLONE_NEWNET) } != 0 {
        bail!("setns: {}", std::io::Error::last_os_error());
    }
    Ok(())
}

/// Namespaces of ours whose process is no more.
fn remove_leftovers() {
    let Ok(entries) = fs::read_dir(DIRECTORY) else { return };
    for name in entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
        let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = Command::new("ip").args(["netns", "del", &name]).status();
        }
    }
}
