//! What features find out, on the screen: displays, conversations, dropped packets, the filter language and its completion.

use std::sync::Arc;

use collector::{
    tui::TableSetup,
    view::{Command, Kept, Pace, Settings, View, row::Row},
};
use flow::{Batch, Body, Drop, Feature, FlowBatch, FlowRecord, config::Mode};
use proptest::prelude::*;

use crate::{Desk, SECOND, START, setup};

/// A connection that was refused, one that is lossy, a look-up that failed, one that never got an answer; each with its way back
/// where there is one.
const RECORDS: &str = r#"[
    {"SrcAddr":"10.0.0.12","SrcPort":51234,"DstAddr":"10.0.1.5","DstPort":8443,"Proto":6,"Flags":2,"Bytes":74,"Packets":1,
     "TcpResult":"refused","TcpState":"CLOSE","SrcProcess":"curl","SrcPid":4711},
    {"SrcAddr":"10.0.1.5","SrcPort":8443,"DstAddr":"10.0.0.12","DstPort":51234,"Proto":6,"Flags":1044,"Bytes":54,"Packets":1,
     "DstProcess":"curl","DstPid":4711},
    {"SrcAddr":"10.0.0.13","SrcPort":40100,"DstAddr":"10.0.1.6","DstPort":443,"Proto":6,"Flags":2,"Bytes":9100,"Packets":80,
     "TcpState":"ESTABLISHED","TcpResult":"established","TimeFlowRttNs":143000000,"TcpRttMinNs":12400000,"TcpRttLastNs":13000000,
     "TcpHandshakeNs":25100000,"TcpRetransmits":7,"TLSServerName":"shop.example.com","TLSVersion":"TLS 1.3","TLSAlpn":"h2",
     "XlatDstAddr":"10.244.1.7","XlatDstPort":8080,"XlatDstK8S_Name":"shop-7d9f"},
    {"SrcAddr":"10.0.1.6","SrcPort":443,"DstAddr":"10.0.0.13","DstPort":40100,"Proto":6,"Flags":274,"Bytes":1200000,"Packets":900,
     "TcpOutOfOrder":3},
    {"SrcAddr":"10.0.0.12","SrcPort":38112,"DstAddr":"10.96.0.10","DstPort":53,"Proto":17,"Bytes":88,"Packets":1,"DnsId":7,
     "DnsName":"api.example.com","DnsType":"A","DnsFlags":256},
    {"SrcAddr":"10.96.0.10","SrcPort":53,"DstAddr":"10.0.0.12","DstPort":38112,"Proto":17,"Bytes":160,"Packets":1,"DnsId":7,
     "DnsName":"api.example.com","DnsType":"A","DnsFlags":33155,"DnsFlagsResponseCode":"NXDomain","DnsLatencyMs":12},
    {"SrcAddr":"10.0.0.14","SrcPort":40200,"DstAddr":"10.0.1.7","DstPort":9000,"Proto":17,"Bytes":500,"Packets":5,
     "PktDropPackets":5,"PktDropBytes":500,"PktDropLatestDropCause":"SKB_DROP_REASON_NO_SOCKET",
     "PktDropLikelyCause":"NetworkPolicy shop/deny-all does not allow it"}
]"#;

fn batch(now: u64) -> Batch {
    let mut records: Vec<FlowRecord> = serde_json::from_str(RECORDS).unwrap();
    for record in &mut records {
        (record.time_flow_start_ms, record.time_flow_end_ms) = (Some(now / 1_000_000 - 900), Some(now / 1_000_000));
        record.interfaces = Some(Arc::from([Arc::from("eth0")]));
        record.if_directions = Some(Arc::from([1]));
    }
    Batch::bare("worker-1".into(), now, Body::Flows(FlowBatch { records, observations: Vec::new() }))
}

/// A table of these records alone, three seconds long.
fn desk(features: &[Feature], size: (u16, u16)) -> Desk {
    let mut setup = TableSetup { features: features.to_vec(), ..setup(Mode::Flows) };
    setup.what = String::from("everything");
    let mut desk = Desk::empty(setup, size);
    for _ in 0..3 {
        desk.now += SECOND;
        desk.table.at(desk.now);
        desk.table.receive(Arc::new(batch(desk.now)));
    }
    desk
}

/// Whether so many rows pass the filters.
fn shows(desk: &mut Desk, rows: usize) -> bool {
    let of = format!(" of {rows}");
    desk.screen().lines().any(|line| line.ends_with(&of))
}

#[test]
fn each_display_shows_what_matters_in_eighty_cells_and_in_two_hundred() {
    let displays =
        [Feature::PktDrop, Feature::Dns, Feature::Rtt, Feature::PktTranslation, Feature::Tls, Feature::Process];
    for feature in displays {
        for size in [(80, 24), (200, 24)] {
            let mut desk = desk(&[feature], size);
            insta::assert_snapshot!(format!("{feature:?}_{}", size.0).to_lowercase(), desk.screen());
        }
    }
}

#[test]
fn conversations_are_one_row_each_and_flows_again_with_the_same_key() {
    let mut desk = desk(&[], (80, 24));
    assert!(shows(&mut desk, 7) && desk.has("7 flows"));
    desk.keys("<Esc>c");
    insta::assert_snapshot!("conversations_80", desk.screen());
    desk.keys("c");
    assert!(shows(&mut desk, 7) && desk.has("7 flows"));
    let mut wide = self::desk(&[Feature::Conversations, Feature::Rtt, Feature::Dns], (200, 24));
    insta::assert_snapshot!("conversations_200", wide.screen());
}

#[test]
fn packets_are_no_conversations() {
    let mut desk = Desk::new(setup(Mode::Packets), (80, 24));
    desk.keys("<Esc>c");
    assert!(desk.has("packets kept") && !desk.has("conversations"));
}

#[test]
fn a_dropped_packet_says_so_with_a_word_a_mark_and_a_colour() {
    let screen = |colour: bool| {
        let mut desk = Desk::new(TableSetup { colour, ..setup(Mode::Packets) }, (120, 30));
        let mut batch = desk.traffic.packets(desk.now + SECOND, 3);
        if let Body::Packets(packets) = &mut batch.body {
            packets.drops.push(Drop { packet: 1, cause: "SKB_DROP_REASON_NETFILTER_DROP".into() });
        }
        desk.table.receive(Arc::new(batch));
        desk.table.work(|| false);
        let sent = String::from_utf8(desk.table.frame().unwrap()).unwrap();
        (desk, sent)
    };
    let (mut desk, sent) = screen(true);
    let text = desk.screen();
    let line = text.lines().find(|line| line.contains("dropped NETFILTER_DROP │")).unwrap();
    assert!(line.starts_with('✗'), "{line}");
    assert!(sent.contains("38;5;208"), "orange");
    let (_, plain) = screen(false);
    assert!(!plain.contains("38;5;") && plain.contains('✗'));
    desk.keys("drop.cause = SKB_DROP_REASON_NETFILTER_DROP");
    assert!(shows(&mut desk, 1), "{}", desk.screen());
    desk.keys("<C-u>NETFILTER");
    assert!(shows(&mut desk, 1), "{}", desk.screen());
}

#[test]
fn the_line_speaks_the_filter_language_over_sums_of_the_row() {
    let mut desk = desk(&[], (120, 24));
    for (text, rows) in [
        ("port = 443", 2),
        ("dst.port = 443", 1),
        ("bytes > 1MB", 1),
        ("bytes > 3MB", 1),
        ("bytes > 4MB", 0),
        ("rtt > 100ms", 1),
        ("dns.rcode = NXDomain", 1),
        ("tcp.result = refused or drop.packets > 10", 2),
        ("udp and not port 53", 1),
        ("host 10.0.1.5 and tcp port 8443", 2),
        ("NXDOM", 1),
        ("10.0.1.5:8443", 2),
        ("-tcp", 3),
    ] {
        desk.keys(&format!("<C-u>{text}"));
        assert!(shows(&mut desk, rows), "{text}: {}", desk.screen());
    }
}

#[test]
fn a_mistake_is_told_below_the_line_and_words_narrow_all_the_same() {
    let mut desk = desk(&[], (80, 24));
    desk.keys("bytes > lots");
    insta::assert_snapshot!("mistake", desk.screen());
    desk.keys("<C-u>dns.rcode = ");
    assert!(desk.has("^") && desk.has("7 flows  "), "what is missing is told: {}", desk.screen());
    desk.keys("NXDomain");
    assert!(!desk.has("^ ") && shows(&mut desk, 1));
    desk.keys("<Enter>");
    assert!(desk.has("[dns.rcode = NXDomain]"));
}

#[test]
fn tab_completes_names_and_values_and_moves_the_focus_where_nothing_can_follow() {
    let mut desk = desk(&[], (100, 24));
    desk.keys("dns.r<Tab>");
    assert!(desk.has("dns.rcode"), "{}", desk.screen());
    desk.keys("<C-u>dns.rcode = N<Tab>");
    assert!(desk.has("dns.rcode = NXDomain") && shows(&mut desk, 1), "{}", desk.screen());
    desk.keys("<C-u>src.addr = 10.0.0.<Tab>");
    insta::assert_snapshot!("completion", desk.screen());
    desk.keys("<Tab><Enter>");
    assert!(shows(&mut desk, 2) || shows(&mut desk, 1), "{}", desk.screen());
    assert!(desk.has("FILTER"));
    desk.keys("<C-u>src.addr = 10.0.0.<Tab><Esc>");
    assert!(desk.has("src.addr = 10.0.0.") && desk.has("FILTER"), "Esc closes the list only");
    desk.keys("<C-u><Tab>");
    assert!(desk.has("TABLE"), "an empty line has nothing to complete");
    desk.keys("<Tab>zzzz<Tab>");
    assert!(desk.has("TABLE"), "nor has what nothing begins with");
}

#[test]
fn the_choice_of_conversations_is_kept() {
    let settings = || Settings {
        mode: Mode::Flows,
        pace: Pace::Interval(SECOND),
        max_flows: 10,
        max_packets: 1,
        max_packet_bytes: 1,
        filters: vec![],
        features: vec![],
    };
    let kept = Kept { conversations: true, ..View::new(settings()).kept() };
    let mut view = View::new(settings());
    view.restore(&kept);
    assert!(view.is_tied() && view.kept() == kept);
}

/// Sums of all rows: bytes, packets, sent, received.
fn sums(view: &mut View) -> [u64; 4] {
    while view.has_work() {
        view.work(1000, START);
    }
    let picture = view.picture(10_000, START);
    let mut sums = [0; 4];
    for line in &picture.lines {
        let Row::Flow(flow) = &*line.row else { continue };
        let record = &flow.record;
        let values = [record.bytes, record.packets, record.bytes_ab, record.bytes_ba];
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum += value.unwrap_or_default();
        }
    }
    sums
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Whenever conversations are asked for, and however much of the flows has been taken over when more comes: nothing is lost
    /// and nothing counts twice.
    #[test]
    fn conversations_have_the_sums_of_their_flows(
        batches in prop::collection::vec(prop::collection::vec((0..6_u16, any::<bool>(), 1..1000_u64), 1..12), 1..12),
        toggles in prop::collection::vec(any::<bool>(), 12), units in 1..9_usize,
    ) {
        let mut view = View::new(Settings {
            mode: Mode::Flows, pace: Pace::Interval(SECOND), max_flows: 1000, max_packets: 1, max_packet_bytes: 1, filters: vec![],
            features: vec![],
        });
        view.apply(Command::FocusTable);
        let (mut bytes, mut there, mut back) = (0, 0, 0);
        for (records, toggle) in batches.into_iter().zip(toggles) {
            if toggle {
                view.apply(Command::Conversations);
            }
            let records: Vec<_> = records.into_iter().map(|(port, from_server, count)| {
                let (client, server) = (("10.0.0.1", 40_000 + port), ("10.0.0.2", 80));
                let (src, dst) = if from_server { (server, client) } else { (client, server) };
                bytes += count;
                *(if from_server { &mut back } else { &mut there }) += count;
                FlowRecord {
                    src_addr: src.0.parse().ok(), src_port: Some(src.1), dst_addr: dst.0.parse().ok(), dst_port: Some(dst.1),
                    proto: Some(6), bytes: Some(count), packets: Some(1), ..FlowRecord::default()
                }
            }).collect();
            let body = Body::Flows(FlowBatch { records, observations: Vec::new() });
            view.receive(Arc::new(Batch::bare("n".into(), START, body)), START);
            view.work(units, START);
        }
        if !view.is_tied() {
            prop_assert_eq!(sums(&mut view)[0], bytes);
            view.apply(Command::Conversations);
        }
        let sums = sums(&mut view);
        prop_assert_eq!((sums[0], sums[2], sums[3]), (bytes, there, back));
    }
}

#[test]
fn a_file_of_conversations_is_the_same_table_either_way() {
    let mut record = FlowRecord { bytes_ab: Some(60), bytes_ba: Some(40), bytes: Some(100), ..FlowRecord::default() };
    (record.src_addr, record.dst_addr) = ("10.0.0.1".parse().ok(), "10.0.0.2".parse().ok());
    (record.src_port, record.dst_port, record.proto) = (Some(80), Some(40_000), Some(6));
    let mut view = View::new(Settings {
        mode: Mode::Flows,
        pace: Pace::Past,
        max_flows: 10,
        max_packets: 1,
        max_packet_bytes: 1,
        filters: vec![],
        features: vec![],
    });
    let body = Body::Flows(FlowBatch { records: vec![record.clone(), record], observations: Vec::new() });
    view.receive(Arc::new(Batch::bare("n".into(), START, body)), START);
    assert_eq!(sums(&mut view), [200, 0, 120, 80]);
    view.apply(Command::Conversations);
    assert_eq!(sums(&mut view), [200, 0, 120, 80]);
}
