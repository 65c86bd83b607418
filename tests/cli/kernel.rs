//! Commands as NetObserv's own posts print them, with `--local`: they capture, give what they ask for, and end well.

use lab::{Capture, Finished, Pair, needs, sockets};

use crate::run::BINARY;

/// Runs `line` (a command and its options) beside one HTTP request over the pair, and ends it as Ctrl-C does.
fn beside_http(pair: &Pair, port: u16, line: &str) -> Finished {
    let (command, options) = line.split_once(' ').expect("a command and options");
    let capture = Capture::new(BINARY, command).of(&pair.b, "b0").args(options);
    let running = capture.start().expect("it says that it is attached");
    let server = (pair.v4(2), port).into();
    sockets::http(&pair.a, &pair.b, server, 1000).expect("an answer");
    running.stop().expect("it ends well")
}

#[test]
fn flows_as_typed_in_the_first_posts() {
    needs!();
    let pair = Pair::new(90).expect("namespaces");
    let typed = "flows --enable_filter=true --protocol=tcp --port=80 --enable_rtt=true";
    let finished = beside_http(&pair, 80, typed);
    let records = finished.files.records().expect("records");
    assert!(!records.is_empty() && records.iter().all(|record| record["Proto"] == 6), "{records:?}");
}

#[test]
fn flows_with_features_and_a_peer() {
    needs!("sqlite3");
    let pair = Pair::new(91).expect("namespaces");
    let features = "flows --enable_pktdrop=true --enable_dns=true --enable_rtt=true --enable_filter=true";
    let finished = beside_http(&pair, 8080, &format!("{features} --peer_ip={}", pair.v4(1)));
    assert!(!finished.stderr.iter().any(|line| line.contains("not built yet")), "{:?}", finished.stderr);
    assert!(!finished.files.records().expect("records").is_empty());
    let query = "SELECT DnsLatencyMs, DnsFlagsResponseCode, DnsId, DstAddr, DstPort, Interface, Proto, SrcAddr, SrcPort, \
                 Bytes, Packets FROM flow WHERE DnsLatencyMs > 10";
    assert_eq!(finished.files.query(query).expect("a query that is understood").trim(), "");
}

#[test]
fn packets_by_protocol_and_port() {
    needs!();
    let pair = Pair::new(92).expect("namespaces");
    for (port, line) in [(80, "packets tcp,80"), (8443, "packets --protocol=TCP --port=8443")] {
        let finished = beside_http(&pair, port, line);
        assert!(!finished.stderr.iter().any(|line| line.contains("without a filter")), "{:?}", finished.stderr);
        let taken = finished.files.packets().expect("a pcapng file").packets.len();
        assert!(taken >= 8, "{line}: {taken} packets of a whole connection");
    }
}
