//! One guest: started, listened to, ended.

use std::{
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
    pub(super) skipped: u32,
    pub(super) time: Duration,
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
    fn read(&mut self, line: &str) {
        if let Some(code) = line.strip_prefix("GUEST-END ") {
            self.code = code.trim().parse().ok();
        } else if line.starts_with("SKIP ") {
            self.skipped += 1;
        } else if let Some(counts) = line.strip_prefix("test result: ") {
            let number = |word: &str| {
                counts
                    .split([' ', ';', '.'])
                    .collect::<Vec<_>>()
                    .windows(2)
                    .find(|pair| pair[1] == word)
                    .and_then(|pair| pair[0].parse::<u32>().ok())
            };
            self.passed += number("passed").unwrap_or(0);
            self.failed += number("failed").unwrap_or(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn counts_come_from_the_runners_last_line() {
        let mut tally = Tally::default();
        for line in ["test result: FAILED. 5 passed; 2 failed; 0 ignored; 0 measured", "SKIP a: b", "GUEST-END 101"] {
            tally.read(line);
        }
        assert_eq!((tally.passed, tally.failed, tally.skipped, tally.code), (5, 2, 1, Some(101)));
    }
}
