use std::sync::Arc;

use agent_common::tcp::{
    TCP_CLIENT, TCP_EVENT_CLOSED, TCP_EVENT_RESET, TCP_EVENT_SYN_ACK, TCP_SERVER, TcpEvent, TcpRtt, TcpSocket,
};
use flow::{FlowRecord, Rule, Selection};

use super::*;
use crate::{account::tuple::Tuple, features::Judge};

const ESTABLISHED: u8 = 1;
const SYN_SENT: u8 = 2;

/// 10.0.0.1:1000 -> 10.0.0.2:80 in namespace 5, established, first seen with three segments sent again.
fn socket() -> TcpSocket {
    let address = |last| [10, 0, 0, last, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    TcpSocket {
        born_ns: 7,
        handshake_ns: 0,
        local: address(1),
        remote: address(2),
        local_port: 1000,
        remote_port: 80,
        netns: 5,
        retransmits: 3,
        retransmits_before: 3,
        out_of_order: 0,
        out_of_order_before: 0,
        zero_windows: 0,
        error: 0,
        rtt: [TcpRtt::default(); 2],
        family: 4,
        state: ESTABLISHED,
        came_from: 0,
        flags: 0,
        pad: 0,
    }
}

/// The other end of the same connection.
fn other_end() -> TcpSocket {
    let one = socket();
    TcpSocket { local: one.remote, remote: one.local, local_port: 80, remote_port: 1000, netns: 6, ..one }
}

fn id(sock: u64) -> Id {
    Id { sock, born_ns: 7 }
}

struct Lab {
    table: Table,
    words: Words,
    scope: Scope,
}

impl Lab {
    fn new(rules: Vec<Rule>) -> Self {
        let judge = Judge::new(&Selection { rules, ..Selection::default() }).unwrap();
        let scope = Scope::of(judge, true);
        Self { table: Table::new(1_000_000_000, 100), words: Words::new(), scope }
    }

    /// A record of the flow that leaves the socket, or comes to it.
    fn record(&mut self, outward: bool, netns: u32) -> FlowRecord {
        let (one, other) = (socket(), other_end());
        let tuple = socket::tuple(if outward { &one } else { &other });
        self.record_of(&tuple, netns, 0x10)
    }

    fn record_of(&mut self, tuple: &Tuple, netns: u32, flags: u16) -> FlowRecord {
        let mut record = FlowRecord { proto: Some(6), flags: Some(flags), ..FlowRecord::default() };
        join::annotate(&mut self.table, tuple, netns, &mut record, &self.words);
        record
    }

    fn rest(&mut self) -> Vec<FlowRecord> {
        let mut records = Vec::new();
        join::rest(&mut self.table, &self.scope, &self.words, &mut |record| records.push(record));
        self.table.end_interval(0);
        records
    }
}

fn lab() -> Lab {
    Lab::new(Vec::new())
}

fn event(kind: u32, socket: TcpSocket) -> TcpEvent {
    TcpEvent { sock: 1, time_ns: 0, kind, pad: 0, socket }
}

#[expect(clippy::unnecessary_wraps, reason = "what it is compared with is optional")]
fn text(text: &str) -> Option<Arc<str>> {
    Some(text.into())
}

#[test]
fn each_count_is_in_one_record_and_what_was_before_in_none() {
    let mut lab = lab();
    lab.table.update(id(1), &socket());
    let grown = TcpSocket { retransmits: 5, out_of_order: 2, zero_windows: 1, ..socket() };
    lab.table.update(id(1), &grown);
    let (out, back, again) = (lab.record(true, 5), lab.record(false, 5), lab.record(true, 5));
    assert_eq!((out.tcp_retransmits, out.tcp_out_of_order, out.tcp_zero_windows), (Some(2), None, None));
    assert_eq!((back.tcp_retransmits, back.tcp_out_of_order, back.tcp_zero_windows), (None, Some(2), Some(1)));
    assert_eq!(again.tcp_retransmits, None);
    assert_eq!((out.tcp_state, out.tcp_result), (text("ESTABLISHED"), text("established")));
    assert!(lab.rest().is_empty());
}

#[test]
fn round_trip_times_are_those_of_the_interval_only() {
    let mut lab = lab();
    let rtt = [
        TcpRtt { interval: 2, min_us: 9, max_us: 9, last_us: 9 },
        TcpRtt { interval: 1, min_us: 1, max_us: 3, last_us: 2 },
    ];
    let value = TcpSocket { rtt, ..socket() };
    let times = |record: FlowRecord| [record.tcp_rtt_min_ns, record.tcp_rtt_last_ns, record.time_flow_rtt_ns];
    lab.table.update(id(1), &value);
    assert_eq!(times(lab.record(true, 5)), [Some(1000), Some(2000), Some(3000)]);
    assert_eq!(times(lab.record(false, 5)), [Some(1000), Some(2000), Some(3000)]);
    assert!(lab.rest().is_empty());
    assert_eq!(times(lab.record(true, 5)), [None; 3]);
    lab.table.update(id(1), &value);
    assert_eq!(times(lab.record(true, 5)), [Some(9000); 3]);
}

#[test]
fn with_both_ends_here_the_source_is_asked_first_and_each_tells_what_it_sent() {
    let mut lab = lab();
    let rtt = |us| [TcpRtt::default(), TcpRtt { interval: 1, min_us: us, max_us: us, last_us: us }];
    lab.table.update(id(1), &TcpSocket { rtt: rtt(10), retransmits: 4, ..socket() });
    lab.table.update(id(2), &TcpSocket { rtt: rtt(20), retransmits: 8, ..other_end() });
    let (out, back) = (lab.record(true, 5), lab.record(false, 6));
    assert_eq!((out.time_flow_rtt_ns, out.tcp_retransmits), (Some(10_000), Some(1)));
    assert_eq!((back.time_flow_rtt_ns, back.tcp_retransmits), (Some(20_000), Some(5)));
}

#[test]
fn another_namespace_is_told_too_but_gets_no_count_of_one_that_has_its_own_record() {
    let mut lab = lab();
    lab.table.update(id(1), &TcpSocket { retransmits: 4, ..socket() });
    let foreign = lab.record(true, 0);
    assert_eq!((foreign.tcp_retransmits, foreign.tcp_state), (Some(1), text("ESTABLISHED")));
    lab.table.update(id(1), &TcpSocket { retransmits: 5, ..socket() });
    assert_eq!(lab.record(true, 5).tcp_retransmits, Some(1));
    lab.table.update(id(1), &TcpSocket { retransmits: 6, ..socket() });
    assert_eq!(lab.record(true, 0).tcp_retransmits, None);
    assert_eq!(lab.record(true, 5).tcp_retransmits, Some(1));
}

#[test]
fn equal_addresses_in_two_other_namespaces_are_told_of_neither() {
    let mut lab = lab();
    lab.table.update(id(1), &socket());
    lab.table.update(id(2), &TcpSocket { netns: 9, ..socket() });
    assert_eq!(lab.record(true, 0), FlowRecord { proto: Some(6), flags: Some(0x10), ..FlowRecord::default() });
    assert_eq!(lab.record(true, 9).tcp_state, text("ESTABLISHED"));
}

#[test]
fn ends_are_told_in_the_words_of_each_direction() {
    let cases = [
        (libc::ECONNREFUSED, SYN_SENT, "refused", "refused"),
        (libc::ETIMEDOUT, SYN_SENT, "timed out", "timed out"),
        (0, SYN_SENT, "timed out", "timed out"),
        (libc::EHOSTUNREACH, SYN_SENT, "unreachable", "unreachable"),
        (libc::ETIMEDOUT, ESTABLISHED, "timed out", "timed out"),
        (libc::ECONNRESET, ESTABLISHED, "reset by destination", "reset by source"),
        (libc::EPIPE, 8, "reset by destination", "reset by source"),
        (libc::ECONNABORTED, ESTABLISHED, "reset by source", "reset by destination"),
        (0, 9, "closed", "closed"),
    ];
    for (error, came_from, out, back) in cases {
        let mut lab = lab();
        let end = TcpSocket { error: error as u32, came_from, state: 7, ..socket() };
        apply(&mut lab.table, &event(TCP_EVENT_CLOSED, end));
        let told = [lab.record(true, 5), lab.record(false, 5)];
        assert_eq!(told.each_ref().map(|record| record.tcp_result.as_deref()), [Some(out), Some(back)]);
        assert!(told.iter().all(|record| record.tcp_state == text("CLOSE")));
        assert!(lab.rest().is_empty(), "told already");
    }
}

#[test]
fn a_reset_that_follows_the_end_is_the_end() {
    let mut lab = lab();
    apply(&mut lab.table, &event(TCP_EVENT_CLOSED, TcpSocket { came_from: 5, ..socket() }));
    assert_eq!(lab.record(true, 5).tcp_result, text("closed"));
    assert_eq!(lab.record(true, 5).tcp_state, text("TIME_WAIT"));
    apply(&mut lab.table, &event(TCP_EVENT_RESET, socket()));
    assert_eq!(lab.record(true, 5).tcp_result, text("reset by source"));
}

#[test]
fn what_found_no_record_becomes_one_if_it_belongs_to_the_capture() {
    let gone = TcpSocket { error: libc::ETIMEDOUT as u32, came_from: SYN_SENT, retransmits: 4, netns: 0, ..socket() };
    let mut lab = lab();
    apply(&mut lab.table, &event(TCP_EVENT_CLOSED, gone));
    let records = lab.rest();
    assert_eq!(records.len(), 1);
    assert_eq!((records[0].tcp_result.as_deref(), records[0].tcp_retransmits), (Some("timed out"), Some(1)));
    assert_eq!((records[0].dst_port, records[0].packets, records[0].bytes), (Some(80), None, None));
    assert!(lab.rest().is_empty(), "once");

    // Elsewhere, or not taken by the filter.
    let mut lab = self::lab();
    apply(&mut lab.table, &event(TCP_EVENT_CLOSED, TcpSocket { netns: 5, ..gone }));
    assert!(lab.rest().is_empty());
    let mut lab = Lab::new(vec![Rule { protocol: Some(17), ..Rule::default() }]);
    apply(&mut lab.table, &event(TCP_EVENT_CLOSED, gone));
    assert!(lab.rest().is_empty());
}

#[test]
fn the_end_of_a_known_connection_is_told_without_a_packet_from_its_client_to_its_server() {
    let mut lab = lab();
    lab.table.update(id(1), &TcpSocket { flags: TCP_SERVER, ..socket() });
    lab.record(true, 5);
    assert!(lab.rest().is_empty());
    let end = TcpSocket { flags: TCP_SERVER, error: libc::ETIMEDOUT as u32, came_from: ESTABLISHED, ..socket() };
    apply(&mut lab.table, &event(TCP_EVENT_CLOSED, end));
    let records = lab.rest();
    assert_eq!(records.len(), 1);
    assert_eq!((records[0].src_port, records[0].dst_port), (Some(80), Some(1000)));
    assert_eq!(records[0].tcp_result, text("timed out"));
}

#[test]
fn a_syn_finds_the_socket_whose_port_is_not_known_yet() {
    let mut lab = lab();
    let begun = TcpSocket { local_port: 0, state: SYN_SENT, flags: TCP_CLIENT, ..socket() };
    lab.table.update(id(1), &begun);
    let tuple = socket::tuple(&socket());
    assert_eq!(lab.record_of(&tuple, 5, 0x112).tcp_state, None, "an answered one is not it");
    let record = lab.record_of(&tuple, 5, 2);
    assert_eq!((record.tcp_state, record.tcp_result), (text("SYN_SENT"), None));
    lab.rest();
    // The kernel says another port: then that one it is.
    lab.table.update(id(1), &begun);
    lab.table.update(id(1), &TcpSocket { local_port: 1001, retransmits: 4, ..begun });
    assert_eq!(lab.record_of(&tuple, 5, 2).tcp_retransmits, None);
    let other = Tuple { selector: [1001, 80], ..tuple };
    assert_eq!(lab.record_of(&other, 5, 2).tcp_retransmits, Some(1));
}

#[test]
fn a_tuple_that_is_used_again_is_told_by_its_newest_connection() {
    let mut lab = lab();
    let refused = TcpSocket { error: libc::ECONNREFUSED as u32, came_from: SYN_SENT, ..socket() };
    apply(&mut lab.table, &event(TCP_EVENT_CLOSED, refused));
    lab.table
        .update(Id { sock: 1, born_ns: 8 }, &TcpSocket { born_ns: 8, state: SYN_SENT, retransmits: 4, ..socket() });
    let record = lab.record(true, 5);
    assert_eq!((record.tcp_state, record.tcp_result), (text("SYN_SENT"), None));
    assert_eq!(record.tcp_retransmits, Some(1));
    assert!(lab.rest().is_empty());
}

#[test]
fn a_half_open_connection_passes_its_time_and_its_counts_on() {
    let mut lab = lab();
    let request = TcpSocket { state: 3, retransmits: 1, born_ns: 1_000_000, flags: TCP_SERVER, ..socket() };
    apply(&mut lab.table, &event(TCP_EVENT_SYN_ACK, request));
    let waiting = lab.record(true, 5);
    assert_eq!((waiting.tcp_state, waiting.tcp_retransmits), (text("SYN_RECV"), Some(1)));
    apply(&mut lab.table, &event(TCP_EVENT_SYN_ACK, request));
    let accepted = TcpSocket { born_ns: 2_000_000, flags: TCP_SERVER, ..socket() };
    lab.table.update(Id { sock: 2, born_ns: 2_000_000 }, &accepted);
    let record = lab.record(true, 5);
    assert_eq!((record.tcp_state, record.tcp_retransmits), (text("ESTABLISHED"), Some(1)));
    assert_eq!(record.tcp_handshake_ns, Some(1_000_000));
}

#[test]
fn closed_sockets_are_forgotten_after_a_while_or_when_there_are_many() {
    let mut lab = lab();
    let closed = TcpSocket { came_from: 9, ..socket() };
    lab.table.close(id(1), &closed, 0);
    lab.table.end_interval(9_000_000_000);
    assert!(!lab.table.is_empty());
    lab.table.end_interval(11_000_000_000);
    assert!(lab.table.is_empty());
    for sock in 0..200 {
        lab.table.close(id(sock), &closed, 12_000_000_000);
    }
    lab.table.end_interval(12_000_000_000);
    let left = (0..200).filter(|sock| lab.table.get_mut(id(*sock)).is_some()).count();
    assert_eq!(left, 100);
    // An open one whose entry was taken by another is missed by and by.
    lab.table.update(id(900), &socket());
    (0..40).for_each(|_| lab.table.end_interval(12_000_000_000));
    assert!(lab.table.get_mut(id(900)).is_none());
}
