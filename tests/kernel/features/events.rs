//! Samples of packets with a cookie, as Open vSwitch and `tc action sample` give them.

use lab::{Pair, need, needs, netns::run};
use serde_json::{Value, json};

use crate::flows;

/// Application 2, datapath 5, sample 1234.
const COOKIE: &str = "02000005000004d2";

#[test]
fn a_sampled_packet_s_cookie_is_told_by_the_record_of_its_flow() {
    needs!("tc", "ip", "ethtool");
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(84).unwrap();
    run(pair.b.command("tc").args(["qdisc", "add", "dev", "b0", "clsact"])).unwrap();
    let filter = format!("filter add dev b0 ingress matchall action sample rate 1 group 10 cookie {COOKIE}");
    if run(pair.b.command("tc").args(filter.split_whitespace())).is_err() {
        return need::skip("this kernel has no tc action sample");
    }
    let capture = flows().of(&pair.b, "b0").arg("--enable-network-events").start().unwrap();
    lab::sockets::datagrams(&pair.a, &pair.b, (pair.v4(2), 7000).into(), &[100, 100]).unwrap();
    let finished = capture.stop().unwrap();
    let records = finished.files.records().unwrap();
    let record = records.iter().find(|record| record["DstPort"] == 7000).unwrap();
    if need::kernel() < (6, 11) {
        // Samples have no cookie before: they are no events.
        assert_eq!(record["NetworkEvents"], Value::Null);
        return need::skip("cookies of samples came with Linux 6.11: only their absence was tested");
    }
    let expected = json!("group 10 domain 0x02000005 point 1234");
    assert_eq!(record["NetworkEvents"][0]["Name"], expected, "{record}");
    assert_eq!(record["NetworkEvents"].as_array().map(Vec::len), Some(1), "one event, however often");
}

#[test]
fn a_kernel_that_does_not_sample_is_named_and_the_capture_goes_on() {
    needs!("ip", "ethtool");
    let _turn = need::beside_others().unwrap();
    let pair = Pair::new(85).unwrap();
    let capture = flows().of(&pair.b, "b0").arg("--enable-network-events").start().unwrap();
    lab::sockets::datagrams(&pair.a, &pair.b, (pair.v4(2), 7000).into(), &[100]).unwrap();
    let finished = capture.stop().unwrap();
    assert!(finished.files.records().unwrap().iter().any(|record| record["DstPort"] == 7000));
    let says = |words: &str| finished.stderr.iter().any(|line| line.contains(words));
    // Either there is no sampling, or no database of OVN on a machine of tests; both are said.
    let limit = says("network events cannot be seen") || says("network events are shown as numbers");
    assert!(limit, "{:?}", finished.stderr);
}
