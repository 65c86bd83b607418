//! Flows against tcpdump on the same interface.

use lab::{Pair, Tcpdump, need, needs, truth::differences};
use serde_json::Value;

use super::traffic;
use crate::flows;

#[test]
fn every_flow_has_the_packets_bytes_and_flags_that_tcpdump_saw() {
    needs!("tcpdump", "ethtool", "ping");
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(1).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let tcpdump = Tcpdump::start(&pair.a, "a0", &directory.path().join("a.pcap"), &[]).unwrap();
    let capture = flows().of(&pair.a, "a0").start().unwrap();
    traffic::mixed(&pair);
    let finished = capture.stop().unwrap();
    let truth = tcpdump.stop().unwrap().table().unwrap();
    assert!(truth.len() >= 30, "only {} flows: the traffic itself is missing", truth.len());
    let ours = finished.files.table().unwrap();
    let differences = differences(&ours, &truth);
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn clsact_counts_the_same_as_tcx() {
    needs!("tcpdump", "ethtool", "ping");
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(2).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let tcpdump = Tcpdump::start(&pair.a, "a0", &directory.path().join("a.pcap"), &[]).unwrap();
    let capture = flows().of(&pair.a, "a0").args("--tc-attach tc").start().unwrap();
    traffic::mixed(&pair);
    let finished = capture.stop().unwrap();
    let truth = tcpdump.stop().unwrap().table().unwrap();
    let differences = differences(&finished.files.table().unwrap(), &truth);
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn sqlite_holds_the_same_records_as_json() {
    needs!("ethtool", "ping", "sqlite3");
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(3).unwrap();
    let capture = flows().of(&pair.a, "a0").start().unwrap();
    traffic::mixed(&pair);
    let files = capture.stop().unwrap().files;
    let records = files.records().unwrap();
    let sum = |key: &str| records.iter().filter_map(|record| record[key].as_u64()).sum::<u64>();
    let row = files.query("SELECT COUNT(*), SUM(Packets), SUM(Bytes) FROM flow").unwrap();
    assert_eq!(row, format!("{}|{}|{}", records.len(), sum("Packets"), sum("Bytes")));
    assert_eq!(files.query("PRAGMA integrity_check").unwrap(), "ok");
    let query = "SELECT DnsLatencyMs, DnsFlagsResponseCode, DnsId, DstAddr, DstPort, Interface, Proto, SrcAddr, SrcPort, \
                 Bytes, Packets FROM flow WHERE DnsLatencyMs > 10";
    assert_eq!(files.query(query).unwrap(), "");
    assert_eq!(files.query("SELECT DISTINCT Interface FROM flow").unwrap(), "a0");
}

#[test]
fn tags_names_and_times_are_in_the_records() {
    needs!("ethtool", "ping");
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(4).unwrap();
    let before = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let capture = flows().of(&pair.a, "a0").start().unwrap();
    traffic::mixed(&pair);
    let records = capture.stop().unwrap().files.records().unwrap();
    let after = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let of_port = |port: u16| -> &Value { records.iter().find(|record| record["DstPort"] == port).unwrap() };
    assert_eq!((&of_port(7002)["VlanId"], &of_port(7002)["VlanInnerId"]), (&42.into(), &Value::Null));
    assert_eq!((&of_port(7004)["VlanId"], &of_port(7004)["VlanInnerId"]), (&100.into(), &200.into()));
    assert_eq!(of_port(8080)["SrcMac"], "02:00:00:00:00:0a");
    assert_eq!(of_port(8080)["DstMac"], "02:00:00:00:00:0b");
    assert_eq!(of_port(8080)["Interfaces"], serde_json::json!(["a0"]));
    assert_eq!(of_port(8080)["IfDirections"], serde_json::json!([1]));
    for record in &records {
        let (first, last) = lab::files::times(record).unwrap();
        assert!(before.as_millis() <= first.as_millis() + 1 && first <= last && last <= after, "{record}");
    }
}
