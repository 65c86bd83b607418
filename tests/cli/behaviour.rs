//! What commands do that need no rights.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
};

use crate::run::{command, run};

fn dir() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

/// Flows as a JSON array, one record a line.
fn flows(dir: &Path, name: &str, count: usize) {
    let record = |n: usize| {
        let (proto, port) = if n.is_multiple_of(2) { (6, 443) } else { (17, 53) };
        format!(
            r#"{{"SrcAddr":"10.0.0.1","SrcPort":{},"DstAddr":"10.0.0.2","DstPort":{port},"Proto":{proto},"Bytes":100,"Packets":1}}"#,
            1024 + n % 60000
        )
    };
    let records: Vec<_> = (0..count).map(record).collect();
    fs::write(dir.join(name), format!("[\n{}\n]\n", records.join(",\n"))).expect("a file");
}

#[test]
fn version_begins_with_the_line_that_scripts_look_for() {
    for line in ["version", "version --color never"] {
        let ran = run(dir().path(), line);
        let first = ran.stdout.lines().next();
        assert_eq!((ran.code, first), (0, Some(concat!("Netobserv CLI version ", env!("CARGO_PKG_VERSION")))));
    }
}

#[test]
fn without_a_command_help_is_shown_and_it_is_wrong_usage() {
    let output = command(dir().path()).output().expect("the binary starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("Usage: oc-netobserv"));
}

#[test]
fn completion_is_valid_and_knows_commands_and_options() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = run(dir().path(), &format!("completion {shell}"));
        assert_eq!(ran.code, 0);
        assert!(ran.stdout.contains("packets") && ran.stdout.contains("exclude-interfaces"), "{shell}");
        if shell == "bash" {
            let mut bash = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().expect("bash");
            bash.stdin.take().expect("its input").write_all(ran.stdout.as_bytes()).expect("bash reads");
            assert!(bash.wait().expect("bash ends").success());
        }
    }
}

#[test]
fn an_unknown_option_is_answered_with_the_one_that_was_meant() {
    let ran = run(dir().path(), "flows --local --protocl=TCP");
    assert!(ran.stderr.contains("'--protocol'"), "{}", ran.stderr);
}

#[test]
fn a_saved_capture_is_printed_and_filtered_by_the_rules_of_a_capture() {
    let dir = dir();
    flows(dir.path(), "f.json", 10);
    let count = |line: &str| {
        let ran = run(dir.path(), line);
        assert_eq!(ran.code, 0, "{line}\n{}", ran.stderr);
        ran.stdout.lines().count()
    };
    assert_eq!(count("view f.json"), 10);
    assert_eq!(count("view f.json --protocol=TCP"), 5);
    assert_eq!(count("view f.json port=53 --protocol udp or --sport 1024"), 6);
    assert_eq!(count("view f.json --protocol TCP --action Reject"), 5);
    let ran = run(dir.path(), "view f.json -o json");
    let first: serde_json::Value = serde_json::from_str(ran.stdout.lines().next().expect("a line")).expect("JSON");
    assert_eq!((&first["DstPort"], &first["Proto"]), (&443.into(), &6.into()));
    let wide = run(dir.path(), "view f.json -o wide").stdout;
    assert!(wide.contains("10.0.0.1") && wide.contains("TCP"), "{wide}");
}

#[test]
fn a_reader_that_goes_is_a_clean_end() {
    let dir = dir();
    flows(dir.path(), "f.json", 200_000);
    let mut child = command(dir.path())
        .args(["view", "f.json", "-o", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("its output");
    BufReader::with_capacity(64, stdout).read_line(&mut line).expect("a line");
    assert!(line.starts_with('{'));
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn without_rights_the_missing_ones_are_named() {
    if crate::run::is_root() {
        // Capabilities are dropped, which leaves what any user has.
        let dir = dir();
        let output = Command::new("setpriv")
            .args(["--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all", crate::run::BINARY])
            .args(["flows", "--local"])
            .current_dir(dir.path())
            .output();
        let Ok(output) = output else {
            println!("SKIP without_rights_the_missing_ones_are_named: setpriv is not here");
            return;
        };
        says_what_is_missing(output.status.code(), &String::from_utf8_lossy(&output.stderr), dir.path());
    } else {
        let dir = dir();
        let ran = run(dir.path(), "flows --local");
        says_what_is_missing(Some(ran.code), &ran.stderr, dir.path());
    }
}

#[track_caller]
fn says_what_is_missing(code: Option<i32>, stderr: &str, dir: &Path) {
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("CAP_BPF") && stderr.contains("CAP_NET_ADMIN"), "{stderr}");
    assert!(stderr.contains("hint: "), "{stderr}");
    assert_eq!(fs::read_dir(dir).expect("the directory").count(), 0, "nothing is created");
}
