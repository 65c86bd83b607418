//! HTTPS that the file opens: keys from a key log and from processes, read by tshark without any other source of keys.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use lab::{Finished, Netns, Pair, need, needs};

use crate::packets;

/// `openssl s_server -www` in a namespace.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(pair: &Pair, directory: &Path) -> Self {
        let (key, certificate) = (directory.join("key"), directory.join("certificate"));
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-subj",
                "/CN=test",
            ])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let mut server = pair.b.command("openssl");
        server
            .args(["s_server", "-quiet", "-www", "-accept", "4433"])
            .arg("-key")
            .arg(&key)
            .arg("-cert")
            .arg(&certificate);
        let child = server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let this = Self { child, url: format!("https://{}:4433/", pair.v4(2)) };
        let begun = Instant::now();
        while !this.get(&pair.a, "ready", &[], None) {
            assert!(begun.elapsed() < Duration::from_secs(20), "the server does not answer");
            thread::sleep(Duration::from_millis(100));
        }
        this
    }

    /// Asks for a page; whether there was an answer.
    fn get(&self, from: &Netns, page: &str, options: &[&str], log: Option<&Path>) -> bool {
        let mut curl = from.command("curl");
        curl.args(["-sk", "-m", "10", "-o", "/dev/null", &format!("{}{page}", self.url)]).args(options);
        curl.env_remove("SSLKEYLOGFILE");
        if let Some(log) = log {
            curl.env("SSLKEYLOGFILE", log);
        }
        curl.status().unwrap().success()
    }

    /// One request of TLS 1.3, one of TLS 1.2.
    fn both(&self, from: &Netns, log: Option<&Path>) {
        assert!(self.get(from, "new", &[], log) && self.get(from, "old", &["--tls-max", "1.2"], log));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Pages that were asked for, as far as the file opens: in one pass, as it comes through a pipe.
fn pages(finished: &Finished) -> Vec<String> {
    let file = fs::File::open(finished.files.pcapng().unwrap()).unwrap();
    let read = Command::new("tshark")
        .args(["-n", "-r", "-", "-Y", "http.request", "-T", "fields", "-e", "http.request.uri"])
        .env_remove("SSLKEYLOGFILE")
        .stdin(file)
        .output()
        .unwrap();
    assert!(read.status.success(), "{read:?}");
    String::from_utf8(read.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// What is said where programs cannot be attached to functions.
fn refused(finished: &Finished) -> Option<&String> {
    finished.stderr.iter().find(|line| line.contains("keys of TLS cannot be taken"))
}

#[test]
fn a_key_log_that_comes_while_packets_are_taken_opens_them() {
    needs!("tshark", "curl", "openssl", "ethtool");
    let _turn = need::beside_others().unwrap();
    let (pair, directory) = (Pair::new(46).unwrap(), tempfile::tempdir().unwrap());
    let server = Server::start(&pair, directory.path());
    let log = directory.path().join("keys");
    let keylog = log.display().to_string();
    let capture = packets().of(&pair.a, "a0").arg("--tls-keylog").arg(&keylog).start().unwrap();
    server.both(&pair.a, Some(&log));
    let finished = capture.stop().unwrap();
    assert_eq!(pages(&finished), ["/new", "/old"], "{:?}", finished.stderr);
}

#[test]
fn keys_of_processes_open_their_packets_unless_they_are_stripped() {
    needs!("tshark", "curl", "openssl", "ethtool");
    let _turn = need::beside_others().unwrap();
    let (pair, directory) = (Pair::new(47).unwrap(), tempfile::tempdir().unwrap());
    let server = Server::start(&pair, directory.path());
    let taken = |options: &str| {
        let capture = packets().of(&pair.a, "a0").args("--enable-tls-keys").args(options).start().unwrap();
        server.both(&pair.a, None);
        capture.stop().unwrap()
    };
    let all = taken("");
    if let Some(why) = refused(&all) {
        need::skip(why);
        return;
    }
    assert_eq!(pages(&all), ["/new", "/old"], "{:?}", all.stderr);
    assert!(all.stderr.iter().any(|line| line.contains("keys of TLS")), "{:?}", all.stderr);
    for options in ["--strip-secrets", "--tls-keys-process nginx,4711"] {
        let without = taken(options);
        assert_eq!(pages(&without), Vec::<String>::new(), "{options}");
        let bytes = fs::read(without.files.pcapng().unwrap()).unwrap();
        assert!(!bytes.windows(7).any(|text| text == b"_SECRET"), "{options}: keys stand in the file");
    }
    assert_eq!(pages(&taken("--tls-keys-process curl")), ["/new", "/old"]);
}

#[test]
fn processes_of_other_namespaces_keep_their_keys() {
    needs!("tshark", "curl", "openssl", "ethtool");
    let _turn = need::beside_others().unwrap();
    let (pair, directory) = (Pair::new(48).unwrap(), tempfile::tempdir().unwrap());
    let server = Server::start(&pair, directory.path());
    // Neither end lives there.
    let other = Pair::new(49).unwrap();
    let capture = packets().of(&other.a, "a0").args("--enable-tls-keys").start().unwrap();
    server.both(&pair.a, None);
    lab::sockets::ping(&other.a, other.v4(2), 2).unwrap();
    let finished = capture.stop().unwrap();
    let bytes = fs::read(finished.files.pcapng().unwrap()).unwrap();
    assert!(!bytes.windows(7).any(|text| text == b"_SECRET" || text == b"CLIENT_"), "keys stand in the file");
}
