//! The stage of one architecture in a folder of its own, and an executable for it to start.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// Longest wait for something to happen.
const PATIENCE: Duration = Duration::from_secs(20);
const QEMU: &str = "qemu-aarch64-static";

/// Something to start: says its arguments and `MARK`, ends with 7. Large enough for many reads and a turned window.
pub(crate) struct Executable {
    pub(crate) packed: Vec<u8>,
    pub(crate) digest: String,
}

impl Executable {
    fn make() -> Self {
        let mut bytes = b"#!/bin/sh\necho \"$@\" mark=$MARK\nexit 7\n".to_vec();
        // Does not compress well: a linear congruential generator's high bytes (the shell has left before it).
        let mut state = 1_u64;
        for _ in 0..600_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            bytes.push((state >> 60) as u8);
        }
        Self { packed: oc_netobserv::stage::compress(&bytes), digest: oc_netobserv::stage::digest(&bytes) }
    }
}

/// A stage to be tried.
pub(crate) struct Subject {
    /// The words before its own.
    command: Vec<String>,
    folder: TempDir,
    pub(crate) executable: Executable,
}

/// Runs a test with the stage of each architecture that can run here.
pub(crate) fn each(test: impl Fn(&Subject)) {
    for skipped in skipped() {
        println!("SKIP {skipped}");
    }
    for subject in Subject::all() {
        println!("with {:?}", subject.command);
        test(&subject);
    }
}

/// Architectures that cannot be tried here, and why.
pub(crate) fn skipped() -> Vec<String> {
    ["x86_64", "aarch64"]
        .into_iter()
        .filter(|architecture| runner(architecture).is_none())
        .map(|architecture| format!("stage-{architecture}: another processor, and {QEMU} is not installed"))
        .collect()
}

/// What runs executables of that architecture here.
fn runner(architecture: &str) -> Option<Vec<String>> {
    if architecture == std::env::consts::ARCH {
        return Some(Vec::new());
    }
    let is_there = Command::new(QEMU).arg("--version").stdout(Stdio::null()).status().is_ok();
    (architecture == "aarch64" && is_there).then(|| vec![QEMU.to_owned()])
}

impl Subject {
    /// One for each architecture that can run here.
    pub(crate) fn all() -> Vec<Self> {
        let subject = |architecture| {
            let mut command = runner(architecture)?;
            let folder = TempDir::new().unwrap();
            command.push(install(&folder, architecture));
            fs::create_dir(folder.path().join("work")).unwrap();
            Some(Self { command, folder, executable: Executable::make() })
        };
        ["x86_64", "aarch64"].into_iter().filter_map(subject).collect()
    }

    /// The folder that the stage works in.
    fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// The same, or a folder in it.
    pub(crate) fn folder(&self, name: &str) -> String {
        self.work().join(name).display().to_string()
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.work().join("oc-netobserv")
    }

    pub(crate) fn packed(&self) -> PathBuf {
        self.work().join("oc-netobserv-test.z")
    }

    /// Names of all files, sorted.
    pub(crate) fn files(&self) -> Vec<String> {
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<String> = fs::read_dir(self.work()).unwrap().map(name).collect();
        names.sort();
        names
    }

    /// Runs `stage receive` to its end.
    pub(crate) fn receive(&self, input: &[u8], size: usize) -> End {
        let folder = self.work().display().to_string();
        self.stage(&["receive", &folder, "test", &self.executable.digest, &size.to_string()], input)
    }

    /// Starts `stage run`.
    pub(crate) fn run(&self) -> Running {
        Running::start(&self.command, &self.run_words())
    }

    /// The same as the first process of a process namespace, if that can be had here.
    pub(crate) fn run_first(&self) -> Option<Running> {
        let unshare = ["unshare", "--pid", "--fork", "--kill-child"].map(str::to_owned);
        let probe = Command::new("unshare").args(["--pid", "--fork", "true"]).stderr(Stdio::null()).status();
        if !probe.is_ok_and(|status| status.success()) {
            println!("SKIP stage as the first process: no right to make a process namespace, or no unshare(1)");
            return None;
        }
        Some(Running::start(&[&unshare, &self.command[..]].concat(), &self.run_words()))
    }

    fn run_words(&self) -> Vec<String> {
        let folder = self.work().display().to_string();
        let words = ["run", &folder, "test", &self.executable.digest, "--", "pod", "collector", "--x="];
        words.map(str::to_owned).to_vec()
    }

    /// Starts `stage fetch`.
    pub(crate) fn fetch(&self, server: &str) -> Running {
        let folder = self.work().display().to_string();
        let words = ["fetch", server, &folder, "test", &self.executable.digest, "--", "pod", "agent"];
        Running::start(&self.command, &words.map(str::to_owned))
    }

    /// Runs the stage with these words to its end.
    pub(crate) fn stage(&self, words: &[&str], input: &[u8]) -> End {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let mut running = Running::start(&self.command, &words);
        // One that refuses its command line reads nothing.
        let _ = running.child.stdin.take().unwrap().write_all(input);
        running.end()
    }
}

/// A copy that can be executed: as a committed file it cannot.
fn install(folder: &TempDir, architecture: &str) -> String {
    let committed = format!("{}/bootstrap/bin/stage-{architecture}", env!("CARGO_MANIFEST_DIR"));
    let path = folder.path().join("stage");
    fs::copy(committed, &path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

/// What is left of a process.
#[derive(Clone, Debug, Default)]
pub(crate) struct End {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A started stage.
pub(crate) struct Running {
    child: Child,
    out: Option<thread::JoinHandle<String>>,
    err: Arc<Mutex<String>>,
    errors: Option<thread::JoinHandle<()>>,
    end: Option<End>,
}

impl Running {
    fn start(command: &[String], words: &[String]) -> Self {
        let mut child = Command::new(&command[0])
            .args(&command[1..])
            .args(words)
            .env("MARK", "here")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut out, mut errors) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let err = Arc::new(Mutex::new(String::new()));
        let seen = Arc::clone(&err);
        let out = thread::spawn(move || {
            let mut text = String::new();
            out.read_to_string(&mut text).map(|_| text).unwrap()
        });
        let errors = thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = errors.read(&mut bytes) {
                seen.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..length]));
            }
        });
        Self { child, out: Some(out), err, errors: Some(errors), end: None }
    }

    /// Waits until it has said that on standard error.
    pub(crate) fn says(&self, text: &str) -> bool {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if self.err.lock().unwrap().contains(text) {
                return true;
            }
            thread::sleep(Duration::from_millis(10));
        }
        println!("it said: {}", self.err.lock().unwrap());
        false
    }

    pub(crate) fn signal(&self, signal: i32) {
        kill(self.child.id(), signal);
    }

    /// Signals the only child of the process that was started.
    pub(crate) fn signal_child(&self, signal: i32) {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        kill(children.trim().parse().unwrap(), signal);
    }

    /// Waits for its end.
    pub(crate) fn end(&mut self) -> End {
        if let Some(end) = &self.end {
            return end.clone();
        }
        let start = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if start.elapsed() > PATIENCE => {
                    self.child.kill().unwrap();
                    panic!("still running after {PATIENCE:?}; it said: {}", self.err.lock().unwrap());
                }
                None => thread::sleep(Duration::from_millis(5)),
            }
        };
        self.errors.take().unwrap().join().unwrap();
        let out = self.out.take().unwrap().join().unwrap();
        let end = End { code: status.code(), out, err: self.err.lock().unwrap().clone() };
        self.end.insert(end).clone()
    }
}

fn kill(id: u32, signal: i32) {
    // SAFETY: takes no pointer; the process is ours and was not waited for, so its id is not reused.
    assert_eq!(unsafe { libc::kill(id as i32, signal) }, 0, "kill {id}");
}
