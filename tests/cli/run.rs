//! Runs the binary in a directory of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_oc-netobserv");

/// What came of a command.
pub(crate) struct Ran {
    /// Exit code; -1 if a signal ended it.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Without a terminal, and without what the environment of the tests would add.
pub(crate) fn command(dir: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command.current_dir(dir).stdin(Stdio::null());
    command.env("HOME", "/nonexistent");
    let proxies = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];
    let others = ["NO_COLOR", "SSH_CONNECTION", "RUST_BACKTRACE", "KUBECONFIG", "NETOBSERV_NAMESPACE"];
    for variable in proxies.into_iter().chain(others) {
        command.env_remove(variable);
    }
    command
}

/// Words are separated by spaces; `""` is an empty one.
pub(crate) fn words(line: &str) -> Vec<&str> {
    line.split(' ').map(|word| if word == "\"\"" { "" } else { word }).collect()
}

pub(crate) fn run(dir: &Path, line: &str) -> Ran {
    let output = command(dir).args(words(line)).output().expect("the binary starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("messages are UTF-8");
    Ran { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Every file below `dir` with its content, and every directory.
pub(crate) fn tree(dir: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("the directory can be read") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(tree(&path));
            found.push((path, None));
        } else {
            let content = fs::read(&path).expect("a file");
            found.push((path, Some(content)));
        }
    }
    found.sort();
    found
}

/// Whether this runs as root; without, tests that need it say so.
pub(crate) fn is_root() -> bool {
    fs::read_to_string("/proc/self/status").is_ok_and(|status| status.contains("\nUid:\t0\t0\t"))
}
