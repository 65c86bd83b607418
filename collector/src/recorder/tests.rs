use flow::Stop;

use super::*;
use crate::bench::data::config;

fn recorder(mode: Mode, ring: Option<u64>, trigger: Option<&str>, writes: bool) -> (Recorder, Status) {
    let config =
        CaptureConfig { ring: ring.map(Duration::from_secs), trigger: trigger.map(str::to_owned), ..config(mode) };
    let status = Status::new(Stop::default());
    (Recorder::new(&Arc::new(config), writes, status.clone()), status)
}

fn ring(held_s: u64, ended: u32, fired: Option<&str>) -> Ring {
    let fired = fired.map(|what| Fired { time_ns: now_ns(), what: what.into() });
    Ring { held_ns: held_s * 1_000_000_000, bytes: 1, ended, fired }
}

fn saved(orders: &[ToAgent]) -> Recording {
    match orders {
        [ToAgent::Save { recording, ago_ns }] if *ago_ns < 1_000_000_000 => recording.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_save_at_a_time_whatever_asks_for_it() {
    let (recorder, status) = recorder(Mode::Packets, Some(30), Some("drop"), true);
    recorder.hear(&"a".into(), ring(12, 0, None));
    recorder.hear(&"b".into(), ring(30, 0, None));
    assert_eq!(status.snapshot().ring.unwrap().held, Duration::from_secs(12), "what all have");
    recorder.hear(&"b".into(), ring(30, 0, Some("UDP a > b")));
    let recording = saved(&recorder.orders());
    assert!(recording.why.contains("trigger drop") && recording.why.contains("UDP a > b"), "{}", recording.why);
    assert!(recording.name.ends_with("-trigger"), "{}", recording.name);
    recorder.hear(&"a".into(), ring(12, 0, Some("UDP a > b")));
    assert!(recorder.wish(&Wish::Save(Cause::Signal)).is_err());
    assert_eq!((recorder.orders().len(), status.snapshot().ring.unwrap().again), (0, 2));
    // A second press of the key ends it.
    assert!(recorder.wish(&Wish::Save(Cause::Key)).unwrap().contains("ends"));
    assert!(matches!(recorder.orders()[..], [ToAgent::Release { number }] if number == recording.number));
    recorder.hear(&"a".into(), ring(1, recording.number, None));
    assert!(status.snapshot().ring.unwrap().saving, "not all have delivered it");
    recorder.hear(&"b".into(), ring(1, recording.number, None));
    assert!(!status.snapshot().ring.unwrap().saving);
    recorder.wish(&Wish::Save(Cause::Key)).unwrap();
    let next = saved(&recorder.orders());
    assert!(next.number > recording.number && next.why.contains("key"), "{next:?}");
}

#[test]
fn what_cannot_be_is_said() {
    let said = |mode, ring, writes, wish: &Wish| recorder(mode, ring, None, writes).0.wish(wish).unwrap_err();
    assert!(said(Mode::Packets, None, true, &Wish::Save(Cause::Key)).contains("--ring"));
    assert!(said(Mode::Packets, Some(5), false, &Wish::Save(Cause::Key)).contains("--copy=false"));
    let packets = Wish::Packets(Box::default());
    assert!(said(Mode::Packets, None, true, &packets).contains("already"));
    assert!(said(Mode::Flows, None, false, &packets).contains("--copy=false"));
    assert!(said(Mode::Flows, None, true, &packets).contains("no addresses"));
}

#[test]
fn flows_are_recorded_until_the_same_key_comes_again() {
    let (recorder, _) = recorder(Mode::Flows, None, None, true);
    let flow = |port| {
        let record = FlowRecord {
            src_addr: "10.0.0.1".parse().ok(),
            dst_addr: "10.0.0.2".parse().ok(),
            src_port: Some(port),
            dst_port: Some(80),
            proto: Some(6),
            ..FlowRecord::default()
        };
        Wish::Packets(Box::new(record))
    };
    let told = |recorder: &Recorder| match &recorder.orders()[..] {
        [ToAgent::Record(all)] => all.iter().map(|one| one.recording.number).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    recorder.wish(&flow(1)).unwrap();
    let first = told(&recorder);
    recorder.wish(&flow(2)).unwrap();
    let both = told(&recorder);
    assert_eq!((first.len(), both.len(), both[0]), (1, 2, first[0]));
    recorder.wish(&flow(1)).unwrap();
    assert_eq!(told(&recorder), both[1..]);
    (3..10).for_each(|port| drop(recorder.wish(&flow(port)).unwrap()));
    assert!(recorder.wish(&flow(10)).is_err(), "programs are not loaded without end");
}
