//! Processes at the ends of flows and packets: programs with names and numbers of their own, in namespaces of their own.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::fs::symlink,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use lab::{Netns, Pair, need, needs};
use serde_json::Value;
use tempfile::TempDir;

use crate::{flows, packets};

/// A server of TCP and UDP at `port`, or a client that does what it is told line by line: `tcp`, `again`, `udp`, `refused`.
const PROGRAM: &str = r#"
import socket, sys, threading
role, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
def serve(peer):
    while (data := peer.recv(100)):
        peer.sendall(data)
def accept(listener):
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
if role == "server":
    listener = socket.create_server((address, port))
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind((address, port))
    threading.Thread(target=accept, args=(listener,), daemon=True).start()
    print("ready", flush=True)
    while True:
        data, peer = datagrams.recvfrom(100)
        datagrams.sendto(data, peer)
stream, datagrams = None, socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print("ready", flush=True)
for line in sys.stdin:
    word = line.strip()
    if word == "tcp":
        stream = socket.create_connection((address, port), 5, ("", int(sys.argv[4])))
    if word in ("tcp", "again"):
        stream.sendall(b"question")
        assert stream.recv(100) == b"question"
    if word == "udp":
        datagrams.settimeout(5)
        datagrams.sendto(b"question", (address, port))
        assert datagrams.recv(100) == b"question"
    if word == "refused":
        other = socket.socket()
        assert other.connect_ex((address, port + 1)) == 111
    print(word, flush=True)
"#;

/// A program under a name of its own.
struct Program {
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Program {
    fn start(netns: &Netns, directory: &TempDir, name: &str, arguments: &[&str]) -> Result<Self> {
        let path = directory.path().join(name);
        if !path.exists() {
            symlink(python(), &path)?;
        }
        let mut command = netns.command(&path.display().to_string());
        command.args(["-c", PROGRAM]).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let answers = BufReader::new(child.stdout.take().context("stdout")?);
        let mut program = Self { child, answers };
        program.expect("ready")?;
        Ok(program)
    }

    fn expect(&mut self, word: &str) -> Result<()> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        ensure!(line.trim() == word, "{line:?} instead of {word:?}");
        Ok(())
    }

    /// Does something, and has done it when this comes back.
    fn tell(&mut self, word: &str) -> Result<()> {
        writeln!(self.child.stdin.as_mut().context("stdin")?, "{word}")?;
        self.expect(word)
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It ends with the test, whatever it is doing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The interpreter itself: a script in front of it would have a name of its own.
fn python() -> PathBuf {
    let known = ["/usr/bin/python3", "/usr/local/bin/python3"].map(PathBuf::from);
    let found = known.into_iter().find_map(|path| fs::canonicalize(path).ok());
    found.unwrap_or_else(|| PathBuf::from("/usr/bin/python3"))
}

fn missing_python() -> Option<String> {
    (!python().exists()).then(|| "there is no /usr/bin/python3".to_owned())
}

/// Name and number of the process at an end of a record.
fn who(record: &Value, end: &str) -> Option<(String, u64)> {
    Some((record[format!("{end}Process")].as_str()?.to_owned(), record[format!("{end}Pid")].as_u64()?))
}

/// Distinct processes at an end of the records of this protocol whose port at that end is `port`, or at the other end with `other`.
fn at<'a>(records: &'a [Value], proto: u8, field: &'a str, port: u16, end: &'a str) -> Vec<(String, u64)> {
    let these = records.iter().filter(|record| record["Proto"] == proto && record[field] == port);
    let mut found: Vec<_> = these.filter_map(|record| who(record, end)).collect();
    found.sort();
    found.dedup();
    found
}

fn named(name: &str, program: &Program) -> Vec<(String, u64)> {
    vec![(name.to_owned(), u64::from(program.pid()))]
}

/// Whether the kernel tells who sends and receives.
fn tells_users() -> bool {
    need::kernel() >= (6, 3)
}

#[test]
fn processes_of_both_ends_are_named_whether_they_were_there_before_or_not() {
    needs!("ethtool", "ip");
    if let Some(reason) = missing_python() {
        return need::skip(&reason);
    }
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(80).unwrap();
    let directory = TempDir::new().unwrap();
    let server = Program::start(&pair.b, &directory, "who-server", &["server", "10.80.0.2", "8080"]).unwrap();
    let mut early =
        Program::start(&pair.a, &directory, "who-early", &["client", "10.80.0.2", "8080", "40001"]).unwrap();
    early.tell("tcp").unwrap();
    let capture = flows().of(&pair.a, "a0").args("--enable-process").start().unwrap();
    thread::sleep(Duration::from_millis(500));
    early.tell("again").unwrap();
    let mut client =
        Program::start(&pair.a, &directory, "who-client", &["client", "10.80.0.2", "8080", "40002"]).unwrap();
    for word in ["tcp", "udp", "refused"] {
        client.tell(word).unwrap();
    }
    thread::sleep(Duration::from_millis(1_200));
    client.tell("again").unwrap();
    let finished = capture.stop().unwrap();
    assert_eq!(finished.files.counter("lost_processes").unwrap_or(0), 0);
    let records = finished.files.records().unwrap();
    let of_server = named("who-server", &server);
    assert_eq!(at(&records, 6, "SrcPort", 40_001, "Src"), named("who-early", &early), "{records:#?}");
    assert_eq!(at(&records, 6, "DstPort", 40_001, "Dst"), named("who-early", &early));
    assert_eq!(at(&records, 6, "SrcPort", 40_002, "Src"), named("who-client", &client));
    assert_eq!(at(&records, 6, "SrcPort", 40_002, "Dst"), of_server, "in another namespace, which only its ends tell");
    assert_eq!(at(&records, 6, "SrcPort", 40_001, "Dst"), of_server);
    assert_eq!(at(&records, 6, "DstPort", 8081, "Src"), named("who-client", &client), "refused");
    assert_eq!(at(&records, 6, "DstPort", 8081, "Dst"), [], "nobody listens there");
    assert_eq!(at(&records, 17, "DstPort", 8080, "Dst"), of_server);
    if tells_users() {
        assert_eq!(at(&records, 17, "DstPort", 8080, "Src"), named("who-client", &client));
    }
}

#[test]
fn equal_ends_in_two_namespaces_have_the_process_of_their_own() {
    needs!("ethtool", "ip");
    if let Some(reason) = missing_python() {
        return need::skip(&reason);
    }
    let _turn = need::beside_others().unwrap();
    let pairs = [Pair::new(81).unwrap(), Pair::new(81).unwrap()];
    let directory = TempDir::new().unwrap();
    let arguments = ["server", "10.81.0.2", "8080"];
    let servers = pairs.each_ref().map(|pair| Program::start(&pair.b, &directory, "who-server", &arguments).unwrap());
    let loops = pairs
        .each_ref()
        .map(|pair| Program::start(&pair.a, &directory, "who-loop", &["server", "127.0.0.1", "8082"]).unwrap());
    let capture = flows().args("--netns all --interfaces a0,lo --enable-process").start().unwrap();
    thread::sleep(Duration::from_millis(500));
    let mut clients = pairs.each_ref().map(|pair| {
        Program::start(&pair.a, &directory, "who-client", &["client", "10.81.0.2", "8080", "40003"]).unwrap()
    });
    let mut locals = pairs.each_ref().map(|pair| {
        Program::start(&pair.a, &directory, "who-local", &["client", "127.0.0.1", "8082", "40004"]).unwrap()
    });
    for program in clients.iter_mut().chain(&mut locals) {
        program.tell("tcp").unwrap();
        program.tell("again").unwrap();
    }
    let records = capture.stop().unwrap().files.records().unwrap();
    for (number, pair) in pairs.iter().enumerate() {
        let there: Vec<Value> = records.iter().filter(|record| record["NetNs"] == pair.a.name()).cloned().collect();
        assert_eq!(at(&there, 6, "SrcPort", 40_003, "Src"), named("who-client", &clients[number]), "{there:#?}");
        assert_eq!(at(&there, 6, "SrcPort", 40_004, "Src"), named("who-local", &locals[number]), "loopback");
        assert_eq!(at(&there, 6, "SrcPort", 40_004, "Dst"), named("who-loop", &loops[number]), "loopback");
        // Which of two servers with equal ends it is, the namespace of the client does not tell: none rather than the wrong
        // one. On a slow machine an interval ends while there is only the first connection, whose server is certain.
        let (servers_named, own) = (at(&there, 6, "SrcPort", 40_003, "Dst"), named("who-server", &servers[number]));
        assert!(servers_named.is_empty() || servers_named == own, "{servers_named:?} instead of {own:?}");
    }
}

#[test]
fn without_the_option_no_process_is_named() {
    needs!("ethtool", "ip");
    if let Some(reason) = missing_python() {
        return need::skip(&reason);
    }
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(82).unwrap();
    let directory = TempDir::new().unwrap();
    let _server = Program::start(&pair.b, &directory, "who-server", &["server", "10.82.0.2", "8080"]).unwrap();
    let capture = flows().of(&pair.a, "a0").start().unwrap();
    let mut client =
        Program::start(&pair.a, &directory, "who-client", &["client", "10.82.0.2", "8080", "40005"]).unwrap();
    client.tell("tcp").unwrap();
    let records = capture.stop().unwrap().files.records().unwrap();
    assert!(records.iter().any(|record| record["SrcPort"] == 40_005));
    assert!(records.iter().all(|record| record.get("SrcProcess").is_none() && record.get("DstPid").is_none()));
}

#[test]
fn packets_name_the_processes_at_both_ends_in_their_comments() {
    needs!("ethtool", "ip", "tshark");
    if let Some(reason) = missing_python() {
        return need::skip(&reason);
    }
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(83).unwrap();
    let directory = TempDir::new().unwrap();
    let server = Program::start(&pair.b, &directory, "who-server", &["server", "10.83.0.2", "8080"]).unwrap();
    let capture = packets().of(&pair.a, "a0").args("--enable-process").start().unwrap();
    let mut client =
        Program::start(&pair.a, &directory, "who-client", &["client", "10.83.0.2", "8080", "40006"]).unwrap();
    client.tell("tcp").unwrap();
    // Both ends have been heard of by then.
    thread::sleep(Duration::from_millis(500));
    client.tell("again").unwrap();
    let finished = capture.stop().unwrap();
    assert!(!lab::capture::says(&finished.stderr, "adds to flows"), "{:?}", finished.stderr);
    let mut tshark = Command::new("tshark");
    tshark.args(["-n", "-T", "fields", "-e", "tcp.srcport", "-e", "frame.comment", "-Y", "tcp.port == 40006", "-r"]);
    let text = need::output_of(tshark.arg(finished.files.pcapng().unwrap())).unwrap();
    let lines: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once('\t')).collect();
    let [client, server] = [("who-client", &client), ("who-server", &server)].map(|(name, program)| {
        let pid = program.pid();
        (format!(" pid={pid} comm={name}"), format!(" dstpid={pid} dstcomm={name}"))
    });
    let from = |port: &str| lines.iter().filter(|line| line.0 == port).map(|line| format!("{} ", line.1)).collect();
    let (there, back): (Vec<String>, Vec<String>) = (from("40006"), from("8080"));
    assert!(there.len() >= 4 && back.len() >= 3, "{text}");
    assert!(there.iter().all(|comment| comment.contains(&client.0)), "from the first packet on: {text}");
    assert!(back.iter().all(|comment| comment.contains(&client.1)), "{text}");
    assert!(there.last().is_some_and(|comment| comment.contains(&server.1)), "{text}");
    assert!(back.last().is_some_and(|comment| comment.contains(&server.0)), "{text}");
}
