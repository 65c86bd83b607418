//! A terminal that tests can type into and look at: tmux is the terminal.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    need::{is_short, output_of},
    netns::run,
};

/// A tmux server of its own with one window.
#[derive(Debug)]
pub struct Terminal {
    directory: TempDir,
}

impl Terminal {
    /// A shell in a window of this size.
    pub fn open(columns: u16, rows: u16) -> Self {
        let terminal = Self { directory: tempfile::tempdir().unwrap() };
        let size = [columns, rows].map(|number| number.to_string());
        let mut command = terminal.tmux();
        command.args(["-f", "/dev/null", "new-session", "-d", "-x", &size[0], "-y", &size[1], "sh"]);
        run(command.env("LANG", "C.UTF-8").env_remove("TMUX")).unwrap();
        // In two halves, so that what is typed is not what is waited for.
        terminal.line("PS1='prom''pt> '; clear");
        terminal.wait_for("prompt>");
        terminal
    }

    /// A directory that lives as long as the terminal.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Another size.
    pub fn resize(&self, columns: u16, rows: u16) {
        let size = [columns, rows].map(|number| number.to_string());
        run(self.tmux().args(["resize-window", "-x", &size[0], "-y", &size[1]])).unwrap();
    }

    fn tmux(&self) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.directory.path().join("socket"));
        command
    }

    /// Types keys, in tmux's names.
    pub fn keys(&self, keys: &[&str]) {
        run(self.tmux().arg("send-keys").args(keys)).unwrap();
    }

    /// Types a command line and Enter.
    pub fn line(&self, line: &str) {
        run(self.tmux().args(["send-keys", "-l", line])).unwrap();
        self.keys(&["Enter"]);
    }

    /// What is on it.
    pub fn screen(&self) -> String {
        output_of(self.tmux().args(["capture-pane", "-p"])).unwrap()
    }

    /// The same with escape sequences for colours and the like.
    pub fn painted(&self) -> String {
        output_of(self.tmux().args(["capture-pane", "-p", "-e"])).unwrap()
    }

    /// The screen once it fits.
    pub fn until(&self, what: &str, fits: impl Fn(&str) -> bool) -> String {
        self.within(Duration::from_secs(if is_short() { 60 } else { 15 }), what, fits)
    }

    /// The screen once it fits, if it does within `longest`.
    pub fn within(&self, longest: Duration, what: &str, fits: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + longest;
        loop {
            let screen = self.screen();
            if fits(&screen) {
                return screen;
            }
            assert!(Instant::now() < end, "never {what}:\n{screen}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// The screen once it shows these words.
    pub fn wait_for(&self, words: &str) -> String {
        self.until(words, |screen| screen.contains(words))
    }

    /// The terminal behaves as a shell's does: echo, lines, the cursor, the usual screen.
    pub fn assert_restored(&self) {
        self.line("stty -a | tr ';' '\\n' | tr '\\n' ' '; echo; echo restored");
        let screen = self.until("a prompt that answers", |screen| screen.lines().any(|line| line.trim() == "restored"));
        let joined: String = screen.lines().collect();
        for mode in [" icanon", " echo ", " isig", " opost"] {
            assert!(joined.contains(mode), "no{mode}:\n{screen}");
        }
        let state =
            output_of(self.tmux().args(["display", "-p", "#{alternate_on} #{cursor_flag} #{mouse_any_flag}"])).unwrap();
        assert_eq!(state.trim(), "0 1 0", "alternate screen, cursor, mouse");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.tmux().arg("kill-server").status();
    }
}
