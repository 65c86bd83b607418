use std::{collections::BTreeMap, sync::Arc};

use agent_common::types::FlowValue;
use flow::{Interface, LinkType};
use proptest::prelude::*;

use super::{
    points::{Place, Points},
    *,
};
use crate::topology::{Topology, Watched};

const A: u32 = 1;
const B: u32 = 2;
const C: u32 = 3;
/// Interface indexes: the veth between A and B is 10 <-> 20, the one between B and C 21 <-> 30.
const PAIRS: [((u32, u32), (u32, u32)); 2] = [((A, 10), (B, 20)), ((B, 21), (C, 30))];
/// The way of a packet from A through B to C.
const WAY: [(u32, u32, bool); 4] = [(A, 10, true), (B, 20, false), (B, 21, true), (C, 30, false)];

fn topology(paired: bool) -> Arc<Topology> {
    let mut topology = Topology::default();
    topology.version = 1;
    for (one, other) in PAIRS {
        for (point, peer) in [(one, other), (other, one)] {
            let (netns, name) = (format!("ns{}", point.0).into(), format!("if{}", point.1).into());
            let interface = Interface {
                id: point.1,
                netns,
                index: point.1,
                name,
                link_type: LinkType::Ethernet,
                ..Interface::default()
            };
            topology
                .points
                .insert(point, Watched { interface, peer: paired.then_some(peer), there: std::time::Instant::now() });
        }
    }
    Arc::new(topology)
}

fn tuple(port: u16) -> Tuple {
    Tuple { src: [1; 16], dst: [2; 16], selector: [port, 53], proto: 17, family: 6 }
}

fn value(packets: u32, at: u64) -> FlowValue {
    FlowValue {
        bytes: u64::from(packets) * 100,
        first_ns: at,
        last_ns: at + 1,
        packets,
        tcp_flags: 1 << (at % 8),
        ethertype: 0x86dd,
        src_mac: [at as u8; 6],
        dst_mac: [0; 6],
        vlan: [at as u16, 0],
        dscp: 0,
        pad: [0; 7],
    }
}

/// What the tests look at in a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    port: u16,
    netns: String,
    interfaces: Vec<String>,
    directions: Vec<u8>,
    packets: u64,
    bytes: u64,
}

fn table(paired: bool) -> Table {
    let mut table = Table::new(FEW);
    table.points.refresh(&topology(paired));
    table
}

fn add(table: &mut Table, port: u16, (netns, ifindex, egress): (u32, u32, bool), packets: u32, at: u64) {
    let point = table.points.number(Place { netns, ifindex, egress });
    table.add(&tuple(port), point, &value(packets, at), at);
}

fn rows(table: &mut Table) -> Vec<Seen> {
    let mut rows = Vec::new();
    let each = |row: &Row<'_>, _: &Points| {
        rows.push(Seen {
            port: row.tuple.selector[0],
            netns: row.netns.to_string(),
            interfaces: row.listed.0.iter().map(ToString::to_string).collect(),
            directions: row.listed.1.to_vec(),
            packets: row.packets,
            bytes: row.bytes,
        });
        Ok::<(), ()>(())
    };
    table.report(each).unwrap();
    rows.sort();
    rows
}

#[test]
fn a_packet_on_its_way_through_three_namespaces_is_one_row_named_after_its_source() {
    let mut table = table(true);
    for (step, point) in WAY.into_iter().enumerate().rev() {
        add(&mut table, 1, point, 5, 100 + step as u64);
    }
    let rows = rows(&mut table);
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!((rows[0].packets, rows[0].bytes, rows[0].netns.as_str()), (5, 500, "ns1"));
    assert_eq!(rows[0].interfaces, ["if10", "if20", "if21", "if30"]);
    assert_eq!(rows[0].directions, [1, 0, 1, 0]);
}

#[test]
fn unrelated_namespaces_with_equal_tuples_stay_apart() {
    let mut table = table(false);
    add(&mut table, 1, WAY[0], 5, 100);
    add(&mut table, 1, WAY[1], 3, 101);
    let counts: Vec<_> = rows(&mut table).into_iter().map(|row| (row.netns, row.packets)).collect();
    assert_eq!(counts, [("ns1".to_owned(), 5), ("ns2".to_owned(), 3)]);
}

#[test]
fn a_point_that_lags_behind_an_interval_does_not_count_again() {
    let mut table = table(true);
    add(&mut table, 1, WAY[0], 10, 100);
    assert_eq!(rows(&mut table)[0].packets, 10);
    add(&mut table, 1, WAY[1], 10, 101);
    assert_eq!(rows(&mut table), []);
    add(&mut table, 1, WAY[1], 2, 102);
    assert_eq!(rows(&mut table)[0].packets, 2, "more than the source ever counted is counted");
}

#[test]
fn packets_and_bytes_grow_independently() {
    let mut table = table(true);
    let point = table.points.number(Place { netns: A, ifindex: 10, egress: true });
    table.add(&tuple(1), point, &FlowValue { packets: 3, bytes: 10, ..value(0, 5) }, 5);
    rows(&mut table);
    let point = table.points.number(Place { netns: B, ifindex: 20, egress: false });
    table.add(&tuple(1), point, &FlowValue { packets: 2, bytes: 40, ..value(0, 6) }, 6);
    let rows = rows(&mut table);
    assert_eq!((rows[0].packets, rows[0].bytes), (0, 30));
}

#[test]
fn both_directions_at_one_interface_are_one_entry() {
    let mut table = table(true);
    add(&mut table, 1, (A, 10, false), 1, 1);
    add(&mut table, 1, (A, 10, true), 1, 2);
    assert_eq!((rows(&mut table)[0].interfaces.len(), rows_of_directions(&mut table)), (1, vec![3]));
}

fn rows_of_directions(table: &mut Table) -> Vec<u8> {
    add(table, 1, (A, 10, true), 1, 3);
    rows(table)[0].directions.clone()
}

#[test]
fn idle_flows_are_forgotten_and_their_memory_is_used_again() {
    let mut table = table(true);
    (0..1000).for_each(|port| add(&mut table, port, WAY[0], 1, 1));
    assert_eq!(table.expire(KEEP_NS * 3, 1), 0, "nothing that was not reported");
    assert_eq!(table.len(), 1000);
    rows(&mut table);
    table.expire(KEEP_NS, 1);
    assert_eq!(table.len(), 1000);
    table.expire(KEEP_NS + 2, 1);
    assert_eq!(table.len(), 0);
    (0..1000).for_each(|port| add(&mut table, port, WAY[0], 1, KEEP_NS * 2));
    assert_eq!(table.flows.insert(Flow { tuple: tuple(0), first: NONE, dirty: false, touched_ns: 0 }), 1000);
}

#[test]
fn a_crowd_is_kept_for_two_intervals_only() {
    let mut table = table(true);
    (0..=FEW as u32).for_each(|number| {
        let tuple = Tuple { selector: [number as u16, (number >> 16) as u16], ..tuple(0) };
        let point = table.points.number(Place { netns: A, ifindex: 10, egress: true });
        table.add(&tuple, point, &value(1, 1), 1);
    });
    rows(&mut table);
    table.expire(202, 100);
    assert_eq!(table.len(), 0);
}

/// A packet stream: each packet goes along the way of its flow; points are drained at moments of their own, but never
/// before those behind them on the way.
fn stream() -> impl Strategy<Value = Vec<(u16, usize, u32, bool)>> {
    proptest::collection::vec((0u16..4, 0usize..4, 1u32..5, any::<bool>()), 1..120)
}

proptest! {
    /// Whatever comes between whichever reports: the sum of a flow's packets is the largest count among its points.
    #[test]
    fn the_sum_of_all_rows_is_the_largest_count_of_the_group(stream in stream()) {
        let mut table = table(true);
        let mut counted: BTreeMap<(u16, usize), u64> = BTreeMap::new();
        let mut reported: BTreeMap<u16, u64> = BTreeMap::new();
        for (time, (port, step, packets, report)) in stream.into_iter().enumerate() {
            // What a point has seen, those before it on the way have seen; they were drained no later.
            for (before, place) in WAY.into_iter().enumerate().take(step + 1) {
                let ahead = counted.get(&(port, before)).copied().unwrap_or(0);
                let here = counted.get(&(port, step)).copied().unwrap_or(0);
                let missing = (here + u64::from(packets)).saturating_sub(ahead);
                if missing > 0 {
                    *counted.entry((port, before)).or_default() += missing;
                    add(&mut table, port, place, missing as u32, 1000 + time as u64);
                }
            }
            if report {
                for row in rows(&mut table) {
                    *reported.entry(row.port).or_default() += row.packets;
                }
            }
        }
        for row in rows(&mut table) {
            *reported.entry(row.port).or_default() += row.packets;
        }
        for (port, sum) in reported {
            let largest = (0..4).filter_map(|step| counted.get(&(port, step))).max().copied().unwrap_or(0);
            prop_assert_eq!(sum, largest);
        }
    }

    /// Within an interval the order in which CPUs and maps are read makes no difference.
    #[test]
    fn the_order_of_draining_makes_no_difference(
        entries in proptest::collection::vec((0u16..4, 0usize..4, 1u32..5), 1..60),
        shuffled in any::<prop::sample::Index>(),
    ) {
        let mut rotated = entries.clone();
        rotated.rotate_left(shuffled.index(entries.len()));
        rotated.reverse();
        let of = |entries: &[(u16, usize, u32)]| {
            let mut table = table(true);
            for (port, step, packets) in entries {
                // The time belongs to the packet, not to the moment of reading.
                add(&mut table, *port, WAY[*step], *packets, 100 + *step as u64);
            }
            rows(&mut table)
        };
        prop_assert_eq!(of(&entries), of(&rotated));
    }
}

/// Not a proof but a figure: `cargo test --release -p agent -- --ignored --nocapture speed`.
#[test]
#[ignore = "a measurement"]
fn speed_of_accounting() {
    let mut table = table(true);
    let count = 160_000u32;
    for round in 1..=5u64 {
        let begun = std::time::Instant::now();
        for number in 0..count {
            let point = WAY[(number % 2) as usize];
            let number = number / 2 + (round as u32) * count;
            let tuple = Tuple { selector: [number as u16, (number >> 16) as u16], ..tuple(0) };
            let point = table.points.number(Place { netns: point.0, ifindex: point.1, egress: point.2 });
            table.add(&tuple, point, &value(1, round), round * 1_000_000_000);
        }
        let added = begun.elapsed();
        let mut records = 0;
        table
            .report(|_, _| {
                records += 1;
                Ok::<(), ()>(())
            })
            .unwrap();
        let reported = begun.elapsed().saturating_sub(added);
        table.expire(round * 1_000_000_000, 1_000_000_000);
        println!(
            "{count} entries: add {} ns each, report {} ns per row ({records}), whole {:?}, flows kept {}",
            added.as_nanos() / u128::from(count),
            reported.as_nanos() / records.max(1),
            begun.elapsed(),
            table.len(),
        );
    }
}
