use flow::{Body, Counters, FlowBatch, FlowRecord, Interface, LinkType, Observation};

use super::*;
use crate::{feed::data_count, queue::Weight as _};

const NOW: Duration = Duration::ZERO;

fn interface(id: u32) -> Interface {
    Interface {
        id,
        netns: "".into(),
        index: id,
        name: "eth0".into(),
        link_type: LinkType::Ethernet,
        ..Interface::default()
    }
}

fn batch(sequence: u64, records: usize) -> Arc<Batch> {
    Arc::new(Batch {
        node: "n".into(),
        sequence,
        time_ns: sequence,
        counters: Counters { seen: sequence, ..Counters::default() },
        interfaces: if sequence == 0 { vec![interface(1)] } else { Vec::new() },
        interface_counts: Vec::new(),
        notices: Vec::new(),
        body: Body::Flows(FlowBatch { records: vec![FlowRecord::default(); records], observations: Vec::new() }),
        ..Batch::default()
    })
}

/// A hub that keeps about so many batches of ten records for viewers and for followers.
fn hub(history: usize, follow: usize) -> Hub {
    let weight = batch(0, 10).weight();
    Hub::new(Bounds { history: history * weight, follow: follow * weight, view: 100 * weight }, 0)
}

fn numbers(follow: &mut Follow) -> Vec<Result<u64, Option<u64>>> {
    let mut list = Vec::new();
    while let Received::Item(item) = follow.recv_timeout(NOW) {
        list.push(match item {
            Followed::Batch { number, batch } if data_count(&batch.body) > 0 => {
                assert_eq!(number, batch.sequence);
                Ok(number)
            }
            Followed::Batch { batch, .. } => {
                assert_eq!(batch.interfaces, [interface(1)], "what later batches refer to");
                continue;
            }
            Followed::Gap(count) => Err(count),
        });
    }
    list
}

#[test]
fn a_late_viewer_begins_with_what_was_seen_lately_and_with_all_announcements() {
    let hub = hub(3, 5);
    (0..20).for_each(|n| {
        hub.offer(&batch(n, 10));
    });
    let (one, other) = (hub.view(), hub.view());
    hub.offer(&batch(20, 10));
    hub.close();
    for feed in [one, other, hub.view()] {
        let got: Vec<_> = feed.into_channel().unwrap().iter().collect();
        assert_eq!(got[0].interfaces, [interface(1)]);
        let data: Vec<_> = got.iter().filter(|batch| data_count(&batch.body) > 0).map(|batch| batch.sequence).collect();
        assert!(data.len() >= 3 && data.is_sorted() && data.last() == Some(&20), "{data:?}");
    }
}

#[test]
fn a_follower_gets_everything_and_goes_on_after_a_lost_connection() {
    let hub = hub(0, 10);
    let mut follow = hub.follow(Some(0));
    (0..4).for_each(|n| {
        hub.offer(&batch(n, 10));
    });
    assert_eq!(numbers(&mut follow), [Ok(0), Ok(1), Ok(2), Ok(3)]);
    let next = follow.next();
    drop(follow);
    (4..6).for_each(|n| {
        hub.offer(&batch(n, 10));
    });
    let mut again = hub.follow(Some(next));
    assert_eq!(numbers(&mut again), [Ok(4), Ok(5)]);
    let mut late = hub.follow(None);
    hub.offer(&batch(6, 10));
    assert_eq!(numbers(&mut late), [Ok(6)], "from now on");
    hub.close();
    assert!(matches!(late.recv_timeout(NOW), Received::Closed));
}

#[test]
fn a_follower_that_falls_behind_is_told_how_much_it_missed() {
    let hub = hub(0, 4);
    let mut follow = hub.follow(Some(0));
    hub.offer(&batch(0, 10));
    assert_eq!(numbers(&mut follow), [Ok(0)]);
    (1..20).for_each(|n| {
        hub.offer(&batch(n, 10));
    });
    let got = numbers(&mut follow);
    let Err(Some(missed)) = got[0] else { panic!("{got:?}") };
    assert_eq!(got.len() as u64 - 1 + missed, 19);
    assert_eq!(got.last(), Some(&Ok(19)));
}

#[test]
fn a_collector_that_was_started_again_does_not_know_what_is_missing() {
    let bounds = Bounds { history: 0, follow: 1 << 20, view: 1 << 20 };
    let hub = Hub::new(bounds, 1);
    hub.offer(&batch(first_of_life(1), 10));
    let mut follow = hub.follow(Some(55));
    assert_eq!(numbers(&mut follow), [Err(None), Ok(first_of_life(1))]);
}

#[test]
fn observations_of_records_that_a_follower_does_not_have_are_left_out() {
    let hub = hub(0, 2);
    let seen = |record| Observation {
        record,
        node: None,
        netns: "".into(),
        interface: "".into(),
        direction: 0,
        bytes: 0,
        packets: 0,
    };
    for n in 0..9 {
        let mut next = Arc::unwrap_or_clone(batch(n, 10));
        let Body::Flows(flows) = &mut next.body else { unreachable!() };
        flows.observations = vec![seen(-15), seen(-5), seen(3)];
        hub.offer(&Arc::new(next));
    }
    let mut follow = hub.follow(Some(0));
    let mut kept = Vec::new();
    while let Received::Item(item) = follow.recv_timeout(NOW) {
        if let Followed::Batch { batch, .. } = item
            && let Body::Flows(flows) = &batch.body
        {
            kept.push(flows.observations.iter().map(|seen| seen.record).collect::<Vec<_>>());
        }
    }
    assert_eq!(kept[0], [3]);
    assert_eq!(kept[1], [-5, 3]);
}

#[test]
fn nobody_slows_the_capture() {
    let hub = hub(4, 8);
    let (_viewer, _follower) = (hub.view(), hub.follow(Some(0)));
    let skipped: u64 = (0..1000).map(|n| hub.offer(&batch(n, 10))).sum();
    assert!(skipped > 8000, "{skipped}");
}
