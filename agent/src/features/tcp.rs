//! TCP as this machine's own sockets see it: round trip times, time of the handshake, segments sent again or out of order, closed
//! windows, states, and how connections end.
//!
//! Owns what is known of sockets. A socket belongs to both directions of its connection: where both ends are sockets of this
//! machine, a record is told by the socket of its source first. Must not know how packets are counted.

mod join;
mod maps;
mod outcome;
mod scope;
mod socket;
mod table;

use agent_common::tcp::{TCP_CLOSED, TCP_EVENT_CLOSED, TCP_EVENT_RESET, TCP_EVENT_SYN_ACK, TcpEvent};
use flow::{Counters, FlowRecord};

use self::{join::Words, maps::Maps, scope::Scope, socket::Id, table::Table};
use super::{About, Begun, Feature, Start};
use crate::{time::monotonic, trace::Wanted};

/// Programs with their tracepoints, all of which there are since Linux 4.16.
const PROGRAMS: &[(&str, &str)] = &[
    ("tcp_segment", "tcp_probe"),
    ("tcp_again", "tcp_retransmit_skb"),
    ("tcp_syn_ack", "tcp_retransmit_synack"),
    ("tcp_state", "inet_sock_set_state"),
    ("tcp_reset", "tcp_send_reset"),
];
/// How many of them, from the first, only take over counts that the kernel keeps.
const CUMULATIVE: usize = 2;
/// Sockets that are followed at a time; [`flow::CaptureConfig::agent_memory`] counts on this.
const SOCKETS: u32 = 65_536;
/// Closed ones that are remembered.
const CLOSED: usize = 16_384;
/// Room for 7,000 connections that end between two looks, 50 ms apart.
const RING: u32 = 1 << 20;

/// State of the feature.
struct Tcp {
    maps: Maps,
    table: Table,
    scope: Scope,
    words: Words,
    /// The interval's round trip times were read.
    is_read: bool,
    unreadable: u64,
}

/// Begins to watch sockets.
pub(super) fn begin(start: &mut Start<'_>) -> Begun {
    let sizes = [("TCP_SOCKETS", SOCKETS), ("TCP_EVENTS", RING)];
    let wanted = Wanted { programs: PROGRAMS, sizes: &sizes, ..Wanted::default() };
    let traced = start.tracer.begin(&wanted);
    let cannot = "round trip times, retransmissions and results of TCP connections cannot be seen";
    let mut traced = traced.map_err(|reason| format!("{cannot}: {reason}"))?;
    let interval_ns = start.config.cache_active_timeout.as_nanos() as u64;
    Ok(Box::new(Tcp {
        maps: Maps::new(&mut traced, CUMULATIVE)?,
        table: Table::new(interval_ns, CLOSED),
        scope: Scope::new(start),
        words: Words::new(),
        is_read: false,
        unreadable: 0,
    }))
}

impl Tcp {
    /// Before the first record of an interval: closes it in the kernel and reads what its sockets were.
    fn read(&mut self) {
        if std::mem::replace(&mut self.is_read, true) {
            return;
        }
        let Self { maps, table, unreadable, .. } = self;
        let ended = table.begin_read();
        let mut closed = Vec::new();
        let result = maps.read(ended, |sock, value| {
            table.update(Id { sock, born_ns: value.born_ns }, value);
            if value.flags & TCP_CLOSED != 0 {
                closed.push((sock, *value));
            }
        });
        *unreadable += u64::from(result.is_err());
        for (sock, value) in closed {
            table.close(Id { sock, born_ns: value.born_ns }, &value, monotonic());
            maps.forget(sock);
        }
    }
}

fn apply(table: &mut Table, event: &TcpEvent) {
    let id = Id { sock: event.sock, born_ns: event.socket.born_ns };
    match event.kind {
        TCP_EVENT_CLOSED => table.close(id, &event.socket, event.time_ns),
        TCP_EVENT_RESET => table.reset(event.sock),
        TCP_EVENT_SYN_ACK => table.syn_ack(id, &event.socket, event.time_ns),
        _ => {}
    }
}

impl Feature for Tcp {
    fn collect(&mut self) {
        let Self { maps, table, unreadable, .. } = self;
        *unreadable += maps.events(|event| apply(table, event));
    }

    fn annotate(&mut self, about: &About<'_>, record: &mut FlowRecord) {
        if record.proto == Some(join::TCP) {
            self.read();
            join::annotate(&mut self.table, about.tuple, about.netns, record, &self.words);
        }
    }

    fn rest(&mut self, emit: &mut dyn FnMut(FlowRecord)) {
        self.read();
        self.is_read = false;
        self.scope.refresh();
        join::rest(&mut self.table, &self.scope, &self.words, emit);
        self.table.end_interval(monotonic());
    }

    fn count(&self, counters: &mut Counters) {
        counters.lost_tcp += self.maps.lost();
        counters.lost_unreadable += self.unreadable;
    }
}

#[cfg(test)]
mod tests;
