//! What runs where, for twenty expressions.

use super::*;

const TWENTY: [(&str, Mode); 20] = [
    ("", Mode::Flows),
    ("host 10.0.0.1 and tcp port 443", Mode::Packets),
    ("port 80 or 443", Mode::Flows),
    ("not port 22", Mode::Flows),
    ("src.addr in 10.0.0.0/8 and dst.addr != 10.1.0.1 and dst.port in (80, 443, 8000-8100)", Mode::Flows),
    ("net 10.0.0.0/8 and net 192.168.0.0/16", Mode::Flows),
    ("tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn", Mode::Packets),
    ("flags = SYN and dst.port = 443", Mode::Packets),
    ("flags = SYN and dst.port = 443", Mode::Flows),
    ("icmp.type = EchoRequest or icmp.type = EchoReply", Mode::Packets),
    ("bytes > 1MB and dst.port = 443", Mode::Flows),
    ("dns.rcode = NXDomain or dns.latency > 100ms", Mode::Flows),
    ("rtt > 5ms and pod = shop/web", Mode::Flows),
    ("drops", Mode::Flows),
    ("drop.cause =~ \"SOCKET|NETFILTER\" and namespace = shop", Mode::Flows),
    ("drops and bytes > 1MB", Mode::Flows),
    ("src.workload = shop/deploy/web and not dst.namespace in (kube-system, monitoring)", Mode::Packets),
    ("addr in (10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, 10.0.0.5, 10.9.0.0/16) and udp", Mode::Flows),
    ("timeout retransmits > 3 -kube-system", Mode::Flows),
    ("arp or interface = eth0 and direction = ingress", Mode::Packets),
];

#[test]
fn twenty_expressions() {
    let explain = |(text, mode): &(&str, Mode)| {
        let filter = Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        format!("# {mode:?}: {text}\n{}", filter.explain(*mode))
    };
    insta::assert_snapshot!(TWENTY.iter().map(explain).collect::<Vec<_>>().join("\n"));
}
