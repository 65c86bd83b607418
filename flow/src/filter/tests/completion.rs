//! What is offered while an expression is typed; `^` is the cursor.

use super::*;
use crate::Field;

fn seen(field: Field) -> Vec<String> {
    let values: &[&str] = match field {
        Field::SrcK8S_Name => &["web-1", "my pod"],
        Field::DstPort => &["443", "8443"],
        Field::DnsFlagsResponseCode => &["NXDomain"],
        Field::SrcAddr => &["10.0.0.1"],
        _ => &[],
    };
    values.iter().map(|value| (*value).to_owned()).collect()
}

fn offered(text: &str) -> (usize, Vec<String>) {
    let cursor = text.find('^').unwrap();
    let completions = complete(&text.replace('^', ""), cursor, &seen);
    (completions.start, completions.candidates.into_iter().map(|candidate| candidate.text).collect())
}

#[track_caller]
fn check(text: &str, start: usize, first: &[&str]) {
    let (begins, offered) = offered(text);
    assert_eq!(begins, start, "{text}: {offered:?}");
    assert_eq!(offered.iter().take(first.len()).collect::<Vec<_>>(), first, "{text}: {offered:?}");
}

#[test]
fn names_are_completed_from_their_beginning_then_from_anywhere() {
    check("src.po^", 0, &["src.port", "src.pod"]);
    check("port = 443 and dns.r^", 15, &["dns.rcode"]);
    check("rcode^", 0, &["dns.rcode"]);
    check("SrcK8S_Na^", 0, &["SrcK8S_Name", "SrcK8S_Namespace"]);
    check("(with(tcp.re^", 6, &["tcp.retransmits", "tcp.result"]);
    check("-src.na^", 1, &["src.namespace", "src.name"]);
}

#[test]
fn operators_fit_the_field() {
    let (_, bytes) = offered("bytes ^");
    assert!(bytes.contains(&">".to_owned()) && !bytes.contains(&"&".to_owned()));
    let (_, sni) = offered("tls.sni ^");
    assert!(sni.contains(&"=~".to_owned()) && !sni.contains(&">".to_owned()));
    assert!(offered("flags ^").1.contains(&"&".to_owned()));
}

#[test]
fn values_are_those_that_there_can_be_and_those_that_were_seen() {
    check("proto = ^", 8, &["TCP", "UDP"]);
    check("proto=u^", 6, &["UDP"]);
    check("dns.rcode = nx^", 12, &["NXDomain"]);
    check("dst.port in (443, 84^", 18, &["8443"]);
    check("src.pod = ^", 10, &["web-1", "\"my pod\""]);
    check("src.pod = \"my^", 10, &["\"my pod\""]);
    check("host 10^", 5, &["10.0.0.1"]);
    check("direction not in (^", 18, &["ingress", "egress"]);
    check("flags & sy^", 8, &["SYN-ACK", "SYN"]);
}

#[test]
fn after_a_condition_come_joining_words() {
    check("port = 80 a^", 10, &["and"]);
    check("port = 80 ^", 10, &["and", "or", "not"]);
    check("port = 80 and ^", 14, &["not", "drops"]);
    assert!(!offered("a^").1.contains(&"and".to_owned()));
}

#[test]
fn what_is_offered_can_be_read() {
    for (name, ..) in names::all() {
        assert!(names::find(&name).is_some(), "{name}");
    }
    assert_eq!(offered("^").0, 0);
    assert_eq!(complete("ä port", 1, &seen).start, 0, "within a character");
}
