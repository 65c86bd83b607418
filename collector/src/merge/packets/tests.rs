use flow::{Counters, Interface, LinkType, Packet};
use proptest::prelude::*;

use super::*;

const NODES: [&str; 3] = ["a", "b", "c"];

fn packet(time_ns: u64, offset: u32) -> Packet {
    Packet { time_ns, interface: 1, len: 60, caplen: 4, offset, direction: 0, ..Packet::default() }
}

fn batch(node: &str, time_ns: u64, times: &[u64]) -> Batch {
    let mut body = PacketBatch::default();
    for time in times {
        body.packets.push(packet(*time, body.data.len() as u32));
        body.data.extend_from_slice(&(*time as u32).to_le_bytes());
    }
    let body = if times.is_empty() { Body::None } else { Body::Packets(body) };
    Batch {
        node: node.into(),
        sequence: 0,
        time_ns,
        counters: Counters::default(),
        interfaces: Vec::new(),
        interface_counts: Vec::new(),
        notices: Vec::new(),
        body,
        ..Batch::default()
    }
}

/// Node and time of every packet, its bytes checked.
fn packets(batches: &[Batch]) -> Vec<(String, u64)> {
    let mut list = Vec::new();
    for batch in batches {
        let Body::Packets(body) = &batch.body else { continue };
        for packet in &body.packets {
            assert_eq!(body.bytes(packet), (packet.time_ns as u32).to_le_bytes());
            list.push((batch.node.to_string(), packet.time_ns));
        }
    }
    list
}

fn times(batches: &[Batch]) -> Vec<u64> {
    packets(batches).into_iter().map(|(_, time)| time).collect()
}

#[test]
fn two_nodes_that_speak_are_one_stream() {
    let mut merge = Packets::default();
    assert_eq!(times(&merge.push(batch("a", 0, &[10, 30, 50]), 0)), [10, 30, 50], "alone");
    assert_eq!(times(&merge.push(batch("b", 0, &[60, 80]), 1)), [0_u64; 0], "a may still have older ones");
    assert_eq!(times(&merge.push(batch("a", 0, &[55, 70]), 2)), [55, 60, 70]);
    assert_eq!((times(&merge.release(u64::MAX)), merge.out_of_order()), (vec![80], 0));
}

#[test]
fn a_silent_node_is_waited_for_no_longer_than_a_second() {
    let mut merge = Packets::default();
    merge.push(batch("a", 0, &[10]), 0);
    assert!(times(&merge.push(batch("b", 0, &[20]), 100 * MS)).is_empty());
    assert_eq!(merge.due(), Some(WAIT), "then a is silent");
    assert_eq!(times(&merge.release(WAIT)), [20]);
    assert_eq!(times(&merge.push(batch("a", 0, &[15]), 2 * WAIT)), [15], "late, at once");
    assert_eq!(merge.out_of_order(), 1);
}

#[test]
fn an_idle_agent_says_how_far_it_is() {
    let mut merge = Packets::default();
    merge.push(batch("a", 0, &[10 * MS]), 0);
    assert!(times(&merge.push(batch("b", 0, &[20 * MS]), 1)).is_empty());
    assert_eq!(times(&merge.push(batch("a", 30 * MS + IN_FLIGHT, &[]), 2)), [20 * MS]);
}

#[test]
fn a_clock_that_is_behind_delays_the_others_by_so_much_at_most() {
    let mut merge = Packets::default();
    merge.push(batch("behind", 0, &[1]), 0);
    merge.push(batch("a", 0, &[1000 * WAIT]), 1);
    for n in 1..10 {
        merge.push(batch("behind", 0, &[1 + n]), n * WAIT / 10);
    }
    assert_eq!(times(&merge.release(WAIT + 1)), [1000 * WAIT]);
}

#[test]
fn what_waits_is_bounded_and_interfaces_are_announced_once_before_their_packets() {
    let mut merge = Packets::default();
    merge.push(batch("silent", 0, &[1]), 0);
    let interface = Interface {
        id: 1,
        netns: "".into(),
        index: 1,
        name: "eth0".into(),
        link_type: LinkType::Ethernet,
        ..Interface::default()
    };
    let mut got = Vec::new();
    for n in 0..40_u64 {
        let mut next = batch("a", 0, &[100 + n, 200 + n]);
        let Body::Packets(body) = &mut next.body else { unreachable!() };
        body.data.resize(1 << 20, 0);
        if n == 0 {
            next.interfaces = vec![interface.clone()];
        }
        got.extend(merge.push(next, 1));
        assert!(merge.bytes <= MOST);
    }
    assert!(!got.is_empty());
    assert_eq!(got[0].interfaces, [interface]);
    assert!(got[1..].iter().all(|batch| batch.interfaces.is_empty()));
}

/// When, from which node, how many ns after its packet before.
fn deliveries() -> impl Strategy<Value = Vec<(u64, usize, Vec<u64>)>> {
    let one = (0..400_u64, 0..3_usize, proptest::collection::vec(0..300_u64, 0..6));
    proptest::collection::vec(one, 0..60)
}

proptest! {
    /// Whatever comes when: every packet goes on once, those of a node in their order, all in order but those counted.
    #[test]
    fn nothing_is_lost_and_what_is_out_of_order_is_counted(list in deliveries()) {
        let mut merge = Packets::default();
        let (mut now, mut clocks, mut got, mut sent) = (0, [0; 3], Vec::new(), Vec::new());
        for (pause, node, steps) in list {
            now += pause * MS;
            while let Some(due) = merge.due().filter(|due| *due <= now) {
                got.extend(packets(&merge.release(due)));
                prop_assert!(merge.due() != Some(due), "it would spin");
            }
            let times: Vec<u64> = steps.into_iter().map(|step| { clocks[node] += step * MS; clocks[node] }).collect();
            sent.extend(times.iter().map(|time| (NODES[node].to_owned(), *time)));
            got.extend(packets(&merge.push(batch(NODES[node], 0, &times), now)));
        }
        got.extend(packets(&merge.release(u64::MAX)));
        prop_assert_eq!(merge.bytes, 0);
        for node in NODES {
            let of = |list: &[(String, u64)]| list.iter().filter(|packet| packet.0 == node).cloned().collect::<Vec<_>>();
            prop_assert_eq!(of(&got), of(&sent));
        }
        let mut reached = 0;
        let late = got.iter().filter(|(_, time)| { let late = *time < reached; reached = reached.max(*time); late }).count();
        prop_assert_eq!(merge.out_of_order(), late as u64);
    }

    /// While every node delivers within the window, the stream is in order.
    #[test]
    fn nodes_that_keep_pace_are_in_order(steps in proptest::collection::vec((0..3_usize, 1..40_u64), 1..200)) {
        let (mut merge, mut now, mut got) = (Packets::default(), 10_000 * MS, Vec::new());
        for node in NODES {
            got.extend(times(&merge.push(batch(node, now, &[now]), now)));
        }
        let mut latest = [now; 3];
        for (node, step) in steps {
            now += step * MS;
            // Everybody speaks within 200 ms, of packets up to 100 ms old.
            for other in 0..3 {
                if other == node || now - latest[other] > 200 * MS {
                    let time = (now - 100 * MS).max(latest[other]);
                    latest[other] = now;
                    got.extend(times(&merge.push(batch(NODES[other], now, &[time, now]), now)));
                }
            }
        }
        got.extend(times(&merge.release(u64::MAX)));
        prop_assert!(got.is_sorted());
        prop_assert_eq!(merge.out_of_order(), 0);
    }
}

#[test]
fn a_node_that_comes_second_is_waited_for_in_the_beginning() {
    let mut merge = Packets::of_many();
    assert!(times(&merge.push(batch("a", 0, &[20]), 10)).is_empty());
    assert_eq!(merge.due(), Some(10 + NEWCOMER));
    assert!(times(&merge.push(batch("b", 0, &[15, 30]), 10 + NEWCOMER / 2)).is_empty());
    assert!(times(&merge.release(10 + NEWCOMER)).is_empty());
    assert_eq!(merge.due(), Some(10 + NEWCOMER + NEWCOMER / 2));
    assert_eq!(times(&merge.release(10 + 2 * NEWCOMER)), [15, 20]);
    assert_eq!(merge.out_of_order(), 0);
    // Later on nobody new is waited for.
    let mut merge = Packets::of_many();
    merge.push(batch("a", 0, &[20]), 0);
    merge.release(BEGINNING);
    assert_eq!(times(&merge.push(batch("a", 0, &[30]), BEGINNING + 1)), [30]);
}
