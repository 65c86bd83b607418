//! One socket: what of it was told in records, and what is still to be told.

use agent_common::tcp::{TCP_CLIENT, TCP_SERVER, TcpRtt, TcpSocket};

use super::outcome::{Outcome, SYN_SENT};
use crate::account::tuple::Tuple;

/// A socket for as long as it is one connection's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Id {
    /// Address in the kernel; used again by others.
    pub(super) sock: u64,
    /// When the programs came to know it.
    pub(super) born_ns: u64,
}

/// Of a socket in its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It connected.
    Client,
    /// It accepted.
    Server,
}

/// What is not in any record yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Untold {
    pub(super) retransmits: u64,
    pub(super) out_of_order: u64,
    pub(super) zero_windows: u64,
    pub(super) handshake_ns: Option<u64>,
    pub(super) rtt: Option<TcpRtt>,
    /// How it ended.
    pub(super) end: bool,
}

/// Cumulative counts, as they were last read.
#[derive(Clone, Copy, Debug)]
struct Counts {
    retransmits: u32,
    out_of_order: u32,
    zero_windows: u32,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Socket {
    /// From this end to the other; the port of this end may be 0 still.
    pub(super) tuple: Tuple,
    pub(super) netns: u32,
    pub(super) state: u8,
    pub(super) outcome: Option<Outcome>,
    /// Who opened the connection, if that was seen.
    pub(super) role: Option<Role>,
    counts: Counts,
    pub(super) untold: Untold,
    /// Whether it was found in a record of the flow that leaves it (0), that comes to it (1), in its own namespace: records of
    /// other namespaces get none of its counts then.
    pub(super) at_home: [bool; 2],
    /// Whether it was found in any record: its flow passes the filter.
    pub(super) is_known: bool,
    /// It was found in a record of this interval.
    pub(super) is_told: bool,
    /// Something changed in this interval.
    pub(super) is_noted: bool,
    /// When it closed, or for requests when the last was heard of it.
    pub(super) closed_ns: Option<u64>,
    /// Number of the reading that last found it.
    pub(super) reading: u32,
}

/// A five-tuple from this end to the other.
pub(super) fn tuple(value: &TcpSocket) -> Tuple {
    Tuple {
        src: value.local,
        dst: value.remote,
        selector: [value.local_port, value.remote_port],
        proto: super::join::TCP,
        family: value.family,
    }
}

impl Socket {
    pub(super) fn new(value: &TcpSocket) -> Self {
        Self {
            tuple: tuple(value),
            netns: value.netns,
            state: value.state,
            outcome: None,
            role: None,
            counts: Counts {
                retransmits: value.retransmits_before,
                out_of_order: value.out_of_order_before,
                zero_windows: 0,
            },
            untold: Untold::default(),
            at_home: [false; 2],
            is_known: false,
            is_told: false,
            is_noted: false,
            closed_ns: None,
            reading: 0,
        }
    }

    /// Takes over what was read; `interval` is the number of the one that is being told.
    pub(super) fn update(&mut self, value: &TcpSocket, interval: u32) {
        let Counts { retransmits, out_of_order, zero_windows } = self.counts;
        self.untold.retransmits += u64::from(value.retransmits.wrapping_sub(retransmits));
        self.untold.out_of_order += u64::from(value.out_of_order.wrapping_sub(out_of_order));
        self.untold.zero_windows += u64::from(value.zero_windows.wrapping_sub(zero_windows));
        self.counts = Counts {
            retransmits: value.retransmits,
            out_of_order: value.out_of_order,
            zero_windows: value.zero_windows,
        };
        if value.handshake_ns != 0 && self.outcome.is_none() {
            self.untold.handshake_ns = Some(value.handshake_ns);
        }
        if let Some(rtt) = value.rtt.iter().find(|rtt| rtt.interval == interval) {
            self.untold.rtt = Some(*rtt);
        }
        if value.flags & (TCP_CLIENT | TCP_SERVER) != 0 {
            self.role = Some(if value.flags & TCP_SERVER == 0 { Role::Client } else { Role::Server });
        }
        self.state = value.state;
        if self.outcome.is_none() && value.state != SYN_SENT {
            self.outcome = Some(Outcome::Established);
        }
    }

    /// Whether there is anything to tell.
    pub(super) fn has_news(&self) -> bool {
        self.untold != Untold::default()
    }

    /// The interval is over: what stands for it only is forgotten, counts and ends wait for a record.
    pub(super) fn end_interval(&mut self) {
        self.untold.rtt = None;
        if self.is_told {
            self.untold.handshake_ns = None;
        }
        (self.is_told, self.is_noted) = (false, false);
    }
}
