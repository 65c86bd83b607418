//! Captures that go on without their client, and their files: background, attach, follow, stop, copy, cleanup, limits.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

use lab::{Terminal, cluster, files::Files};
use serde_json::Value;
use tempfile::TempDir;

use crate::{program, shop};

/// Runs a command line of ours to its end, in `home`.
fn ours(home: &Path, line: &str) -> Output {
    let mut command = Command::new(program());
    command.args(line.split_whitespace()).current_dir(home).env("NO_COLOR", "1").output().unwrap()
}

/// The same, which has to succeed; standard output and error.
fn done(home: &Path, line: &str) -> String {
    let output = ours(home, line);
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{line}: {text}");
    text
}

/// A capture in the background: its id.
fn background(home: &Path, line: &str) -> String {
    let said = done(home, &format!("{line} --background"));
    let id = said.lines().find_map(|line| line.strip_prefix("capture ")?.split_whitespace().next());
    id.unwrap_or_else(|| panic!("{said}")).to_owned()
}

/// Pods of a capture, by component.
fn pods(id: &str, component: &str) -> usize {
    let labels = format!("-A pods -l netobserv.io/capture={id},app.kubernetes.io/component={component}");
    cluster::items(&labels).unwrap().len()
}

#[test]
fn a_capture_that_nobody_watches() {
    needs_cluster!();
    let shop = shop();
    let before = cluster::leftovers().unwrap();
    let home = TempDir::new().unwrap();
    let id = background(home.path(), "flows");
    shop.requests(10).unwrap();

    // The table comes and goes; the capture stays.
    let terminal = Terminal::open(100, 30);
    terminal.line(&format!("{} attach {id}; echo co''de $?", program()));
    terminal.within(Duration::from_secs(30), "names in the table", |screen| {
        screen.contains("LIVE") && screen.contains("client")
    });
    terminal.keys(&["Escape", "q"]);
    let screen = terminal.within(Duration::from_secs(10), "a prompt", |screen| screen.contains("code "));
    assert!(screen.contains("code 0"), "{screen}");
    terminal.assert_restored();
    assert_eq!(pods(&id, "agent"), cluster::nodes().unwrap().len());

    // Lines come and go.
    let follow = format!("timeout -s INT 6 {} follow {id} -o json", program());
    let output = Command::new("sh").args(["-c", &follow]).output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let records: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(records.iter().any(|record| record["SrcK8S_Name"] == "client"), "{lines}");
    let wide = format!("timeout -s INT 6 {} follow {id} -o wide", program());
    let output = Command::new("sh").args(["-c", &wide]).output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("client"));

    let stopped = done(home.path(), &format!("stop {id}"));
    assert!(stopped.contains("has ended with"), "{stopped}");
    let start = Instant::now();
    done(home.path(), &format!("copy {id}"));
    eprintln!("copied after {:.1} s", start.elapsed().as_secs_f64());
    let files = Files::find(&home.path().join("output")).unwrap();
    let summary = files.summary().unwrap();
    assert_eq!(files.records().unwrap().len().to_string(), files.query("SELECT count(*) FROM flow").unwrap());
    let again = done(home.path(), &format!("copy {id}"));
    assert!(again.contains("here already"), "{again}");
    assert_eq!(Files::find(&home.path().join("output")).unwrap().summary().unwrap(), summary);

    let cleaned = done(home.path(), &format!("cleanup {id}"));
    assert!(cleaned.contains("removed"), "{cleaned}");
    assert_eq!(cluster::leftovers_since(&before).unwrap(), [] as [&str; 0]);
    let nothing = done(home.path(), &format!("cleanup {id}"));
    assert!(nothing.contains("nothing to remove"), "{nothing}");
}

#[test]
fn limits_end_it_in_the_cluster() {
    needs_cluster!();
    let shop = shop();
    let before = cluster::leftovers().unwrap();
    for (limit, reason) in
        [("--max-time 5s", "--max-time"), ("--max-packets 60", "--max-packets"), ("--max-bytes 300KB", "--max-bytes")]
    {
        let home = TempDir::new().unwrap();
        let id = background(home.path(), &format!("packets {limit} --keep 2m"));
        cluster::wait(&format!("the agents of {limit} to go"), Duration::from_mins(1), || {
            shop.requests(5)?;
            Ok(pods(&id, "agent") == 0)
        })
        .unwrap();
        assert_eq!(pods(&id, "collector"), 1, "files wait");
        done(home.path(), &format!("copy {id}"));
        let files = Files::find(&home.path().join("output")).unwrap();
        let summary = files.summary().unwrap();
        assert!(summary.to_string().contains(reason), "{limit}: {summary}");
        let packets = files.packets().unwrap();
        if limit.contains("packets") {
            assert_eq!(packets.packets.len(), 60);
        }
        done(home.path(), &format!("cleanup {id}"));
    }
    assert_eq!(cluster::leftovers_since(&before).unwrap(), [] as [&str; 0]);
}

#[test]
fn files_come_home_only_if_wanted() {
    needs_cluster!();
    let before = cluster::leftovers().unwrap();
    for (copy, answer, files) in [("false", None, 0), ("prompt", Some("no"), 0), ("prompt", Some("yes"), 1)] {
        let terminal = Terminal::open(100, 30);
        let out = terminal.directory().join("out");
        terminal.line(&format!("{} flows --copy={copy} --output-dir {}; echo co''de $?", program(), out.display()));
        terminal.within(Duration::from_mins(1), "a table", |screen| screen.contains("LIVE"));
        terminal.keys(&["C-c"]);
        if let Some(answer) = answer {
            terminal.within(Duration::from_secs(20), "a question", |screen| screen.contains("yes/no"));
            terminal.line(answer);
        }
        let screen = terminal.within(Duration::from_mins(1), "the end", |screen| screen.contains("code "));
        assert!(screen.contains("code 0"), "{screen}");
        let found = fs::read_dir(out.join("flow")).map_or(0, Iterator::count).min(1);
        assert_eq!(found, files, "{copy} {answer:?}: {screen}");
    }
    assert_eq!(cluster::leftovers_since(&before).unwrap(), [] as [&str; 0]);
}

#[test]
fn a_directory_that_cannot_be_written_stops_it_before_anything() {
    needs_cluster!();
    let before = cluster::leftovers().unwrap();
    let start = Instant::now();
    let output = ours(Path::new("/"), "flows --max-time 5s -o json --output-dir /proc/none");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("/proc/none"), "{said}");
    assert!(start.elapsed() < Duration::from_secs(2));
    assert_eq!(cluster::leftovers_since(&before).unwrap(), [] as [&str; 0]);
}
