//! Everything that must fail well before a capture is there: one clear sentence, the right exit code, nothing left.

use std::{
    fs,
    net::TcpListener,
    process::Command,
    time::{Duration, Instant},
};

use lab::{
    capture::program,
    cluster::{self, Person, Told, Trace, kubectl, person},
};
use serde_json::{Value, json};
use tempfile::TempDir;

mod admission;
mod nodes;
mod strangers;

pub(crate) use strangers::state;

const PROGRAM: &str = env!("CARGO_BIN_EXE_oc-netobserv");

/// Runs one of our commands with the rights of the tests.
pub(crate) fn ours(arguments: &str) -> Told {
    let directory = TempDir::new().unwrap();
    let mut command = Command::new(program(PROGRAM));
    command.args(arguments.split_whitespace()).current_dir(directory.path());
    person::told(&mut command, "").unwrap()
}

/// A name for the namespace of a capture that no other test has.
pub(crate) fn trace(name: &str) -> Trace {
    Trace::of(&format!("{name}-{}", std::process::id()))
}

/// One error of one sentence that says `words`, exit code `code`.
#[track_caller]
pub(crate) fn assert_refused(told: &Told, code: i32, words: &[&str]) {
    let errors: Vec<&str> = told.err.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!((told.code, errors.len()), (Some(code), 1), "{told:?}");
    for words in words {
        assert!(errors[0].contains(words), "{words:?}: {}", told.err);
    }
    assert_eq!(told.out, "");
    eprintln!("{:.1?}: {}", told.took, errors[0]);
}

/// A kubeconfig that was changed, for one command.
fn with_config(change: impl Fn(&mut Value)) -> Told {
    let mut config = person::kubeconfig().unwrap();
    change(&mut config);
    with_file(&config.to_string(), "")
}

fn with_file(text: &str, more: &str) -> Told {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("config");
    fs::write(&file, text).unwrap();
    ours(&format!("flows --kubeconfig {} {more}", file.display()))
}

#[test]
fn a_wrong_kubeconfig() {
    needs_cluster!();
    assert_refused(&ours("flows --kubeconfig /nowhere/config"), 1, &["/nowhere/config"]);
    assert_refused(&with_file("]{ not: yaml", ""), 1, &["/config"]);
    assert_refused(&with_file("", ""), 1, &["the kubeconfig names no cluster"]);
    assert_refused(&ours("flows --context nowhere"), 1, &["nowhere", "context"]);
    assert_refused(&ours("cleanup --context nowhere"), 1, &["nowhere", "context"]);
    assert_refused(&with_config(|config| config["contexts"][0]["context"]["user"] = json!("nobody")), 1, &["nobody"]);
}

#[test]
fn a_server_that_cannot_be_reached() {
    needs_cluster!();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_refused(&ours(&format!("flows --server https://{closed}")), 1, &["refuses the connection"]);
    // Takes connections and never says anything.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let start = Instant::now();
    let address = silent.local_addr().unwrap();
    let told = ours(&format!("flows --request-timeout 2s --server https://{address}"));
    assert_refused(&told, 1, &["does not answer within 2 s"]);
    assert!(start.elapsed() < Duration::from_secs(4));
    let plain = |config: &mut Value| {
        let server = config["clusters"][0]["cluster"]["server"].as_str().unwrap().replace("https:", "http:");
        config["clusters"][0]["cluster"]["server"] = json!(server);
    };
    assert_refused(&with_config(plain), 1, &["speaks TLS only"]);
}

#[test]
fn a_certificate_that_cannot_be_trusted() {
    needs_cluster!();
    let unknown = |config: &mut Value| {
        config["clusters"][0]["cluster"].as_object_mut().unwrap().remove("certificate-authority-data");
    };
    assert_refused(&with_config(unknown), 1, &["cannot be trusted", "authority"]);
    let other = |config: &mut Value| config["clusters"][0]["cluster"]["tls-server-name"] = json!("other.example");
    assert_refused(&with_config(other), 1, &["cannot be trusted", "other names"]);
}

#[test]
fn a_token_that_is_wrong_or_no_longer_good() {
    needs_cluster!();
    let person = Person::new("ghost").unwrap();
    let token = fs::read_to_string(person.kubeconfig()).unwrap();
    person.write("wrong").unwrap();
    let flows = || person.runs(PROGRAM, "flows", "").unwrap();
    assert_refused(&flows(), 1, &["does not accept the credentials", "invalid or has expired"]);
    fs::write(person.kubeconfig(), token).unwrap();
    let account = person.identity();
    let namespace = account.split(':').nth(2).unwrap();
    kubectl(["-n", namespace, "delete", "serviceaccount", "user"]).unwrap();
    // Server and account: tokens that were accepted a moment ago are cached for some seconds.
    cluster::wait("the end of the token", Duration::from_secs(30), || Ok(flows().err.contains("credentials"))).unwrap();
    assert_refused(&flows(), 1, &["does not accept the credentials", "invalid or has expired"]);
    let cleanup = person.runs(PROGRAM, "cleanup", "").unwrap();
    assert_refused(&cleanup, 1, &["does not accept the credentials"]);
}

#[test]
fn a_selector_without_nodes_and_a_namespace_that_is_taken() {
    needs_cluster!();
    let trace = trace("nodes");
    let name = trace.namespace();
    let told = ours(&format!("flows --capture-namespace {name} --node-selector no-such-label=here"));
    assert_refused(&told, 1, &["no-such-label=here", "node"]);
    assert_eq!(trace.left().unwrap(), [""; 0]);

    let taken = Person::new("taken").unwrap();
    let account = taken.identity();
    let name = account.split(':').nth(2).unwrap();
    let before = cluster::get(&format!("namespace {name}")).unwrap();
    assert_refused(&ours(&format!("flows --capture-namespace {name}")), 1, &[name, "exists already"]);
    // Nothing of ours in there, so nothing to remove either.
    assert_refused(&ours(&format!("cleanup {name} --yes")), 1, &[name, "not that of a capture"]);
    assert_eq!(cluster::get(&format!("namespace {name}")).unwrap(), before);
    assert_refused(&ours("stop no-such-capture"), 1, &["no-such-capture"]);
    assert_refused(&ours("flows --capture-namespace Wrong_Name"), 2, &["--capture-namespace Wrong_Name"]);
}
