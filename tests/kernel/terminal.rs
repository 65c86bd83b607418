//! The live table in a real terminal: tmux is the terminal.

use std::{process::Command, thread, time::Duration};

use lab::{Capture, Pair, Terminal, need, needs, netns::run, sockets};

use crate::{flows, packets};

/// The shell words that run a capture, its files going to a directory of the terminal.
pub(super) fn words(terminal: &Terminal, capture: &Capture) -> String {
    let command = capture.command(terminal.directory());
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
    let files = lab::files::Files::find(terminal.directory()).unwrap();
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
                terminal.directory().display(),
                words(&terminal, &capture)
            ));
            terminal.until("a table", |screen| !screen.contains("prompt>"));
            sockets::ping(&pair.a, pair.v4(2), 2).unwrap();
            terminal.wait_for("10.81.0.");
            match signal {
                None => terminal.keys(&[end]),
                Some(signal) => {
                    let pid = std::fs::read_to_string(terminal.directory().join("pid")).unwrap();
                    run(Command::new("sh").args(["-c", &format!("kill -{signal} {}", pid.trim())])).unwrap();
                }
            }
            terminal.wait_for("prompt>");
            terminal.assert_restored();
        }
    }
}
