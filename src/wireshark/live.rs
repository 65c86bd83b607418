//! Wireshark over a capture that runs: found, started, and given the stream in place of standard output.
//!
//! A named pipe and not its standard input: only Wireshark's capturing process opens it, so that pressing Stop there closes
//! it, while Wireshark itself would keep its input open and the capture waiting.

use std::{
    env,
    fs::File,
    io::{self, Read as _, Seek as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use flow::{Reason, Stop};

use super::{contents::PROFILE, find, folders::Folders};
use crate::error::Error;

/// Longest wait for Wireshark to begin reading: it loads plug-ins first.
#[cfg(unix)]
const PATIENCE: Duration = Duration::from_secs(90);

/// Time between two looks.
const POLL: Duration = Duration::from_millis(100);

/// Starts Wireshark and makes the pipe that it reads our standard output. From then on it is as if somebody had piped us
/// into it.
///
/// # Errors
/// There is none, it does not start, or it reads nothing.
pub(crate) fn open() -> Result<(), Error> {
    let program = find()?;
    let failed = |error: io::Error| Error::failed(format!("--wireshark: cannot start {}: {error}", program.display()));
    let dir = tempfile::Builder::new().prefix("oc-netobserv-").tempdir().map_err(failed)?;
    let fifo = dir.path().join("packets");
    make(&fifo).map_err(failed)?;
    let mut errors = tempfile::tempfile().map_err(failed)?;
    let mut child = command(&program, &fifo, errors.try_clone().map_err(failed)?).spawn().map_err(failed)?;
    let pipe = connect(&fifo, &mut child).map_err(failed)?;
    let Some(pipe) = pipe else {
        return Err(Error::failed(format!(
            "--wireshark: {} did not read: {}",
            program.display(),
            last_words(&mut errors)
        )));
    };
    become_stdout(&pipe).map_err(failed)
    // Both ends are open: the name, and the directory, are needed no more.
}

/// The program, if it can show something.
///
/// # Errors
/// One sentence.
pub(crate) fn find() -> Result<PathBuf, Error> {
    let hint = "oc-netobserv packets -w - | wireshark -k -i - does the same where Wireshark is";
    let program = find::wireshark().map_err(|why| Error::failed(format!("--wireshark: {why}")).hint(hint))?;
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_named = is_set(find::VARIABLE);
    if cfg!(target_os = "linux") && !is_named && !["DISPLAY", "WAYLAND_DISPLAY"].into_iter().any(is_set) {
        let text = "--wireshark: there is no screen here, neither $DISPLAY nor $WAYLAND_DISPLAY is set";
        return Err(Error::failed(text).hint(hint));
    }
    Ok(program)
}

/// The program, where somebody wants to look at a file.
///
/// # Errors
/// Why it cannot be shown, in one sentence.
pub(crate) fn program() -> Result<PathBuf, String> {
    find().map_err(|error| error.message.trim_start_matches("--wireshark: ").to_owned())
}

fn command(program: &Path, fifo: &Path, errors: File) -> Command {
    let mut command = Command::new(program);
    command.arg("-k").arg("-i").arg(fifo).stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors);
    if Folders::quick().is_ok_and(|folders| folders.profile().is_dir()) {
        command.args(["-C", PROFILE]);
    }
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt as _;
        // Ctrl-C in our terminal ends the capture, not the window over it.
        command.process_group(0);
    }
    command
}

/// The last line that it left.
fn last_words(errors: &mut File) -> String {
    let mut text = String::new();
    let read = errors.rewind().and_then(|()| errors.take(1 << 16).read_to_string(&mut text));
    let line = read.ok().and_then(|_| text.lines().rev().find(|line| !line.trim().is_empty()));
    line.map_or_else(|| "it did not say why".to_owned(), |line| flow::show::escape(line).into_owned())
}

#[cfg(unix)]
fn make(fifo: &Path) -> io::Result<()> {
    let path = std::ffi::CString::new(fifo.as_os_str().as_encoded_bytes())?;
    // SAFETY: the path ends with a zero and lives until the call returns.
    let made = unsafe { libc::mkfifo(path.as_ptr(), 0o600) };
    if made == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Opens the pipe once somebody reads it; `None` if the program ended, or nobody did.
#[cfg(unix)]
fn connect(fifo: &Path, child: &mut Child) -> io::Result<Option<File>> {
    use rustix::fs::{Mode, OFlags, fcntl_setfl, open};
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        match open(fifo, OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()) {
            Ok(pipe) => {
                // From now on whoever writes waits for the reader.
                fcntl_setfl(&pipe, OFlags::empty())?;
                return Ok(Some(pipe.into()));
            }
            // Nobody reads yet.
            Err(rustix::io::Errno::NXIO) => {}
            Err(error) => return Err(error.into()),
        }
        if child.try_wait()?.is_some() {
            return Ok(None);
        }
        thread::sleep(POLL);
    }
    Ok(None)
}

#[cfg(unix)]
fn become_stdout(pipe: &File) -> io::Result<()> {
    Ok(rustix::stdio::dup2_stdout(pipe)?)
}

/// Ends the capture when nobody reads standard output any more, also while nothing is captured.
#[cfg(unix)]
pub(crate) fn end_with_reader(stop: Stop) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let watch = move || {
        let stdout = io::stdout();
        let time = Timespec { tv_sec: 0, tv_nsec: POLL.as_nanos() as i64 };
        while !stop.requested() {
            let mut ends = [PollFd::new(&stdout, PollFlags::empty())];
            match poll(&mut ends, Some(&time)) {
                Ok(_) if ends[0].revents().intersects(PollFlags::ERR | PollFlags::HUP) => {
                    return stop.request(Reason::BrokenPipe);
                }
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    };
    // Without it the end comes with the next packet.
    let _ = thread::Builder::new().name("reader".into()).spawn(watch);
}

#[cfg(not(unix))]
fn make(_: &Path) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "there are no named pipes of Unix; pipe `packets -w -` into it"))
}

#[cfg(not(unix))]
fn connect(_: &Path, _: &mut Child) -> io::Result<Option<File>> {
    Ok(None)
}

#[cfg(not(unix))]
fn become_stdout(_: &File) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Where it cannot be known, the end comes with the next packet.
#[cfg(not(unix))]
pub(crate) fn end_with_reader(_: Stop) {}
