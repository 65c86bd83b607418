//! The table of a capture on a cluster, in terminals of two sizes: looked at, typed into, resized, cut off, left.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use lab::{Terminal, cluster, files::Files, proxy};

use crate::{program, shop};

/// Requests, one after the other, until it is dropped.
struct Customers {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Customers {
    fn come() -> Self {
        let shop = shop();
        let over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&over);
        let thread = thread::spawn(move || {
            while !until.load(Relaxed) {
                let _ = shop.requests(3);
            }
        });
        Self { over, thread: Some(thread) }
    }
}

impl Drop for Customers {
    fn drop(&mut self) {
        self.over.store(true, Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// A terminal with a capture in it, its table open and the shop's names in it.
fn open(columns: u16, rows: u16, command: &str) -> Terminal {
    let terminal = Terminal::open(columns, rows);
    let start = Instant::now();
    let directory = terminal.directory().display().to_string();
    terminal.line(&format!("{command} --output-dir {directory}; echo co''de $?"));
    terminal.within(Duration::from_mins(1), "a table", |screen| screen.contains("LIVE"));
    eprintln!("table after {:.1} s", start.elapsed().as_secs_f64());
    terminal.within(Duration::from_secs(30), "names", |screen| {
        rows_of(screen).any(|row| row.contains("Pod") && row.contains("client") && row.contains("web"))
    });
    terminal
}

/// The table's rows: whatever is below the line of its columns and above the last line.
fn rows_of(screen: &str) -> impl Iterator<Item = &str> {
    let mut below = screen
        .lines()
        .skip_while(|line| !(line.contains("Src Kind") && line.contains("Dst Name")))
        .skip(1)
        .collect::<Vec<_>>();
    below.retain(|line| !line.trim().is_empty());
    below.pop();
    below.into_iter()
}

/// Waits for the last words, looks at the files and at what is left.
fn closed(terminal: &Terminal, before: &[String]) -> Files {
    let start = Instant::now();
    let screen = terminal.within(Duration::from_mins(1), "the end", |screen| screen.contains("code "));
    eprintln!("ended after {:.1} s", start.elapsed().as_secs_f64());
    assert!(screen.contains("code 0") && screen.contains("file: "), "{screen}");
    assert!(screen.lines().filter(|line| !line.trim().is_empty()).count() <= 14, "something is left there:\n{screen}");
    terminal.assert_restored();
    assert_eq!(cluster::leftovers_since(before).unwrap(), [] as [&str; 0]);
    Files::find(terminal.directory()).unwrap()
}

#[test]
fn a_small_terminal_and_its_keys() {
    needs_cluster!();
    let customers = Customers::come();
    let before = cluster::leftovers().unwrap();
    let terminal = open(80, 24, &format!("{} flows", program()));
    let screen = terminal.screen();
    assert!(screen.contains("2/2 nodes") && screen.lines().all(|line| line.chars().count() <= 80), "{screen}");

    // A word narrows the table, and Enter keeps it.
    terminal.keys(&["c", "l", "i", "e", "n", "t"]);
    terminal.until("rows of the client only", |screen| {
        screen.contains("shown)") && rows_of(screen).count() > 3 && rows_of(screen).all(|row| row.contains("client"))
    });
    terminal.keys(&["Enter"]);
    terminal.wait_for("[client]");

    // Order: the third line of the menu is the source's name.
    terminal.keys(&["Escape", "s"]);
    terminal.wait_for("Sort by");
    terminal.keys(&["Home", "Down", "Down", "Enter"]);
    terminal.until("sorted by name", |screen| {
        let mut names = rows_of(screen).filter_map(|row| row.get(2..)?.split_whitespace().nth(1));
        screen.contains("sorted by Src Name") && names.by_ref().count() > 3
    });

    // Help names keys and nodes.
    terminal.keys(&["?"]);
    let help = terminal.wait_for("Help");
    for node in cluster::nodes().unwrap() {
        assert!(help.contains(&format!("{node}: capturing at ")), "{help}");
    }
    terminal.keys(&["Escape"]);
    terminal.until("no help", |screen| !screen.contains("capturing at"));

    // More room, more columns; the choice stays.
    terminal.resize(200, 50);
    let wide = terminal.wait_for("Src Namespace");
    assert!(wide.contains("[client]") && wide.contains("sorted by Src Name"), "{wide}");
    drop(customers);
    terminal.keys(&["q"]);
    let files = closed(&terminal, &before);
    let rows = files.query("SELECT count(*) FROM flow WHERE SrcK8S_Name = 'client' AND DstK8S_Name LIKE 'web%'");
    assert!(rows.unwrap().parse::<u32>().unwrap() > 0);
}

#[test]
fn a_large_terminal_without_colours() {
    needs_cluster!();
    let _customers = Customers::come();
    let before = cluster::leftovers().unwrap();
    let terminal = open(200, 50, &format!("NO_COLOR=1 {} flows", program()));
    let painted = terminal.painted();
    // Reverse and bold are no colours; 30-49 and 90-107 are.
    let codes = painted.split("\x1b[").skip(1).filter_map(|rest| rest.split_once('m'));
    let colours = codes.flat_map(|(codes, _)| codes.split(';')).filter_map(|code| code.parse::<u32>().ok());
    assert_eq!(colours.filter(|code| matches!(code, 30..=38 | 40..=48 | 90..=107)).count(), 0, "{painted}");
    terminal.keys(&["F1"]);
    terminal.wait_for("Help");
    terminal.keys(&["C-c"]);
    closed(&terminal, &before);
}

#[test]
fn a_view_comes_back_after_the_connection_broke() {
    needs_cluster!();
    let customers = Customers::come();
    let before = cluster::leftovers().unwrap();
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("config");
    let line = proxy::before_api_server(&config).unwrap();
    let terminal = open(100, 30, &format!("KUBECONFIG={} {} flows", config.display(), program()));
    terminal.keys(&["c", "l", "i", "e", "n", "t", "Enter", "Escape", "s"]);
    terminal.wait_for("Sort by");
    terminal.keys(&["Home", "Down", "Down", "Enter"]);
    terminal.wait_for("sorted by Src Name");

    for _ in 0..2 {
        line.refuse(true);
        line.cut();
        terminal.wait_for("reconnecting");
        line.refuse(false);
        let start = Instant::now();
        let kept = terminal.within(Duration::from_secs(30), "the view", |screen| {
            screen.contains("LIVE") && rows_of(screen).count() > 3
        });
        eprintln!("the view was back {:.1} s after the server", start.elapsed().as_secs_f64());
        assert!(kept.contains("[client]") && kept.contains("sorted by Src Name"), "{kept}");
        assert!(rows_of(&kept).all(|row| row.contains("client")), "{kept}");
    }
    drop(customers);
    terminal.keys(&["q"]);
    closed(&terminal, &before);
}
