//! The table as a user sees it: keys are typed, screens are compared with saved ones.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "tui/cluster.rs"]
mod cluster;
#[path = "tui/features.rs"]
mod features;
#[path = "tui/pty.rs"]
mod pty;
#[path = "tui/random.rs"]
mod random;
#[path = "../examples/table_demo/traffic.rs"]
mod traffic;

use std::{sync::Arc, time::Duration};

use collector::{
    tui::{Offscreen, Progress, Source, TableSetup},
    view::{Code, Effect, Key},
};
use flow::{Counters, config::Mode};
use traffic::Traffic;

const START: u64 = 1_763_629_601_000_000_000;
const SECOND: u64 = 1_000_000_000;

fn setup(mode: Mode) -> TableSetup {
    let mut setup = TableSetup::new(mode, Source::Live { interval: Duration::from_secs(1) });
    setup.what = String::from("tcp, udp or icmp");
    setup.node = "worker-1".into();
    setup.limits.time = Some(Duration::from_mins(5));
    setup
}

/// A table with five seconds of traffic.
struct Desk {
    table: Offscreen,
    traffic: Traffic,
    now: u64,
    mode: Mode,
}

impl Desk {
    fn new(setup: TableSetup, size: (u16, u16)) -> Self {
        let mut desk = Self::empty(setup, size);
        desk.seconds(5);
        desk
    }

    /// A table without any traffic.
    fn empty(setup: TableSetup, size: (u16, u16)) -> Self {
        let mode = setup.mode;
        let table = Offscreen::new(setup, size, START).unwrap();
        Self { table, traffic: Traffic::new(START), now: START, mode }
    }

    fn seconds(&mut self, count: u64) {
        for _ in 0..count {
            self.now += SECOND;
            self.table.at(self.now);
            let batch = match self.mode {
                Mode::Flows => self.traffic.flows(self.now),
                Mode::Packets => self.traffic.packets(self.now, 20),
            };
            self.table.receive(Arc::new(batch));
        }
    }

    fn screen(&mut self) -> String {
        self.table.work(|| false);
        self.table.frame().unwrap();
        self.table.text()
    }

    /// Types keys: letters as they are, others as `<Enter>`, `<C-f>`; the effect of the last one.
    fn keys(&mut self, script: &str) -> Effect {
        let mut effect = Effect::None;
        let mut rest = script;
        while let Some(first) = rest.chars().next() {
            let key = if let Some((name, after)) = rest.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
                rest = after;
                named(name)
            } else {
                rest = &rest[first.len_utf8()..];
                Key::plain(Code::Char(first))
            };
            effect = self.table.key(key);
            // Keys act on what was last drawn.
            self.screen();
        }
        effect
    }

    fn has(&mut self, text: &str) -> bool {
        self.screen().contains(text)
    }
}

fn named(name: &str) -> Key {
    if let Some(letter) = name.strip_prefix("C-") {
        return Key::ctrl(letter.chars().next().unwrap());
    }
    Key::plain(match name {
        "Enter" => Code::Enter,
        "Esc" => Code::Esc,
        "Tab" => Code::Tab,
        "BS" => Code::Backspace,
        "Left" => Code::Left,
        "Right" => Code::Right,
        "Up" => Code::Up,
        "Down" => Code::Down,
        "Home" => Code::Home,
        "End" => Code::End,
        "PgUp" => Code::PageUp,
        "PgDn" => Code::PageDown,
        "F1" => Code::F(1),
        other => panic!("no key {other}"),
    })
}

#[test]
fn flows_on_screens_of_all_sizes() {
    for (width, height) in [(80, 24), (120, 40), (200, 50), (40, 10), (10, 3)] {
        let mut desk = Desk::new(setup(Mode::Flows), (width, height));
        insta::assert_snapshot!(format!("flows_{width}x{height}"), desk.screen());
    }
}

#[test]
fn packets_with_the_bytes_of_the_newest() {
    for (width, height) in [(80, 24), (160, 40)] {
        let mut desk = Desk::new(setup(Mode::Packets), (width, height));
        insta::assert_snapshot!(format!("packets_{width}x{height}"), desk.screen());
    }
}

#[test]
fn losses_progress_and_limits_are_in_the_header() {
    let mut setup = setup(Mode::Flows);
    setup.limits.bytes = Some(50_000_000);
    setup.limits.packets = Some(100_000);
    setup.progress = Some(Box::new(|| Progress {
        elapsed: None,
        nodes: Vec::new(),
        file_bytes: 12_300_000,
        packets: 93_000,
        bytes: 130_000_000,
        counters: Counters { lost_store: 7, lost_flow_packets: 120, view_skipped: 3, ..Counters::default() },
        recordings: Vec::new(),
        ring: None,
    }));
    let mut desk = Desk::new(setup, (140, 12));
    insta::assert_snapshot!("losses", desk.screen());
}

#[test]
fn without_colour_there_are_no_colours_but_the_same_words_and_marks() {
    let mut plain = setup(Mode::Flows);
    plain.colour = false;
    let (mut plain, mut coloured) = (Desk::new(plain, (120, 30)), Desk::new(setup(Mode::Flows), (120, 30)));
    let bytes = |desk: &mut Desk| {
        desk.table.work(|| false);
        String::from_utf8(desk.table.frame().unwrap()).unwrap()
    };
    let (without, with) = (bytes(&mut plain), bytes(&mut coloured));
    let colours = |sent: &str| sent.matches("\x1b[38;5;").count() + sent.matches("\x1b[48;5;").count();
    assert_eq!(colours(&without), 0, "{without:?}");
    assert!(colours(&with) > 10);
    assert!(without.contains("\x1b[1m") && without.contains("\x1b[7m"), "bold and reverse");
    assert_eq!(plain.table.text(), coloured.table.text());
    assert!(plain.table.text().contains("\n! 10.0.1.5 "), "the reset flow bears its mark");
}

#[test]
fn a_keyword_and_enter_narrow_and_again_and_backspace_widens() {
    let mut desk = Desk::new(setup(Mode::Flows), (80, 24));
    assert!(desk.has("of 14"));
    desk.keys("443");
    assert!(desk.has("of 6"), "what is typed acts at once");
    desk.keys("<Enter>RST<Enter>");
    assert!(desk.has("[443] [RST]") && desk.has("1-1 of 1"));
    desk.keys("<BS>");
    assert!(desk.has("[443]") && !desk.has("[RST]") && desk.has("of 6"));
    desk.keys("<BS>-tcp");
    assert!(!desk.has(" TCP ") && desk.has(" UDP "));
}

#[test]
fn letters_are_commands_only_when_the_table_has_the_keyboard() {
    let mut desk = Desk::new(setup(Mode::Flows), (80, 24));
    assert_eq!(desk.keys("q"), Effect::None);
    assert_eq!(desk.keys("<C-u><Esc>q"), Effect::Quit);
    assert_eq!(desk.keys("<Tab>q"), Effect::None, "Tab gives it back");
    assert_eq!(desk.keys("<C-c>"), Effect::Quit);
    desk.keys("<C-u><F1>");
    assert!(desk.has("Help") && desk.has("HELP"));
    assert_eq!(desk.keys("<Esc><Esc><C-z>"), Effect::Suspend);
}

#[test]
fn displays_and_enrichments_cycle_with_either_keys() {
    let mut desk = Desk::new(setup(Mode::Flows), (160, 24));
    desk.keys("<Right>");
    assert!(desk.has("Packet drops") && desk.has("Drop Cause"));
    desk.keys("<C-d>");
    assert!(desk.has("◂ DNS") && desk.has("DNS Name"));
    desk.keys("<Left><Left>");
    assert!(desk.has("◂ Standard"));
    desk.keys("<PgUp>");
    assert!(desk.has("by None") && !desk.has("Src IP"));
    desk.keys("<C-e><C-e><C-e>");
    assert!(desk.has("by Zone") && desk.has("Src Zone"));
}

#[test]
fn sorting_by_a_chosen_column_and_the_other_way_round() {
    let mut desk = Desk::new(setup(Mode::Flows), (80, 24));
    let first = |desk: &mut Desk| {
        desk.screen().lines().nth(5).unwrap().split_whitespace().find(|word| word.len() > 3).unwrap().to_owned()
    };
    assert_eq!(first(&mut desk), "10.0.1.5", "the fastest");
    desk.keys("<Esc>s<Home><Down><Enter>");
    assert!(desk.has("sorted by Src IP ▲"));
    assert_eq!(first(&mut desk), "10.0.0.1");
    desk.keys("S");
    assert!(desk.has("sorted by Src IP ▼"));
    assert!(first(&mut desk).starts_with("fd00"));
}

#[test]
fn a_held_picture_stands_still_and_shows_the_present_when_let_go() {
    let mut desk = Desk::new(setup(Mode::Flows), (80, 24));
    desk.keys("<Esc>p");
    let rows = |desk: &mut Desk| desk.screen().lines().skip(3).map(str::to_owned).collect::<Vec<_>>();
    let held = rows(&mut desk);
    assert!(desk.has("PAUSED"));
    desk.seconds(3);
    assert_eq!(rows(&mut desk), held);
    desk.keys("p");
    let present = rows(&mut desk);
    let mut other = Desk::new(setup(Mode::Flows), (80, 24));
    other.keys("<Esc>");
    other.seconds(3);
    assert_eq!(present, rows(&mut other), "as if it had never been held");
}

#[test]
fn details_show_every_field_in_full_and_follow_the_row() {
    let mut desk = Desk::new(setup(Mode::Flows), (100, 40));
    desk.keys("<Esc><Down><Enter>");
    insta::assert_snapshot!("details", desk.screen());
    desk.seconds(1);
    assert!(!desk.has("Packets         4703"), "the row goes on");
    desk.keys("<Esc>");
    assert!(desk.has("TABLE"));
}

#[test]
fn columns_are_chosen_one_by_one_and_reset() {
    let mut desk = Desk::new(setup(Mode::Flows), (80, 24));
    desk.keys("<Esc>C<Down> ");
    insta::assert_snapshot!("columns", desk.screen());
    desk.keys("<Esc>");
    assert!(!desk.has("Src IP") && desk.has("your own"));
    desk.keys("Cd<Esc>");
    assert!(desk.has("Src IP"));
}

#[test]
fn the_selected_row_is_followed_and_home_returns_to_the_first() {
    let mut desk = Desk::new(setup(Mode::Flows), (80, 12));
    desk.keys("<Esc><End>");
    assert!(desk.has("-14 of 14"));
    desk.keys("<Home>");
    assert!(desk.has(" 1-"));
    desk.keys("<Down><Down><Down><Down><Down><Down><Down>");
    assert!(!desk.has(" 1-"), "scrolled");
}

#[test]
fn help_names_the_keys() {
    let mut desk = Desk::new(setup(Mode::Flows), (100, 70));
    desk.keys("<F1>");
    insta::assert_snapshot!("help", desk.screen());
}

#[test]
fn text_from_the_network_cannot_touch_the_terminal() {
    let mut desk = Desk::new(setup(Mode::Flows), (120, 24));
    let mut batch = desk.traffic.flows(desk.now);
    if let flow::Body::Flows(body) = &mut batch.body {
        body.records[0].interfaces = Some(Arc::from([Arc::from("e\x1b[2Jvil\u{202e}")]));
        body.records[0].net_ns = Some(Arc::from("a\nb\u{9b}31m"));
    }
    batch.notices.push("gone: \x1b]0;title\x07".into());
    desk.table.receive(Arc::new(batch));
    desk.table.work(|| false);
    let sent = String::from_utf8(desk.table.frame().unwrap()).unwrap();
    assert!(!sent.contains("\x1b[2J") && !sent.contains("\x1b]0") && !sent.contains(['\u{202e}', '\u{9b}', '\n']));
    assert!(desk.table.text().contains(r"gone: \u{1b}]0;title\u{7}"));
}

#[test]
fn a_file_stays_with_averages() {
    let mut setup = setup(Mode::Flows);
    setup.source = Source::File;
    setup.what = String::from("capture.json");
    let mut desk = Desk::new(setup, (100, 24));
    insta::assert_snapshot!("file", desk.screen());
}
