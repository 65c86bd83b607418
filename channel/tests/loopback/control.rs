//! What the collector orders, what agents report, and lives that follow each other.

use std::{
    sync::mpsc::Receiver,
    thread,
    time::{Duration, Instant},
};

use channel::{client, server::Event};
use flow::{
    Own, Rule, Selection, Sink as _,
    control::{AgentState, FromAgent, ToAgent},
};

use crate::{
    proxy::Proxy,
    support::{SOON, agent, batch, collector, config, eventually, options},
};

fn next(orders: &Receiver<ToAgent>) -> ToAgent {
    orders.recv_timeout(SOON).unwrap()
}

fn begin(orders: &Receiver<ToAgent>) -> flow::CaptureConfig {
    match next(orders) {
        ToAgent::Begin(config) => *config,
        other => panic!("{other:?}"),
    }
}

fn filter(protocol: u8) -> ToAgent {
    let rule = Rule { protocol: Some(protocol), ..Rule::default() };
    ToAgent::Filter(Selection {
        rules: vec![rule],
        sets: Vec::new(),
        own: vec![Own::Address([10, 9, 9, protocol].into())],
    })
}

#[test]
fn an_agent_is_told_its_own_node_and_address_and_what_is_in_force_now() {
    let (server, _arrivals) = collector();
    let (first, orders) = agent(server.address(), "n1", 1);
    let told = begin(&orders);
    assert_eq!((&*told.node, told.agent_ip), ("n1", Some([127, 0, 0, 1].into())));
    assert_eq!(told.own, config().own);
    server.send_all(&filter(6));
    assert_eq!(next(&orders), filter(6));
    let watch = ToAgent::Watch { port: 10250, address: [10, 0, 0, 9].into() };
    server.send("n2", &watch);
    server.send("n2", &filter(17));
    let (second, later) = agent(server.address(), "n2", 1);
    let ToAgent::Filter(selection) = filter(17) else { panic!() };
    let told = begin(&later);
    assert_eq!(told.selection(), selection, "that of this node");
    assert_eq!(next(&later), watch);
    server.send_all(&filter(1));
    assert_eq!((next(&orders), next(&later)), (filter(1), filter(1)), "what all are told comes later and counts");
    first.finish(SOON).unwrap();
    second.finish(SOON).unwrap();
}

#[test]
fn after_a_reconnect_an_agent_hears_only_what_changed_meanwhile() {
    let (server, _arrivals) = collector();
    let proxy = Proxy::new(server.address());
    let (client, orders) = agent(proxy.address(), "n1", 1);
    begin(&orders);
    proxy.cut();
    eventually("it is back", || server.agents()[0].reconnects == 1);
    proxy.freeze(true);
    proxy.cut();
    eventually("it is gone", || !server.agents()[0].connected);
    server.send_all(&filter(6));
    proxy.freeze(false);
    assert_eq!(next(&orders), filter(6));
    assert_eq!(orders.recv_timeout(Duration::from_millis(300)).ok(), None);
    client.finish(SOON).unwrap();
}

#[test]
fn reports_come_in_order_with_batches_also_after_a_reconnect() {
    let (server, arrivals) = collector();
    let events = server.events();
    let proxy = Proxy::new(server.address());
    let (client, _orders) = agent(proxy.address(), "n1", 1);
    let attached = AgentState::Attached { interfaces: 3, namespaces: 1, limits: vec!["no BTF".into()] };
    client.report(&FromAgent::State(attached.clone()));
    client.sink().deliver(batch("n1", 0, 1)).unwrap();
    eventually("it is attached", || server.agents()[0].state == attached);
    proxy.cut();
    client.report(&FromAgent::Connections(Vec::new()));
    client.finish(SOON).unwrap();
    assert_eq!(arrivals.sequences(), [0]);
    let said = events.try_iter().filter_map(|event| match event {
        Event::Said { message, .. } => Some(message),
        _ => None,
    });
    let expected =
        [FromAgent::State(attached), FromAgent::Connections(Vec::new()), FromAgent::State(AgentState::Ended)];
    assert_eq!(said.collect::<Vec<_>>(), expected);
}

#[test]
fn a_stop_waits_for_the_last_batch_and_names_who_did_not_end() {
    let (server, arrivals) = collector();
    let (good, orders) = agent(server.address(), "good", 1);
    let deaf = agent(server.address(), "deaf", 1);
    let ending = thread::spawn(move || {
        begin(&orders);
        assert_eq!(next(&orders), ToAgent::Stop { reason: "enough".into() });
        thread::sleep(Duration::from_millis(300));
        good.sink().deliver(batch("good", 0, 1)).unwrap();
        good.finish(SOON).unwrap();
    });
    let begun = Instant::now();
    let left = server.stop_and_wait("enough", Duration::from_millis(1500));
    assert!(begun.elapsed() >= Duration::from_millis(1500));
    assert_eq!(left.iter().map(|agent| &*agent.node).collect::<Vec<_>>(), ["deaf"]);
    assert_eq!(arrivals.sequences(), [0]);
    ending.join().unwrap();
    // Who comes late is told so at once and need not begin.
    let (late, orders) = agent(server.address(), "late", 1);
    assert_eq!(next(&orders), ToAgent::Stop { reason: "enough".into() });
    late.finish(SOON).unwrap();
    drop(deaf);
}

#[test]
fn a_stop_is_over_as_soon_as_all_have_ended() {
    let (server, _arrivals) = collector();
    let agents: Vec<_> = (0..20).map(|n| agent(server.address(), &format!("n{n}"), 1)).collect();
    for (client, orders) in agents {
        thread::spawn(move || {
            while !matches!(next(&orders), ToAgent::Stop { .. }) {}
            client.finish(SOON).unwrap();
        });
    }
    let begun = Instant::now();
    assert!(server.stop_and_wait("enough", SOON).is_empty());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn a_failed_agent_that_is_gone_is_not_waited_for_and_its_reason_stays() {
    let (server, _arrivals) = collector();
    let (client, _orders) = agent(server.address(), "n1", 1);
    let failed = AgentState::Failed { what: "no BTF".into(), hint: None };
    client.report(&FromAgent::State(failed.clone()));
    client.finish(SOON).unwrap();
    assert_eq!((server.agents()[0].state.clone(), server.agents()[0].ended), (failed, true));
    assert!(server.stop_and_wait("enough", SOON).is_empty());
}

#[test]
fn a_new_life_follows_the_former_and_the_former_does_not_come_back() {
    let (server, arrivals) = collector();
    let events = server.events();
    let proxy = Proxy::new(server.address());
    let (first, _orders) = agent(proxy.address(), "n1", 7);
    first.sink().deliver(batch("n1", 0, 1)).unwrap();
    eventually("it is delivered", || arrivals.all().len() == 1);
    let (second, orders) = agent(server.address(), "n1", 8);
    begin(&orders);
    second.sink().deliver(batch("n1", 0, 1)).unwrap();
    second.finish(SOON).unwrap();
    assert_eq!(arrivals.sequences(), [0, 0], "a new life counts from 0");
    let agents = server.agents();
    assert_eq!((agents.len(), agents[0].life, agents[0].restarts, agents[0].batches), (1, 8, 1, 1));
    eventually("the former is refused", || first.gone().is_some());
    let why = "the collector refuses this agent: another agent of n1 has taken its place";
    assert_eq!(first.gone().unwrap(), why);
    assert!(events.try_iter().any(|event| event == Event::Restarted { node: "n1".into() }));
}

#[test]
fn a_second_connection_of_a_life_takes_the_place_of_the_first() {
    let (server, _arrivals) = collector();
    let (_first, _orders) = agent(server.address(), "n1", 7);
    let second = client::connect(options(server.address(), "n1", 7)).unwrap();
    eventually("it is counted", || server.agents()[0].reconnects >= 1);
    assert_eq!(server.agents().len(), 1);
    drop(second);
}
