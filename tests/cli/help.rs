//! Every help, as it is printed: 80 columns, examples first.

use crate::run::run;

fn help(line: &str) -> String {
    let dir = tempfile::tempdir().expect("a directory");
    let ran = run(dir.path(), line);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{line}");
    ran.stdout
}

#[test]
fn every_help_is_as_reviewed_and_fits_80_columns() {
    for command in [
        "",
        "flows",
        "packets",
        "attach",
        "follow",
        "stop",
        "copy",
        "cleanup",
        "view",
        "convert",
        "version",
        "wireshark",
        "completion",
    ] {
        let text = help(format!("{command} --help").trim_start());
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(80), "{command}: {widest:?} columns");
        let name = if command.is_empty() { "main" } else { command };
        insta::assert_snapshot!(name, text);
    }
}

#[test]
fn the_words_for_help_all_mean_the_same() {
    let flows = help("flows --help");
    for line in ["flows help", "flows -h", "help flows", "flows --port 80 help"] {
        assert_eq!(help(line), flows, "{line}");
    }
    assert_eq!(help("help"), help("--help"));
}

#[test]
fn kubectl_users_see_what_they_typed() {
    let dir = tempfile::tempdir().expect("a directory");
    let link = dir.path().join("kubectl-netobserv");
    std::os::unix::fs::symlink(crate::run::BINARY, &link).expect("a link");
    let output = std::process::Command::new(link).args(["flows", "--help"]).output().expect("the binary starts");
    assert!(String::from_utf8_lossy(&output.stdout).contains("Usage: kubectl netobserv flows [OPTIONS]"));
}
