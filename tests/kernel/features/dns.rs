//! Queries and responses.

use std::{
    net::{SocketAddr, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use lab::{
    Finished, Pair,
    dns::{A, AAAA, HTTPS, SRV, Server, ask, ask_stream, query},
    need, needs,
};
use serde_json::{Value, json};

use crate::flows;

/// Every record of a message about `name`.
fn about<'a>(records: &'a [Value], name: &str) -> Vec<&'a Value> {
    records.iter().filter(|record| record["DnsName"] == name).collect()
}

/// The one record of a response about `name`.
fn response<'a>(records: &'a [Value], name: &str) -> &'a Value {
    let of_name = about(records, name);
    let responses: Vec<_> = of_name.iter().filter(|record| !record["DnsFlagsResponseCode"].is_null()).collect();
    assert_eq!(responses.len(), 1, "{name}: {of_name:#?}");
    responses[0]
}

fn records(finished: &Finished) -> Vec<Value> {
    let records = finished.files.records().unwrap();
    let sum = |key: &str| records.iter().filter_map(|record| record[key].as_u64()).sum::<u64>();
    eprintln!("{} records, {} packets", records.len(), sum("Packets"));
    records
}

#[test]
fn responses_have_name_type_code_and_latency() {
    needs!("ethtool");
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(50).unwrap();
    let (four, six) = (SocketAddr::new(pair.v4(2), 53), SocketAddr::new(pair.v6(2), 53));
    let servers = [four, six].map(|address| Server::start(&pair.b, address).unwrap());
    let capture = flows().of(&pair.a, "a0").args("--enable-dns").start().unwrap();
    // How long the client waited for each, ms, rounded up.
    let waited =
        [("nx.example.org", A), ("fail.example.org", AAAA), ("slow-80.Example.org", SRV)].map(|(name, kind)| {
            let begun = Instant::now();
            assert_eq!(ask(&pair.a, four, &[query(7, name, kind)]).unwrap(), [7]);
            begun.elapsed().as_millis() as u64 + 1
        });
    ask(&pair.a, six, &[query(8, "six.example.org", HTTPS)]).unwrap();
    let finished = capture.stop().unwrap();
    let records = records(&finished);
    drop(servers);

    let codes = [("nx.example.org", "NXDomain", "A"), ("fail.example.org", "ServFail", "AAAA")];
    for ((name, code, kind), waited) in codes.into_iter().zip(waited) {
        let response = response(&records, name);
        assert_eq!((&response["DnsFlagsResponseCode"], &response["DnsType"]), (&json!(code), &json!(kind)));
        assert_eq!((&response["DnsId"], &response["SrcPort"]), (&json!(7), &json!(53)));
        assert_eq!(response["DnsErrno"], Value::Null);
        assert!(response["DnsFlags"].as_u64().unwrap() & 0x8000 != 0);
        assert!(response["DnsLatencyMs"].as_u64().unwrap() <= waited, "the client waited {waited} ms: {response}");
    }
    let answer = response(&records, "slow-80.Example.org");
    let latency = answer["DnsLatencyMs"].as_u64().unwrap();
    assert!((80..=waited[2]).contains(&latency), "{latency} ms, the client waited {waited:?}");
    assert_eq!(answer["DnsFlagsResponseCode"], "NoError");
    let answer = response(&records, "six.example.org");
    assert_eq!((&answer["DnsType"], &answer["SrcAddr"]), (&json!("HTTPS"), &json!(pair.v6(2).to_string())));
    // Queries bear what they ask for, on the flow towards the server.
    let asked = about(&records, "six.example.org").into_iter().find(|record| record["DstPort"] == 53).unwrap();
    assert_eq!((&asked["DnsId"], &asked["DnsLatencyMs"]), (&json!(8), &Value::Null));
}

#[test]
fn two_queries_on_one_socket_are_both_there_and_packets_count_once() {
    needs!("ethtool");
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(51).unwrap();
    let server = Server::start(&pair.b, SocketAddr::new(pair.v4(2), 53)).unwrap();
    let capture = flows().of(&pair.a, "a0").args("--enable-dns --cache-active-timeout 2s").start().unwrap();
    let queries: Vec<_> = (0..5).map(|id| query(id + 1, &format!("name-{id}.example.org"), A)).collect();
    assert_eq!(ask(&pair.a, server.address(), &queries).unwrap().len(), 5);
    let finished = capture.stop().unwrap();
    let records = records(&finished);
    for id in 0..5 {
        let name = format!("name-{id}.example.org");
        assert_eq!(about(&records, &name).len(), 2, "{name}: {records:#?}");
        assert_eq!(response(&records, &name)["DnsId"], id + 1);
    }
    for key in ["SrcPort", "DstPort"] {
        let of_flow = records.iter().filter(|record| record[key] == 53);
        assert_eq!(of_flow.filter_map(|record| record["Packets"].as_u64()).sum::<u64>(), 5);
    }
    // What is in records of their own has the same flow, place and times, and no packets.
    let extra: Vec<_> = records.iter().filter(|record| record["Packets"].is_null()).collect();
    assert!(!extra.is_empty());
    for record in extra {
        assert_eq!(record["Bytes"], Value::Null);
        assert_eq!((&record["Interfaces"], &record["Proto"]), (&json!(["a0"]), &json!(17)));
        assert!(lab::files::times(record).is_some(), "{record}");
    }
}

#[test]
fn messages_over_tcp_come_out_of_segments_however_they_are_cut() {
    needs!("ethtool");
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(52).unwrap();
    let server = Server::start(&pair.b, SocketAddr::new(pair.v6(2), 53)).unwrap();
    let capture = flows().of(&pair.a, "a0").args("--enable-dns").start().unwrap();
    let queries: Vec<_> = ["one", "nx", "two"].map(|label| query(9, &format!("{label}.tcp.example.org"), A)).to_vec();
    assert_eq!(ask_stream(&pair.a, server.address(), &queries, 4).unwrap().len(), 3);
    let records = records(&capture.stop().unwrap());
    for (name, code) in [("one", "NoError"), ("nx", "NXDomain"), ("two", "NoError")] {
        let response = response(&records, &format!("{name}.tcp.example.org"));
        assert_eq!((&response["DnsFlagsResponseCode"], &response["Proto"]), (&json!(code), &json!(6)));
    }
    assert!(records.iter().all(|record| record["DnsErrno"].is_null()));
}

#[test]
fn a_query_that_nobody_answers_is_told_and_other_ports_may_be_named() {
    needs!("ethtool");
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(53).unwrap();
    let server = Server::start(&pair.b, SocketAddr::new(pair.v4(2), 5300)).unwrap();
    let capture = flows().of(&pair.a, "a0").args("--enable-dns --dns-port 53,5300").start().unwrap();
    let socket = pair.a.run(|| Ok(UdpSocket::bind(("0.0.0.0", 0))?)).unwrap();
    let port = socket.local_addr().unwrap().port();
    let unanswered = query(77, "silent.example.org", A);
    // Once more after a second: one query, asked twice, that has no answer.
    for _ in 0..2 {
        socket.send_to(&unanswered, server.address()).unwrap();
        thread::sleep(Duration::from_secs(1));
    }
    socket.send_to(b"no message", server.address()).unwrap();
    ask(&pair.a, server.address(), &[query(78, "answered.example.org", A)]).unwrap();
    thread::sleep(Duration::from_millis(5500));
    let records = records(&capture.stop().unwrap());
    let of_name = about(&records, "silent.example.org");
    let told: Vec<_> = of_name.iter().filter(|record| record["DnsErrno"] == 110).collect();
    assert_eq!(told.len(), 1, "{of_name:#?}");
    assert_eq!((&told[0]["SrcPort"], &told[0]["DnsId"]), (&json!(port), &json!(77)));
    assert_eq!((&told[0]["DnsFlagsResponseCode"], &told[0]["Packets"]), (&Value::Null, &Value::Null));
    assert_eq!(response(&records, "answered.example.org")["DnsErrno"], Value::Null);
    let malformed = records.iter().filter(|record| record["DnsErrno"] == 22).count();
    assert_eq!(malformed, 1, "{records:#?}");
}
