//! Secrets of TLS against what OpenSSL writes into its own key log.

use std::{
    collections::BTreeSet,
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use flow::config::{KeyOwners, Mode, NetNs};

use crate::{
    capture::{Capture, Outcome, config},
    lab::{Lab, can_run, inside, path},
};

/// A server on 127.0.0.1:4433 in a namespace, and what it writes.
struct Server {
    child: Child,
    directory: PathBuf,
    netns: String,
}

/// A folder with a key and its certificate.
fn certificate(name: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("keys-{}-{name}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=test"])
        .arg("-keyout")
        .arg(directory.join("key"))
        .arg("-out")
        .arg(directory.join("cert"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    directory
}

/// What a key log holds, but for exporters, which open nothing.
fn log(directory: &Path) -> BTreeSet<String> {
    let log = fs::read_to_string(directory.join("log")).unwrap();
    let lines = log.lines().filter(|line| !line.starts_with('#') && !line.contains("EXPORTER"));
    lines.map(str::to_ascii_lowercase).collect()
}

impl Server {
    fn start(netns: &str) -> Self {
        let directory = certificate(netns);
        let child = Command::new("ip")
            .args(["netns", "exec", netns, "openssl", "s_server", "-quiet", "-www", "-accept", "4433"])
            .arg("-key")
            .arg(directory.join("key"))
            .arg("-cert")
            .arg(directory.join("cert"))
            .arg("-keylogfile")
            .arg(directory.join("log"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let this = Self { child, directory, netns: netns.to_owned() };
        let begun = Instant::now();
        while !inside(&this.netns, || TcpStream::connect("127.0.0.1:4433").is_ok()).join().unwrap() {
            assert!(begun.elapsed() < Duration::from_secs(10), "the server does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        this
    }

    fn get(&self, options: &[&str]) {
        let got = Command::new("ip")
            .args(["netns", "exec", &self.netns, "curl", "-sk", "https://127.0.0.1:4433/"])
            .args(options)
            .output()
            .unwrap();
        assert!(got.status.success() && !got.stdout.is_empty(), "{got:?}");
    }

    /// What the server derived.
    fn log(&self) -> BTreeSet<String> {
        log(&self.directory)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn secrets(outcome: &Outcome) -> Vec<String> {
    outcome.batches.iter().flat_map(|batch| &batch.secrets).map(|line| line.to_ascii_lowercase()).collect()
}

fn keys_of(netns: &str, processes: &[&str]) -> flow::CaptureConfig {
    flow::CaptureConfig {
        mode: Mode::Packets,
        netns: NetNs::Path(path(netns)),
        interfaces: Vec::new(),
        tls_keys: true,
        key_owners: KeyOwners { processes: processes.iter().map(|name| (*name).into()).collect(), sets: None },
        ..config("")
    }
}

/// Why it cannot be tried here.
fn missing(capture: &Capture) -> Option<String> {
    if !Path::new("/usr/bin/curl").exists() || !Path::new("/usr/bin/openssl").exists() {
        return Some("needs curl and openssl".to_owned());
    }
    capture.limits().iter().find(|limit| limit.contains("keys of TLS cannot be taken")).cloned()
}

#[test]
fn kernel_keys_are_those_that_openssl_logs_itself() {
    let name = "kernel_keys_are_those_that_openssl_logs_itself";
    if !can_run(name) {
        return;
    }
    let mut lab = Lab::new();
    let [a, ..] = lab.pair();
    let capture = Capture::start(keys_of(&a, &[]));
    if let Some(why) = missing(&capture) {
        println!("SKIP {name}: {why}");
        return;
    }
    assert!(capture.limits().iter().any(|limit| limit.contains("libcrypto")), "{:?}", capture.limits());
    let server = Server::start(&a);
    server.get(&[]);
    server.get(&["--tls-max", "1.2"]);
    server.get(&["--curves", "P-384:P-256", "--tls13-ciphers", "TLS_AES_128_GCM_SHA256"]);
    let outcome = capture.finish();
    let (ours, theirs) = (secrets(&outcome), server.log());
    // Four of each connection of TLS 1.3, one of TLS 1.2.
    assert_eq!(theirs.len(), 9, "{theirs:?}");
    assert_eq!(ours.iter().cloned().collect::<BTreeSet<_>>(), theirs);
    assert_eq!(ours.len(), theirs.len(), "each is told once, although both ends derive it");
    assert_eq!((outcome.counters.lost_keys, outcome.counters.late_keys), (0, 0));
}

#[test]
fn kernel_keys_of_other_processes_stay_where_they_are() {
    let name = "kernel_keys_of_other_processes_stay_where_they_are";
    if !can_run(name) {
        return;
    }
    let mut lab = Lab::new();
    let [a, b, ..] = lab.pair();
    let elsewhere = Capture::start(keys_of(&a, &[]));
    if let Some(why) = missing(&elsewhere) {
        println!("SKIP {name}: {why}");
        return;
    }
    let another = Capture::start(keys_of(&b, &["nginx", "1"]));
    let of_curl = Capture::start(keys_of(&b, &["curl"]));
    let server = Server::start(&b);
    server.get(&[]);
    assert_eq!(secrets(&elsewhere.finish()), Vec::<String>::new());
    assert_eq!(secrets(&another.finish()), Vec::<String>::new());
    assert_eq!(secrets(&of_curl.finish()).into_iter().collect::<BTreeSet<_>>(), server.log());
}

/// Server and clients of twenty connections in one thread, half of them TLS 1.2, by a program of another language.
fn many_connections(test: &str, program: &str, script: &str) {
    if !can_run(test) {
        return;
    }
    if Command::new(program).arg("--version").output().is_err() {
        println!("SKIP {test}: needs {program}");
        return;
    }
    let mut lab = Lab::new();
    let netns = lab.namespace("a");
    let capture = Capture::start(keys_of(&netns, &[]));
    if let Some(why) = missing(&capture) {
        println!("SKIP {test}: {why}");
        return;
    }
    let directory = certificate(&format!("{netns}-{program}"));
    fs::write(directory.join("script"), script).unwrap();
    let script = directory.join("script");
    let ran = Command::new("ip").args(["netns", "exec", &netns, program]).arg(script).arg(&directory).output().unwrap();
    let outcome = capture.finish();
    let (ours, theirs) = (secrets(&outcome), log(&directory));
    fs::remove_dir_all(&directory).unwrap();
    assert!(ran.status.success(), "{ran:?}");
    assert_eq!(theirs.len(), 10 * 4 + 10);
    let ours: BTreeSet<_> = ours.into_iter().collect();
    assert_eq!(ours, theirs, "{:?}", outcome.notices());
}

#[test]
fn kernel_keys_of_connections_that_one_thread_deals_with_at_once() {
    let script = include_str!("keys/many.py");
    many_connections("kernel_keys_of_connections_that_one_thread_deals_with_at_once", "python3", script);
}

#[test]
fn kernel_keys_of_an_openssl_that_is_part_of_a_program() {
    let script = include_str!("keys/many.js");
    many_connections("kernel_keys_of_an_openssl_that_is_part_of_a_program", "node", script);
}
