//! Packets against tcpdump on the same interface.

use std::{process::Command, time::Duration};

use lab::{Pair, Tcpdump, files::Pcapng, need, needs, netns::run, tcpdump::Taken, topology::MAC_A};

use super::traffic;
use crate::packets;

/// A capture and tcpdump over the same traffic.
fn beside_tcpdump(net: u8, options: &str, tcpdump_options: &[&str]) -> (lab::Finished, Pcapng, Vec<Taken>) {
    let pair = Pair::new(net).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let tcpdump = Tcpdump::start(&pair.a, "a0", &directory.path().join("a.pcap"), tcpdump_options).unwrap();
    let capture = packets().of(&pair.a, "a0").args(options).start().unwrap();
    traffic::mixed(&pair);
    let finished = capture.stop().unwrap();
    let theirs = tcpdump.stop().unwrap().packets().unwrap();
    let ours = finished.files.packets().unwrap();
    let theirs = theirs.into_iter().filter(|packet| !is_housekeeping(packet)).collect();
    (finished, ours, theirs)
}

/// IPv6 talking to itself may fall before or after one of the two captures.
fn is_housekeeping(packet: &Taken) -> bool {
    let mut truth = lab::Truth::default();
    truth
        .add(lab::truth::Link::Ethernet, &packet.data, packet.len as usize)
        .is_none_or(|seen| lab::truth::is_housekeeping(&seen.tuple))
}

fn without_housekeeping(pcapng: &Pcapng) -> Vec<&Taken> {
    pcapng.packets.iter().map(|(packet, _)| packet).filter(|packet| !is_housekeeping(packet)).collect()
}

/// The packets of one direction.
fn of_direction<'a>(packets: impl IntoIterator<Item = &'a Taken>, egress: bool) -> Vec<&'a Taken> {
    packets.into_iter().filter(|packet| (packet.data[6..12] == MAC_A) == egress).collect()
}

/// Equal but for a checksum on the way out: with the offload off, the kernel fills it in between the hook, which comes
/// first, and the tap that tcpdump reads.
fn same_frame(our: &[u8], their: &[u8], egress: bool) -> bool {
    // IPv4 without options and IPv6 without extensions; TCP, UDP, ICMPv6.
    let checksums = [34 + 16, 34 + 6, 54 + 16, 54 + 6, 54 + 2];
    let within = |at: usize| checksums.iter().any(|start| (*start..start + 2).contains(&at));
    let differing: Vec<usize> = (0..our.len().min(their.len())).filter(|at| our[*at] != their[*at]).collect();
    our.len() == their.len() && differing.iter().all(|at| egress && within(*at)) && differing.len() <= 2
}

#[test]
fn the_same_packets_in_the_same_order_at_the_same_times() {
    needs!("tcpdump", "ethtool", "ping");
    let _turn = need::beside_others().unwrap();
    let (_, ours, theirs) = beside_tcpdump(40, "", &[]);
    let ours = without_housekeeping(&ours);
    assert!(theirs.len() > 100, "{} packets", theirs.len());
    assert_eq!(ours.len(), theirs.len());
    // Under emulation a packet takes longer from one hook to the other.
    let limit = Duration::from_millis(if need::is_short() { 20 } else { 1 });
    for egress in [false, true] {
        let pairs = of_direction(ours.iter().copied(), egress).into_iter().zip(of_direction(&theirs, egress));
        for (number, (our, their)) in pairs.enumerate() {
            assert!(
                same_frame(&our.data, &their.data, egress) && our.len == their.len,
                "packet {number}: {our:?} instead of {their:?}"
            );
            assert!(our.time.abs_diff(their.time) < limit, "packet {number}: {:?} against {:?}", our.time, their.time);
        }
    }
    // Both directions together: what changed places did so within the time that lies between the two hooks.
    for (number, (our, their)) in ours.iter().zip(&theirs).enumerate() {
        let apart = our.time.abs_diff(their.time);
        assert!(same_frame(&our.data, &their.data, true) || apart < limit, "place {number}: {apart:?} apart");
    }
    assert!(ours.windows(2).all(|pair| pair[0].time <= pair[1].time), "the file is not in the order of its times");
}

#[test]
fn a_snaplen_cuts_the_bytes_and_keeps_the_lengths() {
    needs!("tcpdump", "ethtool", "ping");
    let _turn = need::beside_others().unwrap();
    let (_, ours, theirs) = beside_tcpdump(41, "--snaplen 96", &["-s", "96"]);
    let ours = without_housekeeping(&ours);
    assert_eq!(ours.len(), theirs.len());
    assert!(ours.iter().all(|packet| packet.data.len() == packet.len.min(96) as usize), "cut at another length");
    assert!(ours.iter().any(|packet| packet.len > 1500), "no long packets");
    for egress in [false, true] {
        let pairs = of_direction(ours.iter().copied(), egress).into_iter().zip(of_direction(&theirs, egress));
        for (our, their) in pairs {
            assert!(our.len == their.len && same_frame(&our.data, &their.data, egress), "{our:?} instead of {their:?}");
        }
    }
}

#[test]
fn the_file_opens_without_a_warning_and_counts_its_packets() {
    needs!("tshark", "capinfos", "tcpdump", "ethtool", "ping");
    let _turn = need::beside_others().unwrap();
    let (finished, ours, _) = beside_tcpdump(42, "", &[]);
    let path = finished.files.pcapng().unwrap();
    let tshark = Command::new("tshark")
        .args(["-n", "-r"])
        .arg(path)
        .args(["-T", "fields", "-e", "frame.number"])
        .output()
        .unwrap();
    assert!(tshark.status.success(), "{tshark:?}");
    let complaints: Vec<_> =
        std::str::from_utf8(&tshark.stderr).unwrap().lines().filter(|line| !line.contains("Running as user")).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
    assert_eq!(tshark.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count(), ours.packets.len());
    let capinfos = Command::new("capinfos").arg(path).output().unwrap();
    assert!(capinfos.status.success() && capinfos.stderr.is_empty(), "{capinfos:?}");
    let words = String::from_utf8_lossy(&capinfos.stdout);
    assert!(words.contains("Strict time order:   True"), "{words}");
    run(Command::new("tshark").args(["-n", "-q", "-z", "io,phs", "-r"]).arg(path)).unwrap();
    // One interface, in nanoseconds, whose statistics are those of the file.
    let [interface] = &*ours.interfaces else { panic!("{:?}", ours.interfaces) };
    assert!(interface.name.contains("a0") && interface.resolution == Some(9), "{interface:?}");
    let statistics = ours.statistics.last().expect("no interface statistics");
    assert_eq!((statistics.1, statistics.2.unwrap_or(0)), (Some(ours.packets.len() as u64), 0));
    // epb_flags, bits 0-1: 1 inbound, 2 outbound (pcapng, section 4.3.1).
    for (packet, flags) in &ours.packets {
        let expected = if packet.data[6..12] == MAC_A { 2 } else { 1 };
        assert_eq!(flags.map(|flags| flags & 3), Some(expected), "{packet:?}");
    }
}

#[test]
fn pcapng_on_standard_output_reads_like_the_file() {
    needs!("tshark", "ethtool", "ping");
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(43).unwrap();
    let capture = packets().of(&pair.a, "a0").args("-w -").start().unwrap();
    traffic::mixed(&pair);
    let finished = capture.stop().unwrap();
    let path = finished.directory.path().join("stdout");
    let tshark =
        Command::new("tshark").args(["-n", "-r"]).arg(&path).args(["-T", "fields", "-e", "ip.src"]).output().unwrap();
    assert!(tshark.status.success(), "{tshark:?}");
    let lines = String::from_utf8_lossy(&tshark.stdout).lines().filter(|line| line.starts_with("10.43.0.")).count();
    assert!(lines > 50, "{lines} packets");
}

#[test]
fn a_full_ring_is_counted_to_the_packet() {
    needs!("ethtool");
    let _turn = need::alone().unwrap();
    let pair = Pair::new(44).unwrap();
    pair.silence().unwrap();
    let capture =
        packets().of(&pair.a, "a0").args("--buffer-size 1MiB --max-bytes 2GB --protocol=UDP").start().unwrap();
    let socket = lab::RawSocket::open(&pair.a, "a0").unwrap();
    let template = traffic::nobody(pair.ends4()).udp((1, 2), &[0; 1200]);
    let total = if need::is_short() { 20_000 } else { 200_000 };
    // Stopped, it cannot empty its rings.
    capture.signal(libc::SIGSTOP);
    lab::raw::paced(&socket, &template, total, None, |_, _| ()).unwrap();
    capture.signal(libc::SIGCONT);
    let finished = capture.stop().unwrap();
    let (lost, kept) = (finished.files.counter("lost_packets").unwrap(), finished.files.packets().unwrap());
    assert!(lost > 0, "nothing was lost: the test shows nothing");
    assert_eq!(kept.packets.len() as u64 + lost, total);
    assert_eq!(kept.statistics.last().and_then(|statistics| statistics.2), Some(lost));
}
