//! Round trip times, retransmissions, states of connections: against what `ss` and `nstat` say of the same sockets.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::AsRawFd as _,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use lab::{Fate, Netns, Pair, Relay, need, needs};
use serde_json::Value;

use crate::flows;

/// One way.
const LATE: Duration = Duration::from_millis(20);

/// Says why there is no relay here, if there is none.
fn no_tun() -> bool {
    let missing = !Path::new("/dev/net/tun").exists();
    if missing {
        need::skip("this kernel has no tun devices");
    }
    missing
}

fn listen(netns: &Netns, address: SocketAddr) -> TcpListener {
    netns.run(|| Ok(TcpListener::bind(address)?)).unwrap()
}

fn connect(netns: &Netns, address: SocketAddr) -> std::io::Result<TcpStream> {
    netns.run(|| Ok(TcpStream::connect(address))).unwrap()
}

/// A connection from `a` to `b`, and its other end.
fn join(a: &Netns, b: &Netns, address: SocketAddr) -> (TcpStream, TcpStream) {
    let listener = listen(b, address);
    let client = connect(a, address).unwrap();
    (client, listener.accept().unwrap().0)
}

fn option(stream: &TcpStream, level: i32, name: i32, value: &[u8]) {
    let size = value.len() as u32;
    // SAFETY: pointer and size describe `value`.
    let set = unsafe { libc::setsockopt(stream.as_raw_fd(), level, name, value.as_ptr().cast(), size) };
    assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
}

/// Closes by a reset.
fn abort(stream: TcpStream) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let bytes = [linger.l_onoff.to_ne_bytes(), linger.l_linger.to_ne_bytes()].concat();
    option(&stream, libc::SOL_SOCKET, libc::SO_LINGER, &bytes);
    drop(stream);
}

/// A counter of a namespace since it was made.
fn nstat(netns: &Netns, name: &str) -> u64 {
    let text = need::output_of(netns.command("nstat").args(["-a", "-z", "-s", name])).unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name}: {text}"));
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Smoothed round trip time of the only established connection to a port, microseconds, as `ss` prints it.
fn ss_rtt_us(netns: &Netns, port: u16) -> f64 {
    let filter = format!("dport = :{port}");
    let text = need::output_of(netns.command("ss").args(["-Htin", "state", "established", &filter])).unwrap();
    let word = text.split_whitespace().find_map(|word| word.strip_prefix("rtt:")).unwrap_or_else(|| panic!("{text}"));
    word.split('/').next().unwrap().parse::<f64>().unwrap() * 1000.0
}

/// Records from one address to another with this port at either end.
fn of<'a>(records: &'a [Value], src: &str, port: u16) -> Vec<&'a Value> {
    let matches =
        |record: &&Value| record["SrcAddr"] == src && (record["SrcPort"] == port || record["DstPort"] == port);
    records.iter().filter(matches).collect()
}

fn sum(records: &[&Value], key: &str) -> u64 {
    records.iter().filter_map(|record| record[key].as_u64()).sum()
}

fn numbers(records: &[&Value], key: &str) -> Vec<u64> {
    records.iter().filter_map(|record| record[key].as_u64()).collect()
}

/// What a connection came to: the last word of its records.
fn result(records: &[&Value]) -> String {
    records.iter().rev().find_map(|record| record["TcpResult"].as_str()).unwrap_or("none").to_owned()
}

#[test]
fn round_trip_time_and_handshake_are_those_of_the_way_and_of_ss() {
    needs!("ss");
    if no_tun() {
        return;
    }
    let _turn = need::beside_others().unwrap();
    let relay = Relay::late(80, LATE).unwrap();
    let capture = flows().of(&relay.a, "a0").arg("--enable-rtt").start().unwrap();
    let server = flows().of(&relay.b, "b0").arg("--enable-rtt").start().unwrap();
    let (mut client, mut other) = join(&relay.a, &relay.b, (relay.v4(2), 7100).into());
    client.set_nodelay(true).unwrap();
    let echo = thread::spawn(move || {
        let mut byte = [0];
        while other.read_exact(&mut byte).is_ok() {
            other.write_all(&byte).unwrap();
        }
    });
    let mut ask = || {
        client.write_all(b"?").unwrap();
        client.read_exact(&mut [0]).unwrap();
    };
    (0..30).for_each(|_| ask());
    let said = ss_rtt_us(&relay.a, 7100);
    // The kernel's value is read when a segment has come and before it is looked into.
    ask();
    drop(client);
    echo.join().unwrap();
    let records = capture.stop().unwrap().files.records().unwrap();
    let out = of(&records, "10.80.0.1", 7100);
    let latest = *numbers(&out, "TcpRttLastNs").last().unwrap();
    eprintln!("ss: {said} us, latest: {latest} ns, smallest: {:?} ns", numbers(&out, "TcpRttMinNs"));
    assert!((latest as f64 / 1000.0 - said).abs() < 1.0, "ss says {said} us, we say {latest} ns");
    let smallest = numbers(&out, "TcpRttMinNs").into_iter().min().unwrap();
    // Under emulation everybody on the way is late; what ss says holds there too.
    let late = if need::is_short() { 10 } else { 1 };
    assert!((40_000_000..44_000_000 * late).contains(&smallest), "{smallest}");
    for record in of(&records, "10.80.0.2", 7100).iter().chain(&out).filter(|record| record["TimeFlowRttNs"].is_u64()) {
        let [min, latest, max] =
            ["TcpRttMinNs", "TcpRttLastNs", "TimeFlowRttNs"].map(|key| record[key].as_u64().unwrap());
        assert!(min <= latest && latest <= max, "{record}");
    }
    assert!(!numbers(&of(&records, "10.80.0.2", 7100), "TimeFlowRttNs").is_empty(), "the way back has it too");
    let records_there = server.stop().unwrap().files.records().unwrap();
    for records in [&records, &records_there] {
        let handshakes = numbers(&of(records, "10.80.0.1", 7100), "TcpHandshakeNs");
        assert_eq!(handshakes.len(), 1, "{handshakes:?}");
        assert!((40_000_000..60_000_000 * late).contains(&handshakes[0]), "{handshakes:?}");
        assert_eq!(result(&of(records, "10.80.0.1", 7100)), "closed");
    }
}

#[test]
fn segments_sent_again_are_those_that_nstat_counts() {
    needs!("nstat");
    if no_tun() {
        return;
    }
    let _turn = need::beside_others().unwrap();
    let mut data = 0;
    // Every 12th segment with data is lost; the way is long enough for several to be under way.
    let relay = Relay::new(81, move |passing| {
        data += u32::from(passing.from_a && passing.tcp_payload().is_some_and(|bytes| bytes > 0));
        let is_data = passing.from_a && passing.tcp_payload().is_some_and(|bytes| bytes > 0);
        if is_data && data % 12 == 0 { Fate::Lost } else { Fate::After(Duration::from_millis(2)) }
    });
    let relay = relay.unwrap();
    let sender = flows().of(&relay.a, "a0").arg("--enable-rtt").start().unwrap();
    let receiver = flows().of(&relay.b, "b0").arg("--enable-rtt").start().unwrap();
    let (mut client, mut other) = join(&relay.a, &relay.b, (relay.v4(2), 7101).into());
    let reading = thread::spawn(move || {
        let mut bytes = Vec::new();
        other.read_to_end(&mut bytes).unwrap();
        bytes.len()
    });
    client.write_all(&vec![7; 400_000]).unwrap();
    drop(client);
    assert_eq!(reading.join().unwrap(), 400_000);
    thread::sleep(Duration::from_millis(300));
    let (again, queued) = (nstat(&relay.a, "TcpRetransSegs"), nstat(&relay.b, "TcpExtTCPOFOQueue"));
    let at_sender = sender.stop().unwrap().files.records().unwrap();
    let at_receiver = receiver.stop().unwrap().files.records().unwrap();
    let (out, back) = (of(&at_sender, "10.81.0.1", 7101), of(&at_sender, "10.81.0.2", 7101));
    let come = of(&at_receiver, "10.81.0.1", 7101);
    eprintln!(
        "nstat: {again} sent again, {queued} out of order; we: {}, {}",
        sum(&out, "TcpRetransmits"),
        sum(&come, "TcpOutOfOrder")
    );
    assert!(again >= 15, "only {again} segments were sent again");
    assert_eq!(sum(&out, "TcpRetransmits"), again);
    assert_eq!(sum(&back, "TcpRetransmits"), 0, "the other way nothing was lost");
    assert_eq!(sum(&come, "TcpOutOfOrder"), queued);
    assert!(queued > 0);
}

#[test]
fn a_closed_window_is_told_of_who_closed_it() {
    needs!("nstat");
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(82).unwrap();
    let capture = flows().of(&pair.a, "a0").arg("--enable-rtt").start().unwrap();
    let (mut client, mut other) = join(&pair.a, &pair.b, (pair.v4(2), 7102).into());
    client.set_nonblocking(true).unwrap();
    let begun = Instant::now();
    let bulk = vec![1; 65_536];
    let mut sent = 0;
    while begun.elapsed() < Duration::from_millis(1500) {
        match client.write(&bulk) {
            Ok(size) => sent += size,
            Err(_) => thread::sleep(Duration::from_millis(20)),
        }
    }
    let closed = nstat(&pair.b, "TcpExtTCPToZeroWindowAdv");
    drop(client);
    let mut all = Vec::new();
    other.read_to_end(&mut all).unwrap();
    assert_eq!(all.len(), sent);
    drop(other);
    let records = capture.stop().unwrap().files.records().unwrap();
    let from_receiver = sum(&of(&records, "10.82.0.2", 7102), "TcpZeroWindows");
    eprintln!("nstat: {closed} times closed; we: {from_receiver}");
    assert!(closed > 0 && (1..=closed).contains(&from_receiver), "{from_receiver} of {closed}");
    assert_eq!(sum(&of(&records, "10.82.0.1", 7102), "TcpZeroWindows"), 0);
}

#[test]
fn what_became_of_each_connection_is_told_in_its_direction() {
    needs!("nft");
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(83).unwrap();
    pair.a.sysctl("net/ipv4/tcp_syn_retries", "1").unwrap();
    let drops = "add table inet t; add chain inet t in { type filter hook input priority 0; }; \
                 add rule inet t in tcp dport { 7113, 7114 } drop; add rule inet t in tcp dport 7117 reject";
    lab::netns::run(pair.b.command("nft").arg(drops)).unwrap();
    let capture = flows().of(&pair.a, "a0").arg("--enable-rtt").start().unwrap();
    let to = |port: u16| SocketAddr::from((pair.v4(2), port));

    assert!(connect(&pair.a, to(7110)).is_err(), "nobody listens there");
    let (client, other) = join(&pair.a, &pair.b, to(7111));
    abort(client);
    drop(other);
    // An IPv6 socket that speaks IPv4.
    let listener = listen(&pair.b, "[::]:7112".parse().unwrap());
    let client = connect(&pair.a, to(7112)).unwrap();
    abort(listener.accept().unwrap().0);
    thread::sleep(Duration::from_millis(50));
    drop(client);
    let given_up = pair.a.run(|| Ok(TcpStream::connect_timeout(&to(7114), Duration::from_millis(300)))).unwrap();
    assert!(given_up.is_err());
    let (client, other) = join(&pair.a, &pair.b, to(7115));
    drop(client);
    drop(other);
    let user = thread::scope(|scope| {
        let silent = scope.spawn(|| connect(&pair.a, to(7113)));
        // Established, then nothing comes through any more.
        let (mut client, _other) = join(&pair.a, &pair.b, to(7116));
        lab::netns::run(pair.b.command("nft").arg("add rule inet t in tcp dport 7116 drop")).unwrap();
        option(&client, libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT, &700u32.to_ne_bytes());
        client.write_all(b"?").unwrap();
        let user = client.read(&mut [0]);
        assert_eq!(silent.join().unwrap().unwrap_err().kind(), std::io::ErrorKind::TimedOut);
        user
    });
    assert_eq!(user.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    assert!(connect(&pair.a, to(7117)).is_err(), "an ICMP message says no");

    let records = capture.stop().unwrap().files.records().unwrap();
    let both = |port| [result(&of(&records, "10.83.0.1", port)), result(&of(&records, "10.83.0.2", port))];
    assert_eq!(both(7110), ["refused", "refused"]);
    assert_eq!(both(7111), ["reset by source", "reset by destination"]);
    assert_eq!(both(7112), ["reset by destination", "reset by source"]);
    assert_eq!(both(7113), ["timed out", "none"]);
    assert_eq!(both(7114), ["timed out", "none"]);
    assert_eq!(both(7115), ["closed", "closed"]);
    assert_eq!(both(7116)[0], "timed out");
    assert_eq!(both(7117)[0], "refused");
    let silent = of(&records, "10.83.0.1", 7113);
    assert_eq!(sum(&silent, "TcpRetransmits"), sum(&silent, "Packets") - 1, "all but the first SYN: {silent:?}");
    assert!(silent.iter().any(|record| record["TcpState"] == "SYN_SENT"), "seen while it waits: {silent:?}");
    let open = |record: &&&Value| record["TcpResult"] == "established" && record["TcpState"] == "ESTABLISHED";
    assert!(of(&records, "10.83.0.1", 7116).iter().filter(open).count() > 0);
}

#[test]
fn a_connection_whose_first_packet_never_left_is_told_too() {
    needs!("nft", "nstat");
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(84).unwrap();
    pair.a.sysctl("net/ipv4/tcp_syn_retries", "1").unwrap();
    let drops = "add table inet t; add chain inet t out { type filter hook output priority 0; }; \
                 add rule inet t out tcp dport { 7120, 7121 } drop";
    lab::netns::run(pair.a.command("nft").arg(drops)).unwrap();
    let netns = pair.a.path().display().to_string();
    let capture = flows().args("--enable-rtt --ports 7120,7122 --netns").arg(&netns).start().unwrap();
    // A capture of no packet at all ends with an exit code of its own.
    assert!(connect(&pair.a, (pair.v4(2), 7122).into()).is_err());
    thread::scope(|scope| {
        let attempts = [7120, 7121].map(|port| {
            let address = SocketAddr::from((pair.v4(2), port));
            let pair = &pair;
            scope.spawn(move || connect(&pair.a, address).unwrap_err().kind())
        });
        for attempt in attempts {
            assert_eq!(attempt.join().unwrap(), std::io::ErrorKind::TimedOut);
        }
    });
    let again = nstat(&pair.a, "TcpRetransSegs");
    let records = capture.stop().unwrap().files.records().unwrap();
    let told = of(&records, "10.84.0.1", 7120);
    assert_eq!(result(&told), "timed out");
    assert!(again > 0 && sum(&told, "TcpRetransmits") * 2 == again, "both together {again}: {told:?}");
    assert!(told.iter().all(|record| record["Packets"].is_null()), "no packet was seen: {told:?}");
    assert!(of(&records, "10.84.0.1", 7121).is_empty(), "the filter does not take it");
}
