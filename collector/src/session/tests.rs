#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::Write as _,
    os::unix::net::UnixStream,
    sync::Mutex,
    time::{Duration, Instant},
};

use flow::{Reason, Sink as _, Stop};
use proptest::prelude::*;

use super::*;
use crate::{
    Cause, NodeStatus, Options, Origin, Started, Wish,
    bench::{data, options},
    hash,
};

/// A capture with a session, both ends of it.
struct Bench {
    started: Started,
    server: Server,
    stop: Stop,
    rules: Arc<Mutex<Vec<Rules>>>,
    dir: tempfile::TempDir,
}

struct Recorder {
    stop: Stop,
    rules: Arc<Mutex<Vec<Rules>>>,
}

impl Handler for Recorder {
    fn stop(&self, reason: &str) {
        assert_eq!(reason, "enough");
        self.stop.request(Reason::User);
    }

    fn wish(&self, wish: &Wish) -> Result<String, String> {
        match wish {
            Wish::Save(_) => Ok("saving".to_owned()),
            Wish::Packets(record) => Err(format!("no packets of {:?}", record.src_addr)),
        }
    }

    fn set_filter(&self, rules: Rules) -> Result<(), String> {
        if rules.is_empty() {
            return Err("no rules".to_owned());
        }
        self.rules.lock().unwrap().push(rules);
        Ok(())
    }
}

fn about() -> About {
    About {
        capture: "k7f3".into(),
        version: "1.2.3".into(),
        mode: Mode::Flows,
        what: "everything".into(),
        limits: Limits { time: Some(Duration::from_mins(1)), bytes: None, packets: None },
        interval: Duration::from_secs(1),
        features: Vec::new(),
    }
}

impl Bench {
    fn new() -> Self {
        let (dir, stop) = (tempfile::tempdir().unwrap(), Stop::default());
        let options = Options {
            origin: Origin::Cluster,
            history_bytes: Options::HISTORY_BYTES,
            follow_bytes: Options::FOLLOW_BYTES,
            ..options(data::config(Mode::Flows), dir.path())
        };
        let started = crate::start(options, stop.clone()).unwrap();
        let rules = Arc::default();
        let handler = Recorder { stop: stop.clone(), rules: Arc::clone(&rules) };
        let path = dir.path().join("socket");
        let (hub, status) = (started.hub.clone(), started.status.clone());
        let server = Server::start(&path, about(), hub, status, Box::new(handler)).unwrap();
        Self { started, server, stop, rules, dir }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    fn client(&self) -> Client {
        Client::connect(&self.path()).unwrap()
    }

    fn deliver(&mut self, numbers: std::ops::Range<u64>) {
        numbers.for_each(|n| self.started.input.deliver(data::flows(n, n * 10, 10)).unwrap());
    }
}

/// Numbers and records of all batches until the end, and the last state.
fn drain(mut next: impl FnMut() -> Result<Option<Message>, SessionError>) -> (Vec<Option<u64>>, u64, Option<State>) {
    let (mut numbers, mut records, mut state) = (Vec::new(), 0, None);
    while let Some(message) = next().unwrap() {
        match message {
            Message::Batch { number, batch } => {
                numbers.push(number);
                records += crate::feed::data_count(&batch.body);
            }
            Message::State(now) => state = Some(*now),
            Message::End => break,
            Message::About(_)
            | Message::Files(_)
            | Message::Gap(_)
            | Message::Done
            | Message::Told(_)
            | Message::Refused(_) => {}
        }
    }
    (numbers, records, state)
}

#[test]
fn wishes_are_answered_in_words() {
    let bench = Bench::new();
    let mut client = bench.client();
    assert_eq!(client.wish(&Wish::Save(Cause::Key)).unwrap(), "saving");
    let record = flow::FlowRecord { src_addr: "10.0.0.1".parse().ok(), ..flow::FlowRecord::default() };
    let refused = client.wish(&Wish::Packets(Box::new(record))).unwrap_err();
    assert!(refused.to_string().contains("10.0.0.1"), "{refused}");
}

#[test]
fn several_clients_see_follow_ask_and_stop() {
    let mut bench = Bench::new();
    bench.started.status.set_nodes(vec![NodeStatus { node: "n9".into(), connected: true, ..NodeStatus::default() }]);
    bench.started.status.set_lease("renewed 3 s ago");
    bench.deliver(0..5);
    let mut asking = bench.client();
    assert_eq!(asking.about(), &about());
    let begun = Instant::now();
    while asking.status().unwrap().snapshot.records < 50 {
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
    let mut view = bench.client().view().unwrap();
    let mut follow = bench.client().follow(Some(2)).unwrap();
    bench.deliver(5..8);
    let state = asking.status().unwrap();
    assert!(state.memory > 1 << 20);
    assert_eq!(state.snapshot.lease, "renewed 3 s ago");
    let names: Vec<_> = state.snapshot.nodes.iter().map(|node| node.node.as_str()).collect();
    assert_eq!(names[0], "n9");
    assert_eq!(names.len(), 2, "the node that delivers is known from its batches");
    asking.set_filter(vec![flow::Rule::default()]).unwrap();
    assert_eq!(bench.rules.lock().unwrap().len(), 1);
    assert_eq!(asking.set_filter(Vec::new()).unwrap_err().to_string(), "no rules");
    assert!(asking.files().unwrap().iter().all(|file| file.sha256.is_empty()), "they are being written");

    asking.stop("enough").unwrap();
    assert_eq!(bench.stop.reason(), Some(Reason::User));
    let Started { collector, input, .. } = bench.started;
    drop(input);
    let summary = collector.finish();
    let (numbers, records, state) = drain(|| follow.receive());
    assert_eq!(numbers, (2..8).map(Some).collect::<Vec<_>>());
    assert_eq!((records, state.unwrap().snapshot.reason.as_deref()), (60, Some("ended by the user")));
    assert_eq!(drain(|| view.receive()).1, 80);
    let files = asking.files().unwrap();
    assert_eq!(files, summary.all_files());
    assert_eq!(files.len(), 3);
    for file in &files {
        assert_eq!(file.sha256, hash::of_file(&file.path).unwrap(), "{file:?}");
    }
    let (path, server) = (bench.dir.path().join("socket"), bench.server);
    drop(server);
    assert!(!path.exists());
    assert!(asking.status().is_err());
}

#[test]
fn a_copy_at_home_holds_the_same() {
    let mut bench = Bench::new();
    bench.deliver(3..9);
    let path = bench.path();
    let relayed = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        relay(&path, Some(0), &mut bytes).unwrap();
        bytes
    });
    let Started { collector, .. } = bench.started;
    let far = collector.finish();
    let bytes = relayed.join().unwrap();

    let dir = tempfile::tempdir().unwrap();
    let mut config = data::config(Mode::Flows);
    config.limits.packets = Some(1);
    let options = Options { origin: Origin::Relay, ..options(config, dir.path()) };
    let mut home = crate::start(options, Stop::default()).unwrap();
    let mut bytes = bytes.as_slice();
    while let Some(message) = read(&mut bytes).unwrap() {
        if let Message::Batch { batch, .. } = message {
            home.input.deliver(Arc::unwrap_or_clone(batch)).unwrap();
        }
    }
    let summary = home.collector.finish();
    assert_eq!((summary.records, summary.packets, summary.bytes), (far.records, far.packets, far.bytes));
    assert_eq!((&summary.nodes, summary.counters), (&far.nodes, far.counters));
    let content = |summary: &crate::Summary| std::fs::read(&summary.files[0].path).unwrap();
    assert_eq!(content(&summary), content(&far));
}

#[test]
fn what_is_no_request_ends_the_connection_and_nothing_else() {
    let bench = Bench::new();
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0, 0, 0, 0, 0], &[5, 0, 0, 0, b'?', b'{', b'"', b'a', b'"']] {
        let mut stream = UnixStream::connect(bench.path()).unwrap();
        stream.write_all(bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        assert!(matches!(read(&mut stream).unwrap(), Some(Message::About(_))));
        while let Ok(Some(message)) = read(&mut stream) {
            assert!(matches!(message, Message::Refused(_)), "{message:?}");
        }
    }
    assert!(bench.client().status().is_ok());
}

#[test]
fn only_so_many_clients_at_once_and_a_dead_socket_is_replaced() {
    let bench = Bench::new();
    let clients: Vec<_> = std::iter::repeat_with(|| Client::connect(&bench.path())).take(70).collect();
    let refused = clients.iter().filter(|client| matches!(client, Err(SessionError::Refused(_)))).count();
    assert_eq!(refused, 6);
    drop(clients);
    let path = bench.dir.path().join("dead");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(matches!(Client::connect(&path), Err(SessionError::Connect { .. })));
    let status = bench.started.status.clone();
    let handler = Recorder { stop: Stop::default(), rules: Arc::default() };
    let _server = Server::start(&path, about(), crate::Hub::ended(), status, Box::new(handler)).unwrap();
    Client::connect(&path).unwrap().status().unwrap();
}

#[test]
fn the_state_survives_the_way() {
    let mut state = State::default();
    state.snapshot.notices.push_back((Duration::from_millis(5), "attached".into()));
    state.snapshot.summary = Some(crate::Summary { capture: Duration::from_secs(3), ..crate::Summary::default() });
    let mut bytes = Vec::new();
    message::write(&mut bytes, &Message::State(Box::new(state.clone()))).unwrap();
    let Some(Message::State(read)) = read(&mut bytes.as_slice()).unwrap() else { panic!() };
    assert_eq!(format!("{read:?}"), format!("{state:?}"));
}

proptest! {
    /// Whatever comes: a message, an error or the end, and never more memory than came.
    #[test]
    fn any_bytes_are_read_without_harm(kind in prop_oneof![any::<u8>(), Just(b'N'), Just(b'B'), Just(b'S'), Just(b'G')], body in proptest::collection::vec(any::<u8>(), 0..200), claimed in any::<u32>()) {
        let _ = message::parse(kind, &body);
        let mut bytes = claimed.to_le_bytes().to_vec();
        bytes.push(kind);
        bytes.extend_from_slice(&body);
        let _ = read(&mut bytes.as_slice());
        let _ = message::asked(&mut bytes.as_slice());
        let mut exact = Vec::new();
        frame::write(&mut exact, b'?', &body).unwrap();
        prop_assert_eq!(frame::read(&mut exact.as_slice(), MAX_BODY).unwrap(), Some((b'?', body)));
    }
}

const MAX_BODY: usize = 1 << 20;
