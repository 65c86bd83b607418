//! The text of a filter reads back as the filter; nothing that is typed makes anything panic.

use proptest::prelude::*;

use super::{random::expression, *};

#[track_caller]
fn reads_back(text: &str) {
    let filter = Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let shown = filter.to_string();
    let again = Filter::parse(&shown).unwrap_or_else(|error| panic!("{text} -> {shown}: {error}"));
    assert_eq!(again, filter, "{text} -> {shown}");
    assert_eq!(again.to_string(), shown);
}

#[test]
fn every_kind_of_condition_reads_back() {
    for text in [
        "web -\"two words\" \"a \\\" b\\\\\"",
        "bytes > 1MB and bytes < 1MiB and bytes != 1500 and bytes in (1k, 2-5)",
        "rtt > 1500us and rtt < 2s and dns.latency >= 5ms and duration > 0 and rtt != 7ns and DnsLatencyMs=3",
        "not bytes > 5 and packets <= 10k",
        "proto in (tcp, 47, 255, A/N) and etype in (ipv4, 0x1234) and dscp = ef and node.direction = inner",
        "addr in (10.0.0.0/8, fd00::1) and mac != 02:00:00:00:00:01 and src.addr not in (1.1.1.1, 2.2.2.0/24)",
        "flags = SYN and flags != ACK and flags = PSH-ACK and flags = 18 and flags = \"syn,ack\" and drop.flags = rst",
        "flags & syn and not flags & (syn|ack) = syn and tcp[13] & 7 != 0 and tcp[tcpflags] & tcp-syn = 0",
        "direction = both and with(rtt) and without(src.pod) and with(label.app)",
        "pod = shop/web and src.pod != web and workload = shop/deploy/web and service in (a/b, c) and dst.node =~ \"^n\"",
        "selector = \"app in (a, b),tier!=x\" and label.app.kubernetes.io/name = web and src.label.a != b and container = app",
        "interface = eth0 and sni =~ \"a\\.b\" and dns.name = *.example.com and SrcPort:80 and pod:we",
        "ip and not ip6 and arp and icmp.type = EchoReply and vlan 5 and vlan.inner = 7 and ether multicast",
        "events = drop and udn =~ x and events:policy and conversation = abc and tls.types = \"and\"",
        "a or b and (c or not (d and e)) or not not f",
    ] {
        reads_back(text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn random_expressions_read_back(text in expression()) {
        reads_back(&text);
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>(), cursor in 0..200_usize) {
        try_all(&text, cursor);
    }

    #[test]
    fn no_heap_of_tokens_makes_it_panic(tokens in proptest::collection::vec(token(), 0..14), cursor in 0..80_usize) {
        try_all(&tokens.concat(), cursor);
    }
}

fn token() -> impl Strategy<Value = String> {
    let words = [
        "port", "src", "dst", "host", "net", "tcp", "ether", "vlan", "and", "or", "not", "in", "with", "without",
        "flags", "pod", "bytes", "rtt", "80", "10.0.0.1", "10/8", "1MB", "5ms", "syn", "web", "mask", "proto",
        "label.a", "drops", "less", "ä東", "(", ")", "[", "]", "=", "!=", "=~", "<", ">=", "&", "|", "&&", "!", ",",
        "\"", "'", ":", "-", "*", "\\", "0x", " ", " ", " ",
    ];
    proptest::sample::select(words.to_vec()).prop_map(str::to_owned)
}

fn try_all(text: &str, cursor: usize) {
    if let Err(error) = Filter::parse(text) {
        assert!(text.get(error.span.clone()).is_some(), "{text:?} {error:?}");
        assert_eq!(error.pointed().lines().count(), 2, "{text:?}");
    } else {
        reads_back(text);
    }
    let (filter, _) = Filter::typed(text);
    let _ = filter.matches(&meaning::record());
    let _ = filter.explain(Mode::Flows);
    let completions = complete(text, cursor, &|_| vec!["a b".to_owned()]);
    assert!(completions.start <= text.len() && text.is_char_boundary(completions.start));
}
