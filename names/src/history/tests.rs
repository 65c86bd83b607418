use proptest::prelude::*;

use super::*;

fn pod(thing: u32, from: u64, settled: u64, until: u64) -> Tenure {
    Tenure { thing, network: 0, role: Role::Pod, from, settled, until }
}

fn holders(tenures: &[Tenure]) -> Holders {
    let mut holders = Holders::One(tenures[0]);
    for tenure in &tenures[1..] {
        holders.add(*tenure);
    }
    holders
}

fn who(holders: &Holders, start: u64, end: u64) -> Option<(u32, bool)> {
    holders.at(start, end).map(|held| (held.tenure.thing, held.certain))
}

#[test]
fn one_holder_has_it_from_its_beginning_to_its_end() {
    let one = holders(&[pod(1, 100_000, 102_000, 200_000)]);
    assert_eq!(who(&one, 100_000, 100_500), Some((1, true)));
    assert_eq!(who(&one, 99_500, 100_500), Some((1, true)), "it came within the interval");
    assert_eq!(who(&one, 199_999, 200_900), Some((1, true)), "it went within the interval");
    assert_eq!(who(&one, 200_000, 200_900), Some((1, false)), "last words");
    assert_eq!(who(&one, 210_001, 210_900), None);
    assert_eq!(who(&one, 97_000, 98_000), Some((1, false)), "clocks differ");
    assert_eq!(who(&one, 90_000, 94_000), None);
}

#[test]
fn an_address_that_changes_hands_bears_the_name_of_its_time() {
    let two = holders(&[pod(1, 100_000, 102_000, 150_000), pod(2, 140_000, 160_000, u64::MAX)]);
    assert_eq!(who(&two, 145_000, 146_000), Some((1, true)), "the second was started but had no network yet");
    assert_eq!(who(&two, 152_000, 153_000), Some((2, true)), "the first has gone");
    assert_eq!(who(&two, 170_000, 171_000), Some((2, true)));
    assert_eq!(who(&two, 149_800, 150_700), Some((2, true)), "the longer part of the interval decides");
    assert_eq!(who(&two, 149_300, 150_200), Some((1, true)));
}

#[test]
fn a_holder_whose_end_is_not_known_gives_way_to_one_that_is_settled() {
    let two = holders(&[pod(1, 100_000, 102_000, u64::MAX), pod(2, 140_000, 160_000, u64::MAX)]);
    assert_eq!(who(&two, 155_000, 156_000), Some((1, true)));
    assert_eq!(who(&two, 160_000, 161_000), Some((2, true)));
}

#[test]
fn between_two_holders_the_last_one_is_a_guess() {
    let two = holders(&[pod(1, 100_000, 102_000, 110_000), pod(2, 140_000, 141_000, u64::MAX)]);
    assert_eq!(who(&two, 112_000, 113_000), Some((1, false)));
    assert_eq!(who(&two, 125_000, 126_000), None);
    assert_eq!(who(&two, 137_000, 138_000), Some((2, false)));
}

#[test]
fn pods_come_before_nodes_services_and_gateways_but_only_in_their_time() {
    let gateway = Tenure { thing: 9, role: Role::Gateway, ..pod(9, 0, 0, u64::MAX) };
    let service = Tenure { thing: 8, role: Role::Service, ..pod(8, 0, 0, u64::MAX) };
    let all = holders(&[gateway, pod(1, 100_000, 101_000, 110_000), service]);
    assert_eq!(who(&all, 105_000, 106_000), Some((1, true)));
    assert_eq!(who(&all, 111_000, 112_000), Some((8, true)));
    assert_eq!(who(&holders(&[gateway]), 111_000, 112_000), Some((9, true)));
}

#[test]
fn ends_and_forgetting_concern_their_holder_only() {
    let mut two = holders(&[pod(1, 100_000, 102_000, u64::MAX), pod(2, 300_000, 301_000, u64::MAX)]);
    assert!(two.end(1, Role::Pod, 0, 200_000));
    assert!(!two.end(1, Role::Pod, 0, 250_000), "it has ended already");
    let kept = two.clone().forget(1, 199_999).unwrap();
    assert_eq!(kept.as_slice().len(), 2);
    let left = two.forget(1, 200_000).unwrap();
    assert!(matches!(left, Holders::One(Tenure { thing: 2, .. })));
    assert!(left.forget(2, 200_000).is_some(), "it still has it");
}

prop_compose! {
    /// Pods that had the address one after the other, and what is known of them: each begins after the one before it ended.
    fn successions()(gaps in prop::collection::vec((1_u64..20_000, 0_u64..3_000, 1_000_u64..30_000), 1..6)) -> Vec<Tenure> {
        let mut clock = 1_000_000;
        gaps.iter().enumerate().map(|(thing, (gap, start_up, life))| {
            let connected = clock + gap + start_up;
            let tenure = pod(thing as u32, clock + gap, connected, connected + life);
            clock = tenure.until;
            tenure
        }).collect()
    }
}

proptest! {
    #[test]
    fn every_moment_of_a_succession_has_its_holder_whatever_the_order(tenures in successions(), shuffle in any::<prop::sample::Index>()) {
        let mut shuffled = tenures.clone();
        shuffled.rotate_left(shuffle.index(tenures.len()));
        let all = holders(&shuffled);
        for tenure in &tenures {
            prop_assert_eq!(who(&all, tenure.settled, tenure.settled), Some((tenure.thing, true)));
            prop_assert_eq!(who(&all, tenure.until - 1, tenure.until - 1), Some((tenure.thing, true)));
        }
    }

    #[test]
    fn unknown_ends_change_nothing_once_the_successor_is_settled(tenures in successions()) {
        let open: Vec<Tenure> = tenures.iter().map(|tenure| Tenure { until: u64::MAX, ..*tenure }).collect();
        let all = holders(&open);
        for tenure in &tenures {
            prop_assert_eq!(who(&all, tenure.settled, tenure.settled), Some((tenure.thing, true)));
        }
    }
}
