//! Keys, sizes and traffic in any order: the table never panics and its bounds hold.

use std::{sync::Arc, time::Duration};

use collector::{
    tui::{Offscreen, Source, TableSetup},
    view::{Code, Key, Pace, Settings, View},
};
use flow::config::Mode;
use proptest::prelude::*;

use crate::{START, traffic::Traffic};

#[derive(Clone, Debug)]
enum Step {
    Key(Key),
    Size(u16, u16),
    Batch,
    Storm(u64),
    Time(u64),
    Frame,
}

fn key() -> impl Strategy<Value = Key> {
    let special = prop::sample::select(vec![
        Code::Enter,
        Code::Esc,
        Code::Tab,
        Code::Backspace,
        Code::Left,
        Code::Right,
        Code::Up,
        Code::Down,
        Code::Home,
        Code::End,
        Code::PageUp,
        Code::PageDown,
        Code::F(1),
    ]);
    prop_oneof![
        special.prop_map(Key::plain),
        prop::char::range(' ', '~').prop_map(|c| Key::plain(Code::Char(c))),
        any::<char>().prop_map(|c| Key::plain(Code::Char(c))),
        prop::sample::select(vec!['d', 'e', 'f', 'b', 'u', 'w', 'l', ' ']).prop_map(Key::ctrl),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => key().prop_map(Step::Key),
        1 => (1u16..220, 1u16..60).prop_map(|(width, height)| Step::Size(width, height)),
        2 => Just(Step::Batch),
        1 => (1u64..400).prop_map(Step::Storm),
        1 => (0u64..5_000_000_000).prop_map(Step::Time),
        3 => Just(Step::Frame),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn anything_typed_at_any_size_never_panics(mode in prop::sample::select(vec![Mode::Flows, Mode::Packets]), file: bool, steps in proptest::collection::vec(step(), 1..80)) {
        let source = if file { Source::File } else { Source::Live { interval: Duration::from_secs(1) } };
        let mut setup = TableSetup::new(mode, source);
        (setup.max_flows, setup.max_packets) = (300, 100);
        let mut table = Offscreen::new(setup, (80, 24), START).unwrap();
        let mut traffic = Traffic::new(START);
        let mut now = START;
        for step in steps {
            match step {
                Step::Key(key) => {
                    table.key(key);
                }
                Step::Size(width, height) => table.resize(width, height).unwrap(),
                Step::Batch if mode == Mode::Packets => table.receive(Arc::new(traffic.packets(now, 30))),
                Step::Batch => table.receive(Arc::new(traffic.flows(now))),
                Step::Storm(count) => table.receive(Arc::new(traffic.storm(now, count, 1000))),
                Step::Time(more) => now += more,
                Step::Frame => {
                    table.work(|| false);
                    table.frame().unwrap();
                }
            }
            table.at(now);
        }
        table.frame().unwrap();
    }

    #[test]
    fn rows_are_bounded_and_what_went_is_counted(rounds in 1u64..20, count in 1u64..300) {
        let pace = Pace::Interval(1_000_000_000);
        let (max_flows, max_packets, max_packet_bytes) = (200, 50, 2000);
        let mut traffic = Traffic::new(START);
        for mode in [Mode::Flows, Mode::Packets] {
            let settings = Settings { mode, pace, max_flows, max_packets, max_packet_bytes, filters: vec![], features: vec![] };
            let mut view = View::new(settings);
            for round in 0..rounds {
                let now = START + round * 1_000_000_000;
                let batch = if mode == Mode::Flows { traffic.storm(now, count, u64::MAX) } else { traffic.packets(now, count) };
                view.receive(Arc::new(batch), now);
                while view.has_work() {
                    view.work(64, now);
                }
                let (shown, kept, seen) = view.counts();
                prop_assert_eq!(shown, kept);
                let most = if mode == Mode::Flows { max_flows } else { max_packets };
                prop_assert!(kept <= most);
                prop_assert_eq!(kept as u64 + view.evicted(), seen);
            }
        }
    }

    #[test]
    fn the_rows_on_the_screen_are_those_of_a_plain_sort(count in 1u64..900, height in 1usize..40, downs in 0usize..60, end: bool) {
        let settings = Settings {
            mode: Mode::Flows,
            pace: Pace::Past,
            max_flows: 10_000,
            max_packets: 1,
            max_packet_bytes: 1,
            filters: vec![],
            features: vec![],
        };
        let mut view = View::new(settings);
        view.receive(Arc::new(Traffic::new(START).storm(START, count, u64::MAX)), START);
        while view.has_work() {
            view.work(1000, START);
        }
        let bytes = |picture: &collector::view::Picture| -> Vec<u64> {
            let rows = picture.lines.iter().map(|line| line.row.clone());
            rows.filter_map(|row| match &*row {
                collector::view::row::Row::Flow(flow) => flow.record.bytes,
                collector::view::row::Row::Packet(_) => None,
            }).collect()
        };
        let mut all = bytes(&view.picture(count as usize, START));
        prop_assert_eq!(all.len() as u64, count);
        prop_assert!(all.is_sorted_by(|a, b| a >= b));
        if end {
            view.key(Key::plain(Code::End));
        }
        for _ in 0..downs {
            view.key(Key::plain(if end { Code::Up } else { Code::Down }));
        }
        let picture = view.picture(height, START);
        let expected = all.split_off(picture.start);
        prop_assert_eq!(bytes(&picture), &expected[..height.min(expected.len())]);
        prop_assert!(picture.lines.iter().any(|line| line.is_selected));
    }
}
