//! The program under test as a process: started, waited for, stopped, and what it left.

use std::{
    env,
    ffi::OsStr,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

use crate::{files::Files, netns::Netns};

/// What the program writes to standard error once its programs are attached.
const READY: &str = "attached";
/// Longest wait for that, also where the processor is emulated.
const START: Duration = Duration::from_mins(1);
/// Longest wait for the end of a capture that was asked to stop.
const END: Duration = Duration::from_mins(2);

/// How to start one capture.
#[derive(Debug)]
pub struct Capture {
    program: PathBuf,
    arguments: Vec<String>,
}

/// A capture that looks at packets now.
#[derive(Debug)]
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
    directory: Arc<TempDir>,
}

/// A capture that has ended.
#[derive(Debug)]
pub struct Finished {
    /// How.
    pub status: ExitStatus,
    /// Standard error.
    pub stderr: Vec<String>,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// What it wrote; the directory is gone with the last clone.
    pub files: Files,
    /// Its output directory.
    pub directory: Arc<TempDir>,
}

/// The executable, unless OC_NETOBSERV_BIN names another.
pub fn program(built: &str) -> PathBuf {
    env::var_os("OC_NETOBSERV_BIN").map_or_else(|| PathBuf::from(built), PathBuf::from)
}

impl Capture {
    /// `command` (`flows` or `packets`) with `--local`; `program` is the executable unless OC_NETOBSERV_BIN names another.
    pub fn new(program: &str, command: &str) -> Self {
        Self { program: self::program(program), arguments: vec![command.into(), "--local".into()] }
    }

    /// The same on the cluster that KUBECONFIG names.
    pub fn on_cluster(program: &str, command: &str) -> Self {
        let capture = Self::new(program, command);
        Self { arguments: vec![command.into()], ..capture }
    }

    /// Looks at one namespace, or at one interface of it.
    #[must_use]
    pub fn of(self, netns: &Netns, interface: &str) -> Self {
        self.arg("--netns").arg(&netns.path().display().to_string()).arg("--interfaces").arg(interface)
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// More arguments, split at blanks.
    #[must_use]
    pub fn args(mut self, arguments: &str) -> Self {
        self.arguments.extend(arguments.split_whitespace().map(Into::into));
        self
    }

    /// The command line, files going to `directory`.
    pub fn command(&self, directory: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).arg("--output-dir").arg(directory).current_dir(directory).env("NO_COLOR", "1");
        command
    }

    /// Starts it and waits until it says that it is attached.
    pub fn start(&self) -> Result<Running> {
        let mut running = self.spawn()?;
        running.wait_for(READY, START)?;
        Ok(running)
    }

    /// Starts it.
    pub fn spawn(&self) -> Result<Running> {
        let directory = Arc::new(TempDir::new()?);
        let stdout = std::fs::File::create(directory.path().join("stdout"))?;
        let mut command = self.command(directory.path());
        let mut child = command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped()).spawn()?;
        let lines = forward(child.stderr.take().context("stderr")?);
        Ok(Running { child, lines, seen: Vec::new(), directory })
    }
}

impl Running {
    /// Waits for a line on standard error that contains `words`.
    pub fn wait_for(&mut self, words: &str, longest: Duration) -> Result<()> {
        let end = Instant::now() + longest;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let found = line.contains(words);
                    self.seen.push(line);
                    if found {
                        return Ok(());
                    }
                }
                Err(RecvTimeoutError::Timeout) => bail!("never said {words:?}: {:?}", self.seen),
                Err(RecvTimeoutError::Disconnected) => bail!("ended before it said {words:?}: {:?}", self.seen),
            }
        }
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What is on its standard output so far.
    pub fn stdout(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.directory.path().join("stdout"))?)
    }

    /// Where its files go.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: i32) {
        // SAFETY: our own child, not yet waited for.
        unsafe { libc::kill(self.child.id() as i32, signal) };
    }

    /// Resident memory, bytes.
    pub fn resident(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
    }

    /// Asks it to end as Ctrl-C does, and waits.
    pub fn stop(self) -> Result<Finished> {
        self.signal(libc::SIGINT);
        let finished = self.wait()?;
        ensure!(finished.status.success(), "{}: {:?}", finished.status, finished.stderr);
        Ok(finished)
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Result<Finished> {
        let end = Instant::now() + END;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            ensure!(Instant::now() < end, "did not end: {:?}", self.seen);
            thread::sleep(Duration::from_millis(10));
        };
        let mut stderr = std::mem::take(&mut self.seen);
        stderr.extend(self.lines.iter());
        let directory = Arc::clone(&self.directory);
        let mut stdout = Vec::new();
        std::fs::File::open(directory.path().join("stdout"))?.read_to_end(&mut stdout)?;
        Ok(Finished { status, stderr, stdout, files: Files::keep(&directory)?, directory })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines of standard error as they come.
fn forward(stderr: ChildStderr) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

/// Whether `bytes` are one of the lines of `text`; for messages on standard error.
pub fn says(text: &[String], words: impl AsRef<OsStr>) -> bool {
    let words = words.as_ref().to_string_lossy();
    text.iter().any(|line| line.contains(words.as_ref()))
}
