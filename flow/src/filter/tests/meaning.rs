//! Each way of writing, on one flow.

use super::*;

/// From a pod to a Service, over TLS.
pub(super) fn record() -> FlowRecord {
    serde_json::from_str(
        r#"{"TimeFlowStartMs":1000,"TimeFlowEndMs":3500,"Interfaces":["eth0","ovn-k8s-mp0"],"IfDirections":[0,1],"Etype":2048,
        "SrcMac":"02:00:00:00:00:01","DstMac":"02:00:00:00:00:02","SrcAddr":"10.0.0.1","SrcPort":40000,"DstAddr":"10.1.2.3",
        "DstPort":443,"Proto":6,"Flags":786,"Bytes":2000000,"Packets":1200,"DnsFlagsResponseCode":"NXDomain",
        "TimeFlowRttNs":7000000,"TLSServerName":"shop.example.com","SrcK8S_Name":"web-1","SrcK8S_Type":"Pod",
        "SrcK8S_Namespace":"shop","SrcK8S_OwnerName":"web","SrcK8S_OwnerType":"Deployment","SrcK8S_HostName":"n1",
        "DstK8S_Name":"api","DstK8S_Type":"Service","DstK8S_Namespace":"back","SrcContainer":"app"}"#,
    )
    .unwrap()
}

pub(super) fn takes(text: &str) -> bool {
    let filter = Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}\n{}", error.pointed()));
    filter.matches(&record())
}

#[track_caller]
fn check(taken: &[&str], left: &[&str]) {
    for text in taken {
        assert!(takes(text), "{text}");
    }
    for text in left {
        assert!(!takes(text), "{text}");
    }
}

#[test]
fn fields_compare_by_their_units() {
    check(
        &[
            "Bytes=2000000",
            "bytes >= 2MB",
            "bytes > 1 MB",
            "rtt > 5ms",
            "rtt < 10 ms",
            "duration = 2500ms",
            "packets > 1k",
        ],
        &["bytes > 2MB", "bytes = 2MiB", "rtt <= 5ms", "duration > 3s", "packets < 1200"],
    );
    check(&["TimeFlowRttNs > 6000000", "proto = tcp", "proto = 6", "etype = ipv4"], &["proto = udp", "proto != TCP"]);
    check(
        &["port in (80, 443)", "port = 440-450", "dst.port in 443", "DstPort=https"],
        &["port not in (80, 443)", "src.port = 443"],
    );
    check(&["mac = 02:00:00:00:00:02", "direction = egress", "direction = in"], &["src.mac = 02:00:00:00:00:02"]);
}

#[test]
fn a_name_without_an_end_means_either_and_not_equal_means_neither() {
    check(
        &["port = 443", "port = 40000", "addr in 10.0.0.0/8", "ip = 10.1.2.3"],
        &["port != 443", "port != 40000", "src.ip = 10.1.2.3"],
    );
    check(&["port != 80", "not port = 80", "dst.port != 80", "addr != 1.1.1.1"], &["addr != 10.0.0.1"]);
}

#[test]
fn what_is_absent_meets_no_condition_and_every_negated_one() {
    check(
        &["dns.name != a", "without(dns.name)", "not dns.latency > 1ms"],
        &["dns.name = a", "dns.latency < 1h", "with(DnsName)"],
    );
    check(
        &["with(rtt)", "with(src.pod)", "without(dst.pod)", "with(dst.service)"],
        &["without(SrcAddr)", "with(drop.cause)"],
    );
}

#[test]
fn texts_compare_in_any_case_and_by_regular_expression() {
    check(
        &[
            "dns.rcode = nxdomain",
            "tls.sni =~ \"^shop\\.\"",
            "sni !~ internal",
            "interface = eth0",
            "interface =~ \"^ovn\"",
        ],
        &[],
    );
    check(
        &["sni = *.example.com", "SrcK8S_Name=\"web-1\"", "name:WEB"],
        &["sni = \"*.example.com\"", "interface = eth", "sni =~ ^example"],
    );
}

#[test]
fn objects_go_by_the_names_in_the_fields_where_nobody_knows_better() {
    check(
        &["pod = shop/web-1", "pod = web-1", "src.pod = shop/web-1", "pod = shop/web-*", "pod =~ \"web-[0-9]\""],
        &["dst.pod = shop/web-1", "pod = back/web-1", "pod = api"],
    );
    check(
        &["namespace = shop", "ns in (a, back)", "dst.namespace = back"],
        &["namespace != shop", "src.namespace = back"],
    );
    check(
        &[
            "workload = deploy/web",
            "workload = shop/deploy/web",
            "workload = shop/web",
            "owner = web",
            "workload = deployments.apps/web",
            "pod = */web-1",
        ],
        &["workload = ds/web", "workload = x/deploy/web"],
    );
    check(
        &["service = back/api", "dst.service = api", "node = n1", "container = app"],
        &["service = web-1", "node = n2", "label.app = web"],
    );
}

#[test]
fn words_are_searched_in_all_texts() {
    check(
        &[
            "web-1",
            "WEB-1 shop.example",
            "\"web-1\"",
            "-nothere",
            "!nothere",
            "web-1 and port = 443",
            "web-1 port 443",
            "10.0.0.1:40000 tcp",
        ],
        &["nothere", "-web-1", "web-1 -api", "web-1 and not shop"],
    );
    check(&["SrcPort:4000", "-DstPort:80", "SrcIP:10.0", "SrcK8S_Name:\"eb-\""], &["-SrcPort:40", "DstAddr:10.0."]);
}

#[test]
fn and_binds_tighter_than_or() {
    check(
        &["bytes > 1 or bytes < 1 and packets < 1", "(bytes > 1 or packets < 1) && port = 443"],
        &["(bytes > 1 or bytes < 1) and packets < 1"],
    );
    check(&["not (udp or sctp)", "!(port = 80) || udp"], &["not not udp", "not (tcp or udp)"]);
}

#[test]
fn pcap_spellings_mean_the_same() {
    check(
        &[
            "host 10.0.0.1",
            "src host 10.0.0.1",
            "dst 10.1.2.3",
            "net 10",
            "src net 10.0.0.0/16",
            "net 10.0.0.0 mask 255.0.0.0",
        ],
        &["dst host 10.0.0.1", "net 192.168"],
    );
    check(
        &[
            "tcp port 443",
            "tcp and port 443",
            "dst port https",
            "src or dst port 443",
            "portrange 400-500",
            "port 80 or 443",
        ],
        &["udp port 443", "src port 443", "src and dst port 443", "port 80 or 81"],
    );
    check(
        &["ip", "tcp", "ip host 10.0.0.1", "proto 6", "ip proto \\tcp", "ether host 02:00:00:00:00:01", "not port 22"],
        &["ip6", "icmp", "arp", "vlan", "vlan 5"],
    );
    check(
        &["not host 1.1.1.1 and 10.1.2.3", "port (80 or 443)", "greater 100", "inbound"],
        &["host 1.1.1.1 or 1.1.1.2", "less 100"],
    );
}

#[test]
fn a_port_by_name_is_of_the_protocol_that_the_name_belongs_to_as_in_libpcap() {
    let shown = |text: &str| Filter::parse(text).unwrap().to_string();
    assert_eq!(shown("port http"), "proto = TCP and port = 80");
    assert_eq!(shown("port domain"), "port = 53");
    assert_eq!(shown("port = http"), "port = 80");
}

#[test]
fn flags_of_a_flow_are_those_that_one_of_its_packets_can_have_had() {
    // Flags 786: SYN and ACK seen, SYN-ACK and FIN-ACK in one packet.
    check(
        &["flags = SYN-ACK", "flags & syn", "flags & (syn|ack) = (syn|ack)", "tcp[13] & 0x12 == 0x12"],
        &["flags = SYN", "flags & rst", "tcp[tcpflags] & tcp-rst != 0"],
    );
}

#[test]
fn flags_of_one_packet_are_exact() {
    let takes = |text: &str, flags: u16| {
        Filter::parse(text).unwrap().matches(&FlowRecord { flags: Some(flags), ..FlowRecord::default() })
    };
    assert!(takes("flags = ACK", 0x10) && !takes("flags = ACK", 0x112));
    assert!(takes("flags = SYN", 0x02) && !takes("flags = SYN", 0x112));
}

#[test]
fn an_empty_expression_takes_everything() {
    assert!(Filter::parse("  ").unwrap().is_empty() && takes(""));
    assert_eq!(Filter::default().and(Filter::parse("a").unwrap()), Filter::parse("a").unwrap());
}

#[test]
fn objects_that_are_asked_for_are_known() {
    let filter = Filter::parse("pod = a/b and not (dst.pod = a/b or label.app in (x, y))").unwrap();
    let shown: Vec<_> = filter.needs_objects().iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["a/b", "\"app in (x,y)\""]);
}
