//! What is said of expressions that mean nothing: where, what, and what may have been meant.

use super::*;

fn said(texts: &[&str]) -> String {
    let say = |text: &&str| {
        let error = Filter::parse(text).expect_err(text);
        let hint = error.hint.as_deref().unwrap_or("-");
        format!("{}\n  error: {error}\n  hint: {hint}\n", error.pointed())
    };
    texts.iter().map(say).collect::<Vec<_>>().join("\n")
}

#[test]
fn names_and_operators() {
    insta::assert_snapshot!(said(&[
        "src.prot = 80",
        "nonsensical = 1",
        "bytes",
        "node",
        "SrcAddr < 10.0.0.1",
        "tls.sni > a",
        "bytes & syn",
        "with(nothing)",
        "selector =~ x",
        "label.app > 3",
    ]));
}

#[test]
fn values() {
    insta::assert_snapshot!(said(&[
        "port = 70000",
        "port = 10.0.0.1",
        "addr = web",
        "proto = tpc",
        "bytes > 1XB",
        "rtt > 5",
        "dns.latency > 500us",
        "flags = SNY",
        "sni =~ \"(\"",
        "pod = a/b/c",
        "direction = up",
        "dst.port in (80, x)",
        "bytes < 0",
        "mac = 02:00",
    ]));
}

#[test]
fn shape() {
    insta::assert_snapshot!(said(&[
        "port =",
        "(port = 80",
        "port = 80)",
        "port = 80 and",
        "or web",
        "a | b",
        "sni = \"abc",
        "= 80",
        "port in",
        "()",
        "東京 and port = =",
    ]));
}

#[test]
fn pcap() {
    insta::assert_snapshot!(said(&[
        "host 10.0.0.1 and port 80 or port 443",
        "port 80 or port 443 and host 10.0.0.1",
        "tcp and udp or icmp",
        "port 80 or 443 and not host 10.0.0.1",
        "host web",
        "net 300.1",
        "port",
        "ether",
        "arp host 10.0.0.1",
        "ip[8] < 5",
        "tcp[tcpflags] & foo != 0",
        "gateway gw",
        "vlan 5000",
    ]));
}

#[test]
fn nesting_and_length_have_limits() {
    assert!(Filter::parse(&"(".repeat(10_000)).unwrap_err().message.contains("deeper"));
    let nested = (0..70).fold("a".to_owned(), |text, _| format!("not (b and {text})"));
    assert!(Filter::parse(&nested).unwrap_err().message.contains("deeper"));
    let allowed = (0..31).fold("a".to_owned(), |text, _| format!("not (b and {text})"));
    let filter = Filter::parse(&allowed).unwrap();
    assert_eq!(Filter::parse(&filter.to_string()).unwrap(), filter);
    assert!(Filter::parse(&"not ".repeat(1_000)).unwrap_err().message.contains("deeper"));
    assert!(Filter::parse(&"a ".repeat(100_000)).unwrap_err().message.contains("longer"));
    assert!(Filter::parse("sni =~ \"(a{1000}){1000}\"").unwrap_err().message.contains("large"));
}

#[test]
fn what_is_being_typed_is_searched_as_words_until_it_is_an_expression() {
    let takes = |text: &str| Filter::typed(text).0.matches(&meaning::record());
    // A name alone is a word; half of a comparison does not yet narrow.
    assert!(!takes("node"));
    assert!(takes("src.port = ") && takes("port = 443 and bytes >") && !takes("port = 80 and bytes >"));
    assert!(takes("web-1 and"), "a joining word at the end waits for more");
    assert!(takes("\"web-") && !takes("\"nothere"));
    assert!(takes("SrcPort:400") && takes("-") && takes("web-1 -"));
    assert_eq!(Filter::typed("web-1 port = 443").1, None);
    assert!(Filter::typed("port = x").1.unwrap().hint.unwrap().contains("port"));
}
