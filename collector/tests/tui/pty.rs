//! The table in a real terminal (a pseudo terminal of our own): however it ends, the terminal is as it was.
//!
//! The table runs in a process of its own, which is this test program again, asked for `pty::table_in_a_terminal` only.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::fd::OwnedFd,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use collector::tui::{self, Progress};
use flow::{Stop, config::Mode};
use rustix::{
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize},
};

const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?1049l";

struct Pty {
    master: OwnedFd,
    terminal: File,
    child: Child,
    output: mpsc::Receiver<Vec<u8>>,
    seen: String,
}

impl Pty {
    fn run(how: &str) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let terminal = File::options().read(true).write(true).open(name).unwrap();
        tcsetwinsize(&terminal, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let stdio = || Stdio::from(terminal.try_clone().unwrap());
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "pty::table_in_a_terminal", "--ignored", "--nocapture"])
            .env("TABLE_ENDS_BY", how)
            .stdin(stdio())
            .stdout(stdio())
            .stderr(stdio())
            .spawn()
            .unwrap();
        let output = read(File::from(master.try_clone().unwrap()));
        Self { master, terminal, child, output, seen: String::new() }
    }

    /// Waits until the terminal was sent `text`.
    fn wait_for(&mut self, text: &str) {
        let start = Instant::now();
        while !self.seen.contains(text) {
            assert!(start.elapsed() < Duration::from_secs(20), "no {text:?} in {:?}", self.seen);
            if let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(100)) {
                self.seen.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
    }

    fn is_cooked(&self) -> bool {
        tcgetattr(&self.terminal).unwrap().local_modes.contains(LocalModes::ICANON | LocalModes::ECHO)
    }

    /// Waits for the end of the table; what the terminal was sent after the table left it.
    fn end(mut self) -> String {
        self.wait_for(LEAVE);
        self.wait_for("test result");
        self.child.wait().unwrap();
        assert!(self.is_cooked(), "modes are restored");
        let shown = self.seen.rfind("\x1b[?25h").unwrap();
        assert!(shown > self.seen.rfind("\x1b[?25l").unwrap(), "the cursor is visible");
        self.seen.split_off(self.seen.rfind(LEAVE).unwrap())
    }
}

fn read(mut from: File) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(len @ 1..) = from.read(&mut buffer) {
            if sender.send(buffer[..len].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}

#[test]
#[ignore = "run by the other tests in terminals of their own"]
fn table_in_a_terminal() {
    let (_sender, receiver) = mpsc::channel();
    let mut setup = super::setup(Mode::Flows);
    let how = std::env::var("TABLE_ENDS_BY").unwrap();
    if how.starts_with("session") {
        println!("{}", super::cluster::session(&how));
        return;
    }
    let start = Instant::now();
    setup.progress = Some(Box::new(move || {
        assert!(how != "panic" || start.elapsed() < Duration::from_millis(500), "as asked");
        Progress::default()
    }));
    let stop = Stop::default();
    tui::run(receiver, setup, stop.clone()).unwrap();
    println!("reason {:?}", stop.reason());
}

#[test]
fn quitting_gives_the_terminal_back() {
    let mut pty = Pty::run("keys");
    pty.wait_for(ENTER);
    pty.wait_for("Nothing seen yet");
    assert!(!pty.is_cooked());
    File::from(pty.master.try_clone().unwrap()).write_all(b"abc\x15\x03").unwrap();
    assert!(pty.end().contains("reason Some(User)"));
}

#[test]
fn a_table_over_a_session_is_left_and_its_choices_are_kept() {
    for (how, keys, expected) in [
        ("session", &b"abc\x1bq"[..], "ended Quit"),
        ("session stop", &b"a\x03"[..], "asked to stop: ended by the user"),
        ("session end", &b"a"[..], "ended Capture"),
    ] {
        let mut pty = Pty::run(how);
        pty.wait_for("session traffic");
        pty.wait_for("srck8s_name");
        File::from(pty.master.try_clone().unwrap()).write_all(keys).unwrap();
        let after = pty.end();
        assert!(after.contains(expected), "{how}: {after:?}");
        assert!(after.contains("kept true"), "{how}: {after:?}");
    }
}

#[test]
fn a_signal_gives_the_terminal_back() {
    let mut pty = Pty::run("signal");
    pty.wait_for("Nothing seen yet");
    kill_process(Pid::from_child(&pty.child), Signal::TERM).unwrap();
    assert!(pty.end().contains("reason Some(Signal(15))"));
}

#[test]
fn a_panic_gives_the_terminal_back_before_it_is_reported() {
    let pty = Pty::run("panic");
    let after = pty.end();
    assert!(after.contains("as asked"), "{after:?}");
}

#[test]
fn a_terminal_that_goes_away_ends_the_table() {
    let mut pty = Pty::run("hang up");
    pty.wait_for("Nothing seen yet");
    let Pty { master, terminal, mut child, output, .. } = pty;
    // All ends of ours are closed; the reading thread ends with the receiver when the table draws its next frame.
    drop((master, terminal, output));
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < Duration::from_secs(10), "still running");
        thread::sleep(Duration::from_millis(50));
    }
}
