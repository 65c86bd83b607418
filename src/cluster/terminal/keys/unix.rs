//! Keys from a terminal of Unix: read only when there is something to read, so that the thread can always be ended.

use std::{
    fs::File,
    io::{self, IsTerminal as _, stdin, stdout},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    thread::{self, JoinHandle},
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::{Errno, read},
    pipe::{PipeFlags, pipe_with},
    termios::ttyname,
};
use tokio::sync::oneshot;

use crate::cluster::exec::Input;

/// The thread, and the pipe whose end ends it.
#[derive(Debug)]
pub(super) struct Reader {
    awake: Option<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    pub(super) fn is_possible() -> bool {
        terminal().is_ok()
    }

    pub(super) fn start(input: Input, ended: oneshot::Sender<()>) -> io::Result<Self> {
        let terminal = terminal()?;
        let (asleep, awake) = pipe_with(PipeFlags::CLOEXEC)?;
        let thread = thread::Builder::new().name("keys".into()).spawn(move || {
            if forward(&terminal, &asleep, &input).is_err() {
                let _ = ended.send(());
            }
        })?;
        Ok(Self { awake: Some(awake), thread: Some(thread) })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        drop(self.awake.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Standard input, or where it is none the terminal that we draw on. By its name and not as `/dev/tty`, which macOS
/// cannot poll.
fn terminal() -> io::Result<OwnedFd> {
    if stdin().is_terminal() {
        return stdin().as_fd().try_clone_to_owned();
    }
    let path = if stdout().is_terminal() { ttyname(stdout(), Vec::new())? } else { c"/dev/tty".to_owned() };
    Ok(File::open(std::ffi::OsStr::from_bytes(path.to_bytes()))?.into())
}

/// Until the owner wakes us or the command takes no more; an error when the terminal has gone.
fn forward(terminal: &OwnedFd, asleep: &OwnedFd, input: &Input) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let mut ready = [PollFd::new(terminal, PollFlags::IN), PollFd::new(asleep, PollFlags::IN)];
        match poll(&mut ready, None) {
            Err(Errno::INTR) => continue,
            polled => polled?,
        };
        if !ready[1].revents().is_empty() {
            return Ok(());
        }
        match read(terminal, &mut buffer) {
            Err(Errno::INTR | Errno::AGAIN) => {}
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            size if !input.blocking_data(&buffer[..size?]) => return Ok(()),
            _ => {}
        }
    }
}
