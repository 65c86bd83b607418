//! What became of a connection, from what the kernel leaves in a socket at its end.

use agent_common::tcp::{TCP_RESET_SENT, TcpSocket};

/// States of include/net/tcp_states.h that are looked at here.
pub(super) const SYN_SENT: u8 = 2;
pub(super) const SYN_RECV: u8 = 3;
pub(super) const FIN_WAIT1: u8 = 4;
pub(super) const FIN_WAIT2: u8 = 5;
pub(super) const TIME_WAIT: u8 = 6;
pub(super) const CLOSE: u8 = 7;
pub(super) const CLOSING: u8 = 11;

/// All states by number, as `ss` and the kernel call them; 0 is none.
pub(super) const STATES: [&str; 13] = [
    "",
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
    "NEW_SYN_RECV",
];

/// How far a connection came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Established,
    /// The other end answered the SYN with a reset.
    Refused,
    /// No answer, until the kernel or the application gave up.
    TimedOut,
    /// A router or this machine said that there is no way.
    Unreachable,
    /// This end sent a reset.
    ResetHere,
    /// The other end sent a reset.
    ResetThere,
    Closed,
}

impl Outcome {
    /// All words, at the index that [`Self::word`] tells.
    pub(super) const WORDS: [&str; 7] =
        ["established", "refused", "timed out", "unreachable", "reset by source", "reset by destination", "closed"];

    /// Which of [`Self::WORDS`] it is for a record whose source is the socket's own end (`outward`), or the other.
    pub(super) const fn word(self, outward: bool) -> usize {
        match (self, outward) {
            (Self::Established, _) => 0,
            (Self::Refused, _) => 1,
            (Self::TimedOut, _) => 2,
            (Self::Unreachable, _) => 3,
            (Self::ResetHere, true) | (Self::ResetThere, false) => 4,
            (Self::ResetHere, false) | (Self::ResetThere, true) => 5,
            (Self::Closed, _) => 6,
        }
    }

    /// At the end; `None` for a connection that never came to be on the accepting side.
    pub(super) const fn at_end(socket: &TcpSocket) -> Option<Self> {
        Some(match (socket.error as i32, socket.came_from) {
            (libc::ECONNREFUSED, _) => Self::Refused,
            // Without an error it was closed by the application, which waited for no answer any more.
            (libc::ETIMEDOUT, _) | (0, SYN_SENT) => Self::TimedOut,
            (libc::ECONNRESET | libc::EPIPE, _) => Self::ResetThere,
            (libc::ECONNABORTED, _) => Self::ResetHere,
            // In the beginning whatever else an ICMP message or a missing route is turned into.
            (libc::EHOSTUNREACH | libc::ENETUNREACH | libc::EHOSTDOWN | libc::ENETDOWN, _) | (_, SYN_SENT) => {
                Self::Unreachable
            }
            (_, SYN_RECV) => return None,
            _ if socket.flags & TCP_RESET_SENT != 0 => Self::ResetHere,
            _ => Self::Closed,
        })
    }
}

/// The state in which a socket left its connection: one that has said all waits on without a socket.
pub(super) const fn last_state(socket: &TcpSocket) -> u8 {
    let waits = matches!(socket.came_from, FIN_WAIT1 | FIN_WAIT2 | CLOSING);
    if waits && socket.error == 0 && socket.flags & TCP_RESET_SENT == 0 { TIME_WAIT } else { CLOSE }
}
