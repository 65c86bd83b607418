//! Sums that have to be exact at full rate: one hot flow, segmentation offload, more flows than the maps hold.

use std::{
    io::{Read as _, Write as _},
    mem::size_of,
    net::{TcpListener, TcpStream},
    os::fd::AsRawFd as _,
    thread,
    time::{Duration, Instant},
};

use lab::{Finished, Pair, RawSocket, Tuple, need, needs, raw};

use super::traffic::{nobody, settle};
use crate::flows;

#[test]
fn a_hot_flow_loses_nothing_to_eviction() {
    needs!("ethtool", "sqlite3");
    let _turn = need::alone().unwrap();
    let pair = Pair::new(50).unwrap();
    pair.silence().unwrap();
    let capture = flows().of(&pair.a, "a0").args("--cache-active-timeout 100ms").start().unwrap();
    let frame = nobody(pair.ends4()).udp((50_000, 50_001), &[0; 18]);
    let time = Duration::from_secs(if need::is_short() { 5 } else { 30 });
    // Two senders, so that two CPUs count the same flow.
    let sent: u64 = thread::scope(|scope| {
        let senders = [(); 2].map(|()| scope.spawn(|| full_rate(&pair, &frame, time)));
        senders.into_iter().map(|sender| sender.join().unwrap()).sum()
    });
    settle();
    let files = capture.stop().unwrap().files;
    let row = files.query("SELECT SUM(Packets), SUM(Bytes), COUNT(*) FROM flow WHERE DstPort = 50001").unwrap();
    let numbers: Vec<u64> = row.split('|').map(|number| number.parse().unwrap()).collect();
    assert_eq!(numbers[..2], [sent, sent * frame.len() as u64]);
    assert!(numbers[2] >= time.as_secs() * 5, "{} records: there were hardly any evictions", numbers[2]);
}

fn full_rate(pair: &Pair, frame: &[u8], time: Duration) -> u64 {
    let socket = RawSocket::open(&pair.a, "a0").unwrap();
    let end = Instant::now() + time;
    let mut sent = 0;
    while Instant::now() < end {
        sent += raw::paced(&socket, frame, 6400, None, |_, _| ()).unwrap().frames;
    }
    sent
}

/// What the kernel knows of a connection, `struct tcp_info` of include/uapi/linux/tcp.h as far as it is needed.
#[repr(C)]
#[derive(Clone, Copy)]
struct TcpInfo {
    head: [u8; 100],
    total_retrans: u32,
    rates: [u64; 2],
    bytes: [u64; 2],
    segs_out: u32,
    segs_in: u32,
}

const _: () =
    assert!(std::mem::offset_of!(TcpInfo, total_retrans) == 100 && std::mem::offset_of!(TcpInfo, segs_out) == 136);

fn tcp_info(stream: &TcpStream) -> TcpInfo {
    // SAFETY: all zero is valid, pointer and size describe `info`.
    unsafe {
        let mut info: TcpInfo = std::mem::zeroed();
        let mut size = size_of::<TcpInfo>() as u32;
        let result = libc::getsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut size,
        );
        assert_eq!((result, size as usize), (0, size_of::<TcpInfo>()));
        info
    }
}

/// Sends `size` bytes to a listener at `port` and returns what the kernel counted once the connection is over.
fn transfer(pair: &Pair, port: u16, size: usize) -> TcpInfo {
    let address = (pair.v4(2), port);
    let listener = pair.b.run(|| Ok(TcpListener::bind(address)?)).unwrap();
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut stream, _) = listener.accept().unwrap();
            std::io::copy(&mut stream, &mut std::io::sink()).unwrap()
        });
        let mut stream = pair.a.run(|| Ok(TcpStream::connect(address)?)).unwrap();
        stream.write_all(&vec![b'b'; size]).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(reader.join().unwrap(), size as u64);
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
        settle();
        tcp_info(&stream)
    })
}

#[test]
fn segmentation_offload_is_undone_in_the_count() {
    needs!();
    let _turn = need::beside_others().unwrap();
    let pair = Pair::with_offloads(51).unwrap();
    let captures = ["a0", "b0"].map(|interface| {
        let netns = if interface == "a0" { &pair.a } else { &pair.b };
        flows().of(netns, interface).start().unwrap()
    });
    let size = 20_000_000;
    let buffers = || pair.a.statistic("a0", "tx_packets").unwrap();
    // On a busy machine a segment may be sent twice: then the arithmetic does not hold, and it is another transfer's turn.
    let whole = |port| {
        let before = buffers();
        let info = transfer(&pair, port, size);
        (info.total_retrans == 0).then(|| (port, info, buffers() - before))
    };
    let (port, info, sent_buffers) =
        (5001..5011).find_map(whole).expect("ten transfers, each with segments sent twice");
    assert!(sent_buffers * 4 < u64::from(info.segs_out), "{sent_buffers} buffers: there was no offload");
    for capture in captures {
        let table = capture.stop().unwrap().files.table().unwrap();
        let flow = |tuple: &Tuple| tuple.selector.is_some_and(|ports| ports.1 == port);
        let (_, there) = table.iter().find(|(tuple, _)| flow(tuple)).unwrap();
        let (_, back) = table.iter().find(|(tuple, _)| tuple.selector.is_some_and(|ports| ports.0 == port)).unwrap();
        // 14 Ethernet, 20 IP, 32 TCP with its timestamps; the SYN has 8 bytes more of options.
        let segments = u64::from(info.segs_out);
        assert_eq!((there.packets, there.bytes), (segments, size as u64 + segments * 66 + 8));
        assert_eq!(back.packets, u64::from(info.segs_in));
    }
}

/// Sends one-packet flows and returns how many.
fn storm(pair: &Pair, seconds: u64, rate: u32) -> u64 {
    let socket = RawSocket::open(&pair.a, "a0").unwrap();
    let template = nobody(pair.ends4()).udp((0, 53), &[0; 18]);
    let sent = raw::paced(&socket, &template, seconds * u64::from(rate), Some(rate), |n, frame| {
        // Source address 10.0.0.0/8 upwards and source port: 2^40 flows.
        let number = n.to_be_bytes();
        frame[27..30].copy_from_slice(&number[3..6]);
        frame[34..36].copy_from_slice(&number[6..]);
    })
    .unwrap();
    if sent.rate() < f64::from(rate) * 0.95 {
        eprintln!("note: this machine sent {:.0} flows a second instead of {rate}", sent.rate());
    }
    sent.frames
}

/// Packets in records, and wire packets admitted as lost.
fn accounted(finished: &Finished) -> (u64, u64) {
    let files = &finished.files;
    let kept = files.query("SELECT IFNULL(SUM(Packets), 0) FROM flow WHERE DstPort = 53").unwrap().parse().unwrap();
    let lost = ["lost_flow_packets", "lost_unreadable", "lost_queue", "lost_store"];
    (kept, lost.iter().map(|name| files.counter(name).unwrap()).sum())
}

#[test]
fn a_storm_of_new_flows_is_accounted_for_to_the_packet() {
    needs!("ethtool", "sqlite3");
    let _turn = need::alone().unwrap();
    let pair = Pair::new(52).unwrap();
    pair.silence().unwrap();
    let capture = flows().of(&pair.a, "a0").args("--max-bytes 4GB").start().unwrap();
    let (seconds, rate) = if need::is_short() { (3, 3_000) } else { (10, 80_000) };
    let sent = storm(&pair, seconds, rate);
    settle();
    let finished = capture.stop().unwrap();
    let (kept, lost) = accounted(&finished);
    assert_eq!(kept + lost, sent, "{kept} in records, {lost} admitted as lost: {:?}", finished.stderr);
    // A rate is claimed of a release build, on a machine that can send at it.
    let claimed = !cfg!(debug_assertions) || std::env::var_os("KERNEL_TIER_RATES").is_some();
    if claimed {
        assert!(kept * 100 >= sent * 95, "{kept} of {sent} in records");
    } else {
        eprintln!("note: {kept} of {sent} packets in records, in a build without optimisation");
    }
}

#[test]
fn a_full_map_admits_what_it_could_not_hold() {
    needs!("ethtool", "sqlite3");
    let _turn = need::alone().unwrap();
    let pair = Pair::new(53).unwrap();
    pair.silence().unwrap();
    let options = "--max-bytes 4GB --cache-max-flows 64 --cache-active-timeout 5s";
    let capture = flows().of(&pair.a, "a0").args(options).start().unwrap();
    let (seconds, rate) = if need::is_short() { (3, 3_000) } else { (5, 80_000) };
    // While it is stopped it empties neither its maps nor its fallback ring.
    capture.signal(libc::SIGSTOP);
    let sent = storm(&pair, seconds, rate);
    capture.signal(libc::SIGCONT);
    settle();
    let finished = capture.stop().unwrap();
    let (kept, lost) = accounted(&finished);
    assert_eq!(kept + lost, sent, "{kept} in records, {lost} admitted as lost: {:?}", finished.stderr);
    assert!(finished.files.counter("fallback").unwrap() > 0, "the fallback was never used");
    if !need::is_short() {
        assert!(lost > 0, "nothing was lost: the test shows nothing");
        let stored = finished.files.query("SELECT * FROM capture").unwrap();
        assert!(stored.contains(&lost.to_string()), "{stored}");
        assert!(finished.stderr.iter().any(|line| line.contains("lost: flow map full")), "{:?}", finished.stderr);
    }
}
