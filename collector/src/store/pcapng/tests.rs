//! What is written is read: round trips through the store and the reader, and through series of files.

use std::{collections::BTreeSet, fs, path::Path, sync::Arc, time::Duration};

use flow::{
    Batch, Body, CaptureConfig, Clock, Drop, FlowRecord, Interface, InterfaceCounts, Packet, PacketBatch, Place,
    Sink as _, Stop,
    config::{Comments, Mode, PacketFiles},
};
use proptest::prelude::*;

use crate::{
    Options, Origin, Summary,
    bench::{self, data},
    open,
};

#[expect(clippy::unnecessary_wraps, reason = "as the fields are")]
fn text(text: &str) -> Option<Arc<str>> {
    Some(text.into())
}

/// Ends of a packet of [`data::packets`]: its addresses, and names.
fn ends(pod: &str) -> Arc<FlowRecord> {
    Arc::new(FlowRecord {
        src_addr: "10.0.0.1".parse().ok(),
        dst_addr: "10.0.0.2".parse().ok(),
        src_port: Some(40_000),
        dst_port: Some(5000),
        proto: Some(17),
        src_k8s_type: text("Pod"),
        src_k8s_namespace: text("shop"),
        src_k8s_name: text(pod),
        src_k8s_owner_type: text("Deployment"),
        src_k8s_owner_name: text("web"),
        src_pid: Some(41),
        src_process: text("Web Content"),
        ..FlowRecord::default()
    })
}

fn place(pod: &str) -> Arc<Place> {
    Arc::new(Place {
        namespace: "shop".into(),
        pod: pod.into(),
        uid: "u-1".into(),
        interface: "eth0".into(),
        workload: "Deployment/web".into(),
        labels: "app=web".into(),
    })
}

fn capture(config: CaptureConfig, origin: Origin, batches: Vec<Batch>) -> (tempfile::TempDir, Summary) {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { origin, ..bench::options(config, dir.path()) };
    let started = crate::start(options, Stop::default()).unwrap();
    let mut input = started.input;
    for batch in batches {
        input.deliver(batch).unwrap();
    }
    (dir, started.collector.finish())
}

fn config(files: PacketFiles) -> CaptureConfig {
    CaptureConfig { files, ..data::config(Mode::Packets) }
}

fn read(path: &Path) -> Vec<Batch> {
    open::open(path).unwrap().map(|batch| batch.unwrap()).collect()
}

/// Node, packet, its bytes, why it was dropped, its ends.
type Told = (Arc<str>, Packet, Vec<u8>, Option<Arc<str>>, Option<FlowRecord>);

/// What is known of each packet of batches.
fn told(batches: &[Batch]) -> Vec<Told> {
    let mut all = Vec::new();
    for batch in batches {
        let Body::Packets(body) = &batch.body else { continue };
        for (at, packet) in body.packets.iter().enumerate() {
            let cause = crate::subset::cause(&body.drops, at).cloned();
            let ends = body.ends(packet).map(|ends| (**ends).clone());
            let plain = Packet { offset: 0, ends: 0, interface: 0, ..*packet };
            all.push((Arc::clone(&batch.node), plain, body.bytes(packet).to_vec(), cause, ends));
        }
    }
    all
}

/// The same without the names that addresses have by themselves.
fn told_by_comments(batches: &[Batch]) -> Vec<Told> {
    let mut all = told(batches);
    for one in &mut all {
        one.4 = one.4.take().filter(|ends| ends.src_k8s_type.is_some());
    }
    all
}

/// A batch of `count` packets of `node`, from the `first` on; `n % 3` tells what is known of a packet.
fn batch(node: &str, sequence: u64, first: u64, count: u64) -> Batch {
    let mut batch = Batch { node: node.into(), ..data::packets(sequence, first, count, 80) };
    let Body::Packets(body) = &mut batch.body else { unreachable!() };
    body.ends = vec![ends("web-1"), ends("web-2")];
    for (at, packet) in body.packets.iter_mut().enumerate() {
        let n = first + at as u64;
        (packet.id, packet.ends) = (n + 1, if n % 3 == 2 { Packet::NO_ENDS } else { (n % 3) as u32 });
        if n.is_multiple_of(5) {
            body.drops.push(Drop { packet: at as u32, cause: "NETFILTER_DROP".into() });
        }
    }
    batch
}

#[test]
fn everything_of_a_packet_comes_back() {
    let mut first = batch("n1", 0, 0, 40);
    first.interfaces[0] = Interface {
        leads_out: true,
        name: "veth7".into(),
        speed: 10_000_000_000,
        place: Some(place("web-1")),
        ..data::interface(0, "")
    };
    first.secrets = vec!["CLIENT_RANDOM 00 11".into(), "two\nlines".into()];
    first.clock = Some(Clock { ahead_ns: 50_000_000, error_ns: 1000 });
    first.interface_counts.push(InterfaceCounts { interface: 0, delivered: 40, lost: 2 });
    let second = batch("n2", 0, 40, 40);
    let sent = vec![first.clone(), second.clone()];
    let (_dir, summary) = capture(config(PacketFiles::default()), Origin::Relay, sent.clone());
    let batches = read(&summary.files[0].path);
    assert!(told_by_comments(&batches) == told(&sent), "what is read is not what was sent");
    assert_eq!(batches[0].interfaces, first.interfaces);
    assert_eq!(batches[0].secrets, [Arc::from("CLIENT_RANDOM 00 11")], "what is no line is no secret");
    assert_eq!((batches[0].clock, batches[1].clock), (first.clock, None));
    assert_eq!((&*batches[0].node, &*batches[1].node), ("n1", "n2"));
    let counters = |n: usize| (batches[n].counters.lost_packets, batches[n].counters.accepted);
    assert_eq!((counters(0), counters(1)), ((2, 42), (0, 40)));
}

#[test]
fn an_interface_that_gets_a_place_gets_a_block_of_its_own() {
    let first = batch("n1", 0, 0, 2);
    let mut second = batch("n1", 1, 2, 2);
    second.interfaces = vec![Interface { place: Some(place("web-1")), ..data::interface(0, "") }];
    let mut third = batch("n1", 2, 4, 2);
    third.interfaces = second.interfaces.clone();
    let (_dir, summary) = capture(config(PacketFiles::default()), Origin::Local, vec![first, second, third]);
    let interfaces: Vec<_> = read(&summary.files[0].path).into_iter().flat_map(|batch| batch.interfaces).collect();
    let places: Vec<_> = interfaces.iter().map(|of| of.place.as_ref().map(|place| &*place.pod)).collect();
    assert_eq!(places, [None, Some("web-1")], "and once only");
}

#[test]
fn comments_are_left_out_where_they_are_not_wanted() {
    let mut sent = batch("n1", 0, 0, 30);
    sent.secrets = vec!["CLIENT_RANDOM 00 11".into()];
    let causes = |batches: &[Batch]| told(batches).iter().filter(|one| one.3.is_some()).count();
    for (comments, with_cause) in [(Comments::Full, 6), (Comments::Drops, 6), (Comments::None, 0)] {
        let strip_secrets = comments == Comments::None;
        let files = PacketFiles { comments, strip_secrets, ..PacketFiles::default() };
        let (_dir, summary) = capture(config(files), Origin::Local, vec![sent.clone()]);
        let batches = read(&summary.files[0].path);
        assert_eq!(causes(&batches), with_cause);
        // Addresses have their names in any case.
        let names: BTreeSet<_> = told(&batches).into_iter().filter_map(|one| one.4?.src_k8s_name).collect();
        let expected =
            if comments == Comments::Full { vec!["web-1", "web-1.shop", "web-2"] } else { vec!["web-1.shop"] };
        assert_eq!(names.iter().map(|name| &**name).collect::<Vec<_>>(), expected);
        assert_eq!(batches[0].secrets.is_empty(), strip_secrets);
    }
}

#[test]
fn an_address_with_another_owner_gets_another_name() {
    let mut sent = batch("n1", 0, 0, 2);
    let Body::Packets(body) = &mut sent.body else { unreachable!() };
    body.drops.clear();
    body.packets[1].time_ns += 2_000_000_000;
    let files = PacketFiles { comments: Comments::None, ..PacketFiles::default() };
    let (_dir, summary) = capture(config(files), Origin::Local, vec![sent]);
    let names: Vec<_> =
        told(&read(&summary.files[0].path)).into_iter().map(|one| one.4.unwrap().src_k8s_name).collect();
    assert_eq!(names, [text("web-1.shop"), text("web-2.shop")]);
}

#[test]
fn files_follow_each_other_by_size_and_each_is_complete() {
    let files = PacketFiles { size: Some(16 << 10), ..PacketFiles::default() };
    let mut first = batch("n1", 0, 0, 300);
    first.secrets = vec!["CLIENT_RANDOM 00 11".into()];
    let (_dir, summary) = capture(config(files), Origin::Local, vec![first.clone(), batch("n1", 1, 300, 300)]);
    assert!(summary.files.len() > 4, "{:?}", summary.files);
    let mut all = Vec::new();
    for (n, file) in summary.files.iter().enumerate() {
        let end = format!("-{:04}.pcapng", n + 1);
        assert!(file.path.to_str().unwrap().ends_with(&end), "{:?}", file.path);
        assert_eq!(fs::metadata(&file.path).unwrap().len(), file.bytes);
        // Statistics come on top.
        assert!(file.bytes <= (16 << 10) + 300, "{file:?}");
        let batches = read(&file.path);
        assert_eq!(batches[0].interfaces.len(), 1, "its interface");
        assert_eq!(batches[0].secrets.len(), 1, "its secrets");
        assert!(batches.last().unwrap().interface_counts.iter().any(|counts| counts.delivered > 0), "its statistics");
        assert_eq!(told(&batches).len() as u64, file.written);
        all.extend(told_by_comments(&batches));
    }
    assert!(all == told(&[first, batch("n1", 1, 300, 300)]), "what is read is not what was sent");
}

#[test]
fn files_follow_each_other_by_the_times_of_packets() {
    // Packets are 2.5 µs apart.
    let files = PacketFiles { time: Some(Duration::from_micros(250)), ..PacketFiles::default() };
    let (_dir, summary) = capture(config(files), Origin::Local, vec![batch("n1", 0, 0, 300)]);
    let counts: Vec<_> = summary.files.iter().map(|file| file.written).filter(|count| *count > 0).collect();
    assert_eq!(counts, [100, 100, 100]);
}

#[test]
fn the_oldest_files_are_deleted_which_is_counted_and_said_once() {
    let files = PacketFiles { size: Some(16 << 10), count: Some(2), ..PacketFiles::default() };
    let dir = tempfile::tempdir().unwrap();
    let started = crate::start(bench::options(config(files), dir.path()), Stop::default()).unwrap();
    let mut input = started.input;
    for n in 0..6 {
        input.deliver(batch("n1", n, n * 300, 300)).unwrap();
    }
    let status = started.status.clone();
    let summary = started.collector.finish();
    assert_eq!(summary.files.len(), 2);
    let kept: u64 = summary.files.iter().map(|file| file.written).sum();
    assert_eq!(kept + summary.counters.rotated_out, 1800);
    assert_eq!(summary.counters.losses().count(), 0);
    let notices = status.snapshot().notices;
    assert_eq!(notices.iter().filter(|(_, words)| words.starts_with("--files 2: ")).count(), 1);
    let names = fs::read_dir(dir.path().join("pcap")).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(names.filter(|path| path.extension().is_some_and(|extension| extension == "pcapng")).count(), 2);
}

#[test]
fn every_node_has_its_file_and_words_of_ours_make_none() {
    let files = PacketFiles { merge: false, size: Some(16 << 10), count: Some(3), ..PacketFiles::default() };
    let words = Batch { notices: vec!["hello".into()], ..Batch::default() };
    let mut sent = vec![words];
    for n in 0..3 {
        sent.extend([batch("n1", n, n * 20, 20), batch("n2", n, n * 300, 300)]);
    }
    let (_dir, summary) = capture(config(files), Origin::Relay, sent);
    let names: Vec<_> = summary.files.iter().map(|file| file.path.file_name().unwrap().to_str().unwrap()).collect();
    let of = |node: &str| names.iter().filter(|name| name.contains(node)).count();
    assert_eq!((of("-n1-0001.pcapng"), of("-n2-"), names.len()), (1, 3, 1 + 3), "{names:?}");
    for file in &summary.files {
        let nodes: BTreeSet<_> = read(&file.path).into_iter().map(|batch| batch.node).collect();
        assert_eq!(nodes.len(), 1);
    }
}

#[test]
fn a_loss_at_an_interface_without_packets_is_told() {
    let mut only = data::batch(0, Body::None);
    only.interfaces.push(data::interface(0, ""));
    only.interface_counts.push(InterfaceCounts { interface: 0, delivered: 0, lost: 9 });
    let (_dir, summary) = capture(config(PacketFiles::default()), Origin::Local, vec![only]);
    let last = read(&summary.files[0].path).pop().unwrap();
    assert_eq!(last.counters.lost_packets, 9);
}

prop_compose! {
    fn any_packet()(len in 0..90_u32, more in 0..2000_u32, time_ns in any::<u64>(), direction in 0..2_u8, id in any::<u64>(), ends in 0..4_u32) -> (Packet, Vec<u8>) {
        let data = (0..len).map(|n| (n * 7) as u8).collect();
        (Packet { time_ns, interface: 0, len: len + more, caplen: len, offset: 0, direction, id: id.max(1), ends }, data)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn packets_of_any_kind_come_back(packets in proptest::collection::vec((any_packet(), proptest::option::of("[A-Z_]{1,20}")), 1..60)) {
        let mut body = PacketBatch::default();
        // None of the made-up frames has addresses.
        let bare = |pod: &str| FlowRecord { src_addr: None, dst_addr: None, src_port: None, dst_port: None, proto: None, ..(*ends(pod)).clone() };
        body.ends = ["a", "b", "c"].map(|pod| Arc::new(bare(pod))).to_vec();
        for (at, ((packet, data), cause)) in packets.into_iter().enumerate() {
            let offset = body.data.len() as u32;
            body.data.extend(data);
            let ends = if packet.ends < 3 { packet.ends } else { Packet::NO_ENDS };
            body.packets.push(Packet { offset, ends, ..packet });
            body.drops.extend(cause.map(|cause| Drop { packet: at as u32, cause: cause.into() }));
        }
        let mut sent = data::batch(0, Body::Packets(body));
        sent.interfaces.push(data::interface(0, ""));
        let (_dir, summary) = capture(config(PacketFiles::default()), Origin::Local, vec![sent.clone()]);
        prop_assert_eq!(told(&read(&summary.files[0].path)), told(&[sent]));
    }
}

/// Prints what comments cost in bytes, and how many packets a second this thread writes.
#[test]
#[ignore = "a measurement"]
fn speed_of_annotations() {
    let raw = (80 + 32) as f64;
    for comments in [Comments::Full, Comments::Drops, Comments::None] {
        let dir = tempfile::tempdir().unwrap();
        let files = PacketFiles { comments, ..PacketFiles::default() };
        let batches: Vec<Batch> = (0..100).map(|n| batch("n1", n, n * 5000, 5000)).collect();
        let took = bench::stores(dir.path(), config(files), &batches).unwrap();
        let count = 500_000.0;
        let (rate, bytes) = (count / took.write.as_secs_f64(), took.bytes as f64 / count);
        println!(
            "{comments:?}: {rate:.0} packets/s by the clock, {:.0}/s of processor time, {:.1} B each on {raw} raw",
            count / took.cpu.as_secs_f64(),
            bytes - raw
        );
    }
}
