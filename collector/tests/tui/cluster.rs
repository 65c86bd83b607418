//! The table over a capture on a cluster: nodes, names, choices kept for the next table, and all of it over a session.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use collector::{
    NodeStatus, Options, Origin,
    bench::{self, data},
    session::{self, About, Handler, Server, TableOptions},
    tui::Progress,
    view::Kept,
};
use flow::{Body, FlowRecord, Rules, Sink as _, Stop, config::Mode, control::AgentState};

use super::{Desk, setup};

fn nodes() -> Vec<NodeStatus> {
    let attached = |limits: &[&str]| {
        let limits = limits.iter().map(ToString::to_string).collect();
        Some(AgentState::Attached { interfaces: 12, namespaces: 1, limits })
    };
    let node = |node: &str| NodeStatus { node: node.into(), connected: true, ..NodeStatus::default() };
    vec![
        NodeStatus { state: attached(&["no TCX before Linux 6.6"]), ..node("n1") },
        NodeStatus { state: attached(&[]), connected: false, ..node("n2") },
        NodeStatus { failed: Some("no image on it can be used".into()), connected: false, ..node("n3") },
        NodeStatus { waiting: Some("its pod is pending".into()), connected: false, ..node("n4") },
    ]
}

#[test]
fn nodes_are_counted_in_the_title_and_those_that_capture_nothing_are_named() {
    let mut setup = setup(Mode::Flows);
    setup.progress =
        Some(Box::new(|| Progress { elapsed: Some(Duration::from_secs(3605)), nodes: nodes(), ..Progress::default() }));
    let mut desk = Desk::new(setup, (150, 30));
    let screen = desk.screen();
    assert!(screen.contains("1/4 nodes") && screen.contains("1:00:05 of 5:00"), "{screen}");
    let silent = "n2: connection lost · n3: failed: no image on it can be used · n4: its pod is pending";
    assert!(screen.contains(silent), "{screen}");
    desk.keys("<F1>");
    assert!(desk.has("n1: capturing at 12 interfaces"));
    assert!(desk.has("no TCX before Linux 6.6"));
}

#[test]
fn leaving_a_capture_that_goes_on_is_called_so() {
    let mut setup = setup(Mode::Flows);
    setup.stops = false;
    let mut desk = Desk::new(setup, (100, 30));
    assert!(desk.has("^C leave"));
    desk.keys("<F1>");
    assert!(desk.has("Leave the table; the capture goes on."));
}

fn name_ends(desk: &mut Desk) {
    desk.now += super::SECOND;
    let mut batch = desk.traffic.flows(desk.now);
    let Body::Flows(flows) = &mut batch.body else { unreachable!() };
    for record in &mut flows.records {
        let named = FlowRecord {
            src_k8s_name: Some("client-7d9".into()),
            src_k8s_namespace: Some("shop".into()),
            src_k8s_type: Some("Pod".into()),
            ..FlowRecord::default()
        };
        record.absorb(&named);
    }
    desk.table.receive(Arc::new(batch));
}

#[test]
fn names_are_shown_once_records_bear_them_and_addresses_where_there_is_none() {
    let mut desk = Desk::new(setup(Mode::Flows), (160, 20));
    assert!(desk.has("by IP & Port"));
    name_ends(&mut desk);
    let screen = desk.screen();
    assert!(screen.contains("by Resource") && screen.contains("client-7d9"), "{screen}");
    assert!(screen.contains("10.0."), "the other end has an address only: {screen}");
    desk.keys("<PgDn>");
    let chosen = desk.screen();
    name_ends(&mut desk);
    assert!(!chosen.contains("by Resource") && !desk.has("by Resource"), "the user has chosen");
}

#[test]
fn the_next_table_is_as_the_user_left_the_last() {
    let kept = Arc::new(Mutex::new(None::<Kept>));
    let mut first = setup(Mode::Flows);
    let keep = Arc::clone(&kept);
    first.keep = Some(Box::new(move |now| *keep.lock().unwrap() = Some(now.clone())));
    let mut desk = Desk::new(first, (140, 30));
    desk.keys("tcp<Enter>4<Esc><Right>sS");
    desk.keys("<Down><Enter>c<Down> <Esc>p");
    let now = kept.lock().unwrap().clone().unwrap();
    assert_eq!((now.filters.as_slice(), now.line.as_str(), now.in_filter), (&["tcp".to_owned()][..], "4", false));
    let text = serde_json::to_string(&now).unwrap();

    let mut next = setup(Mode::Flows);
    next.kept = Some(serde_json::from_str(&text).unwrap());
    let again = Arc::new(Mutex::new(None::<Kept>));
    let keep = Arc::clone(&again);
    next.keep = Some(Box::new(move |now| *keep.lock().unwrap() = Some(now.clone())));
    let mut next = Desk::new(next, (140, 30));
    assert!(next.has("[tcp] 4") && !next.has("PAUSED"), "{}", next.screen());
    // Any change tells all choices; this one is undone by the next key.
    next.keys("/x<BS><Esc>");
    assert_eq!(again.lock().unwrap().clone().unwrap(), now);
}

/// Run in a terminal of its own: a table over a session, left by `q` or ended by the capture.
/// What it came to, in words.
pub(super) fn session(how: &str) -> String {
    #[derive(Clone, Default)]
    struct Asked(Arc<Mutex<String>>);
    impl Handler for Asked {
        fn stop(&self, reason: &str) {
            *self.0.lock().unwrap() = format!("asked to stop: {reason}, ");
        }
        fn set_filter(&self, _: Rules) -> Result<(), String> {
            Ok(())
        }
        fn wish(&self, _: &collector::Wish) -> Result<String, String> {
            Ok(String::new())
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        origin: Origin::Cluster,
        history_bytes: Options::HISTORY_BYTES,
        ..bench::options(data::config(Mode::Flows), dir.path())
    };
    let mut started = collector::start(options, Stop::default()).unwrap();
    (0..5).for_each(|n| started.input.deliver(data::flows(n, n * 10, 10)).unwrap());
    let about = About {
        capture: "x".into(),
        version: "1".into(),
        mode: Mode::Flows,
        what: "session traffic".into(),
        limits: data::config(Mode::Flows).limits,
        interval: Duration::from_secs(1),
        features: Vec::new(),
    };
    let path = dir.path().join("socket");
    let asked = Asked::default();
    let (hub, status) = (started.hub.clone(), started.status.clone());
    let server = Server::start(&path, about, hub, status, Box::new(asked.clone())).unwrap();
    let keep = dir.path().join("kept.json");
    let table =
        TableOptions { keep: Some(keep.clone()), stop_on_quit: how == "session stop", ..TableOptions::default() };
    let ended = if how == "session end" {
        let collector = started.collector;
        let end = thread::spawn(move || {
            thread::sleep(Duration::from_millis(1500));
            collector.finish();
        });
        let ended = session::table(&path, table);
        end.join().unwrap();
        ended
    } else {
        session::table(&path, table)
    };
    drop(server);
    let ended = format!("{:?}", ended.unwrap());
    let ended = ended.split('(').next().unwrap();
    let asked = asked.0.lock().unwrap();
    format!("{asked}ended {ended}, kept {}", Path::new(&keep).exists())
}
