//! States of TCP by name.

use std::sync::{Arc, LazyLock};

/// include/net/tcp_states.h, from 1 on. Numbers are never given anew there: eBPF programs rely on them.
const STATES: [&str; 13] = [
    "TCP_ESTABLISHED",
    "TCP_SYN_SENT",
    "TCP_SYN_RECV",
    "TCP_FIN_WAIT1",
    "TCP_FIN_WAIT2",
    "TCP_TIME_WAIT",
    "TCP_CLOSE",
    "TCP_CLOSE_WAIT",
    "TCP_LAST_ACK",
    "TCP_LISTEN",
    "TCP_CLOSING",
    "TCP_NEW_SYN_RECV",
    "TCP_BOUND_INACTIVE",
];

static NAMES: LazyLock<[Arc<str>; STATES.len()]> = LazyLock::new(|| STATES.map(Arc::from));

/// The name of a state; none where there is no socket.
pub(super) fn name(state: u8) -> Option<Arc<str>> {
    NAMES.get(usize::from(state).checked_sub(1)?).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_kernel() {
        assert_eq!(name(1).as_deref(), Some("TCP_ESTABLISHED"));
        assert_eq!(name(10).as_deref(), Some("TCP_LISTEN"));
        assert_eq!((name(0), name(14)), (None, None));
    }
}
