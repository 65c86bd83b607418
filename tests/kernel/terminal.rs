//! The live table in a real terminal: tmux is the terminal.

use std::{
    process::Command,
    thread,
    time::{Duration, Instant},
};

use lab::{Capture, Pair, need, needs, netns::run, sockets};
use tempfile::TempDir;

use crate::{flows, packets};

/// A tmux server of its own with one window.
struct Terminal {
    directory: TempDir,
}

impl Terminal {
    /// A shell in a window of this size.
    fn open(columns: u16, rows: u16) -> Self {
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

    fn tmux(&self) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.directory.path().join("socket"));
        command
    }

    /// Types keys, in tmux's names.
    fn keys(&self, keys: &[&str]) {
        run(self.tmux().arg("send-keys").args(keys)).unwrap();
    }

    /// Types a command line and Enter.
    fn line(&self, line: &str) {
        run(self.tmux().args(["send-keys", "-l", line])).unwrap();
        self.keys(&["Enter"]);
    }

    fn screen(&self) -> String {
        need::output_of(self.tmux().args(["capture-pane", "-p"])).unwrap()
    }

    /// The screen once it fits.
    fn until(&self, what: &str, fits: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + Duration::from_secs(if need::is_short() { 60 } else { 15 });
        loop {
            let screen = self.screen();
            if fits(&screen) {
                return screen;
            }
            assert!(Instant::now() < end, "never {what}:\n{screen}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn wait_for(&self, words: &str) -> String {
        self.until(words, |screen| screen.contains(words))
    }

    /// The terminal behaves as a shell's does: echo, lines, the cursor, the usual screen.
    fn assert_restored(&self) {
        self.line("stty -a | tr ';' '\\n' | tr '\\n' ' '; echo; echo restored");
        let screen = self.until("a prompt that answers", |screen| screen.lines().any(|line| line.trim() == "restored"));
        let joined: String = screen.lines().collect();
        for mode in [" icanon", " echo ", " isig", " opost"] {
            assert!(joined.contains(mode), "no{mode}:\n{screen}");
        }
        let state =
            need::output_of(self.tmux().args(["display", "-p", "#{alternate_on} #{cursor_flag} #{mouse_any_flag}"]))
                .unwrap();
        assert_eq!(state.trim(), "0 1 0", "alternate screen, cursor, mouse");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.tmux().arg("kill-server").status();
    }
}

/// The shell words that run a capture, its files going to a directory of the terminal.
fn words(terminal: &Terminal, capture: &Capture) -> String {
    let command = capture.command(terminal.directory.path());
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| format!("'{}'", word.to_string_lossy())).collect::<Vec<_>>().join(" ")
}

/// Ports that appear in the rows of the table.
fn rows_with(screen: &str, word: &str) -> usize {
    screen.lines().filter(|line| line.contains(word)).count()
}

#[test]
fn a_word_typed_narrows_the_rows_and_q_ends() {
    needs!("tmux", "stty", "ethtool");
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(80).unwrap();
    let terminal = Terminal::open(160, 40);
    terminal.line(&words(&terminal, &flows().of(&pair.a, "a0")));
    terminal.until("a table", |screen| !screen.contains("prompt>"));
    for port in [6001, 6002] {
        sockets::datagrams(&pair.a, &pair.b, (pair.v4(2), port).into(), &[100; 5]).unwrap();
    }
    terminal.until("both rows", |screen| screen.contains("6001") && screen.contains("6002"));
    terminal.line("6001");
    terminal.until("narrowed", |screen| rows_with(screen, "10.80.0.2") == 1 && screen.contains("6001"));
    terminal.keys(&["Escape"]);
    thread::sleep(Duration::from_millis(600));
    terminal.keys(&["q"]);
    terminal.wait_for("prompt>");
    terminal.assert_restored();
    let files = lab::files::Files::find(terminal.directory.path()).unwrap();
    let table = files.table().unwrap();
    for port in [6001, 6002] {
        let totals = table.iter().find(|(tuple, _)| tuple.selector.is_some_and(|ports| ports.1 == port)).unwrap().1;
        assert_eq!(totals.packets, 5, "what is not shown is stored all the same");
    }
}

#[test]
fn the_terminal_is_restored_whatever_ends_the_table() {
    needs!("tmux", "stty", "ethtool", "ping");
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(81).unwrap();
    for (end, signal) in [("C-c", None), ("", Some("TERM")), ("", Some("HUP"))] {
        for capture in [flows().of(&pair.a, "a0"), packets().of(&pair.a, "a0")] {
            let terminal = Terminal::open(80, 24);
            // The shell waits for it; its process id is written down first.
            terminal.line(&format!(
                "sh -c 'echo $$ > {}/pid; exec \"$@\"' - {}",
                terminal.directory.path().display(),
                words(&terminal, &capture)
            ));
            terminal.until("a table", |screen| !screen.contains("prompt>"));
            sockets::ping(&pair.a, pair.v4(2), 2).unwrap();
            terminal.wait_for("10.81.0.");
            match signal {
                None => terminal.keys(&[end]),
                Some(signal) => {
                    let pid = std::fs::read_to_string(terminal.directory.path().join("pid")).unwrap();
                    run(Command::new("sh").args(["-c", &format!("kill -{signal} {}", pid.trim())])).unwrap();
                }
            }
            terminal.wait_for("prompt>");
            terminal.assert_restored();
        }
    }
}
