//! Addresses that pass from pod to pod.

use proptest::prelude::*;

use super::*;

#[test]
fn each_record_bears_the_name_of_its_time_when_an_address_is_used_again() {
    let mut world = World::new();
    world.apply_pod(&pod(1, "first", "10.244.1.6"), T0, true);
    let stopped = Pod { stopped_ms: Some(T0 + 10_000), ..pod(1, "first", "10.244.1.6") };
    world.remove_pod(&stopped, T0 + 12_000);
    let second =
        Pod { started_ms: Some(T0 + 20_000), connected_ms: Some(T0 + 22_000), ..pod(2, "second", "10.244.1.6") };
    world.apply_pod(&second, T0 + 24_000, false);
    assert_eq!(name(&world, "10.244.1.6", T0 + 9_000).as_deref(), Some("first"));
    assert_eq!(name(&world, "10.244.1.6", T0 + 21_500).as_deref(), Some("second"), "before we were told");
    assert_eq!(name(&world, "10.244.1.6", T0 + 30_000).as_deref(), Some("second"));
    assert_eq!(name(&world, "10.244.1.6", T0 + 12_000).as_deref(), Some("first"), "last words");
}

#[test]
fn the_news_of_the_end_may_come_after_the_news_of_the_next_beginning() {
    let mut world = World::new();
    world.apply_pod(&pod(1, "first", "10.244.1.6"), T0, true);
    let second =
        Pod { started_ms: Some(T0 + 15_000), connected_ms: Some(T0 + 22_000), ..pod(2, "second", "10.244.1.6") };
    world.apply_pod(&second, T0 + 24_000, false);
    assert_eq!(name(&world, "10.244.1.6", T0 + 20_000).as_deref(), Some("first"), "still pulling its image");
    assert_eq!(name(&world, "10.244.1.6", T0 + 23_000).as_deref(), Some("second"));
    world.remove_pod(&Pod { stopped_ms: Some(T0 + 17_000), ..pod(1, "first", "10.244.1.6") }, T0 + 25_000);
    assert_eq!(name(&world, "10.244.1.6", T0 + 16_000).as_deref(), Some("first"));
    assert_eq!(name(&world, "10.244.1.6", T0 + 20_000).as_deref(), Some("second"), "the first had gone");
}

#[test]
fn a_pod_that_has_succeeded_gives_its_address_back_while_it_is_still_listed() {
    let mut world = World::new();
    world.apply_pod(&pod(1, "job-1", "10.244.1.6"), T0, true);
    let over = Pod { over: true, stopped_ms: Some(T0 + 5_000), ..pod(1, "job-1", "10.244.1.6") };
    world.apply_pod(&over, T0 + 7_000, false);
    world.apply_pod(&over, T0 + 8_000, false);
    assert_eq!(name(&world, "10.244.1.6", T0 + 4_000).as_deref(), Some("job-1"));
    assert_eq!(name(&world, "10.244.1.6", T0 + 20_000), None);
    assert_eq!(world.count(Kind::Pod), 1);
    world.remove_pod(&over, T0 + 9_000);
    world.sweep(T0 + 2 * KEEP_MS);
    assert!(is_empty(&world), "{world:?}");
}

#[test]
fn pods_that_ended_before_we_looked_are_named_in_their_time_only_if_that_is_recent() {
    let mut world = World::new();
    let over = |uid, address: &str, stopped| Pod { over: true, stopped_ms: stopped, ..pod(uid, "job", address) };
    world.apply_pod(&over(1, "10.244.1.6", Some(T0 - 5_000)), T0, true);
    world.apply_pod(&over(2, "10.244.1.7", Some(T0 - 2 * KEEP_MS)), T0, true);
    world.apply_pod(&over(3, "10.244.1.8", None), T0, true);
    assert_eq!(name(&world, "10.244.1.6", T0 - 10_000).as_deref(), Some("job"));
    assert_eq!(name(&world, "10.244.1.6", T0 + 10_000), None);
    assert_eq!(name(&world, "10.244.1.7", T0 - 10_000), None);
    assert_eq!(name(&world, "10.244.1.8", T0 - 10_000), None, "evicted, nobody knows when");
}

#[test]
fn a_very_short_pod_that_is_told_of_only_when_it_is_over_is_named() {
    let mut world = World::new();
    let short = Pod {
        over: true,
        started_ms: Some(T0),
        connected_ms: Some(T0 + 1_000),
        stopped_ms: Some(T0 + 1_000),
        ..pod(1, "blink", "10.244.1.6")
    };
    world.apply_pod(&short, T0 + 3_000, false);
    assert_eq!(name(&world, "10.244.1.6", T0 + 1_200).as_deref(), Some("blink"));
}

/// What happens to one pod, in ms after the one before it gave the address back.
#[derive(Clone, Debug)]
struct Life {
    gap: u64,
    start_up: u64,
    running: u64,
    /// From its connection to the news of its address.
    told_after: u64,
    /// From its end to the news of it.
    gone_after: u64,
    /// The news of its end is missed: a new list shows it.
    missed: bool,
    /// The news tells when its containers ended.
    exact: bool,
}

prop_compose! {
    fn lives()(lives in prop::collection::vec(
        (1_500_u64..20_000, 0_u64..4_000, 2_000_u64..60_000, 0_u64..3_000, 0_u64..8_000, any::<bool>(), any::<bool>()), 1..8,
    )) -> Vec<Life> {
        lives.into_iter().map(|(gap, start_up, running, told_after, gone_after, missed, exact)|
            Life { gap, start_up, running, told_after, gone_after, missed, exact }).collect()
    }
}

/// A pod of the history: when it had the address, and what is told of it.
struct Past {
    connected: u64,
    stopped: u64,
    born: Pod,
    died: Pod,
}

fn history(lives: &[Life]) -> Vec<Past> {
    let mut clock = T0;
    let mut pods = Vec::new();
    for (number, life) in lives.iter().enumerate() {
        let started = clock + life.gap;
        let connected = started + life.start_up;
        let stopped = connected + life.running;
        let second = |time: u64| time / 1000 * 1000;
        let born = Pod {
            started_ms: Some(second(started)),
            connected_ms: Some(second(connected)),
            ..pod(number as u128 + 1, &format!("pod-{number}"), "10.244.1.6")
        };
        let died = Pod { stopped_ms: life.exact.then_some(second(stopped)), ..born.clone() };
        pods.push(Past { connected, stopped, born, died });
        clock = stopped;
    }
    pods
}

/// Tells the world in the order in which news arrive, relisting where the news of an end was missed.
fn tell(world: &mut World, lives: &[Life], pods: &[Past]) -> u64 {
    let births = lives
        .iter()
        .zip(pods)
        .enumerate()
        .map(|(number, (life, past))| (past.connected + life.told_after, false, number));
    let deaths = lives
        .iter()
        .zip(pods)
        .enumerate()
        .map(|(number, (life, past))| (past.stopped + life.gone_after.max(life.told_after), true, number));
    let mut news: Vec<(u64, bool, usize)> = births.chain(deaths).collect();
    news.sort_unstable();
    let mut alive: Vec<usize> = Vec::new();
    for (time, death, number) in &news {
        if !death {
            alive.push(*number);
            world.apply_pod(&pods[*number].born, *time, false);
            continue;
        }
        alive.retain(|other| other != number);
        if lives[*number].missed {
            world.begin_list(Watch::Pods);
            for other in &alive {
                world.apply_pod(&pods[*other].born, *time, true);
            }
            world.end_list(Watch::Pods, *time);
        } else {
            world.remove_pod(&pods[*number].died, *time);
        }
    }
    news.last().map_or(T0, |(time, ..)| *time)
}

proptest! {
    #[test]
    fn whatever_the_order_of_the_news_every_time_has_its_pod(lives in lives()) {
        let mut world = World::new();
        let pods = history(&lives);
        let end = tell(&mut world, &lives, &pods);
        for (number, past) in pods.iter().enumerate() {
            let wanted = format!("pod-{number}");
            // Kubernetes tells times in whole seconds: within one of a change, either neighbour may be named.
            for time in [past.connected, u64::midpoint(past.connected, past.stopped), past.stopped - 1_000] {
                let found = world.find(ip("10.244.1.6"), None, When { start: time, end: time });
                prop_assert_eq!(found.map(|found| found.name().to_string()), Some(wanted.clone()), "at {} of {:?}", time - T0, lives);
            }
        }
        world.sweep(end + 2 * KEEP_MS);
        prop_assert!(is_empty(&world));
    }
}
