use super::*;

fn record(json: &str) -> FlowRecord {
    serde_json::from_str(json).unwrap()
}

/// From 10.0.0.1:`src` to 10.0.0.2:`dst`, turned round if `back`.
fn tcp(src: u16, dst: u16, flags: u16, back: bool) -> FlowRecord {
    let mut record = record(r#"{"SrcAddr":"10.0.0.1","DstAddr":"10.0.0.2","Proto":6,"Bytes":10,"Packets":1}"#);
    (record.src_port, record.dst_port, record.flags) = (Some(src), Some(dst), Some(flags));
    if back {
        record.turn_round();
    }
    record
}

/// Whether 10.0.0.1 is the client after these records.
fn client(records: &[FlowRecord]) -> bool {
    let mut known: Option<Client> = None;
    for record in records {
        let (_, from_first) = id(record);
        match &mut known {
            None => known = Some(Client::of(record, from_first)),
            Some(client) => {
                client.learn(record, from_first);
            }
        }
    }
    let (_, first_is_one) = id(&tcp(1, 2, 0, false));
    assert!(first_is_one, "10.0.0.1 comes first");
    known.unwrap().is_first
}

#[test]
fn both_directions_have_one_number_and_other_connections_another() {
    let (there, is_first) = id(&tcp(40000, 80, 0, false));
    let (back, is_first_too) = id(&tcp(40000, 80, 0, true));
    assert_eq!((there, is_first), (back, !is_first_too));
    assert_ne!(there, id(&tcp(40001, 80, 0, false)).0);
    let elsewhere = FlowRecord { net_ns: Some("blue".into()), ..tcp(40000, 80, 0, false) };
    assert_ne!(there, id(&elsewhere).0);
    assert_eq!(&*hash_id(0x1f), "000000000000001f");
}

#[test]
fn ping_and_its_answer_are_one_and_an_error_is_another() {
    let icmp = |kind: u8, back: bool| {
        let mut record = record(r#"{"SrcAddr":"10.0.0.1","DstAddr":"10.0.0.2","Proto":1}"#);
        record.icmp_type = Some(kind);
        if back {
            record.turn_round();
        }
        record
    };
    assert_eq!(id(&icmp(8, false)).0, id(&icmp(0, true)).0);
    assert_ne!(id(&icmp(8, false)).0, id(&icmp(3, true)).0);
    assert!(client(&[icmp(0, true)]), "whoever is answered has asked");
}

#[test]
fn frames_that_are_not_ip_have_their_mac_addresses_as_ends() {
    let arp = |src: &str, dst: &str| record(&format!(r#"{{"Etype":2054,"SrcMac":"{src}","DstMac":"{dst}"}}"#));
    let (a, b, c) = ("02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03");
    assert_eq!(id(&arp(a, b)).0, id(&arp(b, a)).0);
    assert_ne!(id(&arp(a, b)).0, id(&arp(a, c)).0);
}

#[test]
fn the_handshake_tells_the_client_and_then_the_ports() {
    const SYN_ACKED: u16 = SYN | 0x10 | SYN_ACK;
    assert!(client(&[tcp(40000, 80, 0x10, false)]), "the lower port is the server's");
    assert!(client(&[tcp(40000, 80, 0x10, true)]));
    assert!(!client(&[tcp(80, 40000, 0x10, false)]));
    assert!(client(&[tcp(80, 40000, SYN, false)]), "a SYN says more than ports");
    assert!(client(&[tcp(80, 40000, 0x10, false), tcp(80, 40000, SYN_ACKED, true)]), "and so does its answer, later");
    assert!(!client(&[tcp(80, 40000, SYN, true), tcp(80, 40000, 0x10, false)]), "once known it stays");
}

#[test]
fn equal_ports_tell_nothing_and_the_first_to_speak_is_the_client() {
    let at = |ms, back| FlowRecord { time_flow_start_ms: Some(ms), ..tcp(123, 123, 0, back) };
    assert!(client(&[at(5, false), at(6, true)]));
    assert!(!client(&[at(5, false), at(4, true)]), "its record came later");
}

#[test]
fn a_conversation_has_the_client_as_source_and_counts_both_ways() {
    let there = record(
        r#"{"TimeFlowStartMs":100,"TimeFlowEndMs":200,"Interfaces":["eth0"],"IfDirections":[1],"FlowDirection":1,"SrcAddr":"10.0.0.1",
        "SrcPort":40000,"DstAddr":"10.0.0.2","DstPort":53,"Proto":17,"Dscp":46,"Bytes":70,"Packets":1,"DnsId":7,"DnsFlags":256,
        "SrcK8S_Name":"web","TcpRetransmits":2}"#,
    );
    let back = record(
        r#"{"TimeFlowStartMs":150,"TimeFlowEndMs":150,"Interfaces":["eth0","br0"],"IfDirections":[0,0],"FlowDirection":0,
        "SrcAddr":"10.0.0.2","SrcPort":53,"DstAddr":"10.0.0.1","DstPort":40000,"Proto":17,"Dscp":0,"Bytes":130,"Packets":1,"DnsId":7,
        "DnsFlags":33155,"DnsFlagsResponseCode":"NXDomain","DnsLatencyMs":3,"DstProcess":"curl","PktDropPackets":1,
        "TcpResult":"reset by source","TcpRetransmits":1}"#,
    );
    let expected = record(
        r#"{"TimeFlowStartMs":100,"TimeFlowEndMs":200,"Interfaces":["eth0","br0"],"IfDirections":[1,1],"FlowDirection":1,
        "SrcAddr":"10.0.0.1","SrcPort":40000,"DstAddr":"10.0.0.2","DstPort":53,"Proto":17,"Dscp":46,"Bytes":200,"Packets":2,"DnsId":7,
        "DnsFlags":33155,"DnsFlagsResponseCode":"NXDomain","DnsLatencyMs":3,"SrcProcess":"curl","PktDropPackets":1,
        "TcpResult":"reset by destination","SrcK8S_Name":"web","Bytes_AB":70,"Bytes_BA":130,"Packets_AB":1,"Packets_BA":1,
        "TcpRetransmits":3}"#,
    );
    let mut whole = FlowRecord::default();
    fold(&mut whole, sided(&there, true), true);
    fold(&mut whole, sided(&back, false), false);
    assert_eq!(whole, expected);
    // The other way round, as in a table, where the answer may come first; and its query does not take it away.
    let mut whole = FlowRecord::default();
    fold(&mut whole, sided(&back, false), false);
    fold(&mut whole, sided(&there, true), true);
    assert_eq!(whole.dns_flags_response_code.as_deref(), Some("NXDomain"));
    assert_eq!((whole.bytes_ab, whole.bytes_ba, whole.dscp), (Some(70), Some(130), Some(46)));
}

#[test]
fn a_record_of_a_conversation_stays_one() {
    let told = FlowRecord { bytes_ab: Some(7), bytes_ba: Some(3), ..tcp(80, 40000, 0, false) };
    assert!(client(std::slice::from_ref(&told)));
    let mut whole = FlowRecord::default();
    fold(&mut whole, sided(&told, true), true);
    fold(&mut whole, sided(&told, true), true);
    assert_eq!((whole.bytes, whole.bytes_ab, whole.bytes_ba), (Some(20), Some(14), Some(6)));
}
