//! Waiting for keys on a terminal of Unix.

use std::{
    fs::File,
    io::{self, IsTerminal as _},
    os::fd::{AsFd as _, BorrowedFd},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

/// Where keys come from: standard input, or the terminal itself if that is something else. crossterm chooses the same.
pub(in crate::tui) struct Keyboard(Option<File>);

impl Keyboard {
    pub(in crate::tui) fn open() -> io::Result<Self> {
        if io::stdin().is_terminal() { Ok(Self(None)) } else { File::open("/dev/tty").map(|tty| Self(Some(tty))) }
    }

    /// Waits until a key can be read, `timeout` at most; whether there is one. (crossterm waits only to the millisecond
    /// and burns the rest.)
    pub(in crate::tui) fn wait(&self, timeout: Duration) -> io::Result<bool> {
        let stdin = io::stdin();
        let tty: BorrowedFd<'_> = self.0.as_ref().map_or_else(|| stdin.as_fd(), File::as_fd);
        let mut polled = [PollFd::from_borrowed_fd(tty, PollFlags::IN)];
        let timeout = Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: i64::from(timeout.subsec_nanos()) };
        match poll(&mut polled, Some(&timeout)) {
            Ok(_) if polled[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) => {
                Err(io::Error::other("the terminal has gone"))
            }
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }
}
