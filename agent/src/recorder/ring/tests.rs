use std::sync::mpsc::{self, Receiver};

use flow::{Drop, Packet, filter::Trigger};

use super::*;
use crate::testing::udp_frame;

const S: u64 = 1_000_000_000;

/// Number of the recording and time of each packet; how the ring stands, and all counts.
type Got = (Vec<(u32, u64)>, Option<flow::Ring>, Counters, Vec<InterfaceCounts>);

struct Desk {
    ring: Ring,
    control: Control,
    out: Receiver<Batch>,
}

impl Desk {
    fn new(seconds: u64, bytes: usize, trigger: Option<&str>) -> Self {
        let (sender, out) = mpsc::sync_channel(10_000);
        let filter = trigger.map(|text| Trigger::parse(text).unwrap().on_packets.unwrap());
        let (ring, control) =
            Ring::new(Memory { time: Duration::from_secs(seconds), bytes }, filter, 0, Box::new(sender));
        Self { ring, control, out }
    }

    /// One packet at each of these times (of a tenth of a second each), then the time itself.
    fn second(&mut self, time: u64, dropped: bool) {
        let mut body = PacketBatch::default();
        let frame = udp_frame();
        for tenth in 0..10 {
            let (offset, len) = (body.data.len() as u32, frame.len() as u32);
            body.packets.push(Packet {
                time_ns: time * S + tenth * S / 10,
                len,
                caplen: len,
                offset,
                ..Packet::default()
            });
            body.data.extend_from_slice(&frame);
        }
        if dropped {
            body.drops.push(Drop { packet: 4, cause: "NO_SOCKET".into() });
        }
        let counts = InterfaceCounts { interface: 0, delivered: (time + 1) * 10, lost: time };
        let counters = Counters { accepted: (time + 1) * 10, ..Counters::default() };
        let batch =
            Batch { time_ns: time * S + S * 99 / 100, counters, interface_counts: vec![counts], ..Batch::default() };
        self.ring.deliver(Batch { body: Body::Packets(body), ..batch }).unwrap();
    }

    fn save(&self, number: u32, moment_ns: u64) {
        let recording = Recording { number, name: "n".into(), why: "w".into(), over: false };
        self.control.save(Arc::new(recording), moment_ns);
    }

    /// Number of the recording and time, tenths of a second, of each packet delivered since this was last asked; the last state.
    fn got(&self) -> Got {
        let (mut packets, mut state, mut counters, mut counts) = (Vec::new(), None, Counters::default(), Vec::new());
        for batch in self.out.try_iter() {
            state = batch.ring.or(state);
            counters = batch.counters;
            counts.extend(batch.interface_counts);
            if let Body::Packets(body) = batch.body {
                let number = batch.recording.unwrap().number;
                packets.extend(body.packets.iter().map(|packet| (number, packet.time_ns / (S / 10))));
            }
        }
        (packets, state, counters, counts)
    }
}

fn tenths(number: u32, range: std::ops::Range<u64>) -> Vec<(u32, u64)> {
    range.map(|tenth| (number, tenth)).collect()
}

#[test]
fn a_save_is_the_time_before_and_the_time_after_and_nothing_else() {
    let mut desk = Desk::new(5, 1 << 20, None);
    (0..20).for_each(|time| desk.second(time, false));
    assert_eq!(desk.got().0, [], "nothing is delivered until it is asked for");
    desk.save(3, 20 * S);
    desk.second(20, false);
    let (packets, _, _, counts) = desk.got();
    assert_eq!(packets, tenths(3, 150..210));
    assert_eq!(
        counts.last(),
        Some(&InterfaceCounts { interface: 0, delivered: 60, lost: 6 }),
        "counted from its beginning"
    );
    (21..30).for_each(|time| desk.second(time, false));
    let (packets, state, counters, _) = desk.got();
    assert_eq!(packets, tenths(3, 210..250), "for as long again");
    assert_eq!(state.unwrap().ended, 3);
    assert_eq!((counters.ring_saved, counters.ring_fallen), (100, 0));
    // The next one begins where it ended, if there is no more.
    desk.save(4, 30 * S);
    desk.second(30, false);
    assert_eq!(desk.got().0, tenths(4, 250..310));
    // Said again, an order is none.
    desk.save(3, 31 * S);
    desk.second(31, false);
    assert_eq!(desk.got().0, tenths(4, 310..320));
}

#[test]
fn whoever_lets_go_has_what_came_until_then() {
    let mut desk = Desk::new(5, 1 << 20, None);
    (0..6).for_each(|time| desk.second(time, false));
    desk.save(1, 6 * S);
    desk.second(6, false);
    desk.control.release(2);
    desk.second(7, false);
    desk.control.release(1);
    desk.second(8, false);
    let (packets, state, ..) = desk.got();
    assert_eq!((packets.first(), packets.last()), (Some(&(1, 10)), Some(&(1, 89))));
    assert_eq!(state.unwrap().ended, 1);
    desk.second(9, false);
    assert_eq!(desk.got().0, []);
}

#[test]
fn what_memory_has_no_room_for_falls_out_and_is_told() {
    let mut desk = Desk::new(30, 4 * 2000, None);
    (0..40).for_each(|time| desk.second(time, false));
    let (_, state, counters, _) = desk.got();
    let (state, in_ring) =
        (state.unwrap(), desk.ring.kept.iter().map(|kept| kept.body.packets.len() as u64).sum::<u64>());
    assert!(state.held_ns < 30 * S && state.bytes <= 4 * 2000 && counters.ring_fallen > 0, "{state:?} {counters:?}");
    assert_eq!(counters.accepted, counters.ring_saved + counters.ring_aged + counters.ring_fallen + in_ring);
    // So much as it says is there.
    desk.save(1, 40 * S);
    desk.second(40, false);
    let first = desk.got().0[0].1 * S / 10;
    assert!(first.abs_diff(40 * S - state.held_ns) < S, "{first} {state:?}");
}

#[test]
fn a_trigger_is_told_once_with_what_it_saw() {
    let mut desk = Desk::new(5, 1 << 20, Some("drop and udp"));
    desk.second(0, false);
    assert_eq!(desk.got().1.unwrap().fired, None);
    desk.second(1, true);
    let fired = desk.got().1.unwrap().fired.unwrap();
    assert_eq!((fired.time_ns, fired.what.contains("NO_SOCKET")), (S + S * 4 / 10, true));
    desk.save(1, 2 * S);
    desk.second(2, true);
    assert_eq!(desk.got().1.unwrap().fired, None, "it is being saved");
}

#[test]
fn what_was_ordered_last_is_done_at_the_end() {
    let mut desk = Desk::new(5, 1 << 20, None);
    desk.second(0, false);
    desk.save(1, S);
    let Desk { ring, out, .. } = desk;
    drop(ring);
    assert!(out.try_iter().any(|batch| matches!(batch.body, Body::Packets(body) if body.packets.len() == 10)));
}
