//! One guest: started, listened to, ended.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use super::kernels::Kernel;

/// What to boot.
pub(super) struct Guest<'a> {
    pub(super) kernel: &'a Kernel,
    pub(super) initramfs: PathBuf,
    pub(super) root: &'a Path,
    pub(super) script: &'a str,
    /// QEMU's `-accel`.
    pub(super) accelerator: &'a str,
    /// MiB.
    pub(super) memory: u32,
}

/// What the console said.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Exit code of the script; `None` when the guest never got there.
    pub(super) code: Option<i32>,
    pub(super) passed: u32,
    pub(super) failed: u32,
    pub(super) time: Duration,
    /// Names of tests that failed.
    pub(super) failures: Vec<String>,
    /// Name of a test, and why it, or a part of it, did not run.
    pub(super) skips: Vec<(String, String)>,
    /// The test whose output comes now.
    current: String,
    /// Names of failures come now.
    in_failures: bool,
}

/// Boots a guest, prints what it prints, and ends it after `limit` at the latest.
pub(super) fn run(guest: &Guest<'_>, limit: Duration) -> Result<Tally> {
    let script = guest.initramfs.with_extension("script");
    write_script(&script, guest.script)?;
    let start = Instant::now();
    let mut child = qemu(guest, &script).spawn().context("qemu-system-x86_64 (package qemu-system-x86)")?;
    let mut tally = listen(&mut child, start + limit)?;
    tally.time = start.elapsed();
    let _ = child.kill();
    child.wait()?;
    Ok(tally)
}

/// A disk has whole sectors.
fn write_script(path: &Path, script: &str) -> Result<()> {
    let mut bytes = script.as_bytes().to_vec();
    bytes.resize(bytes.len().next_multiple_of(4096), 0);
    Ok(fs::write(path, bytes)?)
}

fn qemu(guest: &Guest<'_>, script: &Path) -> Command {
    // Changes to the disk are thrown away with the guest.
    let drive = |file: &Path| format!("file={},format=raw,if=virtio,snapshot=on", file.display());
    let mut command = Command::new("qemu-system-x86_64");
    command
        .args(["-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio", "-smp", "2", "-cpu", "max"])
        .args(["-accel", guest.accelerator, "-m", &guest.memory.to_string()])
        .arg("-kernel")
        .arg(&guest.kernel.image)
        .arg("-initrd")
        .arg(&guest.initramfs)
        .args(["-drive", &drive(guest.root), "-drive", &drive(script)])
        .args(["-append", "console=ttyS0 quiet panic=-1 mitigations=off"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

fn listen(child: &mut Child, end: Instant) -> Result<Tally> {
    let console = child.stdout.take().context("console")?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(console).split(b'\n').map_while(Result::ok) {
            if sender.send(String::from_utf8_lossy(&line).replace('\r', "")).is_err() {
                break;
            }
        }
    });
    let mut tally = Tally::default();
    loop {
        match receiver.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                println!("  {line}");
                tally.read(&line);
            }
            Err(RecvTimeoutError::Timeout) => {
                println!("  (out of time)");
                return Ok(Tally { code: None, ..tally });
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(tally),
        }
    }
}

impl Tally {
    /// How many tests did not run, or not as a whole.
    pub(super) fn skipped(&self) -> u32 {
        self.skips.iter().map(|(name, _)| name).collect::<BTreeSet<_>>().len() as u32
    }

    /// Takes a line of the console. The runner leaves its cursor behind the name of a test that is to speak.
    fn read(&mut self, line: &str) {
        let line = line.strip_prefix("test ").and_then(|line| self.begin(line)).unwrap_or(line);
        if let Some(code) = line.strip_prefix("GUEST-END ") {
            self.code = code.trim().parse().ok();
        } else if let Some((_, reason)) = line.strip_prefix("SKIP ").and_then(|line| line.split_once(": ")) {
            self.skips.push((self.current.clone(), reason.to_owned()));
        } else if let Some(counts) = line.strip_prefix("test result: ") {
            self.add(counts);
        } else {
            self.failure(line);
        }
    }

    /// What follows the name of a test.
    fn begin<'a>(&mut self, line: &'a str) -> Option<&'a str> {
        let (name, rest) = line.split_once(" ... ")?;
        name.clone_into(&mut self.current);
        Some(rest)
    }

    /// The runner's last line.
    fn add(&mut self, counts: &str) {
        let words: Vec<&str> = counts.split([' ', ';', '.']).collect();
        let number = |word: &str| words.windows(2).find(|pair| pair[1] == word).and_then(|pair| pair[0].parse().ok());
        self.passed += number("passed").unwrap_or(0);
        self.failed += number("failed").unwrap_or(0);
    }

    /// The runner's list of names, up to a blank line.
    fn failure(&mut self, line: &str) {
        match line.strip_prefix("    ") {
            Some(name) if self.in_failures => self.failures.push(name.to_owned()),
            _ => self.in_failures = line == "failures:",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    fn read(console: &str) -> Tally {
        let mut tally = Tally::default();
        console.lines().for_each(|line| tally.read(line));
        tally
    }

    #[test]
    fn counts_come_from_the_runners_last_line() {
        let tally = read("test result: FAILED. 5 passed; 2 failed; 0 ignored; 0 measured\nGUEST-END 101");
        assert_eq!((tally.passed, tally.failed, tally.code), (5, 2, Some(101)));
    }

    #[test]
    fn skips_have_the_name_of_the_test_that_runs() {
        let tally =
            read("test a::b ... \nSKIP main: no tun\nSKIP main: no vlan\nok\ntest c ... SKIP c: needs: root\nok");
        let skip = |name: &str, reason: &str| (name.to_owned(), reason.to_owned());
        assert_eq!(tally.skips, [skip("a::b", "no tun"), skip("a::b", "no vlan"), skip("c", "needs: root")]);
        assert_eq!(tally.skipped(), 2);
    }

    #[test]
    fn failures_are_those_of_the_runners_list() {
        let tally = read("failures:\n\nfailures:\n    a::b\n    c\n\ntest result: FAILED. 1 passed; 2 failed;\n    d");
        assert_eq!(tally.failures, ["a::b", "c"]);
    }
}
