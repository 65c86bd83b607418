//! The flight recorder, and packets of single flows beside a capture of flows.

use std::{net::UdpSocket, path::PathBuf, process::Command, thread, time::Duration};

use lab::{Pair, Tcpdump, Terminal, capture::Running, files::Pcapng, need, needs, sockets, tcpdump::Taken};

use super::terminal::words;
use crate::{flows, packets};

const START: Duration = Duration::from_secs(30);

/// Files of packets in a directory of a capture, by name.
fn recordings(directory: &std::path::Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(directory.join("pcap")).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "pcapng")).collect();
    files.sort();
    files
}

/// Ports and payload lengths of the UDP packets of a file.
fn datagrams(path: &std::path::Path, port: u16) -> Vec<Taken> {
    let is_it =
        |packet: &&Taken| packet.data.len() > 42 && packet.data[23] == 17 && packet.data[36..38] == port.to_be_bytes();
    Pcapng::read(path).unwrap().packets.into_iter().map(|(packet, _)| packet).filter(|packet| is_it(&packet)).collect()
}

/// A datagram of this length to this port.
fn send(pair: &Pair, port: u16, length: usize) {
    sockets::datagrams(&pair.a, &pair.b, (pair.v4(2), port).into(), &[length]).unwrap();
}

/// The only recording, once there is one that holds `count` datagrams to `port`.
fn saved(capture: &Running, port: u16, count: usize) -> PathBuf {
    for _ in 0..200 {
        if let [path] = &recordings(capture.directory())[..]
            && Pcapng::read(path).is_ok()
            && datagrams(path, port).len() >= count
        {
            return path.clone();
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("{:?}", recordings(capture.directory()));
}

#[test]
fn a_signal_saves_the_last_seconds_and_the_next_and_nothing_older() {
    needs!("ethtool");
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(180).unwrap();
    pair.silence().unwrap();
    let mut capture = packets().of(&pair.a, "a0").args("--ring 3s").start().unwrap();
    send(&pair, 7000, 100);
    // Older than the ring holds, with what news may be late.
    thread::sleep(Duration::from_millis(4500));
    for length in [201, 202, 203] {
        send(&pair, 7000, length);
    }
    thread::sleep(Duration::from_millis(300));
    assert!(recordings(capture.directory()).is_empty(), "nothing is written until it is asked for");
    capture.signal(libc::SIGUSR1);
    capture.wait_for("saving", START).unwrap();
    send(&pair, 7000, 204);
    saved(&capture, 7000, 4);
    thread::sleep(Duration::from_millis(3500));
    // As long again is over.
    send(&pair, 7000, 205);
    thread::sleep(Duration::from_millis(300));
    let finished = capture.stop().unwrap();
    let [path] = &recordings(finished.directory.path())[..] else { panic!("not one file") };
    let lengths: Vec<usize> = datagrams(path, 7000).iter().map(|packet| packet.data.len() - 42).collect();
    assert_eq!(lengths, [201, 202, 203, 204]);
    assert!(String::from_utf8_lossy(&std::fs::read(path).unwrap()).contains("SIGUSR1"), "why it was saved");
    assert_eq!(finished.files.counter("ring_fallen").unwrap(), 0);
    assert!(finished.files.counter("ring_saved").unwrap() >= 4);
}

#[test]
fn a_drop_saves_what_came_before_it() {
    needs!("ethtool");
    if need::kernel() < (5, 17) {
        return need::skip("this kernel gives no reasons of drops (Linux 5.17)");
    }
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(181).unwrap();
    pair.silence().unwrap();
    let arguments = ["--ring", "2s", "--trigger", "drop.cause =~ NO_SOCKET and dst.port = 7001"];
    let mut capture = packets().of(&pair.b, "b0");
    for argument in arguments {
        capture = capture.arg(argument);
    }
    let mut capture = capture.start().unwrap();
    send(&pair, 7000, 300);
    // Nobody listens there.
    let socket = pair.a.run(|| Ok(UdpSocket::bind("0.0.0.0:0")?)).unwrap();
    socket.send_to(&[1; 50], (pair.v4(2), 7001)).unwrap();
    capture.wait_for("saving", START).unwrap();
    let path = saved(&capture, 7000, 1);
    let finished = capture.stop().unwrap();
    let path = finished.directory.path().join("pcap").join(path.file_name().unwrap());
    assert_eq!(datagrams(&path, 7000).len(), 1);
    assert!(!datagrams(&path, 7001).is_empty());
    let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
    assert!(text.contains("trigger drop.cause") && text.contains("NO_SOCKET"), "the packet is named");
}

#[test]
fn an_answer_of_dns_saves_what_came_before_it() {
    needs!("ethtool");
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(182).unwrap();
    pair.silence().unwrap();
    let capture = packets()
        .of(&pair.a, "a0")
        .arg("--ring")
        .arg("4s")
        .arg("--trigger")
        .arg("drop.cause = NEVER or dns.rcode = ServFail");
    let mut capture = capture.start().unwrap();
    send(&pair, 7000, 300);
    let server = pair.b.run(|| Ok(UdpSocket::bind("0.0.0.0:53")?)).unwrap();
    let client = pair.a.run(|| Ok(UdpSocket::bind("0.0.0.0:0")?)).unwrap();
    // RFC 1035, section 4.1: one question for web.test, A, IN; the answer says SERVFAIL.
    let question = [&[0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], b"\x03web\x04test\0", &[0, 1, 0, 1]].concat();
    client.send_to(&question, (pair.v4(2), 53)).unwrap();
    let mut bytes = [0; 512];
    let (length, from) = server.recv_from(&mut bytes).unwrap();
    let mut answer = bytes[..length].to_vec();
    (answer[2], answer[3]) = (0x81, 0x82);
    server.send_to(&answer, from).unwrap();
    capture.wait_for("saving", START).unwrap();
    let path = saved(&capture, 7000, 1);
    let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
    assert!(text.contains("ServFail"), "the record is named");
    capture.stop().unwrap();
}

#[test]
fn a_wrong_trigger_is_pointed_at_before_anything_is_touched() {
    let command = packets().arg("--ring").arg("5s").arg("--trigger").arg("drop or dns.rcod = ServFail");
    let output = command.command(&std::env::temp_dir()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("dns.rcod = ServFail") && text.contains('^'), "{text}");
}

#[test]
fn a_key_records_the_packets_of_the_selected_flow_and_no_others() {
    needs!("tmux", "stty", "ethtool", "tcpdump");
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(183).unwrap();
    pair.silence().unwrap();
    let terminal = Terminal::open(200, 40);
    terminal.line(&words(&terminal, &flows().of(&pair.a, "a0")));
    terminal.until("a table", |screen| !screen.contains("prompt>"));
    let client = pair.a.run(|| Ok(UdpSocket::bind("0.0.0.0:0")?)).unwrap();
    let server = pair.b.run(|| Ok(UdpSocket::bind("0.0.0.0:7002")?)).unwrap();
    let talk = |length: usize| {
        client.send_to(&vec![1; length], (pair.v4(2), 7002)).unwrap();
        let (_, from) = server.recv_from(&mut [0; 2000]).unwrap();
        server.send_to(&vec![2; length + 1], from).unwrap();
        client.recv(&mut [0; 2000]).unwrap();
    };
    talk(500);
    send(&pair, 7003, 100);
    terminal.until("both flows", |screen| screen.contains("7002") && screen.contains("7003"));
    terminal.line("7002");
    terminal.until("narrowed", |screen| screen.lines().filter(|line| line.contains(":7003")).count() == 0);
    terminal.keys(&["Escape"]);
    thread::sleep(Duration::from_millis(600));
    terminal.keys(&["f"]);
    terminal.wait_for("recording packets of UDP");
    // Its programs are loaded and attached before it counts.
    let is_attached = |screen: &str| {
        talk(400);
        screen.contains("packets into") && !screen.contains(" 0 packets into")
    };
    terminal.until("packets in it", is_attached);
    let truth = terminal.directory().join("truth.pcap");
    let tcpdump = Tcpdump::start(&pair.a, "a0", &truth, &["udp", "port", "7002"]).unwrap();
    for length in [601, 602, 603] {
        talk(length);
        send(&pair, 7003, 100);
    }
    let theirs: Vec<usize> = tcpdump
        .stop()
        .unwrap()
        .packets()
        .unwrap()
        .iter()
        .map(|packet| packet.data.len())
        .filter(|len| *len > 600)
        .collect();
    assert_eq!(theirs.len(), 6);
    terminal.keys(&["f"]);
    terminal.wait_for("ends here");
    terminal.keys(&["q"]);
    terminal.wait_for("prompt>");
    let [path] = &recordings(terminal.directory())[..] else { panic!("not one file") };
    let ours = Pcapng::read(path).unwrap();
    let lengths: Vec<usize> = ours.packets.iter().map(|(packet, _)| packet.data.len()).collect();
    let recent: Vec<usize> = lengths.iter().copied().filter(|len| *len > 600).collect();
    assert_eq!(recent, theirs);
    let port = 7002_u16.to_be_bytes();
    assert!(ours.packets.iter().all(|(packet, _)| packet.data[34..36] == port || packet.data[36..38] == port));
}

#[test]
fn a_key_writes_the_packets_that_are_shown() {
    needs!("tmux", "stty", "ethtool");
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(184).unwrap();
    pair.silence().unwrap();
    let terminal = Terminal::open(200, 40);
    terminal.line(&words(&terminal, &packets().of(&pair.a, "a0")));
    terminal.until("a table", |screen| !screen.contains("prompt>"));
    for length in [101, 102] {
        send(&pair, 7004, length);
        send(&pair, 7005, length);
    }
    terminal.until("packets", |screen| screen.contains("7004") && screen.contains("7005"));
    terminal.line("7004");
    terminal.until("narrowed", |screen| screen.lines().filter(|line| line.contains(".7005")).count() == 0);
    terminal.keys(&["Escape"]);
    thread::sleep(Duration::from_millis(600));
    terminal.keys(&["e"]);
    terminal.wait_for("packets written to");
    terminal.keys(&["q"]);
    terminal.wait_for("prompt>");
    let files = recordings(terminal.directory());
    let shown = files.iter().find(|path| path.to_string_lossy().contains("shown")).unwrap();
    assert_eq!(datagrams(shown, 7004).len(), 2);
    assert_eq!(Pcapng::read(shown).unwrap().packets.len(), 2);
    let opened = Command::new("capinfos").arg(shown).output();
    assert!(opened.is_err() || opened.unwrap().status.success());
}
