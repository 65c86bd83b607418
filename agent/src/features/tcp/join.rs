//! From sockets to records.
//!
//! What a socket tells of both directions: round trip time, handshake, state, result. What it tells of one: segments that it sent
//! again stand in the record that leaves it; segments that reached it out of order, and windows that the other end closed, in the
//! record that comes to it.

use std::sync::Arc;

use flow::FlowRecord;

use super::{
    outcome::{Outcome, STATES},
    scope::Scope,
    socket::{Id, Role, Socket},
    table::Table,
};
use crate::account::tuple::Tuple;

/// Protocol number.
pub(super) const TCP: u8 = 6;

/// Bits of `Flags`: a SYN was seen, one with ACK.
const SYN: u16 = 2;
const SYN_ACK: u16 = 0x100;

/// Words that many records share.
pub(super) struct Words {
    states: [Arc<str>; STATES.len()],
    outcomes: [Arc<str>; Outcome::WORDS.len()],
}

impl Words {
    pub(super) fn new() -> Self {
        Self { states: STATES.map(Arc::from), outcomes: Outcome::WORDS.map(Arc::from) }
    }

    fn state(&self, state: u8) -> Option<Arc<str>> {
        self.states.get(usize::from(state)).filter(|name| !name.is_empty()).cloned()
    }

    fn outcome(&self, outcome: Outcome, outward: bool) -> Arc<str> {
        self.outcomes[outcome.word(outward)].clone()
    }
}

const fn reversed(tuple: &Tuple) -> Tuple {
    Tuple { src: tuple.dst, dst: tuple.src, selector: [tuple.selector[1], tuple.selector[0]], ..*tuple }
}

/// Adds to a record what the sockets at its ends know.
pub(super) fn annotate(table: &mut Table, tuple: &Tuple, netns: u32, record: &mut FlowRecord, words: &Words) {
    if table.is_empty() {
        return;
    }
    let (mut source, mut at_home) = table.matching(tuple, netns);
    let begins = record.flags.is_some_and(|flags| flags & (SYN | SYN_ACK) == SYN);
    if source.is_empty() && begins && table.adopt(tuple, netns).is_some() {
        (source, at_home) = table.matching(tuple, netns);
    }
    let (destination, also_at_home) = table.matching(&reversed(tuple), netns);
    for (ids, outward, at_home) in [(&destination, false, also_at_home), (&source, true, at_home)] {
        for id in ids {
            let Some(socket) = table.get_mut(*id) else { continue };
            let side = usize::from(!outward);
            socket.is_known = true;
            socket.is_told = true;
            socket.at_home[side] |= at_home;
            // A tuple that is used again is told by its newest connection.
            if ids.last() == Some(id) {
                describe(socket, outward, record, words);
            }
            socket.untold.end = false;
            if at_home || !socket.at_home[side] {
                count(socket, outward, record);
            }
        }
    }
}

/// What stands in records of both directions; the socket that is asked last wins where it knows.
fn describe(socket: &Socket, outward: bool, record: &mut FlowRecord, words: &Words) {
    if let Some(rtt) = socket.untold.rtt {
        record.time_flow_rtt_ns = Some(u64::from(rtt.max_us) * 1000);
        record.tcp_rtt_min_ns = Some(u64::from(rtt.min_us) * 1000);
        record.tcp_rtt_last_ns = Some(u64::from(rtt.last_us) * 1000);
    }
    if socket.untold.handshake_ns.is_some() {
        record.tcp_handshake_ns = socket.untold.handshake_ns;
    }
    record.tcp_state = words.state(socket.state).or_else(|| record.tcp_state.take());
    if let Some(outcome) = socket.outcome {
        record.tcp_result = Some(words.outcome(outcome, outward));
    }
}

/// What stands in one record only.
fn count(socket: &mut Socket, outward: bool, record: &mut FlowRecord) {
    let add = |field: &mut Option<u64>, count: &mut u64| {
        let count = std::mem::take(count);
        if count > 0 {
            *field = Some(field.unwrap_or(0) + count);
        }
    };
    if outward {
        add(&mut record.tcp_retransmits, &mut socket.untold.retransmits);
    } else {
        add(&mut record.tcp_out_of_order, &mut socket.untold.out_of_order);
        add(&mut record.tcp_zero_windows, &mut socket.untold.zero_windows);
    }
}

/// What found no record of its interval becomes one: ends of connections and counts, not round trip times.
pub(super) fn rest(table: &mut Table, scope: &Scope, words: &Words, emit: &mut dyn FnMut(FlowRecord)) {
    for id in table.noted() {
        for outward in [true, false] {
            if let Some(record) = remainder(table, id, outward, scope, words) {
                emit(record);
            }
        }
    }
}

fn remainder(table: &mut Table, id: Id, outward: bool, scope: &Scope, words: &Words) -> Option<FlowRecord> {
    let socket = table.get_mut(id)?;
    let untold = &socket.untold;
    // The end of a connection is told from its client to its server.
    let of_this = untold.end && outward != (socket.role == Some(Role::Server));
    let counted = if outward { untold.retransmits > 0 } else { untold.out_of_order + untold.zero_windows > 0 };
    if !(of_this || counted) || socket.tuple.selector[0] == 0 {
        return None;
    }
    let tuple = if outward { socket.tuple } else { reversed(&socket.tuple) };
    let failed = matches!(socket.outcome, Some(Outcome::Refused | Outcome::TimedOut | Outcome::Unreachable) | None);
    let is_wanted = socket.is_known || (failed && scope.takes(socket.netns, &tuple));
    if !is_wanted {
        return None;
    }
    let mut record = blank(&tuple, scope.name(socket.netns), outward, scope.now_ms())?;
    socket.is_told = true;
    socket.untold.end &= !of_this;
    describe(socket, outward, &mut record, words);
    count(socket, outward, &mut record);
    Some(record)
}

/// A record of which only the flow is known.
fn blank(tuple: &Tuple, net_ns: Option<Arc<str>>, outward: bool, now_ms: u64) -> Option<FlowRecord> {
    let (src, dst) = tuple.addresses()?;
    Some(FlowRecord {
        time_flow_start_ms: Some(now_ms),
        time_flow_end_ms: Some(now_ms),
        net_ns,
        flow_direction: Some(u8::from(outward)),
        etype: Some(if src.is_ipv4() { 0x0800 } else { 0x86dd }),
        src_addr: Some(src),
        dst_addr: Some(dst),
        src_port: Some(tuple.selector[0]),
        dst_port: Some(tuple.selector[1]),
        proto: Some(TCP),
        ..FlowRecord::default()
    })
}
